"""A backend that stays open over several tests, driven from code that is not async."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.sandboxes import open_sandbox


class OpenBackend:
    """``open_sandbox(name)`` on an event loop of its own; ``said`` is its progress."""

    def __init__(self, name: str, runner: asyncio.Runner, *, slots: int = 4) -> None:
        self.name = name
        self.said: list[str] = []
        self.run_id = f"tests-{uuid.uuid4()}"
        self._runner = runner
        self.sandboxes = runner.run(
            open_sandbox(name, run_id=self.run_id, slots=slots, progress=self.said.append)  # type: ignore[arg-type]
        )

    def run(self, code: str, **options: Any) -> Execution:
        return self._runner.run(self.sandboxes.execute(ExecutionRequest(code=code, **options)))

    def run_all(self, requests: Sequence[ExecutionRequest]) -> list[Execution]:
        async def together() -> list[Execution]:
            return await asyncio.gather(*(self.sandboxes.execute(request) for request in requests))

        return self._runner.run(together())

    def drive(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self._runner.run(self.sandboxes.close())


def until(condition: Callable[[], Any], *, within_s: float = 30.0) -> Any:
    """Poll until ``condition`` holds; its value."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError(f"did not come true within {within_s} s")
