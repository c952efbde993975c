"""Spoil the tool calls of one turn: none, missing, surplus, another tool, other or malformed arguments."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_agentbench.scenario import Json, Tool
from pytest_agentbench.simulation import schema_faults
from pytest_agentbench.simulation.conforming import NotPossibleError, conforming
from pytest_agentbench.simulation.draft import Draft, DraftCall
from pytest_agentbench.simulation.wrong_values import wrong_value

_PROMISES = (
    "I will look that up and come back to you.",
    "Let me check this for you first.",
    "To answer this, the right tool would have to be asked.",
    "I do not need a tool for this; it should be fine.",
)
_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What is known about the turn; ``expect_more`` as in :func:`spoil`."""

    calls: tuple[DraftCall, ...]
    tools: Mapping[str, Tool]
    rng: random.Random
    expect_more: bool

    def schema(self, call: DraftCall) -> Json:
        """Of the arguments of ``call``; a tool that is not offered takes any object."""
        tool = self.tools.get(call.name)
        return {"type": "object"} if tool is None else tool.parameters

    def shuffled(self) -> list[DraftCall]:
        """The calls, in any order."""
        return self.rng.sample(self.calls, len(self.calls))

    def with_change(self, old: DraftCall, new: DraftCall) -> tuple[DraftCall, ...]:
        """The calls with ``new`` where ``old`` was."""
        index = next(index for index, call in enumerate(self.calls) if call is old)
        return (*self.calls[:index], new, *self.calls[index + 1 :])


def spoil(
    tag: str, draft: Draft, tools: Sequence[Tool], rng: random.Random, *, expect_more: bool = False
) -> Draft | None:
    """``draft`` with the fault ``tag`` (of :data:`TAGS`) in its calls; None where it has no place.

    The arguments of the calls in ``draft`` are the JSON text of an object. ``expect_more``: later turns
    call too, so a call too many gets arguments of its own, lest it be the one that is expected next.

    Raises:
        KeyError: no such tag.
    """
    fault = _FAULTS[tag]
    if not draft.calls:
        return None
    named = {tool.name: tool for tool in tools}
    made = fault(_Turn(calls=draft.calls, tools=named, rng=rng, expect_more=expect_more))
    if isinstance(made, str):
        return replace(draft, content=made, calls=(), finish_reason=None)
    return None if made is None else replace(draft, calls=made)


_Spoilt = tuple[DraftCall, ...] | str | None
"""Other calls, a text in place of all calls, or nothing where the fault has no place."""


# --- calls ----------------------------------------------------------------------------------------------


def _no_call(turn: _Turn) -> _Spoilt:
    return turn.rng.choice(_PROMISES)


def _in_content(turn: _Turn) -> _Spoilt:
    write = turn.rng.choice((_as_markup, _as_json, _as_python))
    return "\n".join(map(write, turn.calls))


def _as_json(call: DraftCall) -> str:
    return json.dumps({"name": call.name, "arguments": json.loads(call.arguments)}, ensure_ascii=False)


def _as_markup(call: DraftCall) -> str:
    return f"<tool_call>\n{_as_json(call)}\n</tool_call>"


def _as_python(call: DraftCall) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in json.loads(call.arguments).items())
    return f"{call.name}({arguments})"


def _missing_call(turn: _Turn) -> _Spoilt:
    if len(turn.calls) < 2:
        return None
    gone = turn.rng.randrange(len(turn.calls))
    return (*turn.calls[:gone], *turn.calls[gone + 1 :])


def _extra_call(turn: _Turn) -> _Spoilt:
    """The same call again, or one of its tool, or of another tool, with other arguments."""
    call = turn.rng.choice(turn.calls)
    others = [_other_arguments(turn, call)]
    if not turn.expect_more:
        others.append(call)
    others += [_drawn_call(turn, tool) for tool in turn.tools.values() if tool.name != call.name]
    extra = turn.rng.choice([one for one in others if one is not None] or [call])
    return (*turn.calls, extra)


def _wrong_order(turn: _Turn) -> _Spoilt:
    places = [n for n in range(len(turn.calls) - 1) if _key(turn.calls[n]) != _key(turn.calls[n + 1])]
    if not places:
        return None
    n = turn.rng.choice(places)
    return (*turn.calls[:n], turn.calls[n + 1], turn.calls[n], *turn.calls[n + 2 :])


