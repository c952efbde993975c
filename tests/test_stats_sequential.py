from __future__ import annotations

import math
import random

import pytest

from pytest_agentbench.stats.operating import boundaries, decided_rates, operating_point
from pytest_agentbench.stats.sequential import (
    default_cap,
    e_value,
    first_possible_pass,
    log_e_fail,
    log_e_pass,
)


def likelihood_ratio(x: int, n: int, q: float, p0: float) -> float:
    return (q / p0) ** x * ((1 - q) / (1 - p0)) ** (n - x)


@pytest.mark.parametrize("p0", [0.001, 0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("x", "n"), [(0, 0), (0, 1), (1, 1), (0, 180), (3, 40), (7, 12)])
def test_e_values_are_the_mean_of_their_likelihood_ratios(x: int, n: int, p0: float) -> None:
    passing = [likelihood_ratio(x, n, p0 * factor, p0) for factor in (1 / 50, 1 / 8, 1 / 4, 1 / 2)]
    failing = [likelihood_ratio(x, n, min(p0 * factor, (1 + p0) / 2), p0) for factor in (4 / 3, 2, 3, 6)]
    assert e_value(log_e_pass(x, n, p0)) == pytest.approx(sum(passing) / 4, rel=1e-9)
    assert e_value(log_e_fail(x, n, p0)) == pytest.approx(sum(failing) / 4, rel=1e-9)


@pytest.mark.parametrize("p0", [0.001, 0.02, 0.1, 0.5, 0.9])
def test_one_sample_leaves_the_expected_e_value_at_one_when_the_rate_is_the_limit(p0: float) -> None:
    for x, n in ((0, 0), (2, 30), (5, 9)):
        for log_e in (log_e_pass, log_e_fail):
            grown = p0 * e_value(log_e(x + 1, n + 1, p0)) + (1 - p0) * e_value(log_e(x, n + 1, p0))
            assert grown == pytest.approx(e_value(log_e(x, n, p0)), rel=1e-9)


def test_the_first_possible_pass_at_two_per_cent_comes_after_180_clean_samples() -> None:
    assert first_possible_pass(0.02) == 180
    assert e_value(log_e_pass(0, 180, 0.02)) >= 20 > e_value(log_e_pass(0, 179, 0.02))


@pytest.mark.parametrize("p0", [0.001, 0.013, 0.1, 0.37, 0.8, 0.999])
def test_the_first_possible_pass_is_the_fewest_clean_samples(p0: float) -> None:
    n = first_possible_pass(p0)
    assert log_e_pass(0, n, p0) >= math.log(20)
    assert n == 1 or log_e_pass(0, n - 1, p0) < math.log(20)


def test_the_default_cap_is_thirty_over_the_limit() -> None:
    assert default_cap(0.02) == 1500
    assert default_cap(1 - 0.9) == 300
    assert default_cap(0.07) == 429


# METRICS 2: p0 = 2 %, cap 1500; (true rate, PASS, FAIL, mean samples).
TABLE = [
    (0.0, 1, 0, 180),
    (0.0025, 1, 0, 256),
    (0.005, 0.998, 0, 385),
    (0.01, 0.73, 0.001, 887),
    (0.02, 0.046, 0.028, 1413),
    (0.03, 0.005, 0.50, 1072),
    (0.04, 0.001, 0.97, 469),
    (0.05, 0, 1, 232),
    (0.10, 0, 1, 50),
]


@pytest.mark.parametrize(("rate", "p_pass", "p_fail", "mean"), TABLE)
def test_the_exact_table_of_the_rule_is_reproduced(
    rate: float, p_pass: float, p_fail: float, mean: int
) -> None:
    point = operating_point(rate, boundaries(0.02, cap=1500))
    digits = 0.005 if rate in {0.01, 0.03, 0.04} else 0.0005
    assert point.p_pass == pytest.approx(p_pass, abs=digits + 1e-9)
    assert point.p_fail == pytest.approx(p_fail, abs=digits + 1e-9)
    assert point.mean_samples == pytest.approx(mean, abs=0.5 + 1e-9)


@pytest.mark.parametrize("p0", [0.005, 0.02, 0.1, 0.3, 0.7])
@pytest.mark.parametrize("round_size", [1, 3, 10])
def test_at_the_limit_itself_neither_verdict_is_given_more_often_than_alpha(
    p0: float, round_size: int
) -> None:
    point = operating_point(p0, boundaries(p0, cap=min(1500, default_cap(p0)), round_size=round_size))
    assert point.p_pass <= 0.05
    assert point.p_fail <= 0.05


def test_the_exact_probabilities_agree_with_a_simulation() -> None:
    limits = boundaries(0.1, cap=300)
    rng, passes, fails, runs = random.Random(5), 0, 0, 2000
    stops = dict(zip(limits.ends, zip(limits.pass_at, limits.fail_at, strict=True), strict=True))
    for _ in range(runs):
        x = 0
        for n in range(1, 301):
            x += rng.random() < 0.16
            if x <= stops[n][0] or x >= stops[n][1]:
                passes += x <= stops[n][0]
                fails += x >= stops[n][1]
                break
    point = operating_point(0.16, limits)
    assert passes / runs == pytest.approx(point.p_pass, abs=4 * math.sqrt(0.01 / runs))
    assert fails / runs == pytest.approx(point.p_fail, abs=4 * math.sqrt(0.25 / runs))


def test_the_rates_decided_with_four_chances_in_five_lie_on_both_sides_of_the_limit() -> None:
    passing, failing = decided_rates(0.02, cap=1500)
    assert passing == pytest.approx(0.00934, abs=2e-5)
    assert failing == pytest.approx(0.0343, abs=1e-4)
    limits = boundaries(0.02, cap=1500)
    assert passing is not None
    assert operating_point(passing, limits).p_pass >= 0.8 > operating_point(passing * 1.01, limits).p_pass


def test_a_cap_too_small_for_a_pass_decides_no_passing_rate() -> None:
    passing, failing = decided_rates(0.02, cap=100)
    assert passing is None
    assert failing is not None


@pytest.mark.parametrize("p0", [0.0, 1.0, -0.1, 2.0])
def test_a_limit_of_zero_or_one_has_no_e_process(p0: float) -> None:
    with pytest.raises(ValueError, match="inside"):
        log_e_pass(0, 1, p0)
    with pytest.raises(ValueError, match="inside"):
        log_e_fail(0, 1, p0)


def test_huge_evidence_stays_a_finite_number() -> None:
    assert math.isfinite(e_value(log_e_fail(5000, 5000, 0.01)))
    assert e_value(log_e_pass(5000, 5000, 0.01)) == 0.0


def test_impossible_rounds_and_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="round_size"):
        boundaries(0.02, cap=10, round_size=0)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        operating_point(1.5, boundaries(0.02, cap=10))
