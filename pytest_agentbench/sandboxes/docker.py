"""The backend ``docker``: one container per execution.

No network, read-only root, a small work folder in memory, no capabilities, no new privileges, a
user without rights, limits on memory (without swap), processes, CPU, time, files and output, and
nothing of our environment. ``timeout_s`` counts from the start of the program, not of the
container. Linux is what runs inside; the machine may be any that reaches an engine.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_agentbench.errors import SandboxError, SandboxUnavailableError
from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.sandboxes import container, engine, image, labels, sweep

if TYPE_CHECKING:
    from docker import APIClient


def unavailable() -> str | None:
    """Why containers cannot be used here now, in one line; None when they can."""
    try:
        api = engine.connect()
    except SandboxUnavailableError as error:
        return str(error)
    try:
        return None if image.present(api) else f"image {image.tag()} missing: run `agentbench sandbox build`"
    except SandboxError as error:
        return str(error)
    finally:
        api.close()


class _Job:
    """One request on its way through a thread; made and awaited on the event loop."""

    def __init__(self, request: ExecutionRequest, progress: Callable[[str], None]) -> None:
        self.request = request
        self.abandon = threading.Event()
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[Execution] = self._loop.create_future()

    def tell(self, outcome: Execution | SandboxError) -> None:
        """From the thread: how it ended."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Execution | SandboxError) -> None:
        if self.result.done():
            # It was cancelled, or its container could not be removed after its end.
            if isinstance(outcome, SandboxError) and not self.result.cancelled():
                self._progress(f"sandbox: {outcome}; `agentbench sandbox prune` removes what is left")
        elif isinstance(outcome, SandboxError):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


class DockerSandbox:
    """Containers of one run; at most ``slots`` of them at a time, the others wait in line.

    Use it from one event loop. The threads that talk to the engine are started at the first
    execution, after containers of dead runs were swept.
    """

    name = "docker"

    def __init__(self, *, run_id: str, slots: int, progress: Callable[[str], None]) -> None:
        owner = labels.Owner.current()
        self._run_id = run_id
        self._progress = progress
        self._settings = container.Settings(
            image=image.tag(), labels=lambda deadline: owner.labels(run_id, deadline=deadline)
        )
        self._threads = concurrent.futures.ThreadPoolExecutor(slots, thread_name_prefix="agentbench-docker")
        self._clients: list[APIClient] = []
        self._clients_lock = threading.Lock()
        self._of_thread = threading.local()
        self._running: set[_Job] = set()
        self._swept: asyncio.Task[None] | None = None
        self._closed = False

    async def prepare(self) -> None:
        """Remove what dead runs left behind (once)."""
        if self._swept is None or (self._swept.done() and self._swept.exception() is not None):
            self._swept = asyncio.ensure_future(asyncio.to_thread(self._sweep))
        await asyncio.shield(self._swept)

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run ``request`` in a container of its own; raises SandboxError for faults of the sandbox."""
        if self._closed:
            raise SandboxError("the Docker sandbox is closed")
        await self.prepare()
        job = _Job(request, self._progress)
        self._running.add(job)
        self._threads.submit(self._work, job)
        try:
            return await job.result
        except asyncio.CancelledError:
            job.abandon.set()
            raise

    async def close(self) -> None:
        """Kill and remove every container of this run."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._end)

    def _work(self, job: _Job) -> None:
        try:
            container.execute(self._client(), self._settings, job.request, abandon=job.abandon, done=job.tell)
        except SandboxError as error:
            job.tell(error)
        except container.Abandoned:
            job.tell(SandboxError("the execution was abandoned: the sandbox is closing"))
        except Exception as error:  # noqa: BLE001 - it must reach the one who waits
            job.tell(SandboxError(f"unexpected {type(error).__name__} in the sandbox: {error}"))
        finally:
            self._running.discard(job)

    def _client(self) -> APIClient:
        # docker-py's session is not made for several threads: each has its own.
        client: APIClient | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = engine.connect()
            self._of_thread.client = client
            with self._clients_lock:
                self._clients.append(client)
        return client

    def _sweep(self) -> None:
        api = engine.connect()
        try:
            n_removed = sweep.sweep(api)
        finally:
            api.close()
        if n_removed:
            self._progress(f"sandbox: removed {n_removed} container(s) that a dead run had left")

    def _end(self) -> None:
        for job in tuple(self._running):
            job.abandon.set()
        self._threads.shutdown(wait=True)
        clients, self._clients = self._clients, []
        if not clients:
            return
        try:
            sweep.remove_run(clients[0], self._run_id)
        except SandboxError as error:
            self._progress(f"sandbox: {error}; `agentbench sandbox prune` removes what is left")
        finally:
            for client in clients:
                client.close()
