"""What a provider of replies is to the layers above, and what it tells about its attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_agentbench.sample import CallRequest, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that was sent, told when it is over.

    Attributes:
        model: Name of the model.
        number: 1 for the first attempt of a call.
        streamed: Asked for as a stream.
        kind: None: a usable reply came. ``deadline``: a plain call was cancelled at its deadline
            and is repeated as a stream. Else the kind of the transport fault.
        status: HTTP status, when there was one.
        duration_s: From sending to the last byte.
        retry_in_s: Seconds until the next attempt, None when this was the last.
    """

    model: str
    number: int
    streamed: bool
    kind: str | None
    status: int | None
    duration_s: float
    retry_in_s: float | None


class Provider(Protocol):
    """Sends chat completions."""

    async def call(self, request: CallRequest) -> Reply:
        """The reply to one request.

        Raises:
            TransportError: no usable answer after all attempts.
            QuotaExhaustedError: the account has nothing left.
        """

    async def close(self) -> None:
        """Drop the connections."""
