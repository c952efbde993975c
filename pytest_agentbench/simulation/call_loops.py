"""An agent that goes round: the same call again and again, two in turn, or the same words."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence

from pytest_agentbench.expand.templates import names_in
from pytest_agentbench.scenario import Json, Scenario, Tool
from pytest_agentbench.simulation.draft import Draft, DraftCall

_SAME = 5
"""The same call so often is a loop whatever comes back."""
_SAME_RESULT = 3
_ROUNDS = 3
_FIXED = frozenset({"value", "template", "error"})
_MAX_TURNS = 8
_TRIES = 20


def call_loop(
    kind: str, turns: tuple[Draft, ...], tools: Sequence[Tool], scenario: Scenario | None, rng: random.Random
) -> tuple[Draft, ...] | None:
    """``turns`` with a loop of this ``kind``; None where the sample offers no place for it.

    ``same_result`` repeats a call of the reference; ``same_error`` needs a tool that refuses some
    arguments; ``cycle`` needs two different calls; ``monologue`` follow-ups in the prompt
    (``prompt.then``). All of them need the turns.
    """
    allowed = scenario.agent.max_turns if scenario is not None else _MAX_TURNS
    calling = [place for place, draft in enumerate(turns) if draft.calls]
    if kind == "monologue":
        follow_ups = len(scenario.then) if scenario is not None else 0
        said = turns[-1].content
        return (turns[-1],) * (1 + follow_ups) if follow_ups >= 2 and said and not calling else None
    if not calling:
        return None
    first, room = calling[0], allowed - 1
    one = _only(turns[first].calls[0])
    if kind == "same_result":
        stable = _is_stable(one.calls[0], tools)
        needed = _SAME_RESULT if stable and room - first < _SAME else _SAME
        return (*turns[:first], *[one] * needed, *turns[first + 1 :][-1:]) if room >= first + needed else None
    if kind == "same_error":
        failing = _failing(one.calls[0], tools, rng)
        if failing is None or room < first + _SAME_RESULT:
            return None
        return (*turns[:first], *[failing] * _SAME_RESULT, turns[-1])
    if room < first + 2 * _ROUNDS:
        return None
    other = _another(one, turns, tools, rng)
    if other is None:
        return None
    return (*turns[:first], *(one, other) * _ROUNDS, turns[-1])


def _only(call: DraftCall) -> Draft:
    return Draft(calls=(call,))


def _tool(call: DraftCall, tools: Sequence[Tool]) -> Tool | None:
    return next((tool for tool in tools if tool.name == call.name), None)


def _is_stable(call: DraftCall, tools: Sequence[Tool]) -> bool:
    """Whether the tool answers this call alike each time."""
    tool = _tool(call, tools)
    if tool is None or len(tool.sequence) > 1:
        return False
    responses = [*tool.sequence, *(rule.response for rule in tool.rules)]
    return all(r.kind in _FIXED and "n" not in names_in(r.value) for r in responses)


def _failing(call: DraftCall, tools: Sequence[Tool], rng: random.Random) -> Draft | None:
    """The call with arguments that its tool answers by an error, each time."""
    tool = _tool(call, tools)
    always = tool is not None and bool(tool.rules or tool.sequence)
    if tool is None or not always or any(response.kind != "error" for response in tool.sequence):
        return None
    return _varied(call, tool, rng, expect=tool.rules[0].args if tool.rules else None)


def _another(one: Draft, turns: tuple[Draft, ...], tools: Sequence[Tool], rng: random.Random) -> Draft | None:
    for draft in turns:
        for call in draft.calls:
            if call != one.calls[0] and _is_stable(call, tools):
                return _only(call)
    tool = _tool(one.calls[0], tools)
    if tool is None or not _is_stable(one.calls[0], tools):
        return None
    return _varied(one.calls[0], tool, rng)


def _varied(call: DraftCall, tool: Tool, rng: random.Random, *, expect: Json = None) -> Draft | None:
    """The same tool with another argument (of those in ``expect``) that fits its parameters."""
    from pytest_agentbench.simulation.wrong_values import wrong_value

    try:
        args: Json = json.loads(call.arguments)
    except (TypeError, ValueError):
        return None
    for _ in range(_TRIES):
        other = wrong_value(args, tool.parameters, rng, expect=expect)
        if other is not None and other[0] != args:
            text = json.dumps(other[0], ensure_ascii=False)
            return _only(dataclasses.replace(call, arguments=text))
    return None
