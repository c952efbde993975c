from __future__ import annotations

import math
import random
import time

import pytest
from made_samples import BROKEN, GOOD, INVALID, gate, outcomes, sample, x_sample

from pytest_agentbench import wire
from pytest_agentbench.gate import GateProcess
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import GateSpec
from pytest_agentbench.stats.operating import boundaries, operating_point
from pytest_agentbench.verdict import GateResult


def feed(process: GateProcess, samples: list[Sample]) -> int:
    """How many samples the process took before it was exhausted."""
    for n, one in enumerate(samples):
        if process.exhausted:
            return n
        process.add(one)
    return len(samples)


def verdict_of(process: GateProcess) -> str | None:
    return process.verdict


def test_180_clean_calls_pass_a_gate_of_two_per_cent_and_179_do_not() -> None:
    process = GateProcess(gate(), round_size=1)
    feed(process, outcomes([False] * 179))
    assert verdict_of(process) is None
    process.add(sample(179))
    assert verdict_of(process) == "PASS"
    assert process.exhausted
    result = process.result(outcomes([False] * 180))
    assert (result.verdict, result.n_used, result.holds) == ("PASS", 180, True)
    assert result.explanation == "parse failures 0 % (0 of 180) are at most 2 %: e-value 20.3 >= 20"
    assert result.evidence["needed"] == pytest.approx(20)


def test_a_failing_gate_says_the_numbers_that_it_rests_on() -> None:
    samples = outcomes([i in {5, 9, 13} for i in range(60)])
    process = GateProcess(gate(), round_size=1)
    taken = feed(process, samples)
    assert taken == 14
    result = process.result(samples)
    assert result.explanation == "parse failures 21.4 % (3 of 14) are above 2 %: e-value 22.9 >= 20"
    assert (result.verdict, result.n_used) == ("FAIL", 14)
    # The estimate is over all samples that there are, and says that it is not a fixed-n interval.
    assert (result.estimate.x, result.estimate.n) == (3, 60)
    assert "not a fixed-n interval" in result.estimate.method


def test_a_verdict_once_given_never_changes() -> None:
    process = GateProcess(gate(), round_size=1)
    feed(process, outcomes([True] * 5))
    assert verdict_of(process) == "FAIL"
    used = process.result([]).n_used
    for one in outcomes([False] * 1000):
        process.add(one)
    assert verdict_of(process) == "FAIL"
    assert process.result([]).n_used == used


def test_decisions_fall_at_the_ends_of_full_rounds_only() -> None:
    process = GateProcess(gate(), round_size=7)
    verdicts = []
    for one in outcomes([False] * 189):
        process.add(one)
        verdicts.append(process.verdict)
    # 180 is no multiple of 7; 182 is the first end of a round at or after it.
    assert verdicts.index("PASS") == 182 - 1
    early = GateProcess(gate(), round_size=50)
    feed(early, outcomes([True] * 49))
    assert verdict_of(early) is None
    early.add(sample(49, json=BROKEN))
    assert verdict_of(early) == "FAIL"


def test_a_gate_is_exhausted_when_no_full_round_fits_below_its_cap() -> None:
    process = GateProcess(gate(), round_size=7, cap=20)
    assert feed(process, outcomes([False] * 30)) == 14
    assert process.exhausted
    assert verdict_of(process) is None
    process.add(sample(14, json=BROKEN))
    assert process.n_added == 14


def test_an_undecided_gate_is_inconclusive_and_says_why() -> None:
    process = GateProcess(gate(), round_size=1, cap=100)
    samples = outcomes([i == 3 for i in range(100)])
    feed(process, samples)
    result = process.result(samples, "the session's call limit was reached")
    assert (result.verdict, result.n_used) == ("INCONCLUSIVE", 0)
    assert result.explanation.startswith(
        "parse failures 1 % (1 of 100) against at most 2 % is undecided after 100 of at most 100 samples (e-value"
    )
    assert result.explanation.endswith("20 needed): the session's call limit was reached")
    assert result.estimate.method == "Wilson 95 %"


def test_the_default_cap_is_thirty_over_the_limit_in_full_rounds() -> None:
    assert GateProcess(gate(), round_size=1).cap == 1500
    assert GateProcess(gate(), round_size=7).cap == 1505
    assert GateProcess(gate("pass_rate", 0.9, direction="min"), round_size=1).cap == 300


