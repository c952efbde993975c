"""openai's client, set up so that one request of ours is one request on the wire.

Import this module only where calls are made: openai takes 0.6 s to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import aiohttp
import httpx2
import openai

from pytest_agentbench.providers.addresses import is_loopback, origin
from pytest_agentbench.providers.faults import AttemptError, fault_of_status

CONNECT_S = 15.0
NO_KEY = "none"
"""Sent where no key is needed: openai's client refuses to start without one."""

LOST = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What a lost connection raises while a response is read; the two HTTP stacks share no base."""

_CONNECTING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ConnectionRefusedError)


def open_client(base_url: str | None, key: str | None) -> openai.AsyncOpenAI:
    """A client without retries, redirects or a pool that calls could wait for."""
    # Concurrency is limited above, per model. Idle connections are dropped early, before the other
    # side does it while we send.
    limits = httpx2.Limits(max_connections=10_000, max_keepalive_connections=1_000, keepalive_expiry=5.0)
    # How long a reply may take is our own affair: deadlines and stalls are told apart.
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = openai.DefaultAioHttpClient(
        limits=limits, timeout=timeout, follow_redirects=False, trust_env=not is_loopback(base_url)
    )
    client = openai.AsyncOpenAI(
        api_key=key or NO_KEY, base_url=base_url, max_retries=0, timeout=timeout, http_client=http
    )
    if base_url is not None:
        # What the environment holds for OpenAI (OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_ADMIN_KEY,
        # OPENAI_CUSTOM_HEADERS) is no other endpoint's business. The last has no public switch.
        client.organization = client.project = client.admin_api_key = None
        client._custom_headers = {}  # noqa: SLF001
    return client


async def post(
    client: openai.AsyncOpenAI, body: bytes, *, stream: bool, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Send one chat completion; the response is read whole, or not at all for a stream.

    ``headers`` go out beside the client's own.

    Raises:
        AttemptError: no response, or a status other than 2xx.
    """
    path = "/chat/completions"
    options: openai.RequestOptions = {"headers": headers} if headers else {}
    try:
        if not stream:
            return await client.post(path, cast_to=httpx2.Response, content=body, options=options)
        # Told to cast to a response, the client hands it out unread, whatever stream_cls says.
        streamed = client.post(
            path,
            cast_to=httpx2.Response,
            content=body,
            options=options,
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        return cast("httpx2.Response", await streamed)
    except openai.APIStatusError as problem:
        raw = problem.response.content
        raise fault_of_status(problem.status_code, problem.response.headers, raw) from None
    except (openai.APIConnectionError, *LOST) as problem:
        raise connection_fault(problem, str(client.base_url)) from None


def connection_fault(problem: BaseException, base_url: str) -> AttemptError:
    """A fault below HTTP. The client calls every lost connection "timed out": its causes tell more."""
    causes = [problem]
    while causes[-1].__cause__ is not None and len(causes) < 10:
        causes.append(causes[-1].__cause__)
    text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    if any(isinstance(cause, _CONNECTING) for cause in causes):
        return AttemptError("connect", f"cannot connect to {origin(base_url)}: {text}")
    return AttemptError("reset", f"the connection to {origin(base_url)} was lost: {text}")
