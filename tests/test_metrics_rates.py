from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from made_samples import BROKEN, FENCED, GOOD, INVALID, SILENT, sample, x_sample

from pytest_agentbench import metrics
from pytest_agentbench.metrics import RateMetric
from pytest_agentbench.sample import JsonOutcome, Loop, Sample

RATES = (
    "contract_failure_rate",
    "loop_rate",
    "parse_failure_rate",
    "pass_rate",
    "schema_failure_rate",
    "tool_argument_failure_rate",
)

LOOP = Loop(
    kind="exact",
    where="answer",
    period=3,
    repeats=20,
    start=5,
    unterminated=True,
    wasted_tokens=57,
    excerpt="la la",
)


def judge(name: str, given: Sample) -> bool | None:
    return metrics.get(name).failure(given)


def test_every_rate_of_the_issue_is_found_by_its_name() -> None:
    assert set(RATES) <= set(metrics.names())
    assert metrics.names() == tuple(sorted(metrics.names()))
    for name in RATES:
        assert name == metrics.get(name).NAME
        assert ("min" if name == "pass_rate" else "max") == metrics.get(name).DIRECTION


@pytest.mark.parametrize("name", RATES)
def test_an_x_sample_is_in_no_denominator(name: str) -> None:
    assert judge(name, x_sample(arguments=(GOOD,), loop=LOOP)) is None


# Outcome -> (parse failure, schema failure, contract failure).
@pytest.mark.parametrize(
    ("outcome", "parse", "schema", "contract"),
    [
        (GOOD, False, False, False),
        (FENCED, True, False, True),
        (INVALID, False, True, True),
        (BROKEN, True, None, True),
        (SILENT, True, None, True),
        (None, None, None, None),
    ],
)
def test_json_rates_judge_an_answer_by_parse_schema_and_contract(
    outcome: JsonOutcome | None, parse: bool | None, schema: bool | None, contract: bool | None
) -> None:
    given = sample(json=outcome)
    assert judge("parse_failure_rate", given) is parse
    assert judge("schema_failure_rate", given) is schema
    assert judge("contract_failure_rate", given) is contract


def test_an_answer_within_a_lenient_accept_is_no_parse_failure() -> None:
    fenced = JsonOutcome(
        level="L1", parse="extractable", schema_valid=True, within_accept=True, tags=("fence",)
    )
    assert judge("parse_failure_rate", sample(json=fenced)) is False
    assert judge("contract_failure_rate", sample(json=fenced)) is False


def test_one_bad_call_among_good_ones_makes_a_sample_a_tool_argument_failure() -> None:
    assert judge("tool_argument_failure_rate", sample(arguments=(GOOD, GOOD))) is False
    assert judge("tool_argument_failure_rate", sample(arguments=(GOOD, INVALID))) is True


def test_a_call_of_an_unknown_tool_is_bad_even_when_its_arguments_parse() -> None:
    unknown = JsonOutcome(
        level="L0", parse="strict", schema_valid=True, within_accept=True, tags=("unknown_tool",)
    )
    assert judge("tool_argument_failure_rate", sample(arguments=(unknown,))) is True


def test_samples_without_calls_are_not_in_the_denominator_of_tool_arguments() -> None:
    absent = JsonOutcome(level="L5", parse="none", schema_valid=None, within_accept=False, tags=("no_call",))
    assert judge("tool_argument_failure_rate", sample()) is None
    assert judge("tool_argument_failure_rate", sample(arguments=(absent,))) is None


def test_a_loop_counts_whatever_else_the_sample_does() -> None:
    assert judge("loop_rate", sample(loop=LOOP)) is True
    assert judge("loop_rate", sample(passed=False)) is False


def test_a_sample_that_did_not_pass_is_a_failure_of_the_pass_rate() -> None:
    assert judge("pass_rate", sample(passed=False)) is True
    assert judge("pass_rate", sample(passed=True)) is False


@dataclass(frozen=True)
class Slow:
    NAME: str = "slow_rate"
    DIRECTION: Literal["max", "min"] = "max"
    LABEL: str = "slow samples"
    EMPTY: str = "no samples"

    def failure(self, sample: Sample) -> bool | None:
        return sample.latency_s > 10


def test_a_third_party_registers_a_metric_under_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_registered", {})
    slow: RateMetric = Slow()
    metrics.register(slow)
    metrics.register(slow)
    assert "slow_rate" in metrics.names()
    assert metrics.get("slow_rate") is slow


def test_a_metric_that_is_incomplete_or_whose_name_is_taken_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_registered", {})
    with pytest.raises(ValueError, match="it needs NAME, DIRECTION, LABEL, EMPTY"):
        metrics.register(object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ends in '_rate', got 'slowness'"):
        metrics.register(Slow(NAME="slowness"))
    with pytest.raises(ValueError, match="'loop_rate' is there already"):
        metrics.register(Slow(NAME="loop_rate"))
    metrics.register(Slow())
    with pytest.raises(ValueError, match="'slow_rate' is there already"):
        metrics.register(Slow(LABEL="others"))


@pytest.mark.parametrize("name", ["tally", "base", "no_such_rate", "../x", "rate"])
def test_an_unknown_metric_is_a_key_error_that_lists_those_there_are(name: str) -> None:
    with pytest.raises(KeyError, match="parse_failure_rate"):
        metrics.get(name)
