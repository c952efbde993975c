"""A mutant: the reference with one change, and what could have noticed it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_agentbench.errors import Location
from pytest_agentbench.mutation.script import Script
from pytest_agentbench.scenario import Json, Scenario

JsonPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of a reference.

    Attributes:
        id: Stable and readable, e.g. ``answer.drop:/buyer/name``; scenarios explain mutants by it.
        what: The change, as a sentence without its end.
        script: What is played.
        place: The part of the scenario that could notice it.
        advice: What to write there.
    """

    id: str
    what: str
    script: Script
    place: Location
    advice: str


def place_of(scenario: Scenario, *names: str) -> Location:
    """Where the first of ``names`` stands that the scenario has: a check, or a key of ``places``.

    The scenario itself where it has none.
    """
    checks = {check.name: check.location for check in reversed(scenario.checks)}
    known = {**checks, **scenario.places}
    return next((known[name] for name in names if name in known), scenario.location)


def pointer(path: JsonPath) -> str:
    """``("buyer", "name")`` as ``/buyer/name``."""
    return "/" + "/".join(str(step) for step in path)


def shown(value: Json, limit: int = 40) -> str:
    """``value`` on one line, cut where it is long."""
    from pytest_agentbench.mutation.script import text_of

    text = text_of(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
