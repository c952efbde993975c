"""Loops of the agent: calls that come again without progress, and text that does (METRICS 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_agentbench.loops.tokens import TOKEN
from pytest_agentbench.parsing.strict import JsonSyntaxError, parse_strict
from pytest_agentbench.sample import Loop, Reply, ToolCall, Turn

SAME_RESULT = 3
SAME_CALL = 5
SAME_ERROR = 3
CYCLE = range(2, 6)
CYCLE_REPEATS = 3
MONOLOGUE = 3
EXCERPT_CHARACTERS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One call and its answer; ``tokens`` is its share of the tokens of its reply."""

    call: str
    result: str
    error: bool
    tokens: int


def canonical_call(call: ToolCall) -> str:
    """Name and arguments with sorted keys; arguments that do not parse stand as they came."""
    arguments = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = parse_strict(arguments, duplicate_keys=True)
        except JsonSyntaxError:
            return f"{call.name}({arguments})"
    return f"{call.name}({json.dumps(arguments, sort_keys=True, ensure_ascii=False)})"


def find_call_loop(turns: Sequence[Turn]) -> Loop | None:
    """The first loop among the calls and texts of ``turns``, None when there is none.

    Kinds: ``same_result``, ``same_error``, ``cycle``, ``monologue``. ``period`` and ``start`` count calls
    (turns for a monologue). Calls whose result says ``polling`` do not count. ``unterminated`` is left
    False: only the caller knows whether a limit ended the sample.
    """
    steps = _steps(turns)
    return _same_result(steps) or _same_error(steps) or _cycle(steps) or _monologue(turns)


def _steps(turns: Sequence[Turn]) -> list[_Step]:
    steps = []
    for turn in turns:
        answered = [result for result in turn.results if not result.polling]
        share = _tokens(turn.reply) // max(1, len(turn.results))
        steps += [
            _Step(call=canonical_call(result.call), result=result.content, error=result.error, tokens=share)
            for result in answered
        ]
    return steps


def _tokens(reply: Reply) -> int:
    counted = reply.usage.completion_tokens
    if counted is not None:
        return counted
    texts = [reply.content, *(str(call.arguments) for call in reply.tool_calls)]
    return sum(len(TOKEN.findall(text)) for text in texts if text)


def _same_result(steps: list[_Step]) -> Loop | None:
    """The same call with the same result 3 times in a row, or 5 times in a row whatever comes back."""
    for key, needed in ((lambda s: (s.call, s.result), SAME_RESULT), (lambda s: s.call, SAME_CALL)):
        start = 0
        for _, group in groupby(steps, key):
            run = list(group)
            if len(run) >= needed:
                kind = "same_error" if all(step.error for step in run) else "same_result"
                return _loop(kind, run, period=1, start=start)
            start += len(run)
    return None


def _same_error(steps: list[_Step]) -> Loop | None:
    """The same call with an error 3 times, other calls between or not, without a success of it between."""
    failed: dict[str, list[int]] = {}
    for index, step in enumerate(steps):
        if not step.error:
            failed.pop(step.call, None)
            continue
        indices = failed.setdefault(step.call, [])
        indices.append(index)
        if len(indices) == SAME_ERROR:
            run = [steps[at] for at in indices]
            return _loop("same_error", run, period=1, start=indices[0])
    return None


def _cycle(steps: list[_Step]) -> Loop | None:
    """The last calls are one sequence of 2 to 5 (call, result) pairs, 3 times or more."""
    pairs = [(step.call, step.result) for step in steps]
    for period in CYCLE:
        if len(pairs) < period * CYCLE_REPEATS:
            return None
        begin = len(pairs) - period
        while begin > 0 and pairs[begin - 1] == pairs[begin - 1 + period]:
            begin -= 1
        if len(pairs) - begin >= period * CYCLE_REPEATS:
            return _loop("cycle", steps[begin:], period=period, start=begin)
    return None


def _monologue(turns: Sequence[Turn]) -> Loop | None:
    """The same assistant text 3 times without a tool call between."""
    start = 0
    for text, group in groupby(turns, _text_without_call):
        run = list(group)
        if text and len(run) >= MONOLOGUE:
            return Loop(
                kind="monologue",
                where="agent",
                period=1,
                repeats=len(run),
                start=start,
                unterminated=False,
                wasted_tokens=sum(_tokens(turn.reply) for turn in run[1:]),
                excerpt=_cut(text),
            )
        start += len(run)
    return None


def _text_without_call(turn: Turn) -> str | None:
    if turn.reply.tool_calls or turn.reply.content is None:
        return None
    return " ".join(turn.reply.content.split()) or None


def _loop(kind: str, run: list[_Step], *, period: int, start: int) -> Loop:
    excerpt = "; ".join(f"{step.call} -> {step.result}" for step in run[:period])
    return Loop(
        kind=kind,
        where="agent",
        period=period,
        repeats=len(run) // period,
        start=start,
        unterminated=False,
        wasted_tokens=sum(step.tokens for step in run[period:]),
        excerpt=_cut(excerpt),
    )


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"
