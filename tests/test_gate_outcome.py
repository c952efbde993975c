from __future__ import annotations

import pytest
from made_samples import sample, turn, x_sample

from pytest_agentbench.gate import outcome_of, repeated_draws
from pytest_agentbench.sample import Sample
from pytest_agentbench.verdict import Estimate, GateResult, Verdict


def result(verdict: Verdict, explanation: str = "", *, holds: bool = True) -> GateResult:
    return GateResult(
        metric="loop_rate",
        direction="max",
        threshold=0.02,
        decide="sequential",
        verdict=verdict,
        estimate=Estimate(value=0.0, n=1),
        explanation=explanation,
        holds=holds,
    )


PASS, FAIL, OPEN = (
    result("PASS", "fine"),
    result("FAIL", "too many loops"),
    result("INCONCLUSIVE", "undecided"),
)
LENIENT = result("INCONCLUSIVE", "undecided wordings", holds=False)


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([PASS, PASS], ("pass", "")),
        ([PASS, LENIENT], ("pass", "")),
        ([LENIENT], ("pass", "")),
        ([PASS, OPEN], ("inconclusive", "undecided")),
        ([OPEN, LENIENT, OPEN], ("inconclusive", "undecided (and 1 more gate)")),
        ([OPEN, FAIL, PASS], ("fail", "too many loops")),
        ([FAIL, FAIL, FAIL], ("fail", "too many loops (and 2 more gates)")),
        ([], ("inconclusive", "no gate was judged")),
    ],
)
def test_the_outcome_of_a_case_follows_from_its_gates(
    gates: list[GateResult], expected: tuple[str, str]
) -> None:
    assert outcome_of(gates) == expected


def drawn(index: int, digest: str = "d", response_id: str | None = None, **fields: object) -> Sample:
    return sample(index, request_digest=digest, turns=(turn(response_id=response_id),), **fields)


def test_equal_requests_are_repeated_draws_where_nothing_is_left_to_chance() -> None:
    samples = [drawn(0, "d1"), drawn(1, "d2"), drawn(2, "d1"), drawn(3, "d1"), drawn(4, "d3")]
    assert repeated_draws(samples, deterministic=True) == {2, 3}
    assert repeated_draws(samples, deterministic=False) == frozenset()


def test_a_response_id_that_comes_again_for_the_same_request_is_a_repeated_draw() -> None:
    samples = [drawn(0, "d1", "r1"), drawn(1, "d1", "r2"), drawn(2, "d1", "r1"), drawn(3, "d2", "r1")]
    assert repeated_draws(samples, deterministic=False) == {2}


def test_the_first_draw_in_sending_order_counts_whatever_the_order_of_arrival() -> None:
    assert repeated_draws([drawn(2), drawn(0), drawn(1)], deterministic=True) == {1, 2}


def test_an_x_and_its_redraw_are_one_draw() -> None:
    samples = [x_sample(0, request_digest="d"), drawn(0, redraw=1), drawn(1)]
    assert repeated_draws(samples, deterministic=True) == {1}


def test_samples_of_unknown_requests_are_all_independent() -> None:
    assert repeated_draws([drawn(0, ""), drawn(1, "")], deterministic=True) == frozenset()
    assert (
        repeated_draws([sample(0, request_digest="d"), sample(1, request_digest="d")], False) == frozenset()
    )
