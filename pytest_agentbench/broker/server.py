"""The broker's door for xdist workers: a socket on loopback, opened with a secret."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pytest_agentbench.broker.frames import SECRET_BYTES, error_to_wire, read_frame, write_frame
from pytest_agentbench.broker.hub import Broker
from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.sample import CallRequest, ExecutionRequest
from pytest_agentbench.wire import from_wire, to_wire


class BrokerServer:
    """Serves one broker; ``address`` and ``secret`` go to the workers in ``workerinput``."""

    def __init__(self, broker: Broker) -> None:
        self.secret = secrets.token_hex(SECRET_BYTES)
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._operations: Mapping[str, Callable[[Any], Awaitable[Any]]] = {
            "call": self._call,
            "execute": self._execute,
            "sandbox_for": self._sandbox_for,
            "record": self._record,
            "plan": self._plan,
            "announce": self._announce,
        }

    async def start(self) -> tuple[str, int]:
        """Listen on a free port of loopback; returns the address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and end what still runs for the workers."""
        if self._server is not None:
            self._server.close()
        # Hanging up ends the tasks; cancelling them would make asyncio log each as an error.
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        running: set[asyncio.Task[None]] = set()
        try:
            given = await asyncio.wait_for(reader.readexactly(len(self.secret)), timeout=10)
            if not hmac.compare_digest(given, self.secret.encode()):
                return
            while True:
                message = await read_frame(reader)
                operation = asyncio.create_task(self._answer(message, writer))
                running.add(operation)
                operation.add_done_callback(running.discard)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, ValueError):
            pass  # the worker ended, or somebody else knocked
        finally:
            for operation in running:
                operation.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._connections.pop(task, None)

    async def _answer(self, message: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        try:
            result = await self._operations[message["op"]](message["data"])
        except AgentbenchError as error:
            reply = {"id": message["id"], "error": error_to_wire(error)}
        except Exception as error:  # noqa: BLE001  a bug of ours must reach the worker, not hang it
            reply = {
                "id": message["id"],
                "error": {"type": "AgentbenchError", "message": f"{type(error).__name__}: {error}"},
            }
        else:
            reply = {"id": message["id"], "ok": result}
        if not writer.is_closing():
            write_frame(writer, reply)
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    async def _call(self, data: Any) -> Any:
        return to_wire(await self._broker.call(from_wire(CallRequest, data)))

    async def _execute(self, data: Any) -> Any:
        return to_wire(await self._broker.execute(from_wire(ExecutionRequest, data)))

    async def _sandbox_for(self, data: Any) -> Any:
        return list(await self._broker.sandbox_for(data))

    async def _record(self, data: Any) -> None:
        await self._broker.record_wire(data)

    async def _plan(self, data: Any) -> None:
        await self._broker.plan(data)

    async def _announce(self, data: Any) -> None:
        await self._broker.announce(data)
