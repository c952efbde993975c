"""The broker: everything that exists once a session, on one event loop."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_agentbench.broker.clients import NOTHING, Clients, Plays
from pytest_agentbench.errors import (
    AgentbenchError,
    LimitReachedError,
    QuotaExhaustedError,
    SandboxError,
    StorageError,
)
from pytest_agentbench.model import Model
from pytest_agentbench.sample import CallRequest, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.storage import Journal
from pytest_agentbench.wire import from_wire, to_wire

if TYPE_CHECKING:
    from pytest_agentbench.recording import Recording
    from pytest_agentbench.sandboxes import Sandboxes


LAST_REPLIES_S = 5.0
"""How long the end of an interrupted session waits for replies to requests that were sent."""
SAY_AFTER_S = 0.5


@dataclass(slots=True)
class Progress:
    """Counts of the whole session, for the progress line. ``started`` is the first call's time."""

    planned: int = 0
    done: int = 0
    failed: int = 0
    n_x: int = 0
    n_calls: int = 0
    started: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """What the session asked for. ``concurrency`` overrides the models' own when given."""

    run_id: str
    models: Sequence[Model]
    keys: Mapping[str, str | None]
    """By model name; never logged, never sent to a worker."""
    sandbox: Literal["auto", "docker", "wasm", "none"] = "auto"
    concurrency: int | None = None
    max_calls: int | None = None
    recording: Recording | None = None
    """A recorded run whose replies are given in place of calls."""


