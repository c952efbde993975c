"""Tries scenarios as ``agentbench validate`` does: the reference and its mutants, through the agent loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_agentbench import checks
from pytest_agentbench.loader import load_text
from pytest_agentbench.mutation.player import opened
from pytest_agentbench.mutation.trial import Trial, attempt
from pytest_agentbench.sample import Execute, Execution, ExecutionRequest
from pytest_agentbench.scenario import Scenario

HEAD = "agentbench: 1\nid: tried\nprompt: {%s}\n"
"""Three lines."""


def tried(text: str, root: Path, *, prompt: str = "user: Go on.") -> Trial:
    """What comes of the scenario ``text`` below :data:`HEAD`, as if it stood in tried.bench.yaml."""
    return try_one(loaded(text, root, prompt=prompt))


def loaded(text: str, root: Path, *, prompt: str = "user: Go on.") -> Scenario:
    """The scenario ``text`` below :data:`HEAD`."""
    (scenario,) = load_text(
        HEAD % prompt + text,
        file="tried.bench.yaml",
        root=root,
        folder=root,
        check_parameters=checks.parameters,
        check_names=checks.names,
    )
    return scenario


def try_one(scenario: Scenario, execute: Execute | None = None) -> Trial:
    """What comes of ``scenario``, whose code ``execute`` runs (default: :func:`run_plainly`)."""

    async def run() -> Trial:
        async with opened(execute or run_plainly) as player:
            return await attempt(scenario, player)

    return asyncio.run(run())


def surviving(trial: Trial) -> list[str]:
    """The names of the survivors, sorted; the reference must have passed."""
    assert not trial.failures, trial.failures
    return sorted(problem.message.partition(": ")[0] for problem in trial.survivors)


def told(trial: Trial, name: str) -> str:
    """The line about the survivor ``name``."""
    (line,) = [str(problem) for problem in trial.survivors if problem.message.startswith(f"{name}: ")]
    return line


async def run_plainly(request: ExecutionRequest) -> Execution:
    """Runs code in a plain process: it is our own, and a sandbox need not be here."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in request.files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-I", "-c", request.code],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,  # nothing of ours runs on; a mutant that does is a mistake of its maker
            check=False,
        )
    return Execution(
        outcome="ok" if done.returncode == 0 else "failed",
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        duration_s=time.monotonic() - started,
        backend="process",
    )
