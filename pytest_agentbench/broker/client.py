"""A worker's side of the broker: the same methods, over the socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from typing import Any

from pytest_agentbench.broker.frames import error_from_wire, read_frame, write_frame
from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.sample import CallRequest, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.wire import from_wire, to_wire


class BrokerClient:
    """What :class:`~pytest_agentbench.broker.hub.Broker` offers to a case, from another process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._receiving = asyncio.create_task(self._receive(reader))

    @classmethod
    async def connect(cls, host: str, port: int, secret: str) -> BrokerClient:
        """Connect and show the secret; raises OSError where nobody answers."""
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(secret.encode())
        return cls(reader, writer)

    async def close(self) -> None:
        """Hang up; calls still waiting fail."""
        self._receiving.cancel()
        self._writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._receiving
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def call(self, request: CallRequest) -> Reply:
        """Send one request to the model."""
        return from_wire(Reply, await self._ask("call", to_wire(request)))

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run code in a sandbox."""
        return from_wire(Execution, await self._ask("execute", to_wire(request)))

    async def sandbox_for(self, backend: str) -> tuple[str | None, str]:
        """The backend that would run code, or None and why there is none."""
        name, reason = await self._ask("sandbox_for", backend)
        return name, reason

    async def record(self, sample: Sample) -> None:
        """Put a finished sample into the journal."""
        await self._ask("record", to_wire(sample))

    async def plan(self, n_samples: int) -> None:
        """Tell how many more samples are expected."""
        await self._ask("plan", n_samples)

    async def announce(self, plan: Mapping[str, Any]) -> None:
        """Tell what is about to run."""
        await self._ask("announce", dict(plan))

    async def _ask(self, operation: str, data: Any) -> Any:
        if self._receiving.done():
            raise AgentbenchError("the connection to the session's broker is lost")
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            write_frame(self._writer, {"id": number, "op": operation, "data": data})
            await self._writer.drain()
            return await future
        finally:
            self._waiting.pop(number, None)

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        reason = "the connection to the session's broker is lost"
        try:
            while True:
                message = await read_frame(reader)
                future = self._waiting.get(message["id"])
                if future is None or future.done():
                    continue
                if "error" in message:
                    future.set_exception(error_from_wire(message["error"]))
                else:
                    future.set_result(message["ok"])
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            reason = f"{reason} ({type(error).__name__})"
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(AgentbenchError(reason))
