"""Mutants of the tool calls in a reference."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pytest_agentbench.mutation import declared, values
from pytest_agentbench.mutation.mutant import JsonPath, Mutant, place_of, pointer, shown
from pytest_agentbench.mutation.script import Script, text_of, with_calls
from pytest_agentbench.scenario import Json, Rendering, Scenario
from pytest_agentbench.simulation.draft import DraftCall


def mutants(scenario: Scenario, rendering: Rendering, script: Script) -> Iterator[Mutant]:
    """Every mutant of the calls of ``script``.

    What the scenario lets pass is left out: another order or more calls than it speaks of, calls that it
    does not expect, arguments of which it says nothing or ``$any``.
    """
    calls = _Calls(scenario=scenario, rendering=rendering, script=script)
    for turn, draft in enumerate(script):
        for index, call in enumerate(draft.calls):
            if calls.is_free(call):
                continue
            yield from _of_call(calls, turn, index, call)
            yield from _of_arguments(calls, turn, index, call)
    if calls.order == "strict":
        yield from _of_order(calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calls:
    scenario: Scenario
    rendering: Rendering
    script: Script

    @property
    def params(self) -> Json:
        """Of the first check of calls that expects some; None without."""
        found = (check.params for check in self.rendering.checks if check.name == "tool_calls")
        return next((params for params in found if "expect" in params), None)

    @property
    def order(self) -> str | None:
        return None if self.params is None else self.params.get("order", "strict")

    def entries(self, call: DraftCall) -> list[Json]:
        """What is expected of calls of this tool."""
        return (
            [] if self.params is None else [one for one in self.params["expect"] if one["name"] == call.name]
        )

    def is_free(self, call: DraftCall) -> bool:
        """Whether the scenario expects some calls among others, and this is one of the others."""
        return self.order == "subset" and not self.entries(call)

    def expected(self, call: DraftCall, path: JsonPath) -> declared.Expected:
        """What the expectations say of an argument; ``any`` where none of them minds."""
        entries = self.entries(call)
        if not entries:
            return "value"
        said = [
            declared.expected_at(entry["args"], path)
            if "args" in entry and declared.matcher_name(entry["args"]) is None
            else "any"
            for entry in entries
        ]
        if all(
            one == "any" or (one == "nothing" and self._extra(entry))
            for one, entry in zip(said, entries, strict=True)
        ):
            return "any"
        return next(one for one in said if one != "any")

    def _extra(self, entry: Json) -> bool:
        return bool(entry.get("extra_args", self.params.get("extra_args")) == "allow")

    def are_alike(self, one: tuple[DraftCall, ...], other: tuple[DraftCall, ...]) -> bool:
        """Whether the expectations cannot tell calls of the same tools apart."""
        same = [call.name for call in one] == [call.name for call in other]
        return same and all(self.expected(call, ()) == "any" for call in (*one, *other))

    def may_be_absent(self, call: DraftCall, path: JsonPath) -> bool:
        return any(declared.may_be_absent(entry.get("args"), path) for entry in self.entries(call))

    def changed(self, name: str, what: str, script: Script, advice: str) -> Mutant:
        return Mutant(
            id=f"calls.{name}",
            what=what,
            script=script,
            place=place_of(self.scenario, "tool_calls", "answer"),
            advice=advice if self.params is not None else "add `tool_calls: {expect: [...]}` to answer",
        )

    def replaced(self, turn: int, index: int, *new: DraftCall) -> Script:
        """The script with ``new`` in the place of one call."""
        old = self.script[turn].calls
        return with_calls(self.script, turn, (*old[:index], *new, *old[index + 1 :]))


def _of_call(calls: _Calls, turn: int, index: int, call: DraftCall) -> Iterator[Mutant]:
    name, what = f"{turn}.{index}", f"call {index} of turn {turn} ({call.name})"
    yield calls.changed(
        f"{name}.omit",
        f"{what} is left out",
        calls.replaced(turn, index),
        f"expect {call.name} in answer.tool_calls",
    )
    if calls.order in {"strict", "any"}:
        yield calls.changed(
            f"{name}.repeat",
            f"{what} comes twice",
            calls.replaced(turn, index, call, call),
            "set `n:` in answer.tool_calls",
        )
    others = [tool.name for tool in calls.scenario.tools if tool.name != call.name]
    instead = others[0] if others else f"{call.name}_2"
    yield calls.changed(
        f"{name}.tool",
        f"{what} goes to {instead}",
        calls.replaced(turn, index, dataclasses.replace(call, name=instead)),
        f"expect {call.name} in answer.tool_calls",
    )


def _of_arguments(calls: _Calls, turn: int, index: int, call: DraftCall) -> Iterator[Mutant]:
    args = json.loads(call.arguments)
    tool = next((tool for tool in calls.scenario.tools if tool.name == call.name), None)
    what, advice = (
        f"call {index} of turn {turn} ({call.name})",
        f"expect the args of {call.name} in answer.tool_calls",
    )

    def mutant(kind: str, detail: str, arguments: str, suffix: str = "") -> Mutant:
        script = calls.replaced(turn, index, dataclasses.replace(call, arguments=arguments))
        return calls.changed(f"{turn}.{index}.{kind}{suffix}", f"{what}: {detail}", script, advice)

    by_gate = any(gate.metric == "tool_argument_failure_rate" for gate in calls.scenario.gates)
    if by_gate or calls.expected(call, ()) != "any":
        yield mutant("broken", "its arguments are cut", call.arguments[:-1])
    for path, part in values.parts(args):
        if not path or calls.expected(call, path) == "any":
            continue
        where = pointer(path)
        if values.is_leaf(part):
            new = values.other(part, declared.schema_at(tool.parameters, path) if tool else None)
            yield mutant(
                "change",
                f"{where} is {shown(new)} and not {shown(part)}",
                text_of(values.with_value(args, path, new)),
                f":{where}",
            )
        if not calls.may_be_absent(call, path):
            without = values.edited(args, path, lambda holder, step: holder.pop(step))
            yield mutant("drop", f"{where} is missing", text_of(without), f":{where}")
    for one, two in _pairs(args):
        if "any" not in {calls.expected(call, (one,)), calls.expected(call, (two,))}:
            swapped = text_of({**args, one: args[two], two: args[one]})
            yield mutant("swap", f"/{one} and /{two} have changed values", swapped, f":/{one},/{two}")


def _pairs(args: Json) -> Iterator[tuple[str, str]]:
    """Arguments beside each other whose values are of one type."""
    keys = list(args) if isinstance(args, dict) else []
    for one, two in pairwise(keys):
        if type(args[one]) is type(args[two]):
            yield one, two


def _of_order(calls: _Calls) -> Iterator[Mutant]:
    advice = "set `order: strict` in answer.tool_calls"
    for turn, draft in enumerate(calls.script):
        for index in range(len(draft.calls) - 1):
            one, two = draft.calls[index : index + 2]
            if calls.are_alike((one,), (two,)):
                continue
            swapped = (*draft.calls[:index], two, one, *draft.calls[index + 2 :])
            script = with_calls(calls.script, turn, swapped)
            what = f"calls {index} and {index + 1} of turn {turn} have changed places"
            yield calls.changed(f"{turn}.swap:{index},{index + 1}", what, script, advice)
        if draft.calls and turn + 1 < len(calls.script) and calls.script[turn + 1].calls:
            after = calls.script[turn + 1]
            if calls.are_alike(draft.calls, after.calls):
                continue
            script = (*calls.script[:turn], after, draft, *calls.script[turn + 2 :])
            what = f"turns {turn} and {turn + 1} have changed places"
            yield calls.changed(f"swap:{turn},{turn + 1}", what, script, advice)