def test_a_smallest_pass_rate_is_a_largest_failure_rate() -> None:
    spec = gate("pass_rate", 0.90, direction="min")
    process = GateProcess(spec, round_size=1)
    feed(process, outcomes([False] * 100))
    result = process.result(outcomes([False] * 35))
    assert result.explanation == "passes 100 % (35 of 35) are at least 90 %: e-value 21.5 >= 20"
    assert (result.estimate.x, result.estimate.value) == (35, 1.0)
    failing = GateProcess(spec, round_size=1)
    feed(failing, outcomes([i % 2 == 0 for i in range(100)]))
    assert failing.verdict == "FAIL"
    assert "are below 90 %" in failing.result([]).explanation


def test_samples_outside_the_denominator_fill_rounds_and_count_nowhere_else() -> None:
    process = GateProcess(gate("schema_failure_rate", 0.5), round_size=2)
    for i, outcome in enumerate([INVALID, BROKEN] * 4):
        process.add(sample(i, json=outcome))
    assert (process.n_added, process.n, process.x) == (8, 4, 4)
    result = process.result([sample(0, json=INVALID), sample(1, json=BROKEN)])
    assert (result.estimate.x, result.estimate.n) == (1, 1)


def test_a_metric_without_a_denominator_is_undecided_with_the_reason() -> None:
    process = GateProcess(gate("tool_argument_failure_rate"), round_size=1, cap=30)
    samples = outcomes([False] * 30)
    feed(process, samples)
    result = process.result(samples)
    assert result.verdict == "INCONCLUSIVE"
    assert result.explanation == "tool_argument_failure_rate is undecided: no sample with a tool call"
    assert (result.estimate.value, result.estimate.reason) == (None, "no sample with a tool call")


def test_a_gate_may_let_an_undecided_case_through() -> None:
    assert GateProcess(gate(inconclusive="pass"), round_size=1).result([]).holds is False


# --- decide: fixed


@pytest.mark.parametrize(("failures", "n"), [(0, 149), (1, 236), (2, 313), (3, 386)])
def test_fixed_certifies_two_per_cent_with_the_samples_that_metrics_states(failures: int, n: int) -> None:
    for size, verdict in ((n, "PASS"), (n - 1, None)):
        process = GateProcess(gate(decide="fixed"), round_size=1, cap=size)
        feed(process, outcomes([i < failures for i in range(size)]))
        assert verdict_of(process) == verdict
        assert process.exhausted


def test_fixed_judges_exactly_its_samples_and_not_earlier() -> None:
    process = GateProcess(gate(decide="fixed"), round_size=1, cap=50)
    feed(process, outcomes([True] * 49))
    assert verdict_of(process) is None
    process.add(sample(49, json=BROKEN))
    assert verdict_of(process) == "FAIL"
    result = process.result(outcomes([True] * 50))
    assert result.n_used == 50
    assert result.explanation == (
        "parse failures 100 % (50 of 50) are above 2 %: one-sided 95 % lower bound 94.2 % > 2 %"
    )
    assert result.evidence == {"lower": pytest.approx(0.05 ** (1 / 50)), "upper": 1.0}


def test_fixed_explains_a_smallest_pass_rate_by_the_bound_that_faces_it() -> None:
    spec = gate("pass_rate", 0.9, direction="min", decide="fixed")
    passing, failing = (GateProcess(spec, round_size=1, cap=40) for _ in range(2))
    feed(passing, outcomes([False] * 40))
    feed(failing, outcomes([i < 12 for i in range(40)]))
    assert passing.result([]).explanation.endswith(
        "are at least 90 %: one-sided 95 % lower bound 92.8 % >= 90 %"
    )
    assert failing.result([]).explanation.endswith("are below 90 %: one-sided 95 % upper bound 81.7 % < 90 %")


def test_fixed_may_be_closed_when_no_independent_samples_are_left() -> None:
    process = GateProcess(gate(decide="fixed"), round_size=1, cap=500)
    feed(process, outcomes([False] * 200))
    process.close()
    assert verdict_of(process) == "PASS"
    empty = GateProcess(gate(decide="fixed"), round_size=1, cap=500)
    empty.close()
    assert empty.verdict is None


def test_an_undecided_fixed_gate_shows_both_bounds() -> None:
    process = GateProcess(gate(decide="fixed"), round_size=1, cap=50)
    samples = outcomes([False] * 50)
    feed(process, samples)
    assert process.result(samples).explanation == (
        "parse failures 0 % (0 of 50) against at most 2 % is undecided after 50 of at most 50 samples "
        "(one-sided bounds 0 % and 5.82 %)"
    )


# --- thresholds at the ends


