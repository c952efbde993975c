"""Faults between client and model, met by the real client: never the model's, and counted."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from provider_calls import QUICK, call, fault, model_at
from simulated import asked, serving, simulation_of

from pytest_agentbench.calibration.trial import run_session, scenarios
from pytest_agentbench.expand import render
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.sample import CallRequest, Reply
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import Behaviour, load_profile

KINDS = {
    "rate_limited": "rate_limited",
    "quota": "quota_exhausted",
    "http_500": "http_500",
    "http_503": "http_503",
    "reset": "reset",
    "stall": "stalled",
    "stream_cut": "stream_cut",
    "undecodable_event": "undecodable",
    "empty_body": "undecodable",
    "sse_for_json": "undecodable",
    "context_overflow": "context_overflow",
    "wrong_content_type": "undecodable",
}
STREAMED = {"empty_body": "stream_cut", "sse_for_json": "stream_cut", "wrong_content_type": "stream_cut"}
PLAIN = {"stream_cut": "undecodable"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_fault_is_told_for_what_it_is(kind: str, stream: bool) -> None:
    simulation = simulation_of(Behaviour(transport={kind: 1.0}), scenarios()["text"])
    with serving(simulation) as url:
        found = fault(url, body=asked(), stream=stream, stall_s=0.3, deadline_s=0.3, model=model_at(url))
    expected = {**KINDS, **(STREAMED if stream else PLAIN)}[kind]
    assert found.kind == expected
    final = kind in {"quota", "context_overflow", "stall"}
    assert found.n_transport_errors == (1 if final else QUICK.max_failures)


def test_a_request_that_failed_is_answered_at_a_later_attempt_as_it_would_have_been() -> None:
    flaky = Behaviour(transport={"http_500": 0.3, "reset": 0.3})
    scenario = scenarios()["json"]
    body = asked(messages=list(render(scenario, scenario.variants[0], 0).messages))
    with serving(simulation_of(flaky, scenario)) as url:
        replies = _many(url, body, 60)
    with serving(simulation_of(None, scenario)) as url:
        calm = call(url, body=body, model=model_at(url))
    assert {reply.content for reply in replies} == {calm.content}
    assert sum(reply.n_transport_errors for reply in replies) > 20


def _many(url: str, body: dict[str, object], n: int) -> list[Reply]:
    async def run() -> list[Reply]:
        client = ChatClient(model_at(url, kind="simulated"), None, policy=_PATIENT)
        try:
            return await asyncio.gather(*(client.call(_request(body, index)) for index in range(n)))
        finally:
            await client.close()

    return asyncio.run(run())


_PATIENT = type(QUICK)(max_failures=30, base_s=0.001)


def _request(body: dict[str, object], index: int) -> CallRequest:
    identity = {"scenario": "calibration-json", "variant": "base", "row": 0, "index": index, "turn": 0}
    return CallRequest(model="m", body=body, deadline_s=30, sample=identity)


def test_a_flaky_provider_changes_no_metric_of_the_model() -> None:
    """20 % transport faults: the same levels and verdicts as without, and every fault is counted."""
    production = load_profile("production-2pct").behaviour
    fields = ("faults", "success")
    same = {name: getattr(production, name) for name in fields}
    calm = run_session("json", Behaviour(**same), seed=3, repeats=1500)
    flaky = run_session(
        "json",
        Behaviour(**same, transport=load_profile("flaky-provider").behaviour.transport),
        seed=3,
        repeats=1500,
    )
    assert calm.result.tally.json == flaky.result.tally.json
    assert calm.result.tally.loops == flaky.result.tally.loops
    assert calm.result.tally.passes == flaky.result.tally.passes
    assert [gate.verdict for gate in calm.result.gates] == [gate.verdict for gate in flaky.result.gates]
    assert calm.result.tally.n_transport_errors == 0
    tally = flaky.result.tally
    assert tally.n_attempts == 1500 + tally.n_transport_errors
    assert tally.n_transport_errors / tally.n_attempts == pytest.approx(0.2, abs=0.04)


def test_every_fault_that_was_put_in_is_counted() -> None:
    simulation: Simulation = simulation_of(Behaviour(transport={"http_503": 0.5}), scenarios()["text"])
    seen: Counter[str] = Counter()
    with serving(simulation) as url:
        for _ in range(20):
            reply = call(url, body=asked(), model=model_at(url), policy=_PATIENT)
            seen["failed"] += reply.n_transport_errors
    assert simulation.failed["model", "http_503"] == seen["failed"] > 5
