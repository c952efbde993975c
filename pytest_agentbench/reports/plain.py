"""Text of models and endpoints made safe for a terminal: one line, no controls, measured width.

Whatever a model wrote may stand in a report: escape sequences that repaint the terminal, bidi marks
that reorder a line, characters without width. All of them are shown as what they are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MAX_COMBINING = 2
"""Marks stacked on one character in real scripts; more of them climb over the lines above."""

_PLAIN = re.compile(r"[ -~]*")
_NEWLINES = re.compile(r"\r\n|[\r\n\u0085\u2028\u2029]")
_SHOWN_AS_CODE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def neutralise(text: str) -> str:
    """One printable line: line ends as ``⏎``, controls as their pictures, the invisible as ``<U+202E>``.

    Neutralising twice changes nothing.
    """
    if _PLAIN.fullmatch(text):
        return text
    out: list[str] = []
    stacked = 0
    for char in _NEWLINES.sub("⏎", text):
        stacked = stacked + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        out.append(_code(char) if stacked > _MAX_COMBINING else _visible(char))
    return "".join(out)


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    number = ord(char)
    if number < 0x20:
        return chr(0x2400 + number)
    if number == 0x7F:
        return "␡"
    category = unicodedata.category(char)
    if category in _SHOWN_AS_CODE or unicodedata.name(char, "").endswith("FILLER"):
        return _code(char)
    return " " if category == "Zs" else char


def _code(char: str) -> str:
    return f"<U+{ord(char):04X}>"


@lru_cache(maxsize=4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def display_width(text: str) -> int:
    """Columns that ``text`` takes on a terminal; wide (CJK) characters take two."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def clip(text: str, width: int) -> str:
    """``text``, cut to ``width`` columns with ``…`` in the last one where it is longer."""
    if display_width(text) <= width:
        return text
    if width <= 0:
        return ""
    head, _ = _take(text, width - 1)
    return head + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` filled with blanks to ``width`` columns, flush right on demand; never cut."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken at blanks, else after marks, else anywhere."""
    width = max(width, 2)
    lines: list[str] = []
    rest = text.strip()
    while display_width(rest) > width:
        head, tail = _take(rest, width)
        cut = _break_point(head, tail)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]


def _break_point(head: str, tail: str) -> int:
    if tail.startswith(" ") and not tail.startswith(" %"):
        return len(head)
    blank = head.rfind(" ")
    if (head[blank + 1 :] == "" and tail.startswith("%")) or head[blank + 1 :].startswith("%"):
        blank = head.rfind(" ", 0, blank)  # a number stays with its unit
    if blank > 0:
        return blank
    mark = max(head.rfind(mark) for mark in "-_./,:")
    return mark + 1 if mark > 0 else len(head)


def _take(text: str, width: int) -> tuple[str, str]:
    used = 0
    for place, char in enumerate(text):
        used += _char_width(char)
        if used > width:
            return text[:place], text[place:]
    return text, ""
