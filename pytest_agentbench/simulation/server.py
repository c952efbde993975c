"""The HTTP side: an OpenAI-compatible endpoint on loopback around a function that answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.response import Response, error

Answer: TypeAlias = Callable[[dict[str, Json], Mapping[str, str], str], Response]
"""(body, headers, path) -> response; the body is a JSON object, None for a GET comes as ``{}``."""

_SETTLE_S = 0.02
"""What was written must reach the client before a reset overtakes it."""


class SimulatedServer:
    """HTTP/1.1 on 127.0.0.1; all of it on the event loop that started it.

    aiohttp's low-level server: kept by many, already here as the openai client's HTTP stack, and
    far from being the bottleneck (benchmarks/simulated_server.py).

    Args:
        answer: Answers each request; an exception of it is a 500 that names it.
        port: 0: any free one.
    """

    def __init__(self, answer: Answer, *, port: int = 0) -> None:
        self._answer = answer
        self._wanted = port
        self._listener: asyncio.Server | None = None
        self._server: web.Server | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        """The address as an OpenAI client wants it."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._listener = await loop.create_server(self._server, "127.0.0.1", self._wanted, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self.base_url

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.shutdown(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        response = self._respond(request, raw)
        if response.delay_s:
            await asyncio.sleep(response.delay_s)
        if response.ending == "complete" and not response.pieces:
            return web.Response(
                status=response.status,
                body=response.body,
                headers={**response.headers, "Content-Type": response.content_type},
            )
        return await self._send(request, response)

    def _respond(self, request: web.BaseRequest, raw: bytes) -> Response:
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as problem:
            text = f"the body is no JSON: {problem}"
            return error(400, text, code="bad_json", kind="invalid_request_error")
        if not isinstance(body, dict):
            text = f"the body must be an object, not {type(body).__name__}"
            return error(400, text, code="bad_request", kind="invalid_request_error")
        try:
            return self._answer(body, request.headers, request.path)
        except Exception as problem:  # noqa: BLE001 - told to the client, as a server of this kind does
            text = f"the simulation failed: {type(problem).__name__}: {problem}"
            return error(500, text, code="simulation")

    async def _send(self, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        if response.ending != "complete" and not (response.body or response.pieces):
            if response.ending == "stall":
                await asyncio.Event().wait()
            return _reset(request)
        headers = {**response.headers, "Content-Type": response.content_type}
        stream = web.StreamResponse(status=response.status, headers=headers)
        await stream.prepare(request)
        if response.body:
            await stream.write(response.body)
        if response.piece_s:
            for piece in response.pieces:
                await stream.write(piece)
                await asyncio.sleep(response.piece_s)
        elif response.pieces:
            await stream.write(b"".join(response.pieces))
        if response.ending == "stall":
            await asyncio.Event().wait()
        if response.ending == "reset":
            await asyncio.sleep(_SETTLE_S)
            return _reset(request)
        await stream.write_eof()
        return stream


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
