"""Near repetition: a segment nearly all of whose 6-grams have been seen before (METRICS 5)."""

from __future__ import annotations

from itertools import pairwise

from pytest_agentbench.loops.runs import Grams, Run

GRAM = 6
MIN_TOKENS = 100
COVERED = 0.95
MULTIPLICITY = 2.5
_PENALTY = COVERED / (1 - COVERED)
"""An uncovered token outweighs this many covered ones, so a sum of 0 is exactly 95 % covered."""


def near_segments(grams: Grams) -> list[Run]:
    """Segments at least 95 % covered by 6-grams seen before and repeated often enough, in order.

    The period is the number of distinct 6-grams in one, which is the length of what repeats. Each has
    at least 100 tokens and 2.5 times as many 6-grams as distinct ones.
    """
    three = grams.three
    if len(three) < MIN_TOKENS:
        return []
    pairs = list(zip(three, three[3:], strict=False))
    found = []
    for start, end in _segments(_covered(pairs, len(grams.ids))):
        if end - start < MIN_TOKENS:
            continue
        inside = pairs[start : end - GRAM + 1]
        distinct = len(set(inside))
        if len(inside) >= MULTIPLICITY * distinct:
            found.append(Run(start=start, end=end, period=distinct))
    return found


def _covered(pairs: list[tuple[int, int]], n_tokens: int) -> bytearray:
    """One byte a token: 1 where a 6-gram that had occurred before covers it."""
    covered = bytearray(n_tokens)
    seen: set[tuple[int, int]] = set()
    ones = b"\x01" * GRAM
    for index, pair in enumerate(pairs):
        if pair in seen:
            covered[index : index + GRAM] = ones
        else:
            seen.add(pair)
    return covered


def _segments(covered: bytearray) -> list[tuple[int, int]]:
    """Stretches whose every beginning is at least 95 % covered, up to where the sum is highest."""
    segments = []
    edges = [
        0,
        *(index for index, pair in enumerate(pairwise(covered), 1) if pair[0] != pair[1]),
        len(covered),
    ]
    total = best = 0.0
    start = end = 0
    for first, last in pairwise(edges):
        if covered[first]:
            if total == 0.0:
                start, best = first, 0.0
            total += last - first
            if total >= best:
                best, end = total, last
            continue
        total -= _PENALTY * (last - first)
        if total <= 0.0:
            if end > start:
                segments.append((start, end))
            total = best = 0.0
            start = end = last
    if end > start:
        segments.append((start, end))
    return segments
