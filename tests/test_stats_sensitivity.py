from __future__ import annotations

import math
import random
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from pytest_agentbench.stats.bounds import newcombe_upper
from pytest_agentbench.stats.permutation import permutation_p
from pytest_agentbench.stats.sensitivity import (
    best_and_worst,
    clean_samples_for_insensitive,
    components,
    raw_spread,
    samples_to_decide,
    spread_upper,
)


def draw(rng: random.Random, rates: list[float], m: int) -> list[int]:
    return [sum(rng.random() < rate for _ in range(m)) for rate in rates]


def test_the_components_of_three_wordings_equal_a_calculation_by_hand() -> None:
    # p_i = .9, .8, .4; p = .7; MSB = 10 (.04 + .01 + .09) / 2 = .7; MSW = 10 (.09 + .16 + .24) / 27.
    found = components([9, 8, 4], [10, 10, 10])
    assert found is not None
    msw = 4.9 / 27
    assert found.msb == pytest.approx(0.7)
    assert found.msw == pytest.approx(msw)
    assert found.m0 == pytest.approx(10)
    assert found.tau_squared == pytest.approx((0.7 - msw) / 10)
    assert found.tau == pytest.approx(math.sqrt((0.7 - msw) / 10))
    assert found.icc == pytest.approx((0.7 - msw) / (0.7 + 9 * msw))
    assert found.raw_spread == pytest.approx(0.5)
    assert found.shrunk_spread == pytest.approx(0.5 * math.sqrt(1 - msw / 0.7))
    low, high = (math.sqrt(max(0, (2 * 0.7 / stats.chi2.ppf(q, 2) - msw) / 10)) for q in (0.975, 0.025))
    assert found.tau_low == pytest.approx(low)
    assert found.tau_high == pytest.approx(high)


@pytest.mark.parametrize(("x", "m"), [([3, 9, 20, 31], [5, 10, 40, 33]), ([40, 44, 47], [50, 50, 50])])
def test_the_mean_squares_are_those_of_an_analysis_of_variance(x: list[int], m: list[int]) -> None:
    groups = [np.array([1.0] * xi + [0.0] * (mi - xi)) for xi, mi in zip(x, m, strict=True)]
    found = components(x, m)
    assert found is not None
    assert found.msb / found.msw == pytest.approx(float(stats.f_oneway(*groups).statistic))
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (sum(m) - len(m))
    assert found.msw == pytest.approx(float(within))
    assert found.m0 == pytest.approx((sum(m) - sum(mi**2 for mi in m) / sum(m)) / (len(m) - 1))


@pytest.mark.parametrize("successes", [0, 50])
def test_where_every_outcome_is_equal_there_is_no_spread_and_nothing_to_bound(successes: int) -> None:
    found = components([successes] * 4, [50] * 4)
    assert found is not None
    assert (found.tau, found.tau_squared, found.shrunk_spread, found.raw_spread) == (0, 0, 0, 0)
    assert (found.icc, found.tau_low, found.tau_high) == (None, None, None)
    assert permutation_p([[(successes, 50)] * 4], seed=1) == 1.0


def test_equal_rates_inside_zero_and_one_shrink_to_no_spread() -> None:
    found = components([25, 25, 25], [50, 50, 50])
    assert found is not None
    assert found.shrunk_spread == 0
    assert found.tau_low == 0
    assert found.tau_high == 0
    assert found.icc is not None
    assert found.icc < 0


def test_wordings_of_no_spread_at_all_give_a_large_raw_spread_and_a_small_shrunk_one() -> None:
    rng = random.Random(2)
    raw = [raw_spread(draw(rng, [0.5] * 5, 50), [50] * 5) for _ in range(400)]
    # METRICS 4: over 10 points in 81 % of runs at p = .5.
    assert sum(spread > 0.10 + 1e-9 for spread in raw) / 400 == pytest.approx(0.81, abs=0.07)
    shrunk = [components(draw(rng, [0.5] * 5, 50), [50] * 5) for _ in range(400)]
    assert sum(c is not None and c.shrunk_spread > 0.10 for c in shrunk) / 400 < 0.35


def test_fewer_than_three_wordings_or_single_samples_have_no_components() -> None:
    assert components([1, 2], [5, 5]) is None
    assert components([1, 0, 1], [1, 1, 1]) is None


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="each wording"):
        components([6, 1, 1], [5, 5, 5])
    with pytest.raises(ValueError, match="each wording"):
        raw_spread([0], [0])
    with pytest.raises(ValueError, match="every wording"):
        permutation_p([[(0, 0), (1, 2)]], seed=1)
    with pytest.raises(ValueError, match="per wording"):
        permutation_p([], seed=1)


