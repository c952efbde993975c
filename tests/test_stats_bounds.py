from __future__ import annotations

import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pytest_agentbench.stats.bounds import (
    clean_samples_needed,
    clopper_pearson_lower,
    clopper_pearson_upper,
    newcombe_interval,
    newcombe_lower,
    newcombe_upper,
    rate_estimate,
    wilson_interval,
)
from pytest_agentbench.stats.comparison import rate_difference

SIZES = (1, 2, 7, 50, 149, 313, 1500)


def counts(n: int) -> list[int]:
    return sorted({0, 1, 2, n // 50, n // 7, n // 2, n - 2, n - 1, n} & set(range(n + 1)))


@pytest.mark.parametrize("n", SIZES)
def test_clopper_pearson_bounds_equal_statsmodels(n: int) -> None:
    for x in counts(n):
        # One side at 5 % is a two-sided interval at 10 %.
        low, high = proportion_confint(x, n, alpha=0.1, method="beta")
        assert clopper_pearson_lower(x, n) == pytest.approx(low, abs=1e-9)
        assert clopper_pearson_upper(x, n) == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_clopper_pearson_bounds_put_exactly_alpha_into_the_tail(n: int) -> None:
    for x in counts(n):
        upper, lower = clopper_pearson_upper(x, n), clopper_pearson_lower(x, n)
        assert upper is not None
        assert lower is not None
        if x < n:
            assert float(stats.binom.cdf(x, n, upper)) == pytest.approx(0.05, abs=1e-9)
        if x > 0:
            assert float(stats.binom.sf(x - 1, n, lower)) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", SIZES)
def test_wilson_intervals_equal_statsmodels(n: int, confidence: float) -> None:
    for x in counts(n):
        interval = wilson_interval(x, n, confidence=confidence)
        assert interval == pytest.approx(
            proportion_confint(x, n, alpha=1 - confidence, method="wilson"), abs=1e-9
        )


@pytest.mark.parametrize("n1", SIZES)
@pytest.mark.parametrize("n2", [1, 50, 313])
def test_newcombe_intervals_equal_statsmodels(n1: int, n2: int) -> None:
    for x1 in counts(n1):
        for x2 in counts(n2):
            two_sided = confint_proportions_2indep(
                x1, n1, x2, n2, method="newcomb", compare="diff", alpha=0.05
            )
            one_sided = confint_proportions_2indep(
                x1, n1, x2, n2, method="newcomb", compare="diff", alpha=0.1
            )
            assert newcombe_interval(x1, n1, x2, n2) == pytest.approx(two_sided, abs=1e-9)
            assert newcombe_lower(x1, n1, x2, n2) == pytest.approx(one_sided[0], abs=1e-9)
            assert newcombe_upper(x1, n1, x2, n2) == pytest.approx(one_sided[1], abs=1e-9)


def test_newcombes_own_worked_example_is_reproduced() -> None:
    # Newcombe (1998), table II, example (a), method 10: 56/70 - 48/80 has the limits 0.0524 and 0.3339.
    assert newcombe_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("failures", "needed"), [(0, 149), (1, 236), (2, 313), (3, 386)])
def test_certifying_two_per_cent_takes_the_samples_that_metrics_states(failures: int, needed: int) -> None:
    enough, short = clopper_pearson_upper(failures, needed), clopper_pearson_upper(failures, needed - 1)
    assert enough is not None
    assert short is not None
    assert enough <= 0.02 < short


def test_fifty_clean_calls_show_no_more_than_six_per_cent() -> None:
    assert clopper_pearson_upper(0, 50) == pytest.approx(0.0582, abs=5e-5)


@pytest.mark.parametrize(
    ("p0", "needed"), [(0.02, 149), (0.05, 59), (0.1, 29), (0.5, 5), (0.95, 1), (0.99, 1)]
)
def test_the_clean_samples_needed_are_the_fewest_that_certify(p0: float, needed: int) -> None:
    assert clean_samples_needed(p0) == needed
    upper = clopper_pearson_upper(0, needed)
    assert upper is not None
    assert upper <= p0 + 1e-12


def test_without_samples_there_is_no_bound_and_the_reason_is_said() -> None:
    assert clopper_pearson_lower(0, 0) is None
    assert clopper_pearson_upper(0, 0) is None
    assert wilson_interval(0, 0) is None
    assert newcombe_interval(0, 0, 1, 2) is None
    assert newcombe_upper(1, 2, 0, 0) is None
    estimate = rate_estimate(0, 0, reason="nothing was drawn")
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (None, None, None, 0)
    assert estimate.reason == "nothing was drawn"


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(x: int, n: int) -> None:
    for bound in (clopper_pearson_lower, clopper_pearson_upper, wilson_interval):
        with pytest.raises(ValueError, match="0 <= x <= n"):
            bound(x, n)
    with pytest.raises(ValueError, match="0 <= x <= n"):
        newcombe_interval(0, 1, x, n)


def test_a_difference_of_two_rates_has_its_newcombe_interval() -> None:
    difference = rate_difference(56, 70, 48, 80)
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.high) == newcombe_interval(56, 70, 48, 80)
    assert difference.n == 150
    assert difference.method == "Newcombe 95 %"


def test_a_difference_with_an_empty_side_says_which_one_is_empty() -> None:
    assert rate_difference(0, 0, 1, 2).reason == "no samples of the first"
    assert rate_difference(1, 2, 0, 0).reason == "no samples of the second"
    assert rate_difference(0, 0, 0, 0).value is None
