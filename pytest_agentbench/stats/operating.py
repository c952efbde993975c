"""What the sequential rule does at a given true rate, computed exactly (METRICS 2).

The counts (x failures in n samples) are a Markov chain, so the probability of each verdict follows by
dynamic programming over the undecided states; no simulation, no approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pytest_agentbench.stats.sequential import log_e_fail, log_e_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """Where the rule stops, at the end of each round.

    ``pass_at[i]`` is the largest number of failures with which the sample count ``ends[i]`` gives
    PASS (-1: none does), ``fail_at[i]`` the smallest that gives FAIL.
    """

    ends: tuple[int, ...]
    pass_at: tuple[int, ...]
    fail_at: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """The rule at one true rate: probabilities of PASS and FAIL, and the mean number of samples."""

    rate: float
    p_pass: float
    p_fail: float
    mean_samples: float


def boundaries(p0: float, *, cap: int, round_size: int = 1, alpha: float = 0.05) -> Boundaries:
    """The stopping boundaries of the two e-processes against ``p0`` up to ``cap`` samples.

    Raises:
        ValueError: ``p0`` is not inside (0, 1), or ``round_size`` < 1.
    """
    if round_size < 1:
        raise ValueError(f"round_size must be at least 1, got {round_size}")
    wanted = -math.log(alpha)
    ends = tuple(range(round_size, cap + 1, round_size))
    pass_at, fail_at = [], []
    most, least = -1, 0
    for n in ends:
        # Both boundaries only grow with n, and E_pass falls, E_fail grows with x.
        while most + 1 <= n and log_e_pass(most + 1, n, p0) >= wanted:
            most += 1
        while least <= n and log_e_fail(least, n, p0) < wanted:
            least += 1
        pass_at.append(most)
        fail_at.append(least)
    return Boundaries(ends=ends, pass_at=tuple(pass_at), fail_at=tuple(fail_at))


def operating_point(rate: float, limits: Boundaries) -> OperatingPoint:
    """Probabilities of the verdicts at the true failure ``rate``, samples independent.

    Raises:
        ValueError: ``rate`` is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate lies in [0, 1], got {rate}")
    lowest, weights = 0, [1.0]  # P(undecided and x = lowest + i)
    before, p_pass, p_fail, spent = 0, 0.0, 0.0, 0.0
    for end, pass_at, fail_at in zip(limits.ends, limits.pass_at, limits.fail_at, strict=True):
        for _ in range(end - before):
            failed = [0.0, *(weight * rate for weight in weights)]
            passed = [*(weight * (1 - rate) for weight in weights), 0.0]
            weights = [a + b for a, b in zip(failed, passed, strict=True)]
        before = end
        n_pass = min(len(weights), max(0, pass_at + 1 - lowest))
        n_fail = min(len(weights) - n_pass, max(0, lowest + len(weights) - fail_at))
        passing, failing = math.fsum(weights[:n_pass]), math.fsum(weights[len(weights) - n_fail :])
        p_pass, p_fail, spent = p_pass + passing, p_fail + failing, spent + end * (passing + failing)
        weights = weights[n_pass : len(weights) - n_fail]
        lowest += n_pass
        if not weights:
            break
    undecided = math.fsum(weights)
    mean = spent + undecided * (limits.ends[-1] if limits.ends else 0)
    return OperatingPoint(rate=rate, p_pass=p_pass, p_fail=p_fail, mean_samples=mean)


@lru_cache(maxsize=64)
def decided_rates(
    p0: float, *, cap: int, round_size: int = 1, alpha: float = 0.05, power: float = 0.8
) -> tuple[float | None, float | None]:
    """(highest true rate that PASSes, lowest that FAILs) with probability ``power`` before the cap.

    None where no rate does: the cap is too small. To three digits. About twenty exact computations,
    0.3 s at 1,500 samples; remembered.

    Raises:
        ValueError: ``p0`` is not inside (0, 1), or ``round_size`` < 1.
    """
    limits = boundaries(p0, cap=cap, round_size=round_size, alpha=alpha)
    return (
        _edge(lambda rate: operating_point(rate, limits).p_pass >= power, start=0.0, end=p0),
        _edge(lambda rate: operating_point(rate, limits).p_fail >= power, start=1.0, end=p0),
    )


def _edge(decided: Callable[[float], bool], *, start: float, end: float) -> float | None:
    if not decided(start):
        return None
    good, bad = start, end
    while abs(good - bad) > 1e-3 * end:
        middle = (good + bad) / 2
        good, bad = (middle, bad) if decided(middle) else (good, middle)
    return good
