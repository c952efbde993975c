"""Chat completions over a socket: openai's client, with our own decoding, retries and deadlines.

``AsyncOpenAI.post`` with a raw response costs a third of the CPU of ``create()`` and keeps every
field that the provider sent (PERFORMANCE). Its retries are off; ours are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_agentbench.errors import QuotaExhaustedError, TransportError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.base import Attempt
from pytest_agentbench.providers.faults import AttemptError, fault_of_status
from pytest_agentbench.providers.reply import reply_from_json
from pytest_agentbench.providers.retry import RetryPolicy
from pytest_agentbench.providers.stream import Assembler, EventParser
from pytest_agentbench.sample import CallRequest, Reply

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

CONNECT_S = 15.0
NO_KEY = "none"
"""Sent where no key is needed: openai's client refuses to start without one."""


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
        self._model = model
        self._key = key
        self._on_attempt = on_attempt
        self._before_attempt = before_attempt
        self._policy = policy or RetryPolicy()
        self._client = _openai_client(model.base_url, key)
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
                pause = self._not_before - loop.time()
                await asyncio.sleep(self._policy.delay_s(1, pause))
            if self._before_attempt is not None:
                self._before_attempt(request)
            n_attempts += 1
            start = loop.time()
            try:
                reply = await (self._streamed(request, start) if streamed else self._plain(request))
            except _DeadlineError:
                self._tell(n_attempts, streamed, "deadline", 200, loop.time() - start, 0.0)
                streamed = True
                continue
            except AttemptError as fault:
                n_failures += 1
                retry = fault.retry and n_failures < self._policy.max_failures
                delay = self._policy.delay_s(n_failures, fault.retry_after_s) if retry else None
                self._tell(n_attempts, streamed, fault.kind, fault.status, loop.time() - start, delay)
                if delay is None:
                    raise self._final(fault, n_attempts, n_failures) from None
                if fault.retry_after_s is not None:
                    self._not_before = max(self._not_before, loop.time() + min(delay, fault.retry_after_s))
                await asyncio.sleep(delay)
                continue
            duration = loop.time() - start
            self._tell(n_attempts, streamed, None, 200, duration, None)
            return replace(reply, latency_s=duration, n_attempts=n_attempts, n_transport_errors=n_failures)

    async def close(self) -> None:
        """Drop the connections; the client cannot be used after this."""
        await self._client.close()

    async def _plain(self, request: CallRequest) -> Reply:
        body = _encoded({**request.body, "stream": False} if "stream" in request.body else request.body)
        try:
            async with asyncio.timeout(request.deadline_s):
                response = await self._post(body, stream=False)
        except TimeoutError:
            raise _DeadlineError from None
        return reply_from_json(response.content)

    async def _streamed(self, request: CallRequest, start: float) -> Reply:
        body = _encoded({**request.body, "stream": True, "stream_options": {"include_usage": True}})
        try:
            async with asyncio.timeout(request.stall_s):
                response = await self._post(body, stream=True)
        except TimeoutError:
            raise _stalled(request.stall_s) from None
        try:
            return await self._read_stream(response, request, start)
        finally:
            with contextlib.suppress(Exception):  # it may be broken already
                await response.aclose()

    async def _read_stream(self, response: httpx2.Response, request: CallRequest, start: float) -> Reply:
        loop = asyncio.get_running_loop()
        if "json" in response.headers.get("content-type", ""):
            # Some gateways ignore ``stream`` and answer in one piece.
            async with asyncio.timeout(request.stall_s):
                return reply_from_json(await response.aread())
        parser, assembler = EventParser(), Assembler()
        pieces = response.aiter_bytes()
        ttft: float | None = None
        while not assembler.done:
            try:
                async with asyncio.timeout(request.stall_s):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise _stalled(request.stall_s) from None
            except Exception as problem:  # what the two transports raise has no common base
                if assembler.finish_reason is not None:
                    break  # the message is whole, only the goodbye is missing
                raise self._connection_fault(problem) from None
            for data in parser.end() if piece is None else parser.feed(piece):
                self._add(assembler, data, last=piece is None)
            if ttft is None and assembler.has_output:
                ttft = loop.time() - start
            if piece is None:
                break
            if loop.time() - start >= request.deadline_s and not assembler.done:
                partial = assembler.reply()
                return replace(partial, deadline=True, finish_reason=None, ttft_s=ttft)
        if assembler.finish_reason is None:
            raise AttemptError("stream_cut", "the stream ended without a finish_reason")
        return replace(assembler.reply(), ttft_s=ttft)

    @staticmethod
    def _add(assembler: Assembler, data: bytes, *, last: bool) -> None:
        try:
            assembler.add(data)
        except AttemptError as fault:
            if last and fault.kind == "undecodable" and assembler.finish_reason is None:
                raise AttemptError("stream_cut", "the stream ended in the middle of an event") from None
            raise

    async def _post(self, body: bytes, *, stream: bool) -> httpx2.Response:
        import httpx2
        import openai

        try:
            if stream:
                return await self._client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    content=body,
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
            return await self._client.post("/chat/completions", cast_to=httpx2.Response, content=body)
        except openai.APIStatusError as problem:
            raise fault_of_status(
                problem.status_code, problem.response.headers, problem.response.content
            ) from None
        except openai.APIConnectionError as problem:
            raise self._connection_fault(problem) from None
        except (httpx2.HTTPError, OSError) as problem:
            raise self._connection_fault(problem) from None

    def _connection_fault(self, problem: BaseException) -> AttemptError:
        """A fault below HTTP. The client calls a lost connection "timed out": look at its cause."""
        import aiohttp

        causes = [problem]
        while causes[-1].__cause__ is not None and len(causes) < 10:
            causes.append(causes[-1].__cause__)
        where = _origin(str(self._client.base_url))
        connecting = (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            ConnectionRefusedError,
        )
        text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
        if any(isinstance(cause, connecting) for cause in causes):
            return AttemptError("connect", f"cannot connect to {where}: {text}")
        return AttemptError("reset", f"the connection to {where} was lost: {text}")

    def _final(self, fault: AttemptError, n_attempts: int, n_failures: int) -> TransportError:
        message = fault.message.replace(self._key, "***") if self._key else fault.message
        if fault.kind == "auth" and self._model.api_key_env:
            message = f"{message} (the key comes from {self._model.api_key_env})"
        kind = QuotaExhaustedError if fault.quota else TransportError
        return kind(
            fault.kind,
            f"{self._model.name}: {message}",
            status=fault.status,
            n_attempts=n_attempts,
            n_transport_errors=n_failures,
        )

    def _tell(
        self,
        number: int,
        streamed: bool,
        kind: str | None,
        status: int | None,
        duration_s: float,
        retry_in_s: float | None,
    ) -> None:
        if self._on_attempt is not None:
            self._on_attempt(
                Attempt(
                    model=self._model.name,
                    number=number,
                    streamed=streamed,
                    kind=kind,
                    status=status,
                    duration_s=duration_s,
                    retry_in_s=retry_in_s,
                )
            )


