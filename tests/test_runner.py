"""How a case draws: rounds, early ends, faults, repeated replies."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    LoopbackServer,
    Reply,
    completion,
    context_overflow,
    error,
    hang,
    html_502,
)

from pytest_agentbench.broker.hub import Broker, BrokerSettings
from pytest_agentbench.forecast import forecast
from pytest_agentbench.loader import load_text
from pytest_agentbench.model import Model, ParameterRules, Prices
from pytest_agentbench.runner import Case, RunOptions, run_case, unmeasured
from pytest_agentbench.scenario import Scenario
from pytest_agentbench.verdict import CaseResult

ONE = """\
agentbench: 1
id: one
prompt: {user: "Say ok"}
sampling: {temperature: 0.7, max_tokens: 20}
answer: {text: {contains: ok}}
gates: {pass_rate: {min: 0.8}}
repeats: 20
"""

THREE = ONE.replace(
    "sampling:",
    "variants: [{id: b, class: paraphrase, user: b ok}, {id: c, class: paraphrase, user: c ok}]\nsampling:",
)


def scenario(text: str) -> Scenario:
    here = Path(__file__).parent
    (loaded,) = load_text(text, file="x.bench.yaml", root=here, folder=here)
    return loaded


def run(
    text: str,
    reply: Reply,
    *,
    concurrency: int = 1,
    options: RunOptions | None = None,
    rules: ParameterRules | None = None,
    seen: list[Any] | None = None,
) -> tuple[CaseResult, Broker]:
    """One case against a loopback server, by the real broker and client."""

    async def main(base_url: str) -> tuple[CaseResult, Broker]:
        model = Model(
            name="m",
            slug="m",
            model_id="m",
            base_url=base_url,
            concurrency=concurrency,
            rules=rules or ParameterRules(),
        )
        broker = Broker(BrokerSettings(run_id="r", models=[model], keys={}, sandbox="none"))
        try:
            case = Case(scenario=scenario(text), model=model)
            result = await run_case(case, services=broker, options=options or RunOptions(), functions={})
        finally:
            await broker.close()
        return result, broker

    with LoopbackServer(reply) as server:
        result = asyncio.run(main(server.base_url))
        assert result[1].progress.n_calls == server.count
        if seen is not None:
            seen.extend(server.bodies)
    return result


def test_a_clear_failure_stops_a_single_wording_early() -> None:
    result, broker = run(ONE, completion("no"))
    assert result.outcome == "fail"
    assert result.tally.n_samples < 20
    assert broker.progress.planned == result.tally.n_samples == broker.progress.done


def test_no_sample_beyond_the_plan_is_sent_before_the_planned_ones_are_judged() -> None:
    result, _ = run(ONE, completion("ok", delay_s=0.05), concurrency=64)
    assert result.outcome == "pass"
    assert result.tally.n_samples == 20


def test_a_scenario_with_wordings_draws_its_repeats_also_when_it_failed() -> None:
    result, _ = run(THREE, completion("no"))
    assert result.outcome == "fail"
    assert result.tally.n_samples == 60
    assert [variant.tally.n_samples for variant in result.variants] == [20, 20, 20]
    assert result.sensitivity[0].m == 20


def test_an_undecided_gate_draws_on_in_full_rounds_up_to_its_cap() -> None:
    result, _ = run(THREE, lambda _body, n: completion("ok" if n % 5 else "no"), concurrency=4)
    assert result.outcome == "inconclusive"
    assert result.tally.n_samples == 150, "30 / p0 with p0 = 0.2"
    assert {variant.tally.n_samples for variant in result.variants} == {50}
    assert result.gates[0].verdict == "INCONCLUSIVE"


def test_the_verdict_rests_on_the_order_of_sending_not_of_arrival() -> None:
    """Fast successes must not outrun slow failures."""

    def reply(_body: Any, n: int) -> Any:
        return completion("no", delay_s=0.4) if n % 2 == 0 else completion("ok")

    result, _ = run(ONE, reply, concurrency=16)
    assert result.outcome == "fail"
    (gate,) = result.gates
    assert gate.evidence["e_fail"] >= 20
    assert gate.n_used <= result.tally.n_samples <= gate.n_used + 32


def test_fixed_draws_exactly_its_repeats() -> None:
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}")
    result, _ = run(text, completion("ok"), concurrency=7)
    assert (result.tally.n_samples, result.outcome) == (20, "pass")


def test_every_wording_is_asked_equally_often() -> None:
    seen: list[Any] = []
    run(THREE, completion("ok"), concurrency=5, seen=seen)
    assert Counter(body["messages"][-1]["content"] for body in seen) == {"Say ok": 20, "b ok": 20, "c ok": 20}


def test_an_x_is_drawn_again_at_its_place_and_counted_apart() -> None:
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}").replace("repeats: 20", "repeats: 30")
    text += "agent: {max_seconds: 0.5, stall_s: 0.3}\n"
    result, broker = run(text, lambda _body, n: hang() if n in (7, 8) else completion("ok"))
    assert result.faults == {"stalled": 1}
    assert (result.tally.n_samples, result.tally.n_x, result.outcome) == (30, 1, "pass")
    assert broker.progress.n_calls == 32, "a plain call, the same as a stream, and 30 that were answered"


def test_a_place_that_is_refused_for_good_is_made_up_for_at_the_end() -> None:
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}").replace("repeats: 20", "repeats: 30")
    result, broker = run(text, lambda _body, n: error(400, "odd request") if n == 7 else completion("ok"))
    assert result.faults == {"http_400": 1}
    assert (result.tally.n_samples, result.tally.n_x, result.outcome) == (30, 1, "pass")
    assert broker.progress.n_calls == 31


def test_requests_that_can_never_succeed_end_the_case_soon() -> None:
    result, broker = run(ONE, context_overflow())
    assert result.outcome == "inconclusive"
    assert "context_overflow" in result.reason
    assert broker.progress.n_calls == 3
    assert result.tally.n_samples == 0


def test_a_refused_key_ends_the_case_at_once() -> None:
    result, broker = run(ONE, error(401, "no such key"))
    assert result.outcome == "inconclusive"
    assert "auth" in result.reason
    assert broker.progress.n_calls == 1


def test_an_x_is_drawn_again_at_most_as_often_as_there_are_repeats() -> None:
    text = ONE.replace("repeats: 20", "repeats: 2") + "agent: {max_seconds: 0.3, stall_s: 0.1}\n"
    result, broker = run(text, lambda _body, n: completion("ok") if n == 0 else hang())
    assert result.outcome == "inconclusive"
    assert result.faults == {"stalled": 3}
    assert broker.progress.n_calls == 1 + 3 * 2


def test_too_many_faults_are_inconclusive_whatever_the_rest_says() -> None:
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}")
    result, _ = run(text, lambda _body, n: error(400, "odd") if n in (3, 9) else completion("no"))
    assert result.outcome == "inconclusive"
    assert "failed in transport" in result.reason


def test_a_request_without_chance_is_sent_once_and_said() -> None:
    result, broker = run(THREE.replace("0.7", "0"), completion("ok"))
    assert broker.progress.n_calls == 3
    assert result.tally.n_samples == 3
    assert any("3 distinct requests" in note for note in result.notes)


def test_a_temperature_that_the_model_ignores_leaves_chance() -> None:
    rules = ParameterRules(ignored=("temperature",))
    result, _ = run(THREE.replace("0.7", "0"), completion("ok"), rules=rules, concurrency=8)
    assert result.tally.n_samples == 60
    assert [entry["key"] for entry in result.honoured] == ["temperature"]


def test_a_cache_is_no_draw() -> None:
    result, broker = run(ONE, completion("ok", response_id="same"), concurrency=2)
    assert result.tally.n_samples == 1
    assert result.outcome == "inconclusive"
    assert "a cache" in result.reason
    assert broker.progress.n_calls <= 4


def test_an_id_that_is_the_same_for_every_reply_is_no_cache() -> None:
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}")
    result, _ = run(text, lambda _body, n: completion(f"ok {n}", response_id="same"))
    assert result.tally.n_samples == 20


def test_the_command_lines_repeats_and_temperature_win() -> None:
    seen: list[Any] = []
    options = RunOptions(repeats=3, sampling={"temperature": 0.1})
    text = ONE.replace("{min: 0.8}", "{min: 0.8, decide: fixed}")
    result, _ = run(text, completion("ok"), options=options, seen=seen)
    assert result.tally.n_samples == 3
    assert {body["temperature"] for body in seen} == {0.1}


def test_a_scenario_that_does_not_apply_makes_no_call() -> None:
    result, broker = run(ONE + 'models: {"m*": {skip: "has no tools"}}\n', completion("ok"))
    assert (result.outcome, result.reason) == ("not_applicable", "has no tools")
    assert broker.progress.n_calls == 0


def test_without_a_sandbox_code_is_not_measured_and_no_call_is_paid_for() -> None:
    text = ONE.replace(
        "answer: {text: {contains: ok}}", 'answer: {code: {language: python, tests: "assert True"}}'
    )
    result, broker = run(text, completion("ok"))
    assert result.outcome == "not_measured"
    assert "no sandbox" in result.reason
    assert broker.progress.n_calls == 0


def test_faults_that_pass_leave_every_metric_as_it_is() -> None:
    plain, _ = run(ONE, completion("ok"), concurrency=8)
    shaken, broker = run(ONE, lambda _body, n: html_502() if n % 5 == 2 else completion("ok"), concurrency=8)
    assert shaken.tally.passes.rate == plain.tally.passes.rate == 1.0
    assert shaken.tally.n_samples <= plain.tally.n_samples + 8
    assert shaken.outcome == plain.outcome == "pass"
    assert shaken.tally.n_transport_errors > 0
    assert shaken.tally.n_attempts == broker.progress.n_calls


def test_a_case_that_is_not_run_says_why() -> None:
    model = Model(name="m", slug="m", model_id="m")
    result = unmeasured(Case(scenario=scenario(ONE), model=model), RunOptions(), "no key")
    assert (result.outcome, result.reason, result.tally.n_samples) == ("not_measured", "no key", 0)


def test_the_forecast_bounds_calls_and_cost() -> None:
    prices = Prices(input=1.0, output=10.0)
    model = Model(name="m", slug="m", model_id="m", prices=prices)
    one = forecast(Case(scenario=scenario(ONE), model=model), RunOptions())
    assert (one.n_samples, one.n_calls_max) == (20, 150)
    assert one.cost_usd_max is not None
    assert one.cost_usd_max >= 150 * 20 * 10.0 / 1e6
    unpriced = Model(name="m", slug="m", model_id="m")
    assert forecast(Case(scenario=scenario(ONE), model=unpriced), RunOptions()).cost_usd_max is None
    cold = forecast(Case(scenario=scenario(THREE.replace("0.7", "0")), model=model), RunOptions())
    assert (cold.n_samples, cold.n_calls_max) == (3, 3)


def test_a_gate_that_its_samples_cannot_decide_is_warned_of() -> None:
    text = ONE.replace("pass_rate: {min: 0.8}", "pass_rate: {min: 0.98, decide: fixed}").replace("20", "50")
    found = forecast(
        Case(scenario=scenario(text), model=Model(name="m", slug="m", model_id="m")), RunOptions()
    )
    ((place, warning),) = found.warnings
    assert place.startswith("x.bench.yaml:")
    assert "needs at least 149 samples, has 50" in warning


@pytest.mark.parametrize("concurrency", [1, 8])
def test_rows_and_wordings_are_drawn_in_full_rounds(concurrency: int) -> None:
    text = THREE.replace("Say ok", "Say {{ w }} ok").replace(
        "prompt:", "data: {rows: 4, values: {w: {choice: [x, y]}}}\nprompt:"
    )
    seen: list[Any] = []
    run(text, completion("ok"), concurrency=concurrency, seen=seen)
    assert len(seen) == 60
    assert Counter(body["messages"][-1]["content"] for body in seen)["b ok"] == 20
