"""The arguments of every tool call, as JSON against the tool's parameters (METRICS 1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from pytest_agentbench.checks.base import Subject
from pytest_agentbench.parsing.outcome import absent, judge, unparseable
from pytest_agentbench.sample import JsonOutcome, ToolCall, Turn
from pytest_agentbench.scenario import Json

_CALL_MARKUP = re.compile(r"<tool_call>|<function[=_ ]|\[TOOL_CALLS\]|<\|tool_call|<\uff5ctool.calls?.begin")


def measure(subject: Subject) -> tuple[JsonOutcome, ...]:
    """One outcome a call, in order; one more tagged ``no_call`` when an awaited call is absent.

    What is awaited: a ``tool_calls`` check that expects calls. A call that came as text is tagged
    ``tool_call_in_content`` beside ``no_call``; too many or too few are tagged ``wrong_count`` on the last.
    """
    outcomes = [outcome for turn in subject.turns for outcome in _of_turn(turn, subject)]
    n_expected = expected_calls(subject)
    if n_expected is None or n_expected == len(outcomes):
        return tuple(outcomes)
    if outcomes:
        outcomes[-1] = replace(outcomes[-1], tags=(*outcomes[-1].tags, "wrong_count"))
        return tuple(outcomes)
    tags = ("no_call", "tool_call_in_content") if call_in_content(subject) else ("no_call",)
    return (absent(*tags),)


def expected_calls(subject: Subject) -> int | None:
    """How many calls the sample should have; None where any number is right."""
    for spec in subject.rendering.checks:
        if spec.name == "tool_calls" and isinstance(spec.params, dict) and "expect" in spec.params:
            if spec.params.get("order") == "subset":
                return max(len(subject.calls), len(spec.params["expect"]))
            return len(spec.params["expect"])
    return None


def call_in_content(subject: Subject) -> bool:
    """Whether a reply has a call to one of the tools written out as text."""
    texts = [turn.reply.content for turn in subject.turns if turn.reply.content]
    names = "|".join(re.escape(tool.name) for tool in subject.rendering.tools)
    if not names:
        return False
    written = re.compile(rf"[\"'](?:name|function|tool)[\"']\s*:\s*[\"'](?:{names})[\"']|\b(?:{names})\s*\(")
    return any(_CALL_MARKUP.search(text) or written.search(text) for text in texts)


def _of_turn(turn: Turn, subject: Subject) -> Iterator[JsonOutcome]:
    cut = "deadline" if turn.reply.deadline else "truncated" if turn.truncated else None
    for index, call in enumerate(turn.reply.tool_calls):
        last = index == len(turn.reply.tool_calls) - 1
        yield _of_call(call, subject, cut=cut if last else None)


def _of_call(call: ToolCall, subject: Subject, *, cut: str | None) -> JsonOutcome:
    """``cut``: the limit that may have cut this call; a call that is whole was not cut."""
    tool = next((tool for tool in subject.rendering.tools if tool.name == call.name), None)
    if not isinstance(call.arguments, str):
        outcome = unparseable("arguments_not_string")
        outcome = replace(outcome, value=_plain(call.arguments))
    else:
        outcome = judge(call.arguments, schema=None if tool is None else tool.parameters, accept="strict")
        if cut is not None and outcome.parse != "strict":
            outcome = unparseable(cut, offset=outcome.offset)
        if outcome.parse in {"unparseable", "none"}:
            outcome = replace(outcome, tags=(*outcome.tags, "arguments_unparseable"))
    if tool is not None:
        return outcome
    valid = None if outcome.schema_valid is None else False
    level = outcome.level if valid is None else "L3"
    return replace(outcome, level=level, schema_valid=valid, tags=("unknown_tool", *outcome.tags))


def _plain(value: Json) -> Json:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return None
