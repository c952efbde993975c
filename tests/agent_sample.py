"""One sample of an agent, called through the real client on a loopback server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from loopback import LoopbackServer

from pytest_agentbench.agent import run_sample
from pytest_agentbench.model import Model, ParameterRules
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.providers.retry import RetryPolicy
from pytest_agentbench.sample import CallRequest, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.scenario import (
    AgentLimits,
    CheckSpec,
    JsonAnswer,
    Rendering,
    Sampling,
    SandboxSpec,
    Tool,
    ToolResponse,
)


def tool(name: str, *values: Any, **fields: Any) -> Tool:
    """A tool that says ``values`` one after the other; an exception stands for an error."""
    sequence = tuple(
        ToolResponse(kind="error", value=str(value))
        if isinstance(value, Exception)
        else ToolResponse(kind="value", value=value)
        for value in values
    )
    return Tool(name=name, sequence=sequence, **fields)


def rendering(
    *tools: Tool,
    user: str = "What is the rate?",
    then: tuple[str, ...] = (),
    checks: tuple[CheckSpec, ...] = (),
    answer_json: JsonAnswer | None = None,
) -> Rendering:
    return Rendering(
        scenario="rates",
        variant="terse",
        variant_class="paraphrase",
        row=2,
        row_key="2",
        values={"currency": "EUR"},
        messages=({"role": "system", "content": "Use tools."}, {"role": "user", "content": user}),
        then=then,
        checks=checks,
        answer_json=answer_json,
        tools=tools,
        files={"a.txt": "1"},
    )


async def no_sandbox(request: ExecutionRequest) -> Execution:
    raise AssertionError(request)


class ClientServices:
    """Services without a broker: the client itself, and a list for a journal."""

    def __init__(self, client: ChatClient, execute: Callable[[ExecutionRequest], Any]) -> None:
        self.client = client
        self.execute = execute
        self.requests: list[CallRequest] = []

    async def call(self, request: CallRequest) -> Reply:
        self.requests.append(request)
        return await self.client.call(request)

    async def record(self, sample: Sample) -> None:
        raise AssertionError(sample)


def draw(
    server: LoopbackServer,
    asked: Rendering,
    *,
    limits: AgentLimits | None = None,
    sampling: Sampling | None = None,
    rules: ParameterRules | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    execute: Callable[[ExecutionRequest], Any] = no_sandbox,
    sandbox: SandboxSpec | None = None,
    index: int = 5,
    redraw: int = 0,
) -> tuple[Sample, list[CallRequest]]:
    """The sample, and the calls that it made."""
    model = Model(
        name="m", slug="m", model_id="wire-id", base_url=server.base_url, rules=rules or ParameterRules()
    )

    async def run() -> tuple[Sample, list[CallRequest]]:
        client = ChatClient(model, None, policy=RetryPolicy(max_failures=3, base_s=0.01))
        services = ClientServices(client, execute)
        try:
            sample = await run_sample(
                asked,
                model,
                sampling=sampling or Sampling(),
                limits=limits or AgentLimits(),
                sandbox=sandbox or SandboxSpec(),
                index=index,
                redraw=redraw,
                services=services,
                functions=functions or {},
                seed=7,
            )
        finally:
            await client.close()
        return sample, services.requests

    return asyncio.run(run())
