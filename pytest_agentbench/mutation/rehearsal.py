"""All scenarios of a session tried together, in one event loop and with one set of sandboxes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pytest_agentbench import checks
from pytest_agentbench.errors import Problem, SandboxError, ScenarioError
from pytest_agentbench.mutation.mutant import place_of
from pytest_agentbench.mutation.player import Player, opened
from pytest_agentbench.mutation.trial import Trial, attempt
from pytest_agentbench.sandboxes import Choice, Sandboxes, open_sandbox
from pytest_agentbench.scenario import Scenario


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What came of all scenarios; a sandbox that was asked for and is not there counts as a failure."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    n_played: int = 0
    n_failures: int = 0
    n_mutants: int = 0
    n_survivors: int = 0
    n_explained: int = 0

    def add(self, trial: Trial) -> None:
        """Count one scenario."""
        self.errors += (*trial.failures, *trial.survivors)
        self.warnings += trial.warnings
        self.n_played += trial.n_played
        self.n_failures += len(trial.failures)
        self.n_mutants += trial.n_mutants
        self.n_survivors += len(trial.survivors)
        self.n_explained += trial.n_explained


async def rehearse(
    scenarios: Sequence[Scenario], *, sandbox: Choice | None, say: Callable[[str], None]
) -> Rehearsal:
    """Try every scenario that can be tried here; the others are warnings that say why.

    ``sandbox`` None or ``auto``: any, and none is no error; one that is named must be there. ``say`` gets
    lines for a person that are neither error nor warning.
    """
    rehearsal = Rehearsal()
    playable = []
    for scenario in scenarios:
        reasons = list(_missing(scenario))
        rehearsal.warnings += reasons
        if not reasons:
            playable.append(scenario)
    sandboxes: Sandboxes | None = None
    if any(scenario.needs_sandbox for scenario in playable):
        sandboxes = await open_sandbox(
            sandbox or "auto",
            run_id=f"validate-{os.getpid()}",
            slots=max(2, os.cpu_count() or 1),
            progress=say,
        )
        playable = await _with_sandbox(playable, sandboxes, sandbox, rehearsal)
    try:
        execute = sandboxes.execute if sandboxes is not None else Sandboxes({}, {}).execute
        async with opened(execute) as player:
            trials = await asyncio.gather(*(_attempt(scenario, player) for scenario in playable))
    finally:
        if sandboxes is not None:
            await sandboxes.close()
    for trial in trials:
        rehearsal.add(trial)
    return rehearsal


def _missing(scenario: Scenario) -> Iterator[Problem]:
    """Why ``scenario`` cannot be played by this command, nothing when it can."""
    if scenario.reference is None:
        text = "it cannot be tested whether its checks notice a wrong answer: add `reference:`, a right one"
        yield Problem(location=scenario.location, message=text)
        return
    known = checks.names()
    needed = [f"check {check.name}" for check in scenario.checks if check.name not in known]
    responses = (
        response
        for tool in scenario.tools
        for response in (*tool.sequence, *(rule.response for rule in tool.rules))
    )
    needed += [f"function {response.value}" for response in responses if response.kind == "function"]
    for name in dict.fromkeys(needed):
        text = f"not played: needs {name} registered by a conftest.py"
        yield Problem(location=place_of(scenario, "reference"), message=text)


async def _with_sandbox(
    scenarios: list[Scenario], sandboxes: Sandboxes, asked: Choice | None, rehearsal: Rehearsal
) -> list[Scenario]:
    """Those of ``scenarios`` whose code can run; the others are told, as errors where one was asked for."""
    playable = []
    for scenario in scenarios:
        reason = await _reason(scenario, sandboxes) if scenario.needs_sandbox else None
        if reason is None:
            playable.append(scenario)
            continue
        if asked == "none":
            reason = "--sandbox=none"
        problem = Problem(
            location=place_of(scenario, "reference"),
            message=f"NOT PLAYED, no sandbox runs its code: {reason}",
        )
        if asked in {"docker", "wasm"}:
            rehearsal.errors.append(problem)
            rehearsal.n_failures += 1
        else:
            rehearsal.warnings.append(problem)
    return playable


async def _reason(scenario: Scenario, sandboxes: Sandboxes) -> str | None:
    backend = scenario.sandbox.backend
    reason = sandboxes.reason(backend)
    if reason is not None:
        return reason
    try:
        await sandboxes.prepare(backend)
    except SandboxError as error:
        return str(error)
    return None


async def _attempt(scenario: Scenario, player: Player) -> Trial:
    try:
        return await attempt(scenario, player)
    except ScenarioError as error:
        return Trial(failures=error.problems)
