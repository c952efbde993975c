"""What goes over the wire: a chat completion as JSON or as a stream, or a fault in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.draft import Draft

DONE = b"data: [DONE]\n\n"
_PIECE = re.compile(r"\s*\S{1,12}|\s+\Z")
"""A few characters each, as tokens are; all pieces together are the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response.

    Attributes:
        body: The whole body, or for a stream what is sent at once after ``delay_s``.
        pieces: Of a stream: what follows ``body``, one every ``piece_s`` seconds.
        delay_s: Seconds before the first byte.
        ending: After the last byte the response ends properly, the connection is reset, or
            nothing more happens.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    body: bytes = b""
    pieces: tuple[bytes, ...] = ()
    piece_s: float = 0.0
    delay_s: float = 0.0
    ending: Literal["complete", "reset", "stall"] = "complete"


def error(
    status: int,
    message: str,
    *,
    code: str,
    kind: str = "server_error",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as OpenAI writes it."""
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return Response(status=status, headers=headers or {}, body=encoded(body))


def completion(
    draft: Draft, body: Mapping[str, Json], *, response_id: str, tokens: Mapping[str, int]
) -> Response:
    """``draft`` as the answer to the request ``body``, plain or streamed as it asks.

    ``tokens`` is the usage. A stream says its usage in its last event where ``stream_options`` asks.
    """
    frame = {"id": response_id, "created": 1_700_000_000, "model": body.get("model")}
    reason = draft.finish_reason or ("tool_calls" if draft.calls else "stop")
    if not body.get("stream"):
        choice = {"index": 0, "message": message_of(draft, response_id), "finish_reason": reason}
        whole = {**frame, "object": "chat.completion", "choices": [choice], "usage": tokens}
        return Response(body=encoded(whole))
    events = [_event(frame, delta, None) for delta in _deltas(message_of(draft, response_id))]
    events.append(_event(frame, {}, reason))
    options = body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage"):
        usage: dict[str, Json] = {**frame, "object": "chat.completion.chunk", "choices": [], "usage": tokens}
        events.append(b"data: " + encoded(usage) + b"\n\n")
    return Response(content_type="text/event-stream", pieces=(*events, DONE))


def message_of(draft: Draft, response_id: str) -> dict[str, Json]:
    """The assistant message of ``draft``."""
    message: dict[str, Json] = {"role": "assistant", "content": draft.content}
    if draft.reasoning is not None:
        message["reasoning_content"] = draft.reasoning
    if draft.refusal is not None:
        message["refusal"] = draft.refusal
    if draft.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{response_id}_{place}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for place, call in enumerate(draft.calls)
        ]
    return message


def encoded(value: Json) -> bytes:
    """Compact JSON; half a surrogate pair, which a fault may leave behind, as an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def pieces_of(text: str) -> list[str]:
    """``text`` cut as a stream brings it."""
    return _PIECE.findall(text) or [text]


def _deltas(message: Mapping[str, Json]) -> list[dict[str, Json]]:
    deltas: list[dict[str, Json]] = [{"role": "assistant", "content": message["content"] and ""}]
    for key in ("reasoning_content", "content", "refusal"):
        if message.get(key):
            deltas += [{key: piece} for piece in pieces_of(message[key])]
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        head = {"index": index, "id": call["id"], "type": "function"}
        if not isinstance(function["arguments"], str):
            deltas.append({"tool_calls": [{**head, "function": function}]})
            continue
        deltas.append({"tool_calls": [{**head, "function": {"name": function["name"], "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in pieces_of(function["arguments"])
        ]
    return deltas


def _event(frame: Mapping[str, Json], delta: Json, finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + encoded({**frame, "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"
