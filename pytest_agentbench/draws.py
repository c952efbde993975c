"""In which order a case draws: full rounds over variants and rows.

A *round* has each variant with each row once, variants fastest. The mean over a full round is what
a gate judges (METRICS 2), so gates are looked at only at the ends of rounds. A scenario with more
rows than repeats could never finish such a round: its rows are shuffled by seed, each repetition
takes the next one for all variants, and a round is one repetition.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The sending order of a case's samples, without end.

    Attributes:
        n_variants: At least 1.
        n_rows: At least 1.
        repeats: Samples per variant that are drawn at least.
        seed: Of the shuffled rows, where rows outnumber the repeats.
    """

    n_variants: int
    n_rows: int
    repeats: int
    seed: int = 0

    @property
    def round_size(self) -> int:
        """Samples in a full round."""
        return self.n_variants * (self.n_rows if self._rows_fit else 1)

    @property
    def planned(self) -> int:
        """Samples drawn at least: ``repeats`` per variant."""
        return self.n_variants * self.repeats

    @property
    def n_distinct(self) -> int:
        """How many different (variant, row) pairs there are."""
        return self.n_variants * self.n_rows

    @property
    def _rows_fit(self) -> bool:
        return self.n_rows <= self.repeats

    def at(self, index: int) -> tuple[int, int]:
        """The variant and the row (both from 0) of the sample with this place in the order."""
        repetition, variant = divmod(index, self.n_variants)
        if self._rows_fit:
            return variant, repetition % self.n_rows
        cycle, place = divmod(repetition, self.n_rows)
        return variant, _shuffled(self.n_rows, f"{self.seed}:{cycle}")[place]

    def full_rounds(self, n_samples: int) -> int:
        """``n_samples`` rounded up to full rounds."""
        return math.ceil(n_samples / self.round_size) * self.round_size


@functools.lru_cache(maxsize=64)
def _shuffled(n: int, seed: str) -> tuple[int, ...]:
    rows = list(range(n))
    random.Random(seed).shuffle(rows)  # noqa: S311  an order, not a secret
    return tuple(rows)
