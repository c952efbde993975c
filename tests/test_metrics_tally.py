from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_samples import BROKEN, FENCED, GOOD, INVALID, SILENT, sample, turn, x_sample

from pytest_agentbench.metrics.tally import cost_usd, count, quantile, tally
from pytest_agentbench.model import Prices
from pytest_agentbench.sample import Loop, SchemaError
from pytest_agentbench.stats.bounds import wilson_interval

PRICES = Prices(input=2.0, output=10.0, cached_input=0.5)


def test_the_json_tally_counts_every_level_and_rate_of_a_mixed_case() -> None:
    made = [GOOD] * 5 + [FENCED] * 2 + [INVALID, BROKEN, SILENT]
    found = tally(
        [sample(i, json=outcome) for i, outcome in enumerate(made)], prices=None, json_asked=True
    ).json
    assert found.n == 10
    assert found.levels == {"L0": 5, "L1": 2, "L2": 0, "L3": 1, "L4": 1, "L5": 1}
    assert found.parse == {"strict": 6, "extractable": 2, "repairable": 0, "unparseable": 1, "none": 1}
    assert (found.parse_failures, found.parse_failure_rate) == (4, 0.4)
    assert (found.unrecoverable, found.unrecoverable_rate) == (2, 0.2)
    # Of the eight that parse one breaks its schema.
    assert (found.schema_failures, found.schema_failure_rate) == (1, 1 / 8)
    assert (found.contract_failures, found.contract_failure_rate) == (5, 0.5)
    assert found.interval == wilson_interval(4, 10)


def test_a_tag_counts_once_a_sample_however_often_it_occurs_there() -> None:
    found = tally(
        [sample(i, json=INVALID) for i in range(3)] + [sample(3, json=BROKEN)], prices=None, json_asked=True
    )
    assert found.json.tags == {"wrong_type": 3, "unbalanced": 1}
    assert list(found.json.tags) == ["wrong_type", "unbalanced"]
    calls = [sample(0, arguments=(INVALID, INVALID)), sample(1, arguments=(GOOD, INVALID))]
    assert tally(calls, prices=None, json_asked=False).arguments.tags == {"wrong_type": 2}


def test_schema_errors_are_counted_by_depth() -> None:
    errors = tuple(
        SchemaError(tag="enum", path=path, depth=len(path), message="") for path in ((), ("a", 0), ("a", 1))
    )
    deep = replace(INVALID, errors=errors)
    found = tally([sample(0, json=deep), sample(1, json=deep)], prices=None, json_asked=True)
    assert found.json.depths == {"0": 2, "2": 4}


def test_samples_without_a_json_answer_are_in_no_json_rate() -> None:
    found = tally([sample(0, json=BROKEN), sample(1, json=None)], prices=None, json_asked=True)
    assert (found.n_samples, found.json.n, found.json.parse_failure_rate) == (2, 1, 1.0)


def test_where_no_json_was_asked_the_json_tally_is_empty() -> None:
    found = tally([sample(0, json=BROKEN)], prices=None, json_asked=False).json
    assert (found.n, found.parse_failure_rate, found.interval, found.tags) == (0, None, None, {})


def test_an_x_is_counted_apart_and_its_attempts_are_kept() -> None:
    found = tally(
        [sample(0, json=BROKEN, passed=False), x_sample(1), sample(1, redraw=1)], prices=None, json_asked=True
    )
    assert (found.n_samples, found.n_x) == (2, 1)
    assert (found.n_attempts, found.n_transport_errors) == (5, 3)
    assert (found.json.n, found.passes.n, found.loops.n) == (2, 2, 2)
    assert (found.passes.passed, found.passes.rate) == (1, 0.5)


def test_without_samples_every_rate_is_unknown_and_nothing_was_spent() -> None:
    found = tally([], prices=PRICES, json_asked=True)
    assert found.n_samples == 0
    assert found.latency_s is None
    assert found.passes.rate is None
    assert found.loops.interval is None
    assert found.arguments.tool_argument_failure_rate is None
    assert found.tokens == {"prompt": None, "completion": None, "reasoning": None, "per_s": None}
    assert found.cost_usd == 0.0


