"""Calls through the real client to a loopback server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from loopback import LoopbackServer

from pytest_agentbench.errors import TransportError
from pytest_agentbench.model import Model, ParameterRules
from pytest_agentbench.providers.base import Attempt
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.providers.retry import RetryPolicy
from pytest_agentbench.sample import CallRequest, Reply

QUICK = RetryPolicy(max_failures=3, base_s=0.01)


def model_at(base_url: str | None, **fields: Any) -> Model:
    return Model(**{"name": "m", "slug": "m", "model_id": "m", "base_url": base_url, **fields})


def rules(**fields: Any) -> ParameterRules:
    return ParameterRules(**fields)


def call(
    server: LoopbackServer | str,
    *,
    body: dict[str, Any] | None = None,
    key: str | None = None,
    stream: bool = False,
    deadline_s: float = 30.0,
    stall_s: float = 10.0,
    policy: RetryPolicy = QUICK,
    on_attempt: Callable[[Attempt], None] | None = None,
    before_attempt: Callable[[CallRequest], None] | None = None,
    model: Model | None = None,
) -> Reply:
    """One call, with a client of its own."""
    base_url = server if isinstance(server, str) else server.base_url
    request = CallRequest(
        model="m",
        body=body or {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        deadline_s=deadline_s,
        stall_s=stall_s,
        stream=stream,
    )

    async def run() -> Reply:
        client = ChatClient(
            model or model_at(base_url),
            key,
            policy=policy,
            on_attempt=on_attempt,
            before_attempt=before_attempt,
        )
        try:
            return await client.call(request)
        finally:
            await client.close()

    return asyncio.run(run())


def fault(server: LoopbackServer | str, **options: Any) -> TransportError:
    """The fault that a call ends with; no fault is a failure of the test."""
    try:
        reply = call(server, **options)
    except TransportError as error:
        return error
    raise AssertionError(f"a reply came where a fault was expected: {reply}")
