"""json-repair as a second opinion: its result counts only when no word of the text was lost or invented.

By itself it turns a refusal into ``''``, keeps the last of two documents and closes what was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_agentbench.scenario import Json

MAX_PROBED = 100_000
"""Characters; json-repair reads about 200,000 a second."""

_TOKEN = re.compile(r"\w+|[^\w\s\"'{}\[\],:\\\u201c\u201d\u2018\u2019]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}


@dataclass(frozen=True, slots=True)
class Probed:
    """A value that json-repair found and that holds exactly what the text says."""

    value: Json


def probe(text: str) -> Probed | None:
    """What json-repair makes of ``text``, an object or array from its first to its last bracket.

    None when it makes nothing of it, when a scalar of the text is missing, added, changed or moved in
    its result, or when ``text`` is too long.
    """
    if not text or len(text) > MAX_PROBED:
        return None
    import json_repair

    try:
        value = json_repair.loads(text, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, KeyError, TypeError, AttributeError):
        return None  # a probe of other people's code: where it fails, there is no second opinion
    if not isinstance(value, dict if text[0] == "{" else list):
        return None
    try:
        same = [_plain(token) for token in _TOKEN.findall(_unescape(text))] == list(_tokens(value))
    except RecursionError:
        return None
    return Probed(value) if same else None


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match.group(1) is not None:
            return chr(int(match.group(1), 16))
        return _CONTROL.get(match.group(2), match.group(2))

    return _ESCAPE.sub(character, text)


def _plain(token: str) -> str:
    return repr(_LITERALS[token]) if token in _LITERALS else token


def _tokens(value: Json) -> Iterator[str]:
    """The words and marks of all keys and scalars, in order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from map(_plain, _TOKEN.findall(str(key)))
            yield from _tokens(item)
    elif isinstance(value, list):
        for item in value:
            yield from _tokens(item)
    elif isinstance(value, bool) or value is None:
        yield repr(value)
    else:
        yield from map(_plain, _TOKEN.findall(str(value)))