class Broker:
    """Model clients, limits, sandboxes, journal and progress of one session.

    All methods run on one event loop. ``say`` gets one-line messages for the person at the
    terminal (downloads, one-time compiles, a sandbox that is not there).
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        journal: Journal | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.progress = Progress()
        self.stopped = ""
        self.announcement: Callable[[Mapping[str, Any]], None] = lambda _plan: None
        self._announced = False
        self._settings = settings
        self._journal = journal
        self._say = say
        self._slots = {
            model.name: asyncio.Semaphore(
                min(model.concurrency, settings.concurrency)
                if settings.concurrency and model.kind == "local"
                else settings.concurrency or model.concurrency
            )
            for model in settings.models
        }
        self._clients = Clients(
            settings.models, settings.keys, before_attempt=self._count_attempt, say=self._say
        )
        self._sandboxes: Sandboxes | None = None
        self._opening_sandboxes = asyncio.Lock()
        self._background: set[asyncio.Task[Reply]] = set()
        self._broken: AgentbenchError | None = None
        self._hurried = asyncio.Event()

    # ---- before the first sample -------------------------------------------------------------

    async def prepare(self, names: Collection[str], plays: Plays = NOTHING) -> None:
        """Start the servers of the models among ``names`` that run here, so that no sample waits for them.

        ``plays``: what simulated models play.

        Raises:
            UsageError: one cannot be served here; the message says why and what to do.
        """
        if self._settings.recording is not None:
            return
        self._clients.plays = plays
        for name in sorted(names):
            await self._clients.prepare(name)

    # ---- model calls -------------------------------------------------------------------------

    async def call(self, request: CallRequest) -> Reply:
        """Send one request within the model's slots; the reply is journaled before it is returned.

        A caller that is cancelled (its worker died) gives up its place in the queue; a request
        that was sent already goes on, and its reply reaches the journal.
        """
        if self._settings.recording is not None:
            reply = self._settings.recording.reply(request.sample)
            self.note("reply", {"sample": dict(request.sample), "reply": to_wire(reply)})
            return reply
        slots = self._slots[request.model]
        await slots.acquire()
        task = asyncio.create_task(self._send(request, slots), name=request.model)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _send(self, request: CallRequest, slots: asyncio.Semaphore) -> Reply:
        try:
            self._check_limits()
            client = await self._clients.get(request.model)
            try:
                reply = await client.call(request)
            except QuotaExhaustedError as error:
                self.stop(f"{request.model}: {error.message}")
                raise
            wire = to_wire(reply)
            key = self._settings.keys.get(request.model)
            if key is not None and key in json.dumps(wire, ensure_ascii=False):
                # A model (or a proxy that shows its headers) wrote our key: it goes no further.
                wire = _redacted(wire, key)
                reply = from_wire(Reply, wire)
            self.note("reply", {"sample": dict(request.sample), "reply": wire})
            return reply
        finally:
            slots.release()

    def stop(self, reason: str) -> None:
        """Let no further request out; the first reason is kept."""
        self.stopped = self.stopped or reason

    def note(self, kind: str, value: dict[str, Any]) -> None:
        """Put one line into the journal.

        Raises:
            StorageError: it cannot be written. Then no further request goes out, since what is
                paid for could not be kept, and every case ends with this error.
        """
        if self._journal is None:
            return
        if self._broken is not None:
            raise StorageError(str(self._broken))  # nothing may follow a torn line
        try:
            self._journal.append(kind, value)
        except StorageError as error:
            self._broken = error
            self.stop(str(error))
            raise

    def _check_limits(self) -> None:
        if self._broken is not None:
            raise StorageError(str(self._broken))
        if self.stopped:
            raise LimitReachedError(self.stopped)

    def _count_attempt(self, _request: CallRequest) -> None:
        """Called by the clients before each request that goes out, retries included."""
        self._check_limits()
        limit = self._settings.max_calls
        if limit is not None and self.progress.n_calls >= limit:
            self.stop(f"--agentbench-max-calls={limit} reached")
            raise LimitReachedError(self.stopped)
        self.progress.n_calls += 1
        if self.progress.started is None:
            self.progress.started = time.monotonic()

    # ---- code execution ----------------------------------------------------------------------

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run code in a sandbox."""
        return await (await self._open_sandboxes()).execute(request)

    async def sandbox_for(self, backend: str) -> tuple[str | None, str]:
        """The backend that would run code for a scenario that demands ``backend``.

        Returns:
            Its name and ``""``, or None and why there is none.
        """
        sandboxes = await self._open_sandboxes()
        name = sandboxes.default if backend == "any" else backend
        if name is None:
            return None, sandboxes.reason("any") or "no sandbox"
        reason = sandboxes.reason(name)
        if reason is not None:
            return None, reason
        try:
            # Sweeping and compiling are done here, once, so that no sample waits for them.
            await sandboxes.prepare(name)
        except SandboxError as error:
            return None, str(error)
        return name, ""

    @property
    def sandbox_backend(self) -> str | None:
        """The backend in use, None while no scenario needed one."""
        return self._sandboxes.default if self._sandboxes is not None else None

    async def _open_sandboxes(self) -> Sandboxes:
        async with self._opening_sandboxes:
            if self._sandboxes is None:
                from pytest_agentbench.sandboxes import open_sandbox

                self._sandboxes = await open_sandbox(
                    self._settings.sandbox,
                    run_id=self._settings.run_id,
                    slots=max(2, os.cpu_count() or 1),
                    progress=self._say,
                )
            return self._sandboxes

    # ---- bookkeeping -------------------------------------------------------------------------

    async def announce(self, plan: Mapping[str, Any]) -> None:
        """What is about to run, from the first worker that has collected; later ones repeat it."""
        if not self._announced:
            self._announced = True
            self.announcement(plan)

    async def plan(self, n_samples: int) -> None:
        """A case expects ``n_samples`` more (or fewer, when negative) than said before."""
        self.progress.planned += n_samples

    async def record(self, sample: Sample) -> None:
        """Put a finished sample into the journal and the progress."""
        await self.record_wire(to_wire(sample))

    async def record_wire(self, sample: Mapping[str, Any]) -> None:
        """The same for a sample in wire form, as it comes from a worker."""
        self.note("sample", {"sample": sample})
        if sample["status"] == "x":
            self.progress.n_x += 1
        else:
            self.progress.done += 1
            self.progress.failed += not sample["passed"]

    async def conclude(self, case: Mapping[str, Any]) -> None:
        """Put the result of a case (wire form) into the journal."""
        self.note("case", {"case": case})

    def hurry(self) -> None:
        """Let :meth:`close` wait for nothing any more (a second Ctrl-C)."""
        self._hurried.set()

    async def close(self) -> None:
        """Wait shortly for replies that are paid for, then close clients, servers and sandboxes."""
        if self._settings.recording is not None:
            self._settings.recording.close()
        await self._last_replies()
        await self._clients.close()
        if self._sandboxes is not None:
            await self._sandboxes.close()

    async def _last_replies(self) -> None:
        free = {model.name for model in self._settings.models if model.served_here}
        paid = {task for task in self._background if task.get_name() not in free}
        if paid:
            hurried = asyncio.create_task(self._hurried.wait())
            replies = asyncio.create_task(asyncio.wait(paid))
            waiting = {hurried, replies}
            await asyncio.wait(waiting, timeout=SAY_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
            n = sum(not task.done() for task in paid)
            if n and not self._hurried.is_set():
                self._say(
                    f"waiting up to {LAST_REPLIES_S:.0f} s for {n} {'reply' if n == 1 else 'replies'} "
                    "that may be paid for; Ctrl-C ends it now"
                )
                await asyncio.wait(waiting, timeout=LAST_REPLIES_S, return_when=asyncio.FIRST_COMPLETED)
            replies.cancel()
            hurried.cancel()
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def _redacted(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, "[API KEY]")
    if isinstance(value, list):
        return [_redacted(item, secret) for item in value]
    if isinstance(value, dict):
        return {_redacted(key, secret): _redacted(item, secret) for key, item in value.items()}
    return value


def _retrieve(task: asyncio.Task[Reply]) -> None:
    """Take note of an exception that nobody waits for any more (its worker died)."""
    if not task.cancelled():
        task.exception()
