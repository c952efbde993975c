"""The tool calls of a sample: which, with which arguments, in which order, how many, and which never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_agentbench.checks.base import TEMPLATE, ParametersError, Subject
from pytest_agentbench.checks.matching.assignment import align, assign
from pytest_agentbench.checks.matching.values import mismatches
from pytest_agentbench.checks.measurements.arguments import call_in_content
from pytest_agentbench.parsing.strict import JsonSyntaxError, parse_strict
from pytest_agentbench.sample import Finding, ToolCall
from pytest_agentbench.scenario import Json

NAME = "tool_calls"

_CALL: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "args": {
            "description": "The arguments, exactly; left out: any. In place of a value may stand {$any: true}, "
            "{$regex: PATTERN}, {$fold: TEXT}, {$number: {value, tolerance, relative}}, {$schema: SCHEMA}, "
            "{$one_of: [...]}, {$optional: VALUE} or {$equals: VALUE}.",
            "anyOf": [{"type": "object"}, TEMPLATE],
        },
        "extra_args": {
            "description": "allow: further arguments are no mistake.",
            "enum": ["refuse", "allow"],
        },
    },
}
_COUNT: Json = {"anyOf": [{"type": "integer", "minimum": 0}, TEMPLATE]}

PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "expect": {
            "description": "The calls that must come; an empty list: none may.",
            "anyOf": [{"type": "array", "items": _CALL}, TEMPLATE],
        },
        "order": {
            "description": "strict (default): these calls, in this order, no others. any: these calls in any "
            "order, no others. subset: at least these, in any order.",
            "enum": ["strict", "any", "subset"],
        },
        "forbidden": {
            "description": "Calls that must not come: names, or name and args.",
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, _CALL]},
        },
        "n": {
            "description": "How many calls there must be.",
            "anyOf": [
                _COUNT,
                {
                    "type": "object",
                    "additionalProperties": False,
                    "minProperties": 1,
                    "properties": {"min": _COUNT, "max": _COUNT},
                },
            ],
        },
        "extra_args": {"description": "For all expected calls.", "enum": ["refuse", "allow"]},
    },
}

_NOT_A_MATCH = 1_000.0
_OTHER_TOOL = 100.0
MAX_CALLS = 500
"""Calls of one sample that are matched; those after it count as surplus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    name: str
    args: Json
    has_args: bool
    extra_keys: bool

    def problems(self, call: _Made) -> list[str]:
        """Why ``call`` is not this one; [] when it is."""
        if call.name != self.name:
            return [f"expected {self.name}, got {call.name}"]
        if call.problem is not None:
            return [call.problem] if self.has_args else []
        return mismatches(self.args, call.args, extra_keys=self.extra_keys) if self.has_args else []

    def cost(self, call: _Made, problems: Sequence[str]) -> float:
        """First as many matches as possible, then calls of the same tool, then few differences."""
        if not problems:
            return 0.0
        return _NOT_A_MATCH + (_OTHER_TOOL if call.name != self.name else min(len(problems), 50))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    name: str
    args: Json
    problem: str | None


async def check(params: Json, subject: Subject) -> Finding:
    """Judge all calls of the sample together.

    Expected calls and calls made are paired by an optimal assignment, so a call that fits two
    expectations goes where it helps. The evidence pairs each expectation with its call, and says what
    differed.

    Raises:
        ParametersError: a rendered parameter makes no sense.
    """
    made = [_made(call) for call in subject.calls]
    tags: list[str] = []
    messages: list[str] = []
    evidence: dict[str, Json] = {"n_calls": len(made)}
    if "expect" in params:
        order = params.get("order", "strict")
        _judge_expected(_expected(params), made[:MAX_CALLS], order, tags, messages, evidence)
        if not made and params["expect"]:
            tags.insert(0, "no_call")
            if call_in_content(subject):
                tags.insert(1, "tool_call_in_content")
                messages.insert(0, "the call stands in the text of the answer")
    _judge_forbidden(params, made, tags, messages)
    _judge_count(params.get("n"), len(made), tags, messages)
    return Finding(
        check=NAME,
        status="failed" if tags else "passed",
        message="; ".join(messages[:3]),
        tags=tuple(dict.fromkeys(tags)),
        evidence=evidence,
    )


