"""Distribution functions and quantiles on the standard library alone.

scipy would cost 0.8 s of import in every worker; it is the oracle of the tests instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_PRECISION = 1e-16
_MAX_TERMS = 100_000


def _invert(cdf: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The point where an increasing ``cdf`` reaches ``target``, by bisection to float precision."""
    for _ in range(400):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if cdf(middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _check_probability(probability: float) -> None:
    if not 0 < probability < 1:
        raise ValueError(f"a probability for a quantile must lie inside (0, 1), got {probability!r}")


def normal_cdf(z: float) -> float:
    """P(Z <= z) of the standard normal distribution."""
    return math.erfc(-z / math.sqrt(2)) / 2


@lru_cache(maxsize=256)
def normal_quantile(probability: float) -> float:
    """The z with P(Z <= z) = ``probability``.

    Raises:
        ValueError: ``probability`` is not inside (0, 1).
    """
    _check_probability(probability)
    if probability > 0.5:
        # The upper tail would lose digits to 1 - p.
        return -normal_quantile(1 - probability)
    return _invert(normal_cdf, probability, -40.0, 0.0)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1.

    Source: DLMF 8.17.22 (continued fraction, evaluated by Lentz' method) and 8.17.4 (symmetry).
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c = 1.0
    d = 1.0 / (1.0 - (a + b) * x / (a + 1.0) or _TINY)
    fraction = d
    for j in range(1, _MAX_TERMS):
        for term in (
            j * (b - j) * x / ((a + 2 * j - 1) * (a + 2 * j)),
            -(a + j) * (a + b + j) * x / ((a + 2 * j) * (a + 2 * j + 1)),
        ):
            d = 1.0 / (1.0 + term * d or _TINY)
            c = 1.0 + term / c or _TINY
            step = c * d
            fraction *= step
        if abs(step - 1.0) <= 4 * _PRECISION:
            break
    return math.exp(log_front) * fraction / a


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = ``probability``.

    Raises:
        ValueError: ``probability`` is not inside (0, 1).
    """
    _check_probability(probability)
    return _invert(lambda x: incomplete_beta(x, a, b), probability, 0.0, 1.0)


def incomplete_gamma(a: float, x: float) -> float:
    """The regularized lower incomplete gamma function P(a, x), for a > 0 and x >= 0.

    Source: DLMF 8.11.4 (series) and 8.9.2 (continued fraction), by Lentz' method.
    """
    if x <= 0:
        return 0.0
    log_front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:
        term = total = 1.0 / a
        for j in range(1, _MAX_TERMS):
            term *= x / (a + j)
            total += term
            if term <= total * _PRECISION:
                break
        return math.exp(log_front) * total
    b = x + 1 - a
    c = 1 / _TINY
    d = fraction = 1 / b
    for j in range(1, _MAX_TERMS):
        numerator = -j * (j - a)
        b += 2
        d = 1.0 / (numerator * d + b or _TINY)
        c = b + numerator / c or _TINY
        fraction *= c * d
        if abs(c * d - 1.0) <= 4 * _PRECISION:
            break
    return 1.0 - math.exp(log_front) * fraction


def chi_square_cdf(x: float, degrees: float) -> float:
    """P(X <= x) of the chi-square distribution with ``degrees`` > 0 degrees of freedom."""
    return incomplete_gamma(degrees / 2, x / 2)


@lru_cache(maxsize=256)
def chi_square_quantile(probability: float, degrees: float) -> float:
    """The x with P(X <= x) = ``probability`` for ``degrees`` > 0 degrees of freedom.

    Raises:
        ValueError: ``probability`` is not inside (0, 1).
    """
    _check_probability(probability)
    high = degrees + 10.0
    while chi_square_cdf(high, degrees) < probability:
        high *= 2
    return _invert(lambda x: chi_square_cdf(x, degrees), probability, 0.0, high)
