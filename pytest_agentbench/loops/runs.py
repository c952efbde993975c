"""Runs in a token sequence: stretches in which every token equals the one a fixed distance before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST = 16
"""Positions of constant distance that make a stretch worth extending; any run that METRICS 5 calls a
loop leaves a longer one at one of the gram sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Tokens ``start`` to ``end`` (exclusive) repeat with ``period``."""

    start: int
    end: int
    period: int

    @property
    def length(self) -> int:
        """Tokens of all repetitions together, the last one perhaps cut."""
        return self.end - self.start

    @property
    def repeats(self) -> int:
        """Whole repetitions."""
        return self.length // self.period


class Grams:
    """Numbers for the 3-, 8- and 24-grams of a sequence, built from one another.

    ``three[i]`` stands for tokens i to i+2, and so on; equal numbers are equal grams. An n-gram needs
    n tokens, so the lists are shorter than the sequence; they are empty for a short one.
    """

    __slots__ = ("eight", "ids", "three")

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids
        self.three = _interned(zip(ids, ids[1:], ids[2:]))  # noqa: B905 - the shifted ones are shorter
        three = self.three
        self.eight = _interned(zip(three, three[3:], three[5:]))  # noqa: B905

    def twenty_four(self) -> list[int]:
        """Numbers of the 24-grams."""
        eight = self.eight
        return _interned(zip(eight, eight[8:], eight[16:]))  # noqa: B905


def _interned(grams: zip[tuple[int, int, int]]) -> list[int]:
    numbers: dict[tuple[int, int, int], int] = {}
    number = numbers.setdefault
    return [number(gram, len(numbers)) for gram in grams]


def runs(grams: Grams) -> list[Run]:
    """Maximal runs that a stretch of constant distance betrays; linear time for texts.

    Small grams find short periods at once, large ones find units that repeat themselves inside, where
    the last occurrence of a small gram is not one period away.
    """
    found: dict[int, list[Run]] = {}
    for size, sequence in ((3, grams.three), (8, grams.eight), (24, grams.twenty_four())):
        if len(set(sequence)) == len(sequence):
            break  # no gram occurs twice, so no larger one does
        for first, last, period in _stretches(sequence):
            _extend(grams.ids, first, last + size - 1, period, found.setdefault(period, []))
    return [run for group in found.values() for run in group]


def _stretches(sequence: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first, last + 1, distance) of each long stretch with one distance to the last occurrence."""
    last_seen = [-1] * (max(sequence, default=-1) + 1)
    stretches = []
    distance = first = 0
    for index, gram in enumerate(sequence):
        before = last_seen[gram]
        last_seen[gram] = index
        now = index - before if before >= 0 else 0
        if now != distance:
            if distance and index - first >= SHORTEST:
                stretches.append((first, index, distance))
            distance = now
            first = index
    if distance and len(sequence) - first >= SHORTEST:
        stretches.append((first, len(sequence), distance))
    return stretches


def _extend(ids: Sequence[int], first: int, end: int, period: int, known: list[Run]) -> None:
    """Add the maximal run around a stretch, unless a run of this period already covers it."""
    if any(run.start <= first and end <= run.end for run in reversed(known[-4:])):
        return
    start = first - period
    while start > 0 and ids[start - 1] == ids[start - 1 + period]:
        start -= 1
    while end < len(ids) and ids[end] == ids[end - period]:
        end += 1
    run = Run(start=start, end=end, period=period)
    if run not in known[-4:]:
        known.append(run)