# --- the permutation test


@pytest.mark.parametrize(
    ("x", "m"), [([9, 8, 4], [10, 10, 10]), ([40, 44, 30, 41, 38], [50] * 5), ([3, 9, 30], [5, 10, 40])]
)
def test_the_pooled_permutation_p_agrees_with_shuffled_lists(x: list[int], m: list[int]) -> None:
    rng = np.random.default_rng(3)
    pooled = np.array([1] * sum(x) + [0] * (sum(m) - sum(x)))
    p = pooled.mean()
    edges = np.cumsum(m)[:-1]

    def q(counts: np.ndarray) -> float:
        return float((((counts - np.array(m) * p) ** 2) / (np.array(m) * p * (1 - p))).sum())

    observed = q(np.array(x))
    hits = sum(
        q(np.array([part.sum() for part in np.split(rng.permutation(pooled), edges)])) >= observed - 1e-9
        for _ in range(4000)
    )
    expected = (1 + hits) / 4001
    assert permutation_p([list(zip(x, m, strict=True))], seed=7) == pytest.approx(expected, abs=0.035)


def test_the_two_sample_permutation_p_agrees_with_fishers_exact_test() -> None:
    for x in ([18, 9], [15, 11], [20, 20], [4, 0]):
        exact = float(stats.fisher_exact(np.array([[x[0], 20 - x[0]], [x[1], 20 - x[1]]])).pvalue)
        assert permutation_p([[(x[0], 20), (x[1], 20)]], seed=1) == pytest.approx(exact, abs=0.03)


def test_within_rows_the_p_agrees_with_every_permutation_there_is() -> None:
    # Three rows, three wordings, one sample each: 6^3 arrangements.
    rows = [[(1, 1), (0, 1), (0, 1)], [(1, 1), (1, 1), (0, 1)], [(1, 1), (0, 1), (0, 1)]]

    def statistic(table: list[tuple[tuple[int, int], ...]]) -> int:
        return sum(sum(row[i][0] for row in table) ** 2 for i in range(3))

    observed = statistic([tuple(row) for row in rows])
    arrangements = [
        statistic([a, b, c])
        for a in permutations(rows[0])
        for b in permutations(rows[1])
        for c in permutations(rows[2])
    ]
    exact = sum(value >= observed for value in arrangements) / len(arrangements)
    assert permutation_p(rows, seed=1, shuffles=20_000) == pytest.approx(exact, abs=0.015)


def test_rows_of_different_difficulty_no_longer_hide_a_wording_that_fails() -> None:
    # Half of the rows never succeed; among the others wording b always fails. Pooled the hard rows
    # are noise, within rows they are constant.
    hard = [[(0, 1)] * 3] * 20
    easy = [[(1, 1), (1, 1), (0, 1)]] * 3 + [[(1, 1), (1, 1), (1, 1)]] * 3
    pooled = [[(sum(row[i][0] for row in hard + easy), 26) for i in range(3)]]
    assert permutation_p(hard + easy, seed=1) < permutation_p(pooled, seed=1)


