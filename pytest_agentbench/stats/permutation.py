"""Permutation test of equal success rates over wordings (METRICS 4).

A shuffle of 0/1 outcomes needs no list to be shuffled: the successes that land in each wording
follow a multivariate hypergeometric distribution, drawn here from the counts. Several strata (rows of
data that every wording was asked about) are shuffled each within itself.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate

SHUFFLES = 2000
_TABLE_LIMIT = 4096
"""Allocations of a stratum that are enumerated; beyond, wordings are drawn one after another."""
_BITS = 32
"""Counts of all wordings are packed into one integer, so that a stratum's draw is one addition."""

Stratum = Sequence[tuple[int, int]]
"""(successes, samples) of each wording within one row; (0, 0) where a wording did not see the row."""


def permutation_p(strata: Sequence[Stratum], *, seed: int, shuffles: int = SHUFFLES) -> float:
    """Permutation p of Q = sum (x_i - m_i p)^2 / (m_i p (1-p)) under shuffles within each stratum.

    p = (1 + #{Q* >= Q}) / (shuffles + 1), ties counted exactly (Phipson and Smyth, 2010). 1.0 where
    all outcomes are equal. ``strata`` all have the same wordings in the same order; a single stratum
    is the pooled test.

    Raises:
        ValueError: no stratum, strata of different lengths, or a wording without samples.
    """
    if not strata or len({len(stratum) for stratum in strata}) != 1:
        raise ValueError("every stratum needs one (successes, samples) pair per wording")
    k = len(strata[0])
    x = [sum(stratum[i][0] for stratum in strata) for i in range(k)]
    m = [sum(stratum[i][1] for stratum in strata) for i in range(k)]
    if min(m) < 1:
        raise ValueError(f"every wording needs a sample, got {m}")
    if sum(x) in {0, sum(m)}:
        return 1.0
    # p, N and the m_i are the same in every shuffle: Q orders them as sum x_i^2 / m_i does. In whole
    # numbers ties are exact.
    common = math.lcm(*m)
    weights = [common // mi for mi in m]

    def statistic(counts: Sequence[int]) -> int:
        return sum(w * xi * xi for w, xi in zip(weights, counts, strict=True))

    observed = statistic(x)
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    kinds = Counter((tuple(mi for _, mi in stratum), sum(xi for xi, _ in stratum)) for stratum in strata)
    draws = [_drawer(sizes, successes, times, rng) for (sizes, successes), times in sorted(kinds.items())]
    mask = (1 << _BITS) - 1
    shifts = range(0, k * _BITS, _BITS)
    at_least = 0
    for _ in range(shuffles):
        packed = sum(draw() for draw in draws)
        at_least += statistic([packed >> shift & mask for shift in shifts]) >= observed
    return (1 + at_least) / (shuffles + 1)


def _drawer(sizes: tuple[int, ...], successes: int, times: int, rng: random.Random) -> Callable[[], int]:
    """A function that shuffles ``times`` strata of one kind and returns the packed counts."""
    total = sum(sizes)
    if successes in {0, total}:
        fixed = times * sum((size if successes else 0) << (i * _BITS) for i, size in enumerate(sizes))
        return lambda: fixed
    table = _allocations(sizes, successes)
    if table is not None:
        packed = list(table)
        cumulative = list(accumulate(table.values()))
        return lambda: sum(rng.choices(packed, cum_weights=cumulative, k=times))
    cache: dict[tuple[int, int, int], tuple[int, list[float]]] = {}

    def draw_one() -> int:
        left, successes_left, packed = total, successes, 0
        for i, size in enumerate(sizes):
            key = (left, successes_left, size)
            if key not in cache:
                cache[key] = _hypergeometric(left, successes_left, size)
            lowest, steps = cache[key]
            drawn = lowest + bisect(steps, rng.random())
            packed += drawn << (i * _BITS)
            left -= size
            successes_left -= drawn
        return packed

    return lambda: sum(draw_one() for _ in range(times))


def _allocations(sizes: tuple[int, ...], successes: int) -> dict[int, float] | None:
    """Every way to spread ``successes`` over the wordings, with its weight prod C(m_i, x_i).

    None when there are more than the limit.
    """
    partial: dict[tuple[int, int], int] = {(successes, 0): 1}  # (still to place, packed) -> weight
    left = sum(sizes)
    for i, size in enumerate(sizes):
        left -= size
        grown: dict[tuple[int, int], int] = {}
        for (open_, packed), weight in partial.items():
            for drawn in range(max(0, open_ - left), min(size, open_) + 1):
                grown[open_ - drawn, packed + (drawn << (i * _BITS))] = weight * math.comb(size, drawn)
            if len(grown) > _TABLE_LIMIT:
                return None
        partial = grown
    scale = max(partial.values())
    return {packed: weight / scale for (_, packed), weight in partial.items()}


def _hypergeometric(total: int, successes: int, draws: int) -> tuple[int, list[float]]:
    """(smallest value, cumulative probabilities without the last one) of successes among draws."""
    low = max(0, draws - (total - successes))
    high = min(draws, successes)

    def log_weight(x: int) -> float:
        return -(
            math.lgamma(x + 1)
            + math.lgamma(successes - x + 1)
            + math.lgamma(draws - x + 1)
            + math.lgamma(total - successes - draws + x + 1)
        )

    logs = [log_weight(x) for x in range(low, high + 1)]
    largest = max(logs)
    cumulative = list(accumulate(math.exp(log - largest) for log in logs))
    return low, [value / cumulative[-1] for value in cumulative[:-1]]
