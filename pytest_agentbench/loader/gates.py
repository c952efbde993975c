"""The gates of a document, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pytest_agentbench.errors import Location
from pytest_agentbench.loader.document import Document
from pytest_agentbench.scenario import GateSpec, Json

_THRESHOLD: Final[dict[str, tuple[str, Literal["max", "min"]]]] = {
    "max": ("max", "max"),
    "min": ("min", "min"),
    "max_spread": ("max_spread", "max"),
}
_ABOUT_JSON = frozenset({"parse_failure_rate", "schema_failure_rate", "contract_failure_rate"})
DEFAULT_PASS_RATE = 0.90


def read_gates(document: Document, defaults: Mapping[str, Json]) -> tuple[GateSpec, ...]:
    """The gates in the order of the file; without any, those of the settings, else pass_rate."""
    if document.present("gates"):
        gates = tuple(
            _gate(str(path[-1]), value, document.at(path, key=True), is_default=False)
            for path, value in document.items("gates")
            if document.ok(*path)
        )
        for gate in gates:
            reason = _missing(document, gate.metric)
            if reason is not None:
                document.problem(("gates", gate.metric), f"gate {gate.metric} {reason}", key=True)
        if not gates and document.ok("gates") and not document.problems:
            document.problem(
                ("gates",), "gates is empty: remove it (then pass_rate must be at least 0.9), or name one"
            )
        return gates
    place = document.at(())
    if "gates" in defaults:
        named = [
            _gate(name, value, place, is_default=True)
            for name, value in defaults["gates"].items()
            if _missing(document, name) is None
        ]
        if named:
            return tuple(named)
    return (_gate("pass_rate", {"min": DEFAULT_PASS_RATE}, place, is_default=True),)


def _gate(metric: str, value: Mapping[str, Json], location: Location, *, is_default: bool) -> GateSpec:
    key, direction = next(found for name, found in _THRESHOLD.items() if name in value)
    return GateSpec(
        metric=metric,
        direction=direction,
        threshold=value[key],
        decide=value.get("decide", "sequential"),
        max_repeats=value.get("max_repeats"),
        inconclusive=value.get("inconclusive", "pass" if metric == "prompt_sensitivity" else "hold"),
        location=location,
        is_default=is_default,
    )


def _missing(document: Document, metric: str) -> str | None:
    """What the scenario lacks for the gate; None when it has it."""
    if metric in _ABOUT_JSON and not document.present("answer", "json"):
        return "needs an answer that is JSON: add answer.json"
    if metric == "schema_failure_rate" and not document.present("answer", "json", "schema"):
        return "needs a schema: add answer.json.schema"
    if metric == "tool_argument_failure_rate" and not document.present("tools"):
        return "needs tools: add tools"
    if metric == "prompt_sensitivity" and not document.present("variants"):
        return "needs other wordings of the prompt: add variants"
    return None
