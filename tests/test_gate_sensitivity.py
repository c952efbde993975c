from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from made_samples import gate, sample, x_sample

from pytest_agentbench.gate import sensitivity, sensitivity_result
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import VariantClass
from pytest_agentbench.stats.permutation import permutation_p
from pytest_agentbench.stats.sensitivity import components
from pytest_agentbench.verdict import Sensitivity

FORMATS: dict[str, VariantClass] = {
    "base": "base",
    "a": "format",
    "b": "format",
    "c": "format",
    "d": "format",
}


def case(successes: Mapping[str, int], m: int = 50, *, n_rows: int = 1) -> list[Sample]:
    """Round-robin samples of each variant, its first ones successes."""
    variants = list(successes)
    return [
        sample(
            i * len(variants) + j,
            variant=variant,
            row=i % n_rows,
            passed=i < successes[variant],
        )
        for i in range(m)
        for j, variant in enumerate(variants)
    ]


def measure(
    samples: list[Sample], classes: Mapping[str, VariantClass] = FORMATS, *, repeats: int = 50
) -> tuple[Sensitivity, ...]:
    return sensitivity(samples, classes=classes, repeats=repeats, seed=7)


def test_a_wording_that_breaks_the_model_is_sensitive_and_fails_the_gate() -> None:
    (found,) = measure(case({"base": 46, "a": 45, "b": 20, "c": 47, "d": 45}))
    assert (found.verdict, found.best, found.worst, found.k, found.m) == ("SENSITIVE", "c", "b", 5, 50)
    assert found.p_value == pytest.approx(1 / 2001)
    expected = components([46, 45, 20, 47, 45], [50] * 5)
    assert expected is not None
    assert found.shrunk_spread == expected.shrunk_spread
    assert (found.tau_squared, found.tau, found.icc) == (expected.tau_squared, expected.tau, expected.icc)
    assert (found.tau_low, found.tau_high) == (expected.tau_low, expected.tau_high)
    result = sensitivity_result(gate("prompt_sensitivity", 0.1), [found])
    assert result.verdict == "FAIL"
    assert result.explanation == (
        "prompt sensitivity, format: spread 52.9 points after shrinking over 5 wordings (c 94 %, b 40 %), p = 0.0005: "
        "at least 10 points and no chance result"
    )


def test_a_model_that_always_passes_is_insensitive_and_passes_the_gate() -> None:
    (found,) = measure(case({"base": 50, "a": 50, "b": 50, "c": 50, "d": 50}))
    assert (found.verdict, found.p_value, found.shrunk_spread, found.tau) == ("INSENSITIVE", 1.0, 0.0, 0.0)
    assert found.spread_upper == pytest.approx(0.0513, abs=5e-5)
    result = sensitivity_result(gate("prompt_sensitivity", 0.1), [found])
    assert (result.verdict, result.estimate.value) == ("PASS", 0.0)
    assert "best minus worst is at most 5.13 points, below 10 points" in result.explanation


def test_a_spread_that_chance_explains_is_inconclusive_and_holds_nothing_up() -> None:
    (found,) = measure(case({"base": 45, "a": 47, "b": 43, "c": 46, "d": 44}))
    assert found.verdict == "INCONCLUSIVE"
    assert found.p_value is not None
    assert found.p_value > 0.05
    assert found.explanation.endswith("samples of each wording would decide at these rates, has 50")
    result = sensitivity_result(
        gate("prompt_sensitivity", 0.1), [found], reason_if_undecided="the limit was reached"
    )
    assert (result.verdict, result.holds) == ("INCONCLUSIVE", False)
    assert result.explanation.endswith("has 50: the limit was reached")
    assert sensitivity_result(gate("prompt_sensitivity", 0.1), [found], holds=True).holds


def test_classes_are_never_mixed_and_the_base_belongs_to_each() -> None:
    classes: dict[str, VariantClass] = {
        "base": "base",
        "terse": "paraphrase",
        "a": "format",
        "polite": "paraphrase",
        "b": "format",
        "typos": "noise",
    }
    found = measure(case({"base": 50, "terse": 10, "a": 50, "polite": 50, "b": 50, "typos": 50}), classes)
    assert [one.variant_class for one in found] == ["paraphrase", "format", "noise"]
    assert [list(one.success_rates) for one in found] == [
        ["base", "terse", "polite"],
        ["base", "a", "b"],
        ["base", "typos"],
    ]
    assert [one.verdict for one in found] == ["SENSITIVE", "INSENSITIVE", "INSENSITIVE"]
    result = sensitivity_result(gate("prompt_sensitivity", 0.1), found)
    assert result.verdict == "FAIL"
    assert result.explanation.startswith("prompt sensitivity, paraphrase:")
    assert list(result.evidence) == ["paraphrase", "format", "noise"]


