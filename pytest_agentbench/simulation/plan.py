"""What a simulated model says in one sample: its turns, with at most one fault among them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_agentbench.scenario import Json, Rendering, Scenario, Tool
from pytest_agentbench.simulation.call_loops import call_loop
from pytest_agentbench.simulation.draft import Draft
from pytest_agentbench.simulation.profile import Behaviour, Fault

WRONG = "wrong"
"""What befalls a sample that is not right although it has no fault."""

_TEXT_LOOPS = frozenset({"exact", "near", "counter"})
_ANY_ANSWER = frozenset({"empty", "refusal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The turns of a sample in order; beyond the last one it is said again.

    ``befell`` names what was put in: ``syntax:fence``, ..., ``wrong``, or ``""``.
    """

    turns: tuple[Draft, ...]
    befell: str = ""

    def at(self, turn: int) -> Draft:
        """What is said at this turn (from 0)."""
        return self.turns[min(turn, len(self.turns) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a sample asks for, as far as the simulation must know."""

    turns: tuple[Draft, ...]
    scenario: Scenario | None
    rendering: Rendering | None
    tools: Sequence[Tool]
    schema: Json
    """Of a JSON answer; None where prose is asked for."""

    @property
    def checks(self) -> frozenset[str]:
        """The names of the scenario's checks."""
        return frozenset(check.name for check in self.rendering.checks) if self.rendering else frozenset()

    @property
    def expect(self) -> Json:
        """What the JSON answer is compared with."""
        answer = self.rendering.answer_json if self.rendering else None
        return answer.expect if answer is not None and answer.has_expect else None

    @property
    def final(self) -> Draft:
        """The answer."""
        return self.turns[-1]


def plan(task: Task, behaviour: Behaviour, rng: random.Random) -> Plan:
    """The plan of one sample; ``rng`` is its own.

    One draw chooses the fault, so that rates are exact and no two faults meet in a sample. A fault for
    which this task has no place (a tool fault without tools) does not befall it.
    """
    chance, luck = rng.random(), rng.random()
    fault = _pick(behaviour.faults, chance)
    if fault is not None:
        turns = _where_possible(lambda: _spoiled(task, fault, rng))
        if turns is not None:
            return Plan(turns=turns, befell=f"{fault.family}:{fault.tag}")
    variant = task.rendering.variant if task.rendering else "base"
    variant_class = task.rendering.variant_class if task.rendering else "base"
    if luck >= behaviour.success_of(variant, variant_class):
        turns = _where_possible(lambda: _wrong(task, rng))
        if turns is not None:
            return Plan(turns=turns, befell=WRONG)
    return Plan(turns=task.turns)


def _where_possible(made: Callable[[], tuple[Draft, ...] | None]) -> tuple[Draft, ...] | None:
    """None also where a schema is such that no value of it can be made."""
    from pytest_agentbench.simulation.conforming import NotPossibleError

    try:
        return made()
    except NotPossibleError:
        return None


def _pick(faults: Sequence[Fault], chance: float) -> Fault | None:
    for fault in faults:
        chance -= fault.rate
        if chance < 0:
            return fault
    return None


def _spoiled(task: Task, fault: Fault, rng: random.Random) -> tuple[Draft, ...] | None:
    match fault.family:
        case "syntax":
            return _broken_syntax(task, fault.tag, rng)
        case "schema":
            return _broken_schema(task, fault, rng)
        case "loops":
            if fault.tag in _TEXT_LOOPS:
                return _text_loop(task, fault.tag, rng)
            return call_loop(fault.tag, task.turns, task.tools, task.scenario, rng)
        case "calls":
            return _broken_call(task, fault.tag, rng)


def _value(task: Task) -> tuple[Json] | None:
    """The JSON value of the answer, in a tuple since None is one."""
    if task.schema is None or task.final.content is None:
        return None
    try:
        return (json.loads(task.final.content),)
    except ValueError:
        return None


def _ending(task: Task, final: Draft | None) -> tuple[Draft, ...] | None:
    return None if final is None else (*task.turns[:-1], final)


def _broken_syntax(task: Task, tag: str, rng: random.Random) -> tuple[Draft, ...] | None:
    from pytest_agentbench.simulation import syntax

    value = _value(task)
    if value is None and (tag not in _ANY_ANSWER or task.final.calls):
        return None
    return _ending(task, syntax.spoil(tag, task.final, value[0] if value else None, rng))


def _broken_schema(task: Task, fault: Fault, rng: random.Random) -> tuple[Draft, ...] | None:
    from pytest_agentbench.simulation import schema_faults

    value = _value(task)
    if value is None:
        return None
    spoiled = schema_faults.spoil(fault.tag, value[0], task.schema, rng, depth=fault.depth)
    return None if spoiled is None else _ending(task, _saying(task.final, spoiled[0]))


def _text_loop(task: Task, kind: str, rng: random.Random) -> tuple[Draft, ...]:
    """In the answer where that is prose; else in the reasoning, so that it breaks nothing else."""
    from pytest_agentbench.simulation.looping import looping_text

    text = looping_text(kind, rng)
    if task.schema is not None or task.checks or task.final.calls:
        return (*task.turns[:-1], dataclasses.replace(task.final, reasoning=text))
    return (*task.turns[:-1], dataclasses.replace(task.final, content=text))


def _broken_call(task: Task, tag: str, rng: random.Random) -> tuple[Draft, ...] | None:
    """The fault in one of the turns with calls; where a turn has one call only, among the turns."""
    from pytest_agentbench.simulation import call_faults

    calling = [place for place, draft in enumerate(task.turns) if draft.calls]
    for place in rng.sample(calling, len(calling)):
        spoiled = call_faults.spoil(tag, task.turns[place], task.tools, rng, expect_more=place != calling[-1])
        if spoiled is not None:
            return (*task.turns[:place], spoiled, *task.turns[place + 1 :])
    if tag == "missing_call" and len(calling) > 1:
        gone = rng.choice(calling)
        return (*task.turns[:gone], *task.turns[gone + 1 :])
    if tag == "wrong_order":
        for one, other in itertools.pairwise(calling):
            if task.turns[one].calls != task.turns[other].calls:
                turns = list(task.turns)
                turns[one], turns[other] = turns[other], turns[one]
                return tuple(turns)
    return None


def _wrong(task: Task, rng: random.Random) -> tuple[Draft, ...] | None:
    """A wrong answer in right form."""
    from pytest_agentbench.simulation import broken_code, wrong_values

    value = _value(task)
    if value is not None:
        other = wrong_values.wrong_value(value[0], task.schema, rng, expect=task.expect)
        return None if other is None else _ending(task, _saying(task.final, other[0]))
    content = task.final.content or ""
    if "code" in task.checks:
        code = broken_code.broken_code(content, rng)
        return _ending(task, dataclasses.replace(task.final, content=code))
    if task.checks == {"tool_calls"}:
        return _broken_call(task, "wrong_arguments", rng) or _broken_call(task, "no_call", rng)
    return _ending(task, dataclasses.replace(task.final, content=wrong_values.wrong_text(content, rng)))


def _saying(draft: Draft, value: Json) -> Draft:
    """``draft`` with another value, in the layout that its text has."""
    lines = (draft.content or "").strip().splitlines()
    indent = 2 if len(lines) > 1 else None
    return dataclasses.replace(draft, content=json.dumps(value, ensure_ascii=False, indent=indent))