def _judge_expected(
    expected: list[_Expected],
    made: list[_Made],
    order: str,
    tags: list[str],
    messages: list[str],
    evidence: dict[str, Json],
) -> None:
    problems = [[one.problems(call) for call in made] for one in expected]
    columns = assign(
        [
            [one.cost(call, reasons) for call, reasons in zip(made, row, strict=True)]
            for one, row in zip(expected, problems, strict=True)
        ]
    )
    matched = [column is not None and not problems[row][column] for row, column in enumerate(columns)]
    paired = {column for column in columns if column is not None}
    pairs = []
    for row, (one, column) in enumerate(zip(expected, columns, strict=True)):
        why: list[str] = []
        if column is None:
            why = [f"{one.name} was not called"]
            tags.append("missing_call")
        elif not matched[row]:
            why = problems[row][column]
            tags.append("wrong_tool" if made[column].name != one.name else "wrong_arguments")
        messages.extend(f"call {row + 1} ({one.name}): {reason}" for reason in why[:1])
        pairs.append(
            {"expected": row, "name": one.name, "call": column, "matched": matched[row], "why": why[:5]}
        )
    surplus = [index for index in range(len(made)) if index not in paired]
    evidence["pairs"] = pairs
    evidence["surplus"] = [{"call": index, "name": made[index].name} for index in surplus[:20]]
    if order == "subset":
        return
    if len(made) != len(expected):
        tags.append("wrong_count")
        messages.append(f"expected {len(expected)} calls, got {len(made)}")
    if surplus:
        tags.append("extra_call")
        messages.append(f"not expected: {', '.join(made[index].name for index in surplus[:3])}")
    if order == "strict" and all(matched) and not surplus:
        in_order = align([[not reasons for reasons in row] for row in problems])
        if None in in_order:
            tags.append("wrong_order")
            late = expected[in_order.index(None)].name
            messages.append(f"the calls came in another order: {late} is out of place")


def _judge_forbidden(
    params: Mapping[str, Json], made: list[_Made], tags: list[str], messages: list[str]
) -> None:
    for entry in params.get("forbidden", ()):
        forbidden = _one_expected({"name": entry} if isinstance(entry, str) else entry, "allow")
        for index, call in enumerate(made):
            if not forbidden.problems(call):
                tags.append("forbidden_call")
                messages.append(f"call {index + 1} to {call.name} is forbidden")
                break


def _judge_count(wanted: Json, n: int, tags: list[str], messages: list[str]) -> None:
    if wanted is None:
        return
    least, most = (
        (wanted.get("min", 0), wanted.get("max", n)) if isinstance(wanted, Mapping) else (wanted, wanted)
    )
    for bound in (least, most):
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise ParametersError(f"n must be a whole number, got {bound!r}")
    if not least <= n <= most:
        tags.append("wrong_count")
        messages.append(f"expected {least if least == most else f'{least} to {most}'} calls, got {n}")


def _expected(params: Mapping[str, Json]) -> list[_Expected]:
    entries = params["expect"]
    if not isinstance(entries, (list, tuple)):
        raise ParametersError(f"expect must be a list of calls, got {entries!r}")
    return [_one_expected(entry, params.get("extra_args", "refuse")) for entry in entries]


def _one_expected(entry: Json, extra_args: str) -> _Expected:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ParametersError(f"an expected call has a name, got {entry!r}")
    return _Expected(
        name=entry["name"],
        args=entry.get("args"),
        has_args="args" in entry,
        extra_keys=entry.get("extra_args", extra_args) == "allow",
    )


def _made(call: ToolCall) -> _Made:
    """A call with its arguments read strictly; what they fail to be is not read as anything else."""
    if not isinstance(call.arguments, str):
        return _Made(name=call.name, args=None, problem="the arguments are no string")
    try:
        return _Made(name=call.name, args=parse_strict(call.arguments), problem=None)
    except JsonSyntaxError as error:
        return _Made(name=call.name, args=None, problem=f"the arguments are no JSON: {error}")