@pytest.mark.parametrize("rows", [True, False])
def test_large_strata_are_drawn_wording_by_wording_and_give_the_same_p(rows: bool) -> None:
    # 5 x 40 has too many allocations for a table; the chi-square approximation is good at this size.
    x, m = [60, 72, 80, 66, 70], [100] * 5
    strata = [[(xi // 2, 50) for xi in x]] * 2 if rows else [list(zip(x, m, strict=True))]
    expected = float(stats.chi2_contingency([x, [100 - xi for xi in x]]).pvalue)
    assert permutation_p(strata, seed=4) == pytest.approx(expected, abs=0.02)


def test_the_same_seed_gives_the_same_p_and_another_seed_nearly_the_same() -> None:
    strata = [[(40, 50), (44, 50), (35, 50), (41, 50)]]
    assert permutation_p(strata, seed=1) == permutation_p(strata, seed=1)
    assert permutation_p(strata, seed=2) == pytest.approx(permutation_p(strata, seed=1), abs=0.05)


@pytest.mark.parametrize("strata", [1, 50])
def test_wordings_without_any_difference_are_accused_in_at_most_five_per_cent(strata: int) -> None:
    rng, runs, accused = random.Random(11), 300, 0
    for _ in range(runs):
        if strata == 1:
            table = [[(x, 50) for x in draw(rng, [0.8] * 5, 50)]]
        else:
            table = [[(x, 1) for x in draw(rng, [rate] * 5, 1)] for rate in (rng.random() for _ in range(50))]
        accused += permutation_p(table, seed=1, shuffles=400) < 0.05
    assert accused / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


# --- the bound of best minus worst


def test_the_bound_of_the_spread_is_newcombes_for_best_minus_worst() -> None:
    assert spread_upper([45, 50, 48], [50, 50, 50]) == newcombe_upper(50, 50, 45, 50)
    assert spread_upper([50], [50]) is None


def test_among_equal_rates_the_extremes_are_two_different_wordings_with_the_fewest_samples() -> None:
    assert best_and_worst([10, 20, 20], [10, 20, 20]) == (0, 1)
    assert best_and_worst([5, 2, 4], [10, 4, 10]) == (1, 2)
    assert best_and_worst([5], [10]) == (0, 0)


@pytest.mark.parametrize(("gate", "needed"), [(0.10, 25), (0.05, 52), (0.5, 3)])
def test_the_samples_that_make_insensitive_possible_are_the_fewest(gate: float, needed: int) -> None:
    assert clean_samples_for_insensitive(gate) == needed
    enough, short = newcombe_upper(needed, needed, needed, needed), newcombe_upper(*[needed - 1] * 4)
    assert enough is not None
    assert short is not None
    assert enough < gate <= short


def test_a_spread_of_exactly_zero_can_never_be_shown() -> None:
    assert clean_samples_for_insensitive(0.0) is None
    assert clean_samples_for_insensitive(1.0) == 1


def test_insensitive_is_wrong_in_at_most_five_per_cent_where_the_spread_is_the_gate() -> None:
    rng, runs, wrong = random.Random(13), 1500, 0
    for _ in range(runs):
        upper = spread_upper(draw(rng, [0.97, 0.97, 0.97, 0.97, 0.87], 100), [100] * 5)
        wrong += upper is not None and upper < 0.10
    # METRICS 4: at most .055 by simulation.
    assert wrong / runs <= 0.055 + 3 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(
    ("m", "rate", "power"), [(50, 0.995, 0.88), (50, 0.9, 0.0), (200, 0.95, 0.95), (200, 0.9, 0.54)]
)
def test_five_equal_wordings_are_called_insensitive_as_often_as_metrics_says(
    m: int, rate: float, power: float
) -> None:
    rng, runs = random.Random(17), 300
    found = [spread_upper(draw(rng, [rate] * 5, m), [m] * 5) for _ in range(runs)]
    assert sum(u is not None and u < 0.10 for u in found) / runs == pytest.approx(power, abs=0.09)


def test_below_the_gate_the_samples_that_would_decide_are_those_of_newcombes_bound() -> None:
    needed = samples_to_decide([48, 50, 49], [50, 50, 50], max_spread=0.10)
    assert needed is not None
    enough = newcombe_upper(needed, needed, round(0.96 * needed), needed)
    short = newcombe_upper(needed - 1, needed - 1, round(0.96 * (needed - 1)), needed - 1)
    assert enough is not None
    assert short is not None
    assert enough < 0.10 <= short


def test_above_the_gate_the_samples_that_would_decide_make_the_spread_significant_and_wide() -> None:
    x, m = [40, 45, 47], [50, 50, 50]
    needed = samples_to_decide(x, m, max_spread=0.10)
    assert needed is not None
    assert needed > 50
    rates = [xi / 50 for xi in x]
    mean = sum(rates) / 3

    def q(size: int) -> float:
        return size * sum((rate - mean) ** 2 for rate in rates) / (mean * (1 - mean))

    def shrunk(size: int) -> float:
        msb = size * sum((rate - mean) ** 2 for rate in rates) / 2
        msw = size * sum(rate * (1 - rate) for rate in rates) / (3 * (size - 1))
        return (max(rates) - min(rates)) * math.sqrt(max(0.0, 1 - msw / msb))

    assert float(stats.chi2.sf(q(needed), 2)) <= 0.05
    assert shrunk(needed) >= 0.0999
    assert float(stats.chi2.sf(q(needed - 2), 2)) > 0.05 or shrunk(needed - 2) < 0.10


def test_no_number_of_samples_decides_a_spread_of_exactly_the_gate_or_a_single_wording() -> None:
    assert samples_to_decide([50], [50], max_spread=0.10) is None
    assert samples_to_decide([40, 50], [50, 50], max_spread=0.10) is None
    assert samples_to_decide([500, 450, 450], [500] * 3, max_spread=0.1) is None
