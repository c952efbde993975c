"""The sequential test of a failure rate: two e-processes, valid at any stopping time (METRICS 2).

Under a true rate of at least p0, E_pass is a non-negative supermartingale that starts at 1; by
Ville's inequality it ever reaches 1/alpha with a probability of at most alpha. E_fail is the same
for a true rate of at most p0. Both are mixtures of likelihood ratios, so the counts x and n are all
that has to be remembered, and a run may be stopped, extended and merged at will.

With several rates taken in full rounds the mean rate is judged, and only at the ends of rounds.
"""

from __future__ import annotations

import math
from functools import lru_cache

PASS_FACTORS = (1 / 50, 1 / 8, 1 / 4, 1 / 2)
FAIL_FACTORS = (4 / 3, 2.0, 3.0, 6.0)
_LARGEST = 1e300
"""E-values are clamped here: infinity is not JSON."""


@lru_cache(maxsize=256)
def _weights(p0: float) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Per alternative rate q: (ln(q/p0), ln((1-q)/(1-p0))), for E_pass and for E_fail."""
    if not 0 < p0 < 1:
        raise ValueError(f"p0 must lie inside (0, 1), got {p0!r}")
    highest = (1 + p0) / 2

    def logs(q: float) -> tuple[float, float]:
        return math.log(q / p0), math.log1p(-q) - math.log1p(-p0)

    return (
        tuple(logs(factor * p0) for factor in PASS_FACTORS),
        tuple(logs(min(factor * p0, highest)) for factor in FAIL_FACTORS),
    )


def _log_mean_exp(weights: tuple[tuple[float, float], ...], x: int, n: int) -> float:
    logs = [x * failure + (n - x) * success for failure, success in weights]
    largest = max(logs)
    return largest + math.log(sum(math.exp(log - largest) for log in logs) / len(logs))


def log_e_pass(x: int, n: int, p0: float) -> float:
    """Logarithm of E_pass after x failures in n samples: evidence that the failure rate is below ``p0``.

    The mean of exp L(q) over q/p0 in PASS_FACTORS, L(q) = x ln(q/p0) + (n-x) ln((1-q)/(1-p0)).
    0.0 at n = 0.

    Raises:
        ValueError: ``p0`` is not inside (0, 1).
    """
    return _log_mean_exp(_weights(p0)[0], x, n)


def log_e_fail(x: int, n: int, p0: float) -> float:
    """Logarithm of E_fail after x failures in n samples: evidence that the failure rate is above ``p0``.

    As :func:`log_e_pass`, over q/p0 in FAIL_FACTORS, each q at most (1 + p0)/2.

    Raises:
        ValueError: ``p0`` is not inside (0, 1).
    """
    return _log_mean_exp(_weights(p0)[1], x, n)


def e_value(log_e: float) -> float:
    """An e-value from its logarithm, clamped to a finite number."""
    return math.exp(log_e) if log_e < math.log(_LARGEST) else _LARGEST


@lru_cache(maxsize=256)
def first_possible_pass(p0: float, *, alpha: float = 0.05) -> int:
    """The number of samples, none failed, after which PASS is possible: 180 for 2 %.

    Raises:
        ValueError: ``p0`` is not inside (0, 1).
    """
    wanted = -math.log(alpha)
    high = 1
    while log_e_pass(0, high, p0) < wanted:
        high *= 2
    low = high // 2  # E_pass grows with every clean sample, so the first n lies in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        if log_e_pass(0, middle, p0) < wanted:
            low = middle
        else:
            high = middle
    return high


def default_cap(p0: float) -> int:
    """The samples of a case after which an undecided gate is INCONCLUSIVE: 30 / p0, rounded up."""
    # 30/p0 of a p0 such as 1 - 0.9 may come out a hair above a whole number.
    return math.ceil(30 / p0 - 1e-6)
