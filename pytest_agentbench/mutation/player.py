"""One script through the whole of the agent loop: client, tools, sandbox, checks."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pytest_agentbench.agent import merge_sampling, run_sample
from pytest_agentbench.model import Model
from pytest_agentbench.mutation.script import Script
from pytest_agentbench.mutation.stage import Stage
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.sample import CallRequest, Execute, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.scenario import Rendering, Scenario

IN_FLIGHT = 32
"""Plays at a time; they wait for one another's sockets and sandboxes, not for a model."""
MODEL = Model(name="reference", slug="reference", model_id="reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A sample, how many turns of the script were said, and whether the agent asked for more."""

    sample: Sample
    n_said: int
    asked_on: bool


class Player:
    """Plays scripts; give it to :func:`~pytest_agentbench.mutation.trial.attempt`. Made by :func:`opened`."""

    def __init__(self, stage: Stage, client: ChatClient, base_url: str, execute: Execute) -> None:
        self._stage = stage
        self._client = client
        self._model = dataclasses.replace(MODEL, base_url=base_url)
        self._execute = execute
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def play(self, scenario: Scenario, rendering: Rendering, script: Script) -> Played:
        """The sample that ``script`` makes where ``rendering`` is asked.

        Raises:
            ScenarioError: a rendered parameter of a check makes no sense.
        """
        async with self._slots:
            name = self._stage.enter(script, rendering.messages)
            try:
                sample = await run_sample(
                    rendering,
                    dataclasses.replace(self._model, model_id=name),
                    sampling=merge_sampling(scenario.sampling, scenario.models, self._model, {}),
                    # How long a turn takes here says nothing about a model.
                    limits=dataclasses.replace(
                        scenario.agent, max_seconds=max(600.0, scenario.agent.max_seconds)
                    ),
                    sandbox=scenario.sandbox,
                    index=0,
                    redraw=0,
                    services=self,
                    functions={},
                    seed=scenario.seed,
                )
            finally:
                n_said, asked_on = self._stage.leave(name)
        return Played(sample=sample, n_said=n_said, asked_on=asked_on)

    async def call(self, request: CallRequest) -> Reply:
        """The next turn of the script that the request's model id names."""
        return await self._client.call(request)

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run code in the sandbox."""
        return await self._execute(request)

    async def record(self, sample: Sample) -> None:
        """Nothing is kept."""


@asynccontextmanager
async def opened(execute: Execute) -> AsyncIterator[Player]:
    """A player with a server of its own; ``execute`` runs code."""
    stage = Stage()
    base_url = await stage.open()
    try:
        client = ChatClient(dataclasses.replace(MODEL, base_url=base_url), None)
        try:
            yield Player(stage, client, base_url, execute)
        finally:
            await client.close()
    finally:
        await stage.close()
