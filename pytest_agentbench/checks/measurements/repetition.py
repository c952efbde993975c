"""Loops anywhere in a sample: in what each turn says, thinks and passes to tools, and among the turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_agentbench.loops.calls import find_call_loop
from pytest_agentbench.loops.text import find_loop
from pytest_agentbench.sample import Loop, Turn


def measure(turns: tuple[Turn, ...], ended: str, *, structured: bool) -> Loop | None:
    """The first loop of the sample, a loop in a text before one among the calls; None without any.

    ``structured``: the answers are JSON. A turn counts as cut when it ran into a limit of its own.
    """
    for turn in turns:
        cut = turn.truncated or turn.reply.deadline
        for where, text, is_structured in _texts(turn, structured=structured):
            loop = find_loop(text, structured=is_structured, truncated=cut)
            if loop is not None:
                return replace(loop, where=where)
    loop = find_call_loop(turns)
    if loop is None:
        return None
    return replace(loop, unterminated=ended in {"max_turns", "deadline", "truncated"})


def _texts(turn: Turn, *, structured: bool) -> Iterator[tuple[str, str, bool]]:
    reply = turn.reply
    if reply.content:
        yield "answer", reply.content, structured and not _begins_as_prose(reply.content)
    if reply.reasoning:
        yield "reasoning", reply.reasoning, False
    for call in reply.tool_calls:
        if isinstance(call.arguments, str):
            yield "arguments", call.arguments, True


def _begins_as_prose(text: str) -> bool:
    """No bracket anywhere: the model was asked for JSON and writes something else."""
    return "{" not in text and "[" not in text
