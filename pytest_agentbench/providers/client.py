"""Chat completions over a socket: openai's client, with our own decoding, retries and deadlines.

``AsyncOpenAI.post`` with a raw response costs a third of the CPU of ``create()`` and keeps every
field that the provider sent (PERFORMANCE). Its retries are off; ours are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_agentbench.errors import QuotaExhaustedError, TransportError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.base import Attempt
from pytest_agentbench.providers.faults import AttemptError
from pytest_agentbench.providers.reply import reply_from_json
from pytest_agentbench.providers.retry import RetryPolicy
from pytest_agentbench.providers.stream import Assembler, EventParser
from pytest_agentbench.sample import CallRequest, Reply

if TYPE_CHECKING:
    import httpx2

SAMPLE_HEADER = "x-agentbench-sample"
"""Tells a simulated model the sample's identity, as JSON."""

_GOODBYE_S = 0.05
"""After ``[DONE]`` only the end of the body is missing; with it the connection can be used again."""


class ChatClient:
    """Calls one model.

    Args:
        model: Where it is; ``base_url`` None means openai's own endpoint.
        key: The API key, None where none is needed. It never appears in a message.
        before_attempt: Called before each request is sent; may raise
            :class:`~pytest_agentbench.errors.LimitReachedError`.
        on_attempt: Called with every attempt when it is over.
        policy: When to try again.
    """

    def __init__(
        self,
        model: Model,
        key: str | None,
        *,
        on_attempt: Callable[[Attempt], None] | None = None,
        before_attempt: Callable[[CallRequest], None] | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        from pytest_agentbench.providers import transport

        self._transport = transport
        self._model = model
        self._key = key
        self._on_attempt = on_attempt
        self._before_attempt = before_attempt
        self._policy = policy or RetryPolicy()
        self._client = transport.open_client(model.base_url, key)
        self._not_before = 0.0
        """Loop time before which the provider asked us to send nothing."""

    async def call(self, request: CallRequest) -> Reply:
        """Send one request and return the reply, after as many attempts as the policy allows.

        A plain call that exceeds ``deadline_s`` is cancelled and repeated as a stream, to tell a
        model that produces without end from a connection that says nothing: the first gives a reply
        with ``deadline`` set and what had come, the second a fault ``stalled``. Each attempt has the
        whole ``deadline_s``; waiting between attempts does not count.

        Raises:
            TransportError: no usable answer after all attempts, or a final refusal.
            QuotaExhaustedError: the account has nothing left; at once.
        """
        loop = asyncio.get_running_loop()
        streamed = request.stream
        n_attempts = n_failures = 0
        while True:
            if self._not_before > loop.time():
                await asyncio.sleep(self._policy.delay_s(1, self._not_before - loop.time()))
            if self._before_attempt is not None:
                self._before_attempt(request)
            n_attempts += 1
            start = loop.time()

            def attempt(
                kind: str | None,
                status: int | None,
                retry_in_s: float | None,
                *,
                number: int = n_attempts,
                as_stream: bool = streamed,
                start: float = start,
            ) -> Attempt:
                return Attempt(
                    model=self._model.name,
                    number=number,
                    streamed=as_stream,
                    kind=kind,
                    status=status,
                    duration_s=loop.time() - start,
                    retry_in_s=retry_in_s,
                )

            try:
                reply = await (self._streamed(request) if streamed else self._plain(request))
            except _DeadlineError:
                self._tell(attempt("deadline", None, 0.0))
                streamed = True
            except AttemptError as fault:
                n_failures += 1
                retry = fault.retry and n_failures < self._policy.max_failures
                delay = self._policy.delay_s(n_failures, fault.retry_after_s) if retry else None
                self._tell(attempt(fault.kind, fault.status, delay))
                if delay is None:
                    raise self._final(fault, n_attempts, n_failures) from None
                if fault.retry_after_s is not None:
                    self._not_before = max(self._not_before, loop.time() + min(delay, fault.retry_after_s))
                await asyncio.sleep(delay)
            else:
                self._tell(attempt(None, 200, None))
                return replace(reply, n_attempts=n_attempts, n_transport_errors=n_failures)

    async def close(self) -> None:
        """Drop the connections; the client cannot be used after this."""
        await self._client.close()

    async def _plain(self, request: CallRequest) -> Reply:
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(request.deadline_s):
                response = await self._transport.post(
                    self._client,
                    _encoded(request, stream=False),
                    stream=False,
                    headers=self._headers(request),
                )
        except TimeoutError:
            raise _DeadlineError from None
        reply = reply_from_json(response.content)
        return replace(reply, latency_s=asyncio.get_running_loop().time() - start)

    def _headers(self, request: CallRequest) -> dict[str, str] | None:
        """A simulated model is told which sample it plays; nobody else is."""
        if self._model.kind != "simulated":
            return None
        return {SAMPLE_HEADER: json.dumps(dict(request.sample))}

    async def _streamed(self, request: CallRequest) -> Reply:
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(request.stall_s):
                response = await self._transport.post(
                    self._client,
                    _encoded(request, stream=True),
                    stream=True,
                    headers=self._headers(request),
                )
        except TimeoutError:
            raise _stalled(request.stall_s) from None
        try:
            async with contextlib.aclosing(self._pieces(response, request.stall_s)) as pieces:
                if "json" in response.headers.get("content-type", ""):
                    # Some gateways ignore ``stream`` and answer in one piece.
                    reply = reply_from_json(b"".join([piece async for piece in pieces]))
                    return replace(reply, latency_s=asyncio.get_running_loop().time() - start)
                reply = await _read(pieces, start, request.deadline_s)
                if not reply.deadline:
                    with contextlib.suppress(AttemptError, TimeoutError):
                        async with asyncio.timeout(_GOODBYE_S):
                            await anext(pieces, None)
                return reply
        finally:
            with contextlib.suppress(*self._transport.LOST):  # it may be broken already
                await response.aclose()

    async def _pieces(self, response: httpx2.Response, stall_s: float) -> AsyncGenerator[bytes, None]:
        """The body as it comes; a piece that does not come for ``stall_s`` is a fault."""
        pieces = response.aiter_bytes()
        while True:
            try:
                async with asyncio.timeout(stall_s):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise _stalled(stall_s) from None
            except self._transport.LOST as problem:
                raise self._transport.connection_fault(problem, str(self._client.base_url)) from None
            if piece is None:
                return
            yield piece

    def _final(self, fault: AttemptError, n_attempts: int, n_failures: int) -> TransportError:
        message = _without(fault.message, self._key) if self._key else fault.message
        if fault.kind == "auth" and self._model.api_key_env:
            message = f"{message} (the key comes from {self._model.api_key_env})"
        kind = QuotaExhaustedError if fault.quota else TransportError
        return kind(
            fault.kind,
            message,
            status=fault.status,
            n_attempts=n_attempts,
            n_transport_errors=n_failures,
        )

    def _tell(self, attempt: Attempt) -> None:
        if self._on_attempt is not None:
            self._on_attempt(attempt)


async def _read(pieces: AsyncIterator[bytes], start: float, deadline_s: float) -> Reply:
    """The reply that a stream makes, or what had come of it at the deadline.

    Whether the model was producing when its time ran out shows in the next bytes: only they end
    the reply, and their absence is a stall.
    """
    clock = asyncio.get_running_loop().time
    parser, assembler = EventParser(), Assembler()
    ttft: float | None = None
    try:
        async for piece in pieces:
            for data in parser.feed(piece):
                assembler.add(data)
            if ttft is None and assembler.has_output:
                ttft = clock() - start
            if assembler.done:
                break
            if clock() - start >= deadline_s:
                partial = replace(assembler.reply(), deadline=True, finish_reason=None)
                return replace(partial, latency_s=clock() - start, ttft_s=ttft)
        else:
            _add_last(assembler, parser)
    except AttemptError as fault:
        # With a finish_reason the message is whole, and only the goodbye is missing.
        if fault.kind not in {"reset", "stalled"} or assembler.finish_reason is None:
            raise
    if assembler.finish_reason is None:
        raise AttemptError("stream_cut", "the stream ended without a finish_reason")
    return replace(assembler.reply(), latency_s=clock() - start, ttft_s=ttft)


def _add_last(assembler: Assembler, parser: EventParser) -> None:
    for data in parser.end():
        try:
            assembler.add(data)
        except AttemptError as fault:
            if fault.kind == "undecodable":
                raise AttemptError("stream_cut", "the stream ended in the middle of an event") from None
            raise


def _without(text: str, key: str) -> str:
    """``text`` without the key, a part of it at the end included: bodies are shown shortened."""
    text = text.replace(key, "***")
    end = text.rstrip("'\"")
    for length in range(len(key) - 1, 5, -1):
        if end.endswith(key[:length]):
            return f"{end[:-length]}***{text[len(end) :]}"
    return text


class _DeadlineError(Exception):
    """A plain call ran into its deadline."""


def _stalled(stall_s: float) -> AttemptError:
    # Not tried again: it has cost a minute already, and an X sample is drawn again anyway.
    return AttemptError("stalled", f"no byte for {stall_s:g} s", retry=False)


def _encoded(request: CallRequest, *, stream: bool) -> bytes:
    body = dict(request.body)
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Lone surrogates of a model's earlier reply: as escapes they are still JSON.
        return json.dumps(body, separators=(",", ":")).encode()