def test_loops_are_counted_by_kind() -> None:
    loop = Loop(
        kind="exact",
        where="answer",
        period=1,
        repeats=9,
        start=0,
        unterminated=False,
        wasted_tokens=8,
        excerpt="",
    )
    samples = [
        sample(0, loop=loop),
        sample(1, loop=replace(loop, kind="tool_cycle")),
        sample(2, loop=loop),
        sample(3),
    ]
    found = tally(samples, prices=None, json_asked=False).loops
    assert (found.looped, found.rate, found.kinds) == (3, 0.75, {"exact": 2, "tool_cycle": 1})
    assert found.interval == wilson_interval(3, 4)


def test_tool_calls_are_counted_as_calls_and_as_samples() -> None:
    samples = [sample(0, arguments=(GOOD, BROKEN)), sample(1, arguments=(GOOD,)), sample(2)]
    found = tally(samples, prices=None, json_asked=False).arguments
    assert (found.n, found.n_calls, found.failures, found.tool_argument_failure_rate) == (2, 3, 1, 0.5)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 51])
def test_quantiles_are_numpys(n: int) -> None:
    values = sorted((7 * i % 31) / 3 for i in range(n))
    for probability in (0, 0.05, 0.5, 0.95, 1):
        assert quantile(values, probability) == pytest.approx(float(np.quantile(values, probability)))


def test_a_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        quantile([], 0.5)


def test_latency_is_that_of_whole_samples() -> None:
    samples = [sample(i, turns=(turn(latency_s=i), turn(latency_s=1.0))) for i in range(1, 5)]
    found = tally([*samples, x_sample(9, turns=(turn(latency_s=100.0),))], prices=None, json_asked=False)
    assert found.latency_s == pytest.approx({"mean": 3.5, "p50": 3.5, "p95": 4.85, "max": 5.0})


def test_cost_takes_cached_tokens_at_the_cached_price() -> None:
    replies = [
        turn(prompt=1000, cached=400, completion=100, reasoning=60).reply,
        turn(prompt=10, completion=1).reply,
    ]
    assert cost_usd(replies, PRICES) == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 10 + 10 * 2 + 10) / 1e6)


def test_cost_takes_cached_tokens_at_the_full_price_where_no_other_is_known() -> None:
    assert cost_usd(
        [turn(prompt=10, cached=10, completion=0).reply], Prices(input=3, output=1)
    ) == pytest.approx(30e-6)


def test_more_cached_than_prompt_tokens_cost_no_less_than_nothing() -> None:
    assert cost_usd([turn(prompt=10, cached=50, completion=0).reply], PRICES) == pytest.approx(5e-6)


def test_a_cost_with_an_unknown_price_or_usage_is_unknown() -> None:
    known = turn(prompt=10, completion=1).reply
    assert cost_usd([known], None) is None
    assert cost_usd([known, turn(prompt=10).reply], PRICES) is None
    assert cost_usd([], None) == 0.0


def test_the_replies_of_an_x_were_paid_for_too() -> None:
    found = tally(
        [x_sample(0, turns=(turn(prompt=1_000_000, completion=0),))], prices=PRICES, json_asked=False
    )
    assert found.cost_usd == pytest.approx(2.0)
    assert found.tokens["prompt"] == 1_000_000


def test_tokens_are_totals_and_their_speed_is_per_second_of_waiting() -> None:
    samples = [
        sample(0, turns=(turn(prompt=10, completion=30, reasoning=20, latency_s=2),)),
        sample(1, turns=(turn(prompt=5, completion=10, latency_s=1),)),
    ]
    found = tally(samples, prices=None, json_asked=False)
    assert found.tokens == {"prompt": 15, "completion": 40, "reasoning": 20, "per_s": pytest.approx(40 / 3)}


def test_totals_are_unknown_when_one_reply_did_not_say() -> None:
    samples = [sample(0, turns=(turn(prompt=10, completion=30), turn()))]
    found = tally(samples, prices=PRICES, json_asked=False)
    assert found.tokens == {
        "prompt": None,
        "completion": None,
        "reasoning": None,
        "per_s": pytest.approx(30.0),
    }
    assert found.cost_usd is None


def test_counting_a_metric_gives_failures_and_denominator() -> None:
    samples = [sample(0, json=INVALID), sample(1, json=BROKEN), sample(2), x_sample(3)]
    assert count("schema_failure_rate", samples) == (1, 2)
    with pytest.raises(KeyError, match="nonsense"):
        count("nonsense", samples)
