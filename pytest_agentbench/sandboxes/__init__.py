"""Sandboxes: where code that a model wrote is run.

``open_sandbox`` finds out what works here; nothing is started before the first execution. Only
this module and ``commands`` know which backends there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from pytest_agentbench.errors import SandboxUnavailableError, UsageError
from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.sandboxes.base import Sandbox

Choice = Literal["auto", "docker", "wasm", "none"]
BACKENDS = ("docker", "wasm")
"""In the order in which ``auto`` prefers them."""


class Sandboxes:
    """The backends of a session.

    Attributes:
        default: The backend for requests that demand none; None when there is none.
    """

    def __init__(self, backends: Mapping[str, Sandbox], reasons: Mapping[str, str]) -> None:
        self._backends = dict(backends)
        self._reasons = dict(reasons)
        self.default: str | None = next((name for name in BACKENDS if name in backends), None)

    def available(self) -> tuple[str, ...]:
        """Names of the backends that can be used."""
        return tuple(self._backends)

    def reason(self, backend: str = "any") -> str | None:
        """Why ``backend`` (``any``: the default one) cannot be used; None when it can."""
        if backend == "any":
            if self.default is not None:
                return None
            return "; ".join(dict.fromkeys(self._reasons.values())) or "no sandbox"
        if backend in self._backends:
            return None
        return self._reasons.get(backend, f"no sandbox backend is called {backend!r}")

    async def prepare(self, backend: str = "any") -> None:
        """Do the backend's one-time work now, so that it does not count as an execution's time.

        Raises:
            SandboxError: It cannot be used; SandboxUnavailableError with the reason.
        """
        await self._find(backend).prepare()

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run ``request`` in the backend that it demands, else in the default one.

        Raises:
            SandboxUnavailableError: That backend cannot be used; the message says why.
            SandboxError: The sandbox failed; never because of what the program did.
        """
        return await self._find(request.backend).execute(request)

    async def close(self) -> None:
        """End every execution and leave nothing behind."""
        for sandbox in self._backends.values():
            await sandbox.close()

    def _find(self, backend: str) -> Sandbox:
        if reason := self.reason(backend):
            raise SandboxUnavailableError(reason)
        return self._backends[self.default if backend == "any" and self.default else backend]


async def open_sandbox(
    choice: Choice, *, run_id: str, slots: int, progress: Callable[[str], None]
) -> Sandboxes:
    """The backends that ``choice`` allows and that work here.

    Costs an import of docker-py and two calls to the engine (about 0.2 s) for ``auto`` and
    ``docker``: call it when a scenario needs a sandbox. An unusable backend is no error here; its
    reason is told by :meth:`Sandboxes.reason`.

    Args:
        choice: ``auto`` takes Docker when an engine answers and has the image, else wasm, and a
            scenario may demand either; ``docker`` and ``wasm`` allow nothing else.
        run_id: Written on containers.
        slots: Most executions at a time, at least 1; the others wait.
        progress: Gets one line at a time, from any thread.

    Raises:
        UsageError: ``choice`` or ``slots`` is none of these.
    """
    if choice not in get_args(Choice):
        raise UsageError(f"sandbox {choice!r}: expected one of {', '.join(get_args(Choice))}")
    if slots < 1:
        raise UsageError(f"sandbox slots {slots}: at least 1")
    backends: dict[str, Sandbox] = {}
    reasons = dict.fromkeys(BACKENDS, f"the session runs with --agentbench-sandbox={choice}")
    if choice in {"auto", "docker"}:
        from pytest_agentbench.sandboxes import docker

        if reason := await asyncio.to_thread(docker.unavailable):
            reasons["docker"] = f"docker: {reason}"
        else:
            backends["docker"] = docker.DockerSandbox(run_id=run_id, slots=slots, progress=progress)
    if choice in {"auto", "wasm"}:
        from pytest_agentbench.sandboxes import wasm

        if reason := wasm.unavailable():
            reasons["wasm"] = f"wasm: {reason}"
        else:
            backends["wasm"] = wasm.WasmSandbox(slots=slots, progress=progress)
    if choice == "auto" and "docker" not in backends and "wasm" in backends:
        progress(f"sandbox: using wasm, because {reasons['docker']}")
    if choice in {"docker", "wasm"} and choice not in backends:
        # What was asked for is the reason to tell, not that the other one was not asked for.
        reasons = dict.fromkeys(BACKENDS, reasons[choice])
    return Sandboxes(backends, reasons)