@pytest.mark.parametrize(
    "spec",
    [gate(threshold=0.0), gate(threshold=0.0, decide="fixed"), gate("pass_rate", 1.0, direction="min")],
    ids=["sequential", "fixed", "pass_rate"],
)
def test_a_gate_of_zero_failures_fails_at_the_first_one_and_never_passes(spec: GateSpec) -> None:
    clean = GateProcess(spec, round_size=10, cap=50)
    feed(clean, outcomes([False] * 50))
    assert clean.verdict is None
    assert (
        "no number of samples proves that none ever fails" in clean.result(outcomes([False] * 50)).explanation
    )
    failed = GateProcess(spec, round_size=10, cap=50)
    assert feed(failed, outcomes([i == 3 for i in range(50)])) == 4
    assert failed.verdict == "FAIL"
    assert failed.result([]).n_used == 4
    assert failed.result([]).explanation.endswith("a single failure refutes it")


def test_a_gate_that_every_rate_meets_passes_without_samples() -> None:
    process = GateProcess(gate(threshold=1.0), round_size=1)
    assert verdict_of(process) == "PASS"
    assert process.exhausted
    assert process.result([]).explanation == "parse failures are at most 100 %: this gate decides nothing"


# --- what is refused


def test_an_x_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="sample 3 of s is X"):
        GateProcess(gate(), round_size=1).add(x_sample(3))


def test_gates_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="round_size"):
        GateProcess(gate(), round_size=0)
    with pytest.raises(
        ValueError, match=r"x\.bench\.yaml:1:1: parse_failure_rate: a rate lies in \[0, 1\], got 2"
    ):
        GateProcess(gate(threshold=2), round_size=1)
    with pytest.raises(ValueError, match="pass_rate is gated by min, got max"):
        GateProcess(gate("pass_rate", 0.9), round_size=1)
    with pytest.raises(ValueError, match="decide: fixed needs the number of samples"):
        GateProcess(gate(decide="fixed"), round_size=1)
    with pytest.raises(KeyError, match="no metric 'speed_rate'"):
        GateProcess(gate("speed_rate"), round_size=1)


# --- how often it errs


class Draws:
    """Seeded samples of several variants with failure rates of their own, in full rounds."""

    def __init__(self, seed: int, rates: list[float]) -> None:
        self.rng = random.Random(seed)
        self.rates = rates
        self.good, self.bad = sample(json=GOOD), sample(json=BROKEN)

    def run(self, *, cap: int) -> GateProcess:
        process = GateProcess(gate(), round_size=len(self.rates), cap=cap)
        while not process.exhausted:
            for rate in self.rates:
                process.add(self.bad if self.rng.random() < rate else self.good)
        return process


@pytest.mark.parametrize(
    "rates", [[0.02] * 5, [0.0, 0.0, 0.0, 0.0, 0.1], [0.005, 0.035]], ids=["equal", "one broken", "two"]
)
def test_at_the_gate_a_false_pass_and_a_false_fail_are_each_at_most_five_per_cent(rates: list[float]) -> None:
    draws, runs = Draws(1, rates), 400
    verdicts = [draws.run(cap=1500).verdict for _ in range(runs)]
    allowed = 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert verdicts.count("PASS") / runs <= allowed
    assert verdicts.count("FAIL") / runs <= allowed


@pytest.mark.parametrize("rate", [0.005, 0.05])
def test_the_process_decides_as_often_as_the_exact_calculation_says(rate: float) -> None:
    draws, runs = Draws(2, [rate] * 5), 150
    made = [draws.run(cap=1500) for _ in range(runs)]
    point = operating_point(rate, boundaries(0.02, cap=1500, round_size=5))
    assert sum(one.verdict == "PASS" for one in made) / runs == pytest.approx(point.p_pass, abs=0.03)
    assert sum(one.verdict == "FAIL" for one in made) / runs == pytest.approx(point.p_fail, abs=0.03)
    mean = sum(one.n_added for one in made) / runs
    assert mean == pytest.approx(point.mean_samples, rel=0.15)


def test_adding_a_sample_does_not_look_at_all_before_it() -> None:
    samples = outcomes([i % 50 == 0 for i in range(1500)])
    best = math.inf
    for _ in range(3):
        process = GateProcess(gate(), round_size=1)
        started = time.perf_counter()
        feed(process, samples)
        best = min(best, time.perf_counter() - started)
    assert process.n_added == 1500
    assert best < 10  # 7 ms on an idle machine; quadratic work would be minutes


def test_a_result_survives_the_way_over_the_wire() -> None:
    process = GateProcess(gate(), round_size=1)
    samples = outcomes([i % 3 == 0 for i in range(50)])
    feed(process, samples)
    result = process.result(samples)
    assert wire.from_wire(GateResult, wire.to_wire(result)) == result
