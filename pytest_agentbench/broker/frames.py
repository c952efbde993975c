"""Frames between workers and the broker: four bytes of length, then one JSON value in UTF-8."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

from pytest_agentbench.errors import (
    AgentbenchError,
    LimitReachedError,
    QuotaExhaustedError,
    SandboxError,
    SandboxUnavailableError,
    StorageError,
    TransportError,
)

_LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 256 * 1024 * 1024
SECRET_BYTES = 32

_PLAIN_ERRORS: dict[str, type[AgentbenchError]] = {
    cls.__name__: cls
    for cls in (LimitReachedError, SandboxUnavailableError, SandboxError, StorageError, AgentbenchError)
}
_TRANSPORT_ERRORS: dict[str, type[TransportError]] = {
    cls.__name__: cls for cls in (QuotaExhaustedError, TransportError)
}


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """The next value; raises IncompleteReadError at the end, ValueError for an oversized frame."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"frame of {length} bytes is above {MAX_FRAME_BYTES}")
    return json.loads(await reader.readexactly(length))


def write_frame(writer: asyncio.StreamWriter, value: Any) -> None:
    """Queue one value; the caller drains where back-pressure matters."""
    # Lone surrogates of a model's reply must survive: ASCII escapes carry them, UTF-8 cannot.
    data = json.dumps(value, separators=(",", ":")).encode("ascii")
    writer.write(_LENGTH.pack(len(data)) + data)


def error_to_wire(error: AgentbenchError) -> dict[str, Any]:
    """Builtins for one of our exceptions."""
    if isinstance(error, TransportError):
        return {"type": type(error).__name__, **error.to_wire()}
    return {"type": type(error).__name__, "message": str(error)}


def error_from_wire(data: dict[str, Any]) -> AgentbenchError:
    """The exception that :func:`error_to_wire` was given; an unknown type becomes AgentbenchError."""
    transport = _TRANSPORT_ERRORS.get(data["type"])
    if transport is not None:
        return transport(
            data["kind"],
            data["message"],
            status=data["status"],
            n_attempts=data["n_attempts"],
            n_transport_errors=data["n_transport_errors"],
        )
    return _PLAIN_ERRORS.get(data["type"], AgentbenchError)(data["message"])