def _key(call: DraftCall) -> tuple[str, str]:
    return call.name, json.dumps(json.loads(call.arguments), sort_keys=True)


# --- names ----------------------------------------------------------------------------------------------


def _unknown_tool(turn: _Turn) -> _Spoilt:
    call = turn.rng.choice(turn.calls)
    names = [name for name in _near_misses(call.name) if name not in turn.tools]
    return turn.with_change(call, replace(call, name=turn.rng.choice(names)))


def _near_misses(name: str) -> Iterator[str]:
    """Names that a model writes for ``get_rate``: getRate, get_rates, rate, get-rate ..."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name) or [name]
    spellings = {
        "_".join(words).lower(),
        "-".join(words).lower(),
        words[0].lower() + "".join(word.title() for word in words[1:]),
        name.removesuffix("s") if name.endswith("s") else f"{name}s",
        f"{name}_tool",
        "_".join(words[1:]) or f"call_{name}",
    }
    yield from sorted(spellings - {name})


def _wrong_tool(turn: _Turn) -> _Spoilt:
    """Another tool, with arguments that fit it."""
    for call in turn.shuffled():
        others = [tool for tool in turn.tools.values() if tool.name != call.name]
        for tool in turn.rng.sample(others, len(others)):
            other = _drawn_call(turn, tool)
            if other is not None:
                return turn.with_change(call, other)
    return None


def _drawn_call(turn: _Turn, tool: Tool) -> DraftCall | None:
    try:
        return DraftCall(name=tool.name, arguments=_text(conforming(tool.parameters, turn.rng)))
    except NotPossibleError:
        return None


# --- arguments ------------------------------------------------------------------------------------------


def _wrong_arguments(turn: _Turn) -> _Spoilt:
    for call in turn.shuffled():
        other = _other_arguments(turn, call)
        if other is not None:
            return turn.with_change(call, other)
    return None


def _other_arguments(turn: _Turn, call: DraftCall) -> DraftCall | None:
    """The call with other arguments that fit its tool, and that no call of the turn has."""
    taken = set(map(_key, turn.calls))
    for _ in range(_TRIES):
        other = _changed(call, wrong_value(json.loads(call.arguments), turn.schema(call), turn.rng))
        if other is None or _key(other) not in taken:
            return other
    return None


def _not_string(turn: _Turn) -> _Spoilt:
    call = turn.rng.choice(turn.calls)
    return turn.with_change(call, replace(call, arguments=json.loads(call.arguments)))


def _unparseable(turn: _Turn) -> _Spoilt:
    """The text ends before it should: what was cut off cannot be mended."""
    call = turn.rng.choice(turn.calls)
    text = call.arguments.rstrip()
    return turn.with_change(call, replace(call, arguments=text[: turn.rng.randrange(1, len(text))]))


def _against_schema(*tags: str) -> Callable[[_Turn], _Spoilt]:
    """Arguments that break the tool's schema in one of these ways."""

    def fault(turn: _Turn) -> _Spoilt:
        for call in turn.shuffled():
            for tag in turn.rng.sample(tags, len(tags)):
                arguments = json.loads(call.arguments)
                other = _changed(call, schema_faults.spoil(tag, arguments, turn.schema(call), turn.rng))
                if other is not None:
                    return turn.with_change(call, other)
        return None

    return fault


def _changed(call: DraftCall, arguments: tuple[Json] | None) -> DraftCall | None:
    return None if arguments is None else replace(call, arguments=_text(arguments[0]))


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


_FAULTS: Mapping[str, Callable[[_Turn], _Spoilt]] = {
    "unknown_tool": _unknown_tool,
    "no_call": _no_call,
    "call_in_content": _in_content,
    "missing_call": _missing_call,
    "extra_call": _extra_call,
    "wrong_tool": _wrong_tool,
    "wrong_arguments": _wrong_arguments,
    "wrong_order": _wrong_order,
    "arguments_not_string": _not_string,
    "arguments_unparseable": _unparseable,
    "missing_argument": _against_schema("missing_required"),
    "extra_argument": _against_schema("extra_key"),
    "argument_type": _against_schema("wrong_type", "string_for_number"),
}

TAGS = tuple(_FAULTS)
"""Faults of tool calls that a turn can have."""