class _DeadlineError(Exception):
    """A plain call ran into its deadline."""


def _stalled(stall_s: float) -> AttemptError:
    # Not tried again: it has cost a minute already, and an X sample is drawn again anyway.
    return AttemptError("stalled", f"no byte for {stall_s:g} s", retry=False)


def _encoded(body: object) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Lone surrogates of a model's earlier reply: as escapes they are still JSON.
        return json.dumps(body, separators=(",", ":")).encode()


def _origin(url: str) -> str:
    """Scheme, host and port; user information may be a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def is_loopback(base_url: str | None) -> bool:
    """Whether an address is on this machine, where no key is needed and no proxy stands between."""
    host = urlsplit(base_url).hostname if base_url else None
    return host is not None and (host in {"localhost", "::1"} or host.startswith("127."))


def _openai_client(base_url: str | None, key: str | None) -> AsyncOpenAI:
    import httpx2
    import openai

    # The pool must never be the place where calls wait: concurrency is limited above, per model.
    # Idle connections are dropped early, before the other side does it while we send.
    limits = httpx2.Limits(max_connections=10_000, max_keepalive_connections=1_000, keepalive_expiry=5.0)
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    # A redirect would be a second request that nobody counts.
    http = openai.DefaultAioHttpClient(
        limits=limits, timeout=timeout, follow_redirects=False, trust_env=not is_loopback(base_url)
    )
    client = openai.AsyncOpenAI(
        api_key=key or NO_KEY, base_url=base_url, max_retries=0, timeout=timeout, http_client=http
    )
    if base_url is not None:
        # What the environment holds for OpenAI is nobody else's business.
        client.organization = client.project = client.admin_api_key = None
        client._custom_headers = {}  # noqa: SLF001 - OPENAI_CUSTOM_HEADERS has no public switch
    return client
