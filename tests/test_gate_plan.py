from __future__ import annotations

import pytest
from made_samples import gate, outcomes

from pytest_agentbench.gate import GatePlan, GateProcess, plan
from pytest_agentbench.scenario import GateSpec


def plan_of(
    spec: GateSpec, *, n_variants: int = 1, n_rows: int = 1, repeats: int = 50, round_size: int | None = None
) -> GatePlan:
    return plan(
        spec,
        n_variants=n_variants,
        n_rows=n_rows,
        repeats=repeats,
        round_size=n_variants * n_rows if round_size is None else round_size,
    )


def test_a_fixed_gate_with_fifty_samples_is_told_that_it_needs_149() -> None:
    planned = plan_of(gate(decide="fixed"))
    assert (planned.cap, planned.needed, planned.decidable) == (50, 149, False)
    assert planned.warning == (
        "parse_failure_rate (max 2 %) needs at least 149 samples, has 50 (decide: fixed, 50 repeats of 1 wording)"
    )


def test_a_fixed_gate_pools_its_wordings() -> None:
    planned = plan_of(gate(decide="fixed"), n_variants=3)
    assert (planned.cap, planned.needed, planned.decidable, planned.warning) == (150, 149, True, "")


def test_a_sequential_gate_draws_to_thirty_over_its_limit() -> None:
    planned = plan_of(gate())
    assert (planned.cap, planned.needed, planned.decidable, planned.warning) == (1500, 180, True, "")


def test_a_sequential_gate_whose_cap_is_below_the_first_possible_pass_is_told_so() -> None:
    planned = plan_of(gate(max_repeats=100), n_variants=3, repeats=10)
    assert (planned.cap, planned.needed, planned.decidable) == (99, 180, False)
    assert planned.warning == (
        "parse_failure_rate (max 2 %) needs at least 180 samples, has 99 (max_repeats: 100, in full rounds of 3)"
    )


def test_what_is_drawn_anyway_counts_beyond_max_repeats() -> None:
    planned = plan_of(gate(max_repeats=60), n_variants=4, repeats=50)
    assert (planned.cap, planned.needed, planned.decidable) == (200, 180, True)
    short = plan_of(gate(max_repeats=60), n_variants=3, repeats=50)
    assert short.warning.endswith(
        "needs at least 180 samples, has 150 (50 repeats of 3 wordings, in full rounds of 3)"
    )


def test_caps_and_needs_are_full_rounds() -> None:
    planned = plan_of(gate(), n_variants=5, n_rows=50, round_size=250)
    assert (planned.cap, planned.needed) == (1500, 250)
    planned = plan_of(gate(), n_variants=7)
    assert (planned.cap, planned.needed) == (1505, 182)


def test_a_round_larger_than_the_cap_is_a_warning() -> None:
    planned = plan_of(gate(max_repeats=100), n_variants=3, n_rows=50, repeats=10)
    assert not planned.decidable
    assert planned.warning == (
        "parse_failure_rate (max 2 %) needs at least 300 samples, has 100: one full round is 150 (3 wordings x 50 rows)"
    )


@pytest.mark.parametrize(
    "spec",
    [
        gate(),
        gate(threshold=0.1),
        gate("pass_rate", 0.9, direction="min"),
        gate("pass_rate", 0.05, direction="min"),
    ],
)
@pytest.mark.parametrize("n_variants", [1, 3, 7])
def test_what_a_plan_calls_needed_is_just_enough_for_the_process(spec: GateSpec, n_variants: int) -> None:
    planned = plan_of(spec, n_variants=n_variants)
    assert planned.needed is not None
    process = GateProcess(spec, round_size=n_variants, cap=planned.cap)
    verdicts = []
    for one in outcomes([False] * planned.needed):
        process.add(one)
        verdicts.append(process.verdict)
    assert verdicts[-1] == "PASS"
    assert verdicts[: -n_variants or None].count("PASS") == 0


@pytest.mark.parametrize("threshold", [0.01, 0.02, 0.1, 0.5])
def test_what_a_plan_calls_needed_is_just_enough_for_a_fixed_gate(threshold: float) -> None:
    spec = gate(threshold=threshold, decide="fixed")
    needed = plan_of(spec).needed
    assert needed is not None
    for size, verdict in ((needed, "PASS"), (needed - 1, None)):
        process = GateProcess(spec, round_size=1, cap=size)
        for one in outcomes([False] * size):
            process.add(one)
        assert process.verdict == verdict


@pytest.mark.parametrize("spec", [gate(threshold=0), gate("pass_rate", 1.0, direction="min", decide="fixed")])
def test_a_gate_of_zero_failures_is_told_that_it_can_only_fail(spec: GateSpec) -> None:
    planned = plan_of(spec)
    assert (planned.needed, planned.decidable, planned.cap) == (None, False, 50)
    assert "can only FAIL: no number of samples shows a failure rate of exactly 0" in planned.warning


def test_a_gate_that_every_rate_meets_is_told_that_it_decides_nothing() -> None:
    planned = plan_of(gate(threshold=1.0))
    assert (planned.needed, planned.decidable) == (0, True)
    assert planned.warning == "parse_failure_rate (max 100 %) decides nothing"


# --- prompt_sensitivity


@pytest.mark.parametrize(
    ("threshold", "n_variants", "repeats", "needed", "warning"),
    [
        (0.10, 5, 50, 25, ""),
        (0.10, 5, 25, 25, ""),
        (
            0.10,
            5,
            24,
            25,
            "prompt_sensitivity (max_spread 10 points) needs at least 25 samples of each wording to be INSENSITIVE, has 24",
        ),
        (
            0.10,
            1,
            50,
            25,
            "prompt_sensitivity (max_spread 10 points) needs at least 2 wordings (3 for tau), has 1",
        ),
        (
            0.0,
            5,
            50,
            None,
            (
                "prompt_sensitivity (max_spread 0 points) can never be INSENSITIVE: no number of samples shows a "
                "spread of exactly 0"
            ),
        ),
    ],
)
def test_prompt_sensitivity_is_planned_by_wordings_and_their_samples(
    threshold: float, n_variants: int, repeats: int, needed: int | None, warning: str
) -> None:
    planned = plan_of(gate("prompt_sensitivity", threshold), n_variants=n_variants, repeats=repeats)
    assert planned == GatePlan(
        cap=n_variants * repeats, needed=needed, decidable=not warning, warning=warning
    )


def test_a_plan_of_a_gate_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a rate lies in \[0, 1\]"):
        plan_of(gate(threshold=-0.1))
    with pytest.raises(KeyError, match="no metric"):
        plan_of(gate("nonsense"))
