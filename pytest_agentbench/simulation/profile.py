"""Profiles: what goes wrong with a simulated model, and how often.

A profile is a YAML file by ``schemas/profile.schema.json``; mistakes are reported as
``file:line:col``. The shipped ones are in ``profiles/``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pytest_agentbench.errors import Location, Problem, ScenarioError, UsageError
from pytest_agentbench.scenario import Json

FOLDER = Path(__file__).with_name("profiles")
DEFAULT = "perfect"

Family: TypeAlias = Literal["syntax", "schema", "loops", "calls"]
FAMILIES: tuple[Family, ...] = ("syntax", "schema", "loops", "calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which a sample goes wrong, with its probability ``rate``.

    ``tag`` is the reports' own; ``depth`` (schema only) is the length of the path to it, None: any.
    """

    family: Family
    tag: str
    rate: float
    depth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A log-normal distribution by its median and 95th percentile; equal: a constant."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast it answers prompts of at least ``from_tokens`` tokens; None: at once."""

    from_tokens: int = 0
    first_token_s: Spread | None = None
    tokens_per_s: Spread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One simulated model.

    Attributes:
        faults: At most one of them befalls a sample; their rates sum to at most 1.
        success: Probability of a right answer where no fault befell the sample.
        success_by_class, success_by_variant: The same for some wordings; the id wins.
        paces: By ``from_tokens``, rising; the last that fits counts.
        transport: Kind of fault -> its probability, for each request anew; sum at most 1.
        reasoning: Every reply has reasoning_content.
        wants_reasoning_back: Refuse a conversation with tools from which it was dropped.
    """

    faults: tuple[Fault, ...] = ()
    success: float = 1.0
    success_by_class: Mapping[str, float] = field(default_factory=dict)
    success_by_variant: Mapping[str, float] = field(default_factory=dict)
    paces: tuple[Pace, ...] = ()
    transport: Mapping[str, float] = field(default_factory=dict)
    retry_after_s: float = 0.05
    reasoning: bool = False
    wants_reasoning_back: bool = False

    def success_of(self, variant: str, variant_class: str) -> float:
        """The probability of a right answer to this wording."""
        by_class = self.success_by_class.get(variant_class, self.success)
        return self.success_by_variant.get(variant, by_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named behaviour, and those of the ``models`` that it tells apart."""

    name: str
    about: str = ""
    seed: int = 0
    behaviour: Behaviour = Behaviour()
    models: Mapping[str, Behaviour] = field(default_factory=dict)


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_profile(name: str) -> Profile:
    """The shipped profile ``name``, or the one in the file of that name (ending in .yaml or .yml).

    Raises:
        UsageError: there is none.
        ScenarioError: its file has mistakes; all of them, with their places.
    """
    if name in shipped():
        path = FOLDER / f"{name}.yaml"
    elif name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
    else:
        raise UsageError(
            f"there is no profile {name!r}; shipped: {', '.join(shipped())}; or a file ending in .yaml"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the profile {name} cannot be read: {why}") from None
    return read_profile(text, name=path.stem, file=str(path))


def read_profile(text: str, *, name: str, file: str) -> Profile:
    """A profile from its text.

    Raises:
        ScenarioError: with every mistake and its place.
    """
    from pytest_agentbench.loader.document import Document
    from pytest_agentbench.loader.explain import explain
    from pytest_agentbench.loader.structure import note
    from pytest_agentbench.loader.yaml_core import parse

    nodes, problems = parse(text, file)
    if len(nodes) != 1 and not problems:
        start = Location(file=file, line=1, col=1)
        problems = [Problem(location=start, message=f"one profile a file, this one has {len(nodes)}")]
    if problems:
        raise ScenarioError(tuple(problems))
    document = Document(nodes[0], file=file, root=Path(), folder=Path())
    if not isinstance(document.node.value, Mapping):
        document.problem((), "a profile is a mapping of keys (profile, syntax, success, ...)")
    else:
        for finding in explain(_validator().iter_errors(document.node.value)):
            note(document, finding)
    if not document.problems:
        for path in ((), *((("models", model)) for model in document.get("models", default={}))):
            _check_sums(document, path)
    if document.problems:
        raise ScenarioError(tuple(sorted(document.problems, key=lambda problem: problem.location)))
    whole = document.node.value
    own = {key: value for key, value in whole.items() if key != "models"}
    return Profile(
        name=name,
        about=whole.get("about", "").strip(),
        seed=whole.get("seed", 0),
        behaviour=_behaviour(own),
        models={model: _behaviour({**own, **keys}) for model, keys in whole.get("models", {}).items()},
    )


@functools.cache
def _validator() -> Json:
    from jsonschema import Draft202012Validator

    from pytest_agentbench.resources import bundled

    schema = json.loads((bundled("schemas") / "profile.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _check_sums(document: Json, path: tuple[str, ...]) -> None:
    """Faults exclude one another: more than 1 in all cannot be had."""
    own = document.node.value
    keys = {**own, **document.get(*path)} if path else own
    total = sum(fault.rate for fault in _faults(keys))
    if total > 1 + 1e-9:
        document.problem(path, f"a sample has at most one fault, and their rates sum to {total:g}: at most 1")
    sent = sum(keys.get("transport", {}).values())
    if sent > 1 + 1e-9:
        where = (*path, "transport") if document.has(*path, "transport") else path
        document.problem(where, f"a request has at most one fault, and their rates sum to {sent:g}")
    for place in [(*path, "latency"), *(at for at, _ in document.items(*path, "latency", "by_context"))]:
        for key in ("first_token_s", "tokens_per_s"):
            value = document.get(*place, key)
            if isinstance(value, Mapping) and value["p95"] < value["median"]:
                document.problem((*place, key, "p95"), f"p95 {value['p95']:g} is below the median")


def _behaviour(keys: Mapping[str, Json]) -> Behaviour:
    success = keys.get("success", 1.0)
    success = success if isinstance(success, Mapping) else {"rate": success}
    latency = keys.get("latency", {})
    paces = [_pace(latency), *(_pace(entry) for entry in latency.get("by_context", ()))]
    return Behaviour(
        faults=tuple(_faults(keys)),
        success=success.get("rate", 1.0),
        success_by_class=dict(success.get("classes", {})),
        success_by_variant=dict(success.get("variants", {})),
        paces=tuple(sorted(paces, key=lambda pace: pace.from_tokens)) if latency else (),
        transport={kind: rate for kind, rate in keys.get("transport", {}).items() if rate},
        retry_after_s=keys.get("retry_after_s", 0.05),
        reasoning=keys.get("reasoning", "never") == "always",
        wants_reasoning_back="reasoning_content" in keys.get("strict", ()),
    )


def _faults(keys: Mapping[str, Json]) -> Iterator[Fault]:
    for family in FAMILIES:
        for tag, value in keys.get(family, {}).items():
            entry = value if isinstance(value, Mapping) else {"rate": value}
            if entry["rate"] > 0:
                yield Fault(family=family, tag=tag, rate=entry["rate"], depth=entry.get("depth"))


def _pace(entry: Mapping[str, Json]) -> Pace:
    return Pace(
        from_tokens=entry.get("from_tokens", 0),
        first_token_s=_spread(entry.get("first_token_s")),
        tokens_per_s=_spread(entry.get("tokens_per_s")),
    )


def _spread(value: Json) -> Spread | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return Spread(median=value["median"], p95=value["p95"])
    return Spread(median=value, p95=value)
