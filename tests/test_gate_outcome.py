from __future__ import annotations

import pytest

from pytest_agentbench.gate import outcome_of
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
