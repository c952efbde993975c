"""One simulated session in this process: the real runner, checks and gates, no socket."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_agentbench import checks
from pytest_agentbench.errors import LimitReachedError, TransportError
from pytest_agentbench.loader import load_file
from pytest_agentbench.model import Model
from pytest_agentbench.providers.client import SAMPLE_HEADER
from pytest_agentbench.providers.faults import AttemptError, fault_of_status
from pytest_agentbench.providers.reply import reply_from_json
from pytest_agentbench.runner import Case, RunOptions, run_case
from pytest_agentbench.sample import CallRequest, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.scenario import GateSpec, Scenario
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import Behaviour, Profile
from pytest_agentbench.simulation.response import Response
from pytest_agentbench.verdict import CaseResult

FOLDER = Path(__file__).parent
MAX_ATTEMPTS = 6
"""As the client's own policy; the waiting in between is left out."""

_MODEL = Model(name="simulated", slug="simulated", model_id="calibration", kind="simulated", concurrency=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A case that has been run; ``samples`` are those that count, in sending order."""

    result: CaseResult
    samples: tuple[Sample, ...]
    befell: Mapping[str, int]
    """What the simulation put in -> samples."""


@functools.cache
def scenarios() -> Mapping[str, Scenario]:
    """The scenarios of calibration by their ids, without the prefix ``calibration-``."""
    found = load_file(
        FOLDER / "cases.bench.yaml",
        root=FOLDER,
        check_parameters=checks.parameters,
        check_names=checks.names,
    )
    return {scenario.id.removeprefix("calibration-"): scenario for scenario in found}


def run_session(
    name: str,
    behaviour: Behaviour,
    *,
    seed: int,
    repeats: int | None = None,
    gates: tuple[GateSpec, ...] | None = None,
) -> Session:
    """Run the scenario ``name`` once against a model that behaves so.

    ``repeats`` (per wording) and ``gates`` replace the scenario's own.
    """
    scenario = scenarios()[name]
    if gates is not None:
        scenario = replace(scenario, gates=gates)
    simulation = Simulation([Profile(name=_MODEL.model_id, seed=seed, behaviour=behaviour)], [scenario])
    services = _InProcess(simulation)
    case = Case(scenario=scenario, model=_MODEL)
    result = asyncio.run(run_case(case, services=services, options=RunOptions(repeats=repeats), functions={}))
    counted = sorted((s for s in services.samples if s.status == "ok"), key=lambda sample: sample.index)
    befell = {what: n for (_, what), n in simulation.befell.items()}
    return Session(result=result, samples=tuple(counted), befell=befell)


class _InProcess:
    """What a case needs from outside, answered by a simulation in the same process."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.samples: list[Sample] = []

    async def call(self, request: CallRequest) -> Reply:
        """The reply, after as many attempts as a client makes."""
        headers = {SAMPLE_HEADER: json.dumps(dict(request.sample))}
        for attempt in range(1, MAX_ATTEMPTS + 1):
            response = self._simulation.answer(dict(request.body), headers, "/v1/chat/completions")
            try:
                reply = _reply(response)
            except AttemptError as fault:
                if attempt == MAX_ATTEMPTS or not fault.retry:
                    raise TransportError(
                        fault.kind, fault.message, n_attempts=attempt, n_transport_errors=attempt
                    ) from None
            else:
                return replace(reply, n_attempts=attempt, n_transport_errors=attempt - 1)
        raise AssertionError("unreachable")

    async def execute(self, request: ExecutionRequest) -> Execution:
        """No scenario of calibration runs code."""
        raise LimitReachedError(f"calibration runs no code: {request.language}")

    async def record(self, sample: Sample) -> None:
        """Keep the sample."""
        self.samples.append(sample)

    async def plan(self, n_samples: int) -> None:
        """Nobody watches."""

    async def sandbox_for(self, backend: str) -> tuple[str | None, str]:
        """None is here."""
        return None, f"calibration has no sandbox {backend}"


def _reply(response: Response) -> Reply:
    """What a client makes of a response.

    Raises:
        AttemptError: a transport fault.
    """
    if response.ending != "complete":
        raise AttemptError("reset", "the connection was lost")
    if response.status != 200:
        raise fault_of_status(response.status, response.headers, response.body)
    return reply_from_json(response.body)