def test_two_wordings_get_the_two_sample_test_and_no_component() -> None:
    two: dict[str, VariantClass] = {"base": "base", "a": "format"}
    (found,) = measure(case({"base": 48, "a": 25}), two)
    assert (found.k, found.tau, found.tau_squared, found.icc, found.shrunk_spread) == (
        2,
        None,
        None,
        None,
        None,
    )
    assert found.verdict == "SENSITIVE"
    assert found.raw_spread == pytest.approx(0.46)
    assert measure(case({"base": 50, "a": 50}), two)[0].verdict == "INSENSITIVE"


def test_a_difference_of_exactly_the_gate_reaches_it() -> None:
    two: dict[str, VariantClass] = {"base": "base", "a": "format"}
    (found,) = measure(case({"base": 450, "a": 400}, 500), two, repeats=500)
    assert found.verdict == "SENSITIVE"


def test_exactly_the_first_repeats_samples_of_each_variant_are_used() -> None:
    samples = case({"base": 50, "a": 50, "b": 50, "c": 50, "d": 50}, 80)
    assert measure(samples)[0].verdict == "INSENSITIVE"
    assert measure(list(reversed(samples))) == measure(samples)
    assert measure(samples, repeats=80)[0].success_rates["base"] == 50 / 80


def test_x_samples_are_left_out_and_unequal_numbers_are_taken_as_they_are() -> None:
    samples = case({"base": 50, "a": 50, "b": 50, "c": 50, "d": 50})
    samples = [
        x_sample(s.index, variant=s.variant) if s.variant == "a" and s.index > 100 else s for s in samples
    ]
    (found,) = measure(samples)
    assert (found.k, found.m) == (5, 20)
    assert found.success_rates["a"] == 1.0
    assert "a" in {found.best, found.worst}


def test_a_class_without_samples_is_not_measured() -> None:
    assert measure(case({"base": 50})) == ()
    assert measure([]) == ()
    result = sensitivity_result(gate("prompt_sensitivity", 0.1), ())
    assert (result.verdict, result.estimate.value) == ("INCONCLUSIVE", None)
    assert result.estimate.reason == "fewer than two wordings have samples"


def test_with_shared_rows_outcomes_are_shuffled_within_a_row() -> None:
    # Rows 0..24 succeed always, rows 25..49 fail always except in the wording that breaks three rows.
    samples = [
        sample(50 * j + i, variant=variant, row=i, passed=i < 25 and not (variant == "b" and i < 6))
        for j, variant in enumerate(FORMATS)
        for i in range(50)
    ]
    (found,) = measure(samples)
    strata = [[(int(i < 25 and not (v == "b" and i < 6)), 1) for v in FORMATS] for i in range(50)]
    assert found.p_value == permutation_p(strata, seed=7)
    pooled = permutation_p([[(25, 50), (25, 50), (19, 50), (25, 50), (25, 50)]], seed=7)
    assert found.p_value is not None
    assert found.p_value < 0.01 < 0.3 < pooled


def test_wordings_that_share_no_row_are_shuffled_together() -> None:
    samples = [
        sample(3 * i + j, variant=variant, row=3 * i + j, passed=not (j == 1 and i % 2))
        for i in range(30)
        for j, variant in enumerate(("base", "a", "b"))
    ]
    (found,) = measure(samples, {"base": "base", "a": "format", "b": "format"})
    assert found.p_value == permutation_p([[(30, 30), (15, 30), (30, 30)]], seed=7)


@pytest.mark.parametrize("n_rows", [1, 7, 50])
def test_shuffles_work_on_counts_not_on_samples(n_rows: int) -> None:
    samples = [
        sample(i, variant=variant, row=i // 5 % n_rows, passed=(i * 7919) % 13 < 7)
        for i, variant in enumerate(list(FORMATS) * 50)
    ]
    best = 1e9
    for _ in range(3):
        started = time.perf_counter()
        measure(samples)
        best = min(best, time.perf_counter() - started)
    assert best < 20  # a tenth of a second on an idle machine


def test_a_class_with_a_wording_not_drawn_yet_cannot_be_insensitive() -> None:
    (found,) = measure(case({"base": 50, "a": 50, "b": 50, "c": 50}))
    assert found.verdict == "INCONCLUSIVE"
    assert found.explanation.endswith("undecided against 10 points, no samples of d")


def test_the_gate_speaks_of_the_class_that_decides() -> None:
    classes: dict[str, VariantClass] = {
        "base": "base",
        "a": "format",
        "b": "format",
        "x": "noise",
        "y": "noise",
    }
    found = measure(case({"base": 50, "a": 50, "b": 50, "x": 46, "y": 42}), classes)
    result = sensitivity_result(gate("prompt_sensitivity", 0.1), found)
    assert (result.verdict, result.n_used, result.decide) == ("FAIL", 150, "fixed")
    assert result.estimate.value == found[1].shrunk_spread
    assert result.estimate.high == found[1].spread_upper
