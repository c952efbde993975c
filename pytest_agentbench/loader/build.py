"""A document that fits the schema to a scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from pytest_agentbench.errors import Location
from pytest_agentbench.expand.templates import is_template
from pytest_agentbench.loader.data import Rows, read_rows
from pytest_agentbench.loader.document import Document, Path_, dotted
from pytest_agentbench.loader.gates import read_gates
from pytest_agentbench.loader.prompt import read_then, read_variants
from pytest_agentbench.loader.schemas import read_schema
from pytest_agentbench.loader.suggest import did_you_mean
from pytest_agentbench.loader.tools import read_tools
from pytest_agentbench.scenario import (
    AgentLimits,
    CheckSpec,
    EquivalentMutant,
    Json,
    JsonAnswer,
    ModelRule,
    Sampling,
    SandboxSpec,
    Scenario,
    Tool,
)

CheckParameters: TypeAlias = Callable[[str], Json]
"""Name of a check to the JSON Schema of its parameters; None: there is no such check."""

_RESERVED = frozenset({
    "agentbench", "and", "false", "filterwarnings", "hookwrapper", "none", "not", "optionalhook", "or",
    "parametrize", "skip", "skipif", "true", "tryfirst", "trylast", "usefixtures", "xdist_group", "xfail",
})  # fmt: skip
"""Markers that mean something to pytest or xdist, and words of ``-m`` expressions."""
_PLACES: tuple[Path_, ...] = (
    ("answer",),
    ("answer", "json"),
    ("answer", "json", "schema"),
    ("answer", "json", "accept"),
    ("answer", "json", "expect"),
    ("reference",),
    ("gates",),
)
"""What a message about a reference or one of its mutants points at."""


def build(
    document: Document,
    *,
    defaults: Mapping[str, Json],
    check_parameters: CheckParameters | None,
    check_names: Iterable[str],
) -> tuple[Scenario | None, Rows | None]:
    """The scenario of ``document`` without its digest, and its rows.

    The scenario is None where the prompt or the data are bad. ``check_names`` serve the message for
    an unknown check.
    """
    identity = document.get("id", default="?")
    _check_tags(document)
    variants = read_variants(document)
    of_data = defaults.get("data", {})
    rows = read_rows(document, scenario_id=identity, defaults=of_data)
    tools = read_tools(document)
    answer = _answer_json(document)
    checks = _checks(document, check_parameters, check_names)
    gates = read_gates(document, defaults)
    sampling = {**defaults.get("sampling", {}), **document.get("sampling", default={})}
    models = {**defaults.get("models", {}), **document.get("models", default={})}
    _check_files(document)
    _check_tool_names(document, tools)
    agent = AgentLimits(**{**defaults.get("agent", {}), **document.get("agent", default={})})
    then = read_then(document)
    if len(then) >= agent.max_turns:
        where = ("agent", "max_turns") if document.has("agent", "max_turns") else ("prompt", "then")
        document.problem(
            where,
            f"the prompt and {len(then)} follow-up{'s' * (len(then) > 1)} (prompt.then) are {len(then) + 1} "
            f"turns, agent.max_turns is {agent.max_turns}: set it to {len(then) + 1} or more",
        )
    if not variants or rows is None:
        return None, rows
    scenario = Scenario(
        id=identity,
        location=document.at(("id",)) if document.has("id") else document.at(()),
        title=document.get("title", default=""),
        about=document.get("about", default="").strip(),
        tags=tuple(dict.fromkeys(document.get("tags", default=()))),
        rows=rows[0],
        row_keys=rows[1],
        variants=variants,
        then=then,
        sampling=_sampling(sampling),
        models=tuple(
            ModelRule(pattern=pattern, skip=rule.get("skip"), sampling=rule.get("sampling", {}))
            for pattern, rule in models.items()
        ),
        answer_json=answer,
        checks=checks,
        tools=tools,
        agent=agent,
        sandbox=SandboxSpec(**{**defaults.get("sandbox", {}), **document.get("sandbox", default={})}),
        gates=gates,
        repeats=document.get("repeats", default=defaults.get("repeats", 50)),
        reference=document.get("reference"),
        equivalent_mutants=_equivalent_mutants(document),
        places=_places(document),
        seed=document.get("data", "seed", default=of_data.get("seed", 0)),
    )
    return scenario, rows


def _equivalent_mutants(document: Document) -> tuple[EquivalentMutant, ...]:
    if document.present("equivalent_mutants") and not document.present("reference"):
        document.problem(
            ("equivalent_mutants",), "mutants are changes of a reference: add reference", key=True
        )
    return tuple(
        EquivalentMutant(
            mutant=value["mutant"], why=value["why"].strip(), location=document.at((*path, "mutant"))
        )
        for path, value in document.items("equivalent_mutants")
    )


def _places(document: Document) -> dict[str, Location]:
    return {dotted(path): document.at(path, key=True) for path in _PLACES if document.present(*path)}


def _sampling(values: Mapping[str, Json]) -> Sampling:
    given = {key: value for key, value in values.items() if value is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = (given["stop"],)
    elif "stop" in given:
        given["stop"] = tuple(given["stop"])
    return Sampling(**given, set_keys=frozenset(values))


def _answer_json(document: Document) -> JsonAnswer | None:
    if not document.has("answer", "json"):
        return None
    value = document.get("answer", "json")
    has_schema = "schema" in value
    schema = read_schema(document, ("answer", "json", "schema")) if has_schema else None
    request = value.get("request", "none")
    if request == "json_schema" and not has_schema:
        document.problem(
            ("answer", "json", "request"), "answer.json.request json_schema needs answer.json.schema"
        )
    return JsonAnswer(
        schema=schema,
        request=request,
        accept=value.get("accept", "strict"),
        expect=value.get("expect"),
        has_expect="expect" in value,
    )


def _checks(
    document: Document, check_parameters: CheckParameters | None, check_names: Iterable[str]
) -> tuple[CheckSpec, ...]:
    checks = [
        CheckSpec(
            name=name, params=document.get("answer", name), location=document.at(("answer", name), key=True)
        )
        for name in ("text", "tool_calls", "code")
        if document.has("answer", name)
    ]
    for path, value in document.items("checks"):
        name = next(iter(value))
        if check_parameters is not None and check_parameters(name) is None:
            hint = _owner(name, check_parameters, check_names) or did_you_mean(
                name, check_names, otherwise_list=True
            )
            document.problem((*path, name), f"unknown check '{name}'{hint}", key=True)
            continue
        checks.append(CheckSpec(name=name, params=value[name], location=document.at((*path, name), key=True)))
    return tuple(checks)


def _owner(name: str, parameters: CheckParameters, checks: Iterable[str]) -> str:
    """Says so where ``name`` is no check but a condition of one."""
    for check in checks:
        if name in parameters(check).get("properties", {}):
            return f", it is a condition of the check '{check}': write {check}: {{{name}: ...}}"
    return ""


def _check_tags(document: Document) -> None:
    for path, tag in document.items("tags"):
        if tag.lower() in _RESERVED:
            document.problem(path, f"tag '{tag}' means something else to pytest: take another name")


def _check_files(document: Document) -> None:
    for path, _ in document.items("sandbox", "files"):
        parts = str(path[-1]).replace("\\", "/").split("/")
        if "" in parts or ".." in parts or "." in parts:
            document.problem(path, f"'{path[-1]}' must be a relative name inside the sandbox", key=True)


def _check_tool_names(document: Document, tools: tuple[Tool, ...]) -> None:
    """A name that no tool has can never be called."""
    if not document.ok("tools"):
        return
    if document.has("answer", "tool_calls") and not tools:
        document.problem(("answer", "tool_calls"), "answer.tool_calls needs tools: add tools", key=True)
        return
    names = [tool.name for tool in tools]
    places: list[Path_] = [("sampling", "tool_choice", "name")]
    places += [(*path, "name") for path, _ in document.items("answer", "tool_calls", "expect")]
    for turn, _ in document.items("reference"):
        places += [(*path, "name") for path, _ in document.items(*turn, "assistant", "tool_calls")]
    for place in places:
        name = document.get(*place)
        if isinstance(name, str) and name not in names and not is_template(name):
            document.problem(
                place, f"there is no tool '{name}'{did_you_mean(name, names, otherwise_list=True)}"
            )
