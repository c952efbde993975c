"""A simulation served on loopback for a test, and the calibration scenarios to play."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_agentbench.broker.loop_thread import LoopThread
from pytest_agentbench.providers.client import SAMPLE_HEADER
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import Behaviour, Profile
from pytest_agentbench.simulation.server import SimulatedServer


def simulation_of(behaviour: Behaviour | None = None, *scenarios: Any, seed: int = 0) -> Simulation:
    """One model named ``model``."""
    profile = Profile(name="model", seed=seed, behaviour=behaviour or Behaviour())
    return Simulation([profile], scenarios)


@contextmanager
def serving(simulation: Simulation) -> Iterator[str]:
    """The base URL of a server in a thread of its own."""
    thread = LoopThread("simulated")
    server = SimulatedServer(simulation.answer)
    try:
        yield thread.run(server.start())
        thread.run(server.close())
    finally:
        thread.close()


def header(scenario: str, *, variant: str = "base", row: int = 0, index: int = 0) -> dict[str, str]:
    """The identity of a sample, as our client sends it."""
    told = {"scenario": scenario, "variant": variant, "row": row, "index": index, "turn": 0}
    return {SAMPLE_HEADER: json.dumps(told)}


def asked(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """A request."""
    return {"model": "model", "messages": [{"role": "user", "content": text}], **fields}


def reply_of(simulation: Simulation, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The choice of a plain answer."""
    response = simulation.answer(dict(body), headers, "/v1/chat/completions")
    assert response.status == 200, response.body
    choice: dict[str, Any] = json.loads(response.body)["choices"][0]
    return choice
