"""A whole sample on the real local model."""

from __future__ import annotations

import asyncio

from agent_sample import ClientServices, no_sandbox, rendering, tool
from local_model import SMOLLM2, need_local_model

from pytest_agentbench.agent import run_sample
from pytest_agentbench.model import Model
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.providers.local import LocalServer
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import AgentLimits, Rendering, Sampling, SandboxSpec

GREEDY = Sampling(temperature=0.0, max_tokens=500, set_keys=frozenset({"temperature", "max_tokens"}))


def draw_locally(*asked: Rendering, sampling: Sampling, limits: AgentLimits) -> list[Sample]:
    async def run() -> list[Sample]:
        server = LocalServer(SMOLLM2, alias="smollm2-135m")
        try:
            base_url = await server.start()
            model = Model(name="m", slug="m", model_id="smollm2-135m", kind="local", base_url=base_url)
            client = ChatClient(model, None)
            samples = [
                run_sample(
                    one,
                    model,
                    sampling=sampling,
                    limits=limits,
                    sandbox=SandboxSpec(),
                    index=index,
                    redraw=0,
                    services=ClientServices(client, no_sandbox),
                    functions={},
                    seed=1,
                )
                for index, one in enumerate(asked)
            ]
            try:
                return await asyncio.gather(*samples)
            finally:
                await client.close()
        finally:
            await server.close()

    return asyncio.run(run())


def test_at_temperature_zero_the_real_model_is_found_to_loop() -> None:
    need_local_model()
    asked = rendering(user="Write a very long story about a girl who loved to play.")
    (sample,) = draw_locally(asked, sampling=GREEDY, limits=AgentLimits())
    assert (sample.status, sample.ended) == ("ok", "truncated")
    assert sample.final is not None
    assert sample.final.model == "smollm2-135m"
    assert sample.loop is not None, sample.final.content
    assert not sample.passed


def test_the_real_model_that_does_not_stop_in_time_is_a_deadline_with_its_text() -> None:
    need_local_model()
    asked = rendering(user="Write a very long story about a girl who loved to play.")
    endless = Sampling(temperature=0.0, extra_body={"ignore_eos": True}, set_keys=frozenset({"temperature"}))
    (sample,) = draw_locally(asked, sampling=endless, limits=AgentLimits(max_seconds=3))
    assert (sample.status, sample.ended, sample.n_attempts) == ("ok", "deadline", 2)
    assert sample.final is not None
    assert sample.final.content


def test_the_real_model_gets_tools_in_several_samples_at_a_time() -> None:
    need_local_model()
    asked = [rendering(tool("get_rate", {"rate": n}), user=f"What is {n} EUR?") for n in range(6)]
    sampling = Sampling(max_tokens=12, set_keys=frozenset({"max_tokens"}))
    samples = draw_locally(*asked, sampling=sampling, limits=AgentLimits(max_turns=2))
    assert [sample.status for sample in samples] == ["ok"] * 6
    assert [sample.index for sample in samples] == list(range(6))
