"""A reference as the turns that are played, and turns with one thing changed."""

from __future__ import annotations

import dataclasses
import json
from typing import TypeAlias

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.draft import Draft, DraftCall
from pytest_agentbench.simulation.reference import drafts_of

Script: TypeAlias = tuple[Draft, ...]
"""What the model says, turn by turn."""


def script_of(reference: Json) -> Script:
    """The turns of a rendered ``reference``."""
    return drafts_of([{"assistant": _said(turn["assistant"])} for turn in reference])


def with_text(script: Script, text: str) -> Script:
    """``script`` with another text in its last turn."""
    return (*script[:-1], dataclasses.replace(script[-1], content=text))


def with_calls(script: Script, turn: int, calls: tuple[DraftCall, ...]) -> Script:
    """``script`` with other calls in one turn; a turn that says and calls nothing any more is left out."""
    changed = dataclasses.replace(script[turn], calls=calls)
    kept = (changed,) if changed.calls or changed.content else ()
    return (*script[:turn], *kept, *script[turn + 1 :])


def text_of(value: Json) -> str:
    """``value`` as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def canonical(script: Script) -> str:
    """Equal for scripts that say the same: white space and the order of keys in JSON do not count."""
    turns = [
        [_plain(draft.content), [[call.name, _plain(call.arguments)] for call in draft.calls]]
        for draft in script
    ]
    return json.dumps(turns, sort_keys=True)


def _plain(text: Json) -> Json:
    try:
        return ["json", json.loads(text)]
    except (TypeError, ValueError, RecursionError):
        return ["text", text]


def _said(turn: Json) -> Json:
    """A turn of a rendered reference whose texts are texts: ``"{{ n }}"`` keeps the type of its value."""
    if isinstance(turn, dict) and turn and turn.keys() <= {"text", "tool_calls"}:
        return {key: _text(value) if key == "text" else value for key, value in turn.items()}
    return _text(turn)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else text_of(value)
