"""The tool calls of a sample: which, with which arguments, in which order, how many, and which never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_agentbench.checks.base import TEMPLATE, ParametersError, Subject
from pytest_agentbench.checks.matching.assignment import align, assign
from pytest_agentbench.checks.matching.patterns import apart, has_pattern
from pytest_agentbench.checks.matching.schema import EXPECTED
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
            "description": "The arguments, exactly; left out: any. In place of a value may stand "
            "{$any: true}, {$regex: PATTERN}, {$fold: TEXT}, "
            "{$number: {value, tolerance, relative}}, {$schema: SCHEMA}, "
            "{$one_of: [...]}, {$optional: VALUE} or {$equals: VALUE}.",
            "anyOf": [{"type": "object", "additionalProperties": {"$ref": "#/$defs/expected"}}, TEMPLATE],
        },
        "extra_args": {
            "description": "allow: further arguments are no mistake.",
            "enum": ["refuse", "allow"],
        },
    },
}
_COUNT: Json = {"anyOf": [{"type": "integer", "minimum": 0}, TEMPLATE]}

PARAMETERS: Mapping[str, Any] = {
    "$defs": {"expected": EXPECTED},
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
    differed. Tags: ``no_call``, ``tool_call_in_content``, ``missing_call``, ``wrong_tool``,
    ``wrong_arguments``, ``wrong_count``, ``extra_call``, ``wrong_order``, ``forbidden_call``.

    Raises:
        ParametersError: a rendered parameter makes no sense.
    """
    return await apart(_judge, params, subject) if has_pattern(params) else _judge(params, subject)


def _judge(params: Mapping[str, Json], subject: Subject) -> Finding:
    made = [_made(call) for call in subject.calls]
    judgement = _Judgement()
    judgement.evidence["n_calls"] = len(made)
    if "expect" in params:
        if not made and params["expect"]:
            judgement.wrong("no_call")
            if call_in_content(subject):
                judgement.wrong("tool_call_in_content", "the call stands in the text of the answer")
        _judge_expected(_expected(params), made[:MAX_CALLS], params.get("order", "strict"), judgement)
    _judge_forbidden(params, made, judgement)
    _judge_count(params.get("n"), len(made), judgement)
    return Finding(
        check=NAME,
        status="failed" if judgement.tags else "passed",
        message="; ".join(judgement.messages[:3]),
        tags=tuple(judgement.tags),
        evidence=judgement.evidence,
    )


class _Judgement:
    """What was found so far."""

    def __init__(self) -> None:
        self.tags: dict[str, None] = {}
        self.messages: list[str] = []
        self.evidence: dict[str, Json] = {}

    def wrong(self, tag: str, message: str = "") -> None:
        self.tags[tag] = None
        if message:
            self.messages.append(message)


def _judge_expected(expected: list[_Expected], made: list[_Made], order: str, judgement: _Judgement) -> None:
    problems = [[one.problems(call) for call in made] for one in expected]
    columns = assign(
        [
            [one.cost(call, reasons) for call, reasons in zip(made, row, strict=True)]
            for one, row in zip(expected, problems, strict=True)
        ]
    )
    pairs = []
    for row, (one, column) in enumerate(zip(expected, columns, strict=True)):
        tag = why = None
        if column is None:
            tag, why = "missing_call", [f"{one.name} was not called"]
        elif problems[row][column]:
            tag = "wrong_tool" if made[column].name != one.name else "wrong_arguments"
            why = problems[row][column]
        if tag is not None and why is not None:
            judgement.wrong(tag, f"call {row + 1} ({one.name}): {why[0]}")
        pairs.append(
            {
                "expected": row,
                "name": one.name,
                "call": column,
                "matched": tag is None,
                "why": (why or [])[:5],
            }
        )
    surplus = sorted(set(range(len(made))) - set(columns))
    judgement.evidence["pairs"] = pairs
    judgement.evidence["surplus"] = [{"call": index, "name": made[index].name} for index in surplus[:20]]
    if order == "subset":
        return
    if len(made) != len(expected):
        judgement.wrong("wrong_count", f"expected {_calls(len(expected))}, got {len(made)}")
    if surplus:
        judgement.wrong("extra_call", f"not expected: {', '.join(made[index].name for index in surplus[:3])}")
    if order == "strict" and not judgement.tags:
        in_order = align([[not reasons for reasons in row] for row in problems])
        if None in in_order:
            late = expected[in_order.index(None)].name
            judgement.wrong("wrong_order", f"the calls came in another order: {late} is out of place")


def _judge_forbidden(params: Mapping[str, Json], made: list[_Made], judgement: _Judgement) -> None:
    for entry in params.get("forbidden", ()):
        forbidden = _one_expected({"name": entry} if isinstance(entry, str) else entry, "allow")
        for index, call in enumerate(made):
            if not forbidden.problems(call):
                judgement.wrong("forbidden_call", f"call {index + 1} to {call.name} is forbidden")
                break


def _judge_count(wanted: Json, n: int, judgement: _Judgement) -> None:
    if wanted is None:
        return
    is_range = isinstance(wanted, Mapping)
    least, most = (wanted.get("min", 0), wanted.get("max", n)) if is_range else (wanted, wanted)
    for bound in (least, most):
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise ParametersError(f"n must be a whole number, got {bound!r}")
    if not least <= n <= most:
        asked = _calls(least) if least == most else f"{least} to {_calls(most)}"
        judgement.wrong("wrong_count", f"expected {asked}, got {n}")


def _calls(n: int) -> str:
    return "1 call" if n == 1 else f"{n} calls"


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
