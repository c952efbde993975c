"""Intervals for a rate and for the difference of two rates (METRICS 2, 3).

Everywhere ``x`` events in ``n`` samples. With n = 0 there is nothing to bound: the functions return
None, and :func:`rate_estimate` says why in ``reason``.
"""

from __future__ import annotations

import math

from pytest_agentbench.stats.distributions import beta_quantile, normal_quantile
from pytest_agentbench.verdict import Estimate


def _check_counts(x: int, n: int) -> None:
    if n < 0 or not 0 <= x <= n:
        raise ValueError(f"counts must satisfy 0 <= x <= n, got x = {x}, n = {n}")


def clopper_pearson_lower(x: int, n: int, *, alpha: float = 0.05) -> float | None:
    """One-sided lower bound of a rate, exact: confidence 1 - ``alpha``; None when n = 0.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404.

    Raises:
        ValueError: not 0 <= x <= n.
    """
    _check_counts(x, n)
    if n == 0:
        return None
    if x == 0:
        return 0.0
    if x == n:
        return math.exp(math.log(alpha) / n)
    return beta_quantile(alpha, x, n - x + 1)


def clopper_pearson_upper(x: int, n: int, *, alpha: float = 0.05) -> float | None:
    """One-sided upper bound of a rate, exact: confidence 1 - ``alpha``; None when n = 0.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404. With x = 0 it is 1 - alpha^(1/n).

    Raises:
        ValueError: not 0 <= x <= n.
    """
    lower = clopper_pearson_lower(n - x, n, alpha=alpha)
    return None if lower is None else 1.0 - lower


def _wilson(x: int, n: int, z: float) -> tuple[float, float]:
    rate = x / n
    z2 = z * z
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return (0.0 if x == 0 else centre - half), (1.0 if x == n else centre + half)


def wilson_interval(x: int, n: int, *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Two-sided Wilson score interval of a rate; None when n = 0.

    Source: Wilson, JASA 22 (1927) 209; without continuity correction.

    Raises:
        ValueError: not 0 <= x <= n.
    """
    _check_counts(x, n)
    return _wilson(x, n, normal_quantile((1 + confidence) / 2)) if n else None


def rate_estimate(x: int, n: int, *, note: str = "", reason: str = "no samples") -> Estimate:
    """A rate with its Wilson 95 % interval; all None with ``reason`` when n = 0.

    ``note`` is put behind the name of the method (an interval after a sequential stop says so).
    """
    interval = wilson_interval(x, n)
    if interval is None:
        return Estimate(value=None, n=0, x=0, reason=reason)
    method = f"Wilson 95 %{', ' if note else ''}{note}"
    return Estimate(value=x / n, n=n, x=x, low=interval[0], high=interval[1], method=method)


def _newcombe(x1: int, n1: int, x2: int, n2: int, z: float) -> tuple[float, float]:
    low1, high1 = _wilson(x1, n1, z)
    low2, high2 = _wilson(x2, n2, z)
    rate1, rate2 = x1 / n1, x2 / n2
    difference = rate1 - rate2
    low = difference - math.hypot(rate1 - low1, high2 - rate2)
    high = difference + math.hypot(high1 - rate1, rate2 - low2)
    return max(-1.0, low), min(1.0, high)


def newcombe_interval(
    x1: int, n1: int, x2: int, n2: int, *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Two-sided interval of x1/n1 - x2/n2 for independent samples; None when either n is 0.

    Source: Newcombe, Statistics in Medicine 17 (1998) 873, method 10 (hybrid score).

    Raises:
        ValueError: not 0 <= x <= n in one of the samples.
    """
    _check_counts(x1, n1)
    _check_counts(x2, n2)
    if not n1 or not n2:
        return None
    return _newcombe(x1, n1, x2, n2, normal_quantile((1 + confidence) / 2))


def newcombe_upper(x1: int, n1: int, x2: int, n2: int, *, confidence: float = 0.95) -> float | None:
    """One-sided upper bound of x1/n1 - x2/n2 (Newcombe 1998, method 10); None when either n is 0."""
    interval = newcombe_interval(x1, n1, x2, n2, confidence=2 * confidence - 1)
    return None if interval is None else interval[1]


def newcombe_lower(x1: int, n1: int, x2: int, n2: int, *, confidence: float = 0.95) -> float | None:
    """One-sided lower bound of x1/n1 - x2/n2 (Newcombe 1998, method 10); None when either n is 0."""
    interval = newcombe_interval(x1, n1, x2, n2, confidence=2 * confidence - 1)
    return None if interval is None else interval[0]


def clean_samples_needed(p0: float, *, alpha: float = 0.05) -> int:
    """How many samples without a failure certify a failure rate of at most ``p0`` at a fixed n.

    The smallest n with (1 - p0)^n <= alpha: 149 for 2 % at 95 %.

    Raises:
        ValueError: ``p0`` is not inside (0, 1).
    """
    if not 0 < p0 < 1:
        raise ValueError(f"p0 must lie inside (0, 1), got {p0!r}")
    # The slack keeps an exact n (p0 = 0.95: one sample) from being pushed up by rounding.
    return math.ceil(math.log(alpha) / math.log1p(-p0) - 1e-9)
