"""Strings as models write them: any quotes, raw line breaks, escapes that JSON does not know."""

from __future__ import annotations

import re
from collections.abc import Callable

CLOSING = {'"': '"', "'": "'", "\u201c": "\u201c\u201d", "\u201d": "\u201d", "\u2018": "\u2018\u2019"}
"""What may close a string that begins with the key."""

_PLAIN = re.compile(r"[^\"'\\\x00-\x1f\u201c\u201d\u2018\u2019]+")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CUT_HEX = re.compile(r"[0-9a-fA-F]{0,3}")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_PYTHON_HEX = re.compile(r"x([0-9a-fA-F]{2})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})")


class QuotedError(Exception):
    """A string that cannot be read: ``truncated`` at the end of the text, or ``bad_escape``."""

    def __init__(self, tag: str, offset: int) -> None:
        super().__init__(f"{tag} at character {offset}")
        self.tag = tag
        self.offset = offset


def read_string(
    text: str, start: int, *, ends: Callable[[int], bool], tags: dict[str, None]
) -> tuple[str, int]:
    """The string whose opening quote is ``text[start]``, and the index after its closing one.

    ``ends(index)`` decides whether the quote at ``index`` closes it; one that does not is kept
    (``unescaped_quote``). What had to be mended is added to ``tags``.

    Raises:
        QuotedError: it never ends, or holds a lone surrogate or an escape that may be none.
    """
    quote = text[start]
    if quote != '"':
        tags["single_quotes" if quote == "'" else "smart_quotes"] = None
    parts: list[str] = []
    at = start + 1
    while True:
        plain = _PLAIN.match(text, at)
        if plain is not None:
            parts.append(plain.group())
            at = plain.end()
        char = text[at : at + 1]
        if char == "" or (char == "\\" and at + 1 == len(text)):
            raise QuotedError("truncated", len(text))
        if char == "\\":
            character, at = _escape(text, at, quote, tags)
            parts.append(character)
            continue
        at += 1
        if char in CLOSING[quote]:
            if ends(at - 1):
                return _joined(parts, start), at
            if quote == '"':
                tags["unescaped_quote"] = None
        elif char < " ":
            tags["control_char"] = None
        parts.append(char)


def _escape(text: str, at: int, quote: str, tags: dict[str, None]) -> tuple[str, int]:
    """What the escape at ``at`` stands for, and the index after it."""
    char = text[at + 1]
    if char in _ESCAPES:
        return _ESCAPES[char], at + 2
    if char == "'" and quote == "'":
        return "'", at + 2
    if char == "u" and (digits := _HEX.match(text, at + 2)) is not None:
        return chr(int(digits.group(), 16)), at + 6
    if char == "u" and at + 6 > len(text) and _CUT_HEX.fullmatch(text, at + 2) is not None:
        raise QuotedError("truncated", len(text))
    if (long := _PYTHON_HEX.match(text, at + 1)) is not None:
        if quote != "'":  # an escape of Python, or a path with a folder of that name
            raise QuotedError("bad_escape", at)
        return chr(int(long.group(1) or long.group(2), 16)), long.end()
    tags["bad_escape"] = None
    if char == "'":
        return "'", at + 2
    if char < " ":
        tags["control_char"] = None
    return "\\" + char, at + 2  # a Windows path, a regular expression, LaTeX: the backslash was meant


def _joined(parts: list[str], start: int) -> str:
    value = "".join(parts)
    if value.isascii():
        return value
    try:  # two \u escapes may be the halves of one character
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise QuotedError("bad_escape", start) from None
