"""Whether a place in a text is prose, or code, a table or JSON, where repetition is ordinary."""

from __future__ import annotations

import re
from bisect import bisect_left

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_BRACKET = re.compile(r"[{}\[\]]")
_TABLE_LINE = re.compile(r"[^|\n]*\|[^|\n]*\||[^\t\n]*\t[^\t\n]*\t|[^,\n]*,\S[^,\n]*,\S|[^;\n]*;\S[^;\n]*;\S")
_CODE_LINE = re.compile(
    r"\s*(?:[\w.\[\]\"'*]+\s*(?:[-+*/|&:]?=)[^=]|(?:def|class|return|import|from|if|for|while|else|elif|try|except"
    r"|with|const|let|var|function|public|private|static|void|int|print|assert|SELECT|INSERT|UPDATE)\b.*[:;({)\]]"
    r"|[}\])]+[;,]?\s*\Z|.*[;{}]\s*\Z|</?\w[^>]*>|#include|//|\w+(?:\.\w+)*\(.*\)\s*\Z|[$#>]\s)"
)
LINES = 60
"""Lines of a repetition that are looked at."""


class Context:
    """Finds structure in one text; the text is scanned once, each question then costs little."""

    __slots__ = ("_brackets", "_depths", "_fences", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._fences = [match.start() for match in _FENCE.finditer(text)]
        self._brackets: list[int] = []
        self._depths: list[int] = []
        depth = 0
        for match in _BRACKET.finditer(text):
            depth = depth + 1 if match.group() in "{[" else max(0, depth - 1)
            self._brackets.append(match.start())
            self._depths.append(depth)

    def is_structured(self, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` lies in a code fence, a table, code or JSON.

        JSON is what stands inside a bracket, or after a bracket that never closes.
        """
        if bisect_left(self._fences, start) % 2 == 1:
            return True
        brackets = bisect_left(self._brackets, start)
        if brackets and self._depths[brackets - 1] > 0:
            return True
        return _looks_structured(self._text, start, end)


def _looks_structured(text: str, start: int, end: int) -> bool:
    begin = text.rfind("\n", 0, start) + 1
    lines = [line for line in text[begin : min(end, start + 6_000)].split("\n")[:LINES] if line.strip()]
    if not lines:
        return False
    n = sum(_TABLE_LINE.match(line) is not None or _CODE_LINE.match(line) is not None for line in lines)
    return n >= 0.6 * len(lines)
