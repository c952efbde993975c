"""The tokens of METRICS 5: words, digit runs, single CJK characters, punctuation marks; case folded."""

from __future__ import annotations

import re

LONGEST = 16
"""Characters of one token; a longer word is cut, so that an endless ``hahaha...`` is a repetition too."""

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
TOKEN = re.compile(rf"[^\W\d{CJK}]{{1,{LONGEST}}}|[{CJK}]|\d{{1,{LONGEST}}}|[^\w\s]")
MASK = 0
"""The id that stands for every digit run once digits are masked."""


class Tokens:
    """The tokens of a text as small integers: equal ids are equal tokens.

    Attributes:
        words: As written.
        ids: One id a token; from 1.
    """

    __slots__ = ("_starts", "_text", "ids", "words")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] | None = None
        self.words: list[str] = TOKEN.findall(text)
        self.ids = list(map(_Interned().__getitem__, self.words))

    def __len__(self) -> int:
        return len(self.words)

    def masked(self) -> list[int]:
        """The ids with every digit run replaced by :data:`MASK`."""
        digits = {word: MASK for word in set(self.words) if word.isdigit()}
        if not digits:
            return self.ids
        return [digits.get(word, number) for word, number in zip(self.words, self.ids, strict=True)]

    def spans(self, first: int, last: int) -> tuple[int, int]:
        """Where tokens ``first`` to ``last`` (exclusive) begin and end in the text, in characters."""
        if self._starts is None:
            self._starts = [match.start() for match in TOKEN.finditer(self._text)]
        return self._starts[first], self._starts[last - 1] + len(self.words[last - 1])


class _Interned(dict[str, int]):
    """Numbers tokens by their case-folded form as they are first seen."""

    def __missing__(self, word: str) -> int:
        folded = word.casefold()
        number = self.get(folded, 0) if folded != word else 0
        if not number:
            number = len(self) + 1
            self[folded] = number
        self[word] = number
        return number
