"""Prompt sensitivity: how much the success rate depends on the wording (METRICS 4).

k wordings, m_i samples and x_i successes of each. Everything here works on those counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_agentbench.stats.bounds import newcombe_upper
from pytest_agentbench.stats.distributions import chi_square_quantile, normal_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Variance components of the success rate over wordings; see :func:`components`.

    Attributes:
        tau_squared: The prompt-sensitivity variance; tau its root, with a 95 % interval.
        icc: Intraclass correlation, None when no outcome varies.
        shrunk_spread: The raw spread less what chance alone puts into it.
    """

    msb: float
    msw: float
    m0: float
    tau_squared: float
    tau: float
    tau_low: float | None
    tau_high: float | None
    icc: float | None
    raw_spread: float
    shrunk_spread: float


def _check(x: Sequence[int], m: Sequence[int]) -> None:
    if len(x) != len(m) or any(not 0 <= xi <= mi or mi < 1 for xi, mi in zip(x, m, strict=False)):
        raise ValueError(f"each wording needs 0 <= x <= m and m >= 1, got x = {list(x)}, m = {list(m)}")


def raw_spread(x: Sequence[int], m: Sequence[int]) -> float:
    """Largest minus smallest success rate. Chance alone makes it large: never judge by it.

    Raises:
        ValueError: no wordings, or impossible counts.
    """
    _check(x, m)
    rates = [xi / mi for xi, mi in zip(x, m, strict=True)]
    return max(rates) - min(rates)


def components(x: Sequence[int], m: Sequence[int]) -> Components | None:
    """One-way random-effects components of k >= 3 wordings; None below that or with m = 1 each.

    With N = sum m_i and p = sum x_i / N::

        MSB = sum m_i (p_i - p)^2 / (k-1)          MSW = sum m_i p_i (1-p_i) / (N-k)
        m0 = (N - sum m_i^2 / N) / (k-1)           (= m when all m_i are equal)
        tau^2 = max(0, (MSB - MSW) / m0)           ICC = (MSB - MSW) / (MSB + (m0-1) MSW)
        tau from sqrt(max(0, ((k-1) MSB / chi2_.975 - MSW) / m0)) to the same with chi2_.025, df k-1
        shrunk spread = (max - min) sqrt(max(0, 1 - MSW / MSB))

    Where every outcome is equal, tau and the shrunk spread are 0 and there is neither an interval nor
    an ICC: nothing varied.

    Source: Searle, Casella, McCulloch, Variance Components (1992), ch. 3, on 0/1 outcomes; the
    interval inverts the chi-square of MSB with MSW taken as known.

    Raises:
        ValueError: impossible counts.
    """
    _check(x, m)
    k, total = len(x), sum(m)
    if k < 3 or total == k:
        return None
    p = sum(x) / total
    rates = [xi / mi for xi, mi in zip(x, m, strict=True)]
    spread = max(rates) - min(rates)
    msb = math.fsum(mi * (pi - p) ** 2 for mi, pi in zip(m, rates, strict=True)) / (k - 1)
    msw = math.fsum(mi * pi * (1 - pi) for mi, pi in zip(m, rates, strict=True)) / (total - k)
    m0 = (total - sum(mi * mi for mi in m) / total) / (k - 1)
    varied = 0 < sum(x) < total
    tau_squared = max(0.0, (msb - msw) / m0)

    def tau_bound(quantile: float) -> float | None:
        if not varied:
            return None
        return math.sqrt(max(0.0, ((k - 1) * msb / chi_square_quantile(quantile, k - 1) - msw) / m0))

    return Components(
        msb=msb,
        msw=msw,
        m0=m0,
        tau_squared=tau_squared,
        tau=math.sqrt(tau_squared),
        tau_low=tau_bound(0.975),
        tau_high=tau_bound(0.025),
        icc=(msb - msw) / (msb + (m0 - 1) * msw) if varied else None,
        raw_spread=spread,
        shrunk_spread=spread * math.sqrt(max(0.0, 1 - msw / msb)) if spread > 0 else 0.0,
    )


def best_and_worst(x: Sequence[int], m: Sequence[int]) -> tuple[int, int]:
    """Places of the wordings with the highest and the lowest success rate.

    Among equal rates the one with fewer samples (its interval is the wider one), then the first; the
    worst is never the best, unless there is a single wording.

    Raises:
        ValueError: no wordings, or impossible counts.
    """
    _check(x, m)
    rates = [xi / mi for xi, mi in zip(x, m, strict=True)]
    best = min(range(len(x)), key=lambda i: (-rates[i], m[i], i))
    others = [i for i in range(len(x)) if i != best] or [best]
    return best, min(others, key=lambda i: (rates[i], m[i], i))


def spread_upper(x: Sequence[int], m: Sequence[int], *, confidence: float = 0.95) -> float | None:
    """One-sided Newcombe upper bound of best minus worst wording; None below two wordings.

    Below the gate it says that no two wordings differ by the gate: an intersection-union test,
    which needs no correction for having picked the extremes (Berger, Technometrics 24 (1982) 295).
    """
    if len(x) < 2:
        return None
    best, worst = best_and_worst(x, m)
    return newcombe_upper(x[best], m[best], x[worst], m[worst], confidence=confidence)


def clean_samples_for_insensitive(max_spread: float, *, confidence: float = 0.95) -> int | None:
    """Samples a wording that make INSENSITIVE possible at all: all pass, and the bound < the gate.

    With m passes of m on both sides Newcombe's upper bound is z^2 / (m + z^2): 25 samples for 10
    points. None when ``max_spread`` <= 0: no number of samples shows a spread of exactly 0.
    """
    if max_spread <= 0:
        return None
    z2 = normal_quantile(confidence) ** 2
    return math.floor(z2 * (1 - max_spread) / max_spread + 1e-9) + 1 if max_spread < 1 else 1


def samples_to_decide(
    x: Sequence[int], m: Sequence[int], *, max_spread: float, limit: int = 100_000
) -> int | None:
    """About how many samples a wording would decide, if the rates stay as they are observed.

    Below the gate: the m at which Newcombe's bound of best minus worst drops under it. At or above
    it: the m at which Q reaches its 5 % point (chi-square, k-1 degrees of freedom) and the shrunk
    spread the gate. None below two wordings, beyond ``limit``, or where no number would do.
    """
    if len(x) < 2:
        return None
    best, worst = best_and_worst(x, m)
    high, low = x[best] / m[best], x[worst] / m[worst]
    if high - low < max_spread:

        def decided(size: int) -> bool:
            bound = newcombe_upper(round(high * size), size, round(low * size), size)
            return bound is not None and bound < max_spread

        if not decided(limit):
            return None
        below, above = 0, limit
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (below, middle) if decided(middle) else (middle, above)
        return above
    found = components(x, m)
    if found is None or found.msb <= 0 or high - low <= max_spread:
        return None
    p = sum(x) / sum(m)
    k = len(x)
    variance = found.msb / found.m0
    by_test = chi_square_quantile(0.95, k - 1) * p * (1 - p) / ((k - 1) * variance)
    by_spread = found.msw / (variance * (1 - (max_spread / (high - low)) ** 2))
    needed = math.ceil(max(by_test, by_spread))
    return needed if needed <= limit else None
