"""A real OpenAI-compatible HTTP server on loopback, scripted by the test that uses it.

::

    with LoopbackServer(completion("42")) as server:        # the same answer to everybody
        server.reply = lambda body, n: rate_limited() if n == 0 else completion("42")
        ... server.base_url ...
        assert server.count == 2 and server.requests[1].body["messages"]

``server.reply`` is an :class:`Answer` or a callable of (parsed body, number of the request from 0)
that returns one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from aiohttp import web
from loopback_answers import (
    DONE,
    Answer,
    Json,
    Reply,
    body,
    chunk,
    completion,
    context_overflow,
    cut_stream,
    document,
    empty_choices,
    endless,
    error,
    events_of,
    hang,
    html_502,
    not_json,
    null_choice,
    null_choice_event,
    quota_exhausted,
    rate_limited,
    reset,
    reset_stream,
    slow,
    sse_for_json,
    stalled,
    stream,
    tool_call,
    undecodable_event,
)

__all__ = [
    "DONE",
    "Answer",
    "LoopbackServer",
    "Recorded",
    "Reply",
    "body",
    "chunk",
    "completion",
    "context_overflow",
    "cut_stream",
    "empty_choices",
    "endless",
    "error",
    "hang",
    "html_502",
    "not_json",
    "null_choice",
    "null_choice_event",
    "quota_exhausted",
    "rate_limited",
    "reset",
    "reset_stream",
    "slow",
    "sse_for_json",
    "stalled",
    "stream",
    "tool_call",
    "undecodable_event",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request as it arrived; ``headers`` have lower-case names, ``body`` is the parsed JSON.

    ``peer`` is the port of the connection it came on.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    at: float
    peer: int = 0


class LoopbackServer:
    """HTTP/1.1 on 127.0.0.1 and a free port, in a thread of its own.

    Attributes:
        requests: Every request, in the order of arrival.
        in_flight, most_in_flight: Requests being answered now, and the most at one time.
    """

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply: Reply = reply if reply is not None else completion("Hello!")
        self.requests: list[Recorded] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loopback", daemon=True)

    @property
    def base_url(self) -> str:
        """Address as an OpenAI client wants it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def count(self) -> int:
        """Requests seen."""
        return len(self.requests)

    @property
    def bodies(self) -> list[Json]:
        """The parsed bodies, in the order of arrival."""
        return [request.body for request in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None or not self.port:
            raise RuntimeError(f"the loopback server did not start: {self._failure!r}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering, drop every connection, free the port."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop ended on its own
                loop.call_soon_threadsafe(stop.set)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:  # noqa: BLE001 - told to the thread that waits for us
            self._failure = problem
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        listener = await self._loop.create_server(server, "127.0.0.1", 0, backlog=1024)
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        listener.close()
        await server.shutdown(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        try:
            parsed = json.loads(raw) if raw else None
        except ValueError:
            parsed = None
        number = len(self.requests)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(
            Recorded(
                number=number,
                method=request.method,
                path=request.path_qs,
                headers=headers,
                body=parsed,
                at=time.monotonic(),
                peer=_peer(request),
            )
        )
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = self.reply if isinstance(self.reply, Answer) else self.reply(parsed, number)
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            return await self._answer(request, answer, parsed, number)
        finally:
            self.in_flight -= 1

    async def _answer(
        self, request: web.BaseRequest, answer: Answer, asked: Json, number: int
    ) -> web.StreamResponse:
        if answer.raw is not None:
            return web.Response(
                status=answer.status,
                body=answer.raw,
                headers={"Content-Type": answer.content_type, **answer.headers},
            )
        streamed = isinstance(asked, dict) and bool(asked.get("stream"))
        if answer.message is not None:
            if not streamed:
                raw = json.dumps(document(answer, asked, number), ensure_ascii=False).encode()
                headers = {"Content-Type": "application/json", **answer.headers}
                return web.Response(status=answer.status, body=raw, headers=headers)
            answer = replace(
                answer, events=events_of(answer, asked, number), content_type="text/event-stream"
            )
        elif not answer.events or (not streamed and answer.ending in {"stall", "endless"}):
            if answer.ending == "reset":
                return _reset(request)
            await asyncio.Event().wait()
        return await self._stream(request, answer)

    async def _stream(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        headers = {"Content-Type": answer.content_type, **answer.headers}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for piece in _pieces(answer):
            await response.write(piece)
        if answer.ending == "stall":
            await asyncio.Event().wait()
        if answer.ending == "reset":
            # What was written must reach the client before the reset overtakes it.
            await asyncio.sleep(0.02)
            return _reset(request)
        await response.write_eof()
        return response


def _peer(request: web.BaseRequest) -> int:
    address = request.transport.get_extra_info("peername") if request.transport is not None else None
    return int(address[1]) if address else 0


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _pieces(answer: Answer) -> AsyncIterator[bytes]:
    first = True
    while True:
        for event in answer.events or ():
            if answer.chunk_delay_s and not first:
                await asyncio.sleep(answer.chunk_delay_s)
            first = False
            if isinstance(event, bytes):
                yield event
            else:
                yield b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"
        if answer.ending != "endless":
            return
