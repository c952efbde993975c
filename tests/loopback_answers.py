"""What the loopback server can answer: replies of a model that works, and what goes wrong.

:func:`completion` answers as JSON, or as a stream of the same when the request says ``stream: true``.
Everything else is a fault or an oddity that a provider was seen to produce.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server does with one request.

    ``raw`` is a whole body; ``message`` a chat message, sent as JSON or as a stream; ``events`` the
    pieces of a stream (a dict becomes an SSE event, bytes go out as they are). After the last piece
    the response ends properly (``complete``), the connection is reset (``reset``), or nothing more
    happens (``stall``); ``endless`` sends the events again and again.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    raw: bytes | None = None
    message: Mapping[str, Json] | None = None
    finish_reason: str | None = "stop"
    usage: Mapping[str, Json] | None = None
    model: str | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    response_id: str | None = None
    events: Sequence[Mapping[str, Json] | bytes] | None = None
    ending: Literal["complete", "reset", "stall", "endless"] = "complete"
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    chunk_chars: int = 16


Reply: TypeAlias = Answer | Callable[[Json, int], Answer]


# --- answers of a model that works ------------------------------------------------------------


def tool_call(name: str, arguments: Json, *, call_id: str = "call_0", **extra: Json) -> dict[str, Json]:
    """A tool call in wire form; arguments that are not text are serialised."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}, **extra}


def completion(
    content: str | None = None,
    *,
    tool_calls: Sequence[Mapping[str, Json]] = (),
    finish_reason: str | None = None,
    usage: Mapping[str, Json] | None = None,
    model: str | None = None,
    message: Mapping[str, Json] | None = None,
    response_id: str | None = None,
    delay_s: float = 0.0,
    chunk_delay_s: float = 0.0,
    chunk_chars: int = 16,
    **extra: Json,
) -> Answer:
    """A chat completion. ``message`` adds fields to the message, ``extra`` to the response.

    ``model`` is the request's own when not given; ``usage={}`` leaves usage away.
    """
    whole: dict[str, Json] = {"role": "assistant", "content": content, **(message or {})}
    if tool_calls:
        whole["tool_calls"] = [dict(call) for call in tool_calls]
    if usage is None:
        words = len((content or "").split()) + 5 * len(tool_calls)
        usage = {"prompt_tokens": 10, "completion_tokens": words, "total_tokens": 10 + words}
    return Answer(
        message=whole,
        finish_reason=finish_reason or ("tool_calls" if tool_calls else "stop"),
        usage=usage,
        model=model,
        extra=extra,
        response_id=response_id,
        delay_s=delay_s,
        chunk_delay_s=chunk_delay_s,
        chunk_chars=chunk_chars,
    )


def chunk(
    delta: Mapping[str, Json] | None = None, *, finish_reason: str | None = None, **extra: Json
) -> dict[str, Json]:
    """One event of a stream."""
    choice = {"index": 0, "delta": dict(delta or {}), "finish_reason": finish_reason}
    return {"id": "chatcmpl-s", "object": "chat.completion.chunk", "choices": [choice], **extra}


DONE = b"data: [DONE]\n\n"


def stream(
    events: Iterable[Mapping[str, Json] | bytes], *, chunk_delay_s: float = 0.0, delay_s: float = 0.0
) -> Answer:
    """A stream of exactly these events; nothing is added, not even ``[DONE]``."""
    return Answer(
        content_type="text/event-stream", events=tuple(events), chunk_delay_s=chunk_delay_s, delay_s=delay_s
    )


def slow(answer: Answer, delay_s: float) -> Answer:
    """The same answer, its first byte later."""
    return replace(answer, delay_s=delay_s)


# --- streams that go wrong --------------------------------------------------------------------


def endless(text: str = "She loved to play. ", *, chunk_delay_s: float = 0.005) -> Answer:
    """Produces for ever: in a stream chunk after chunk, to a plain request no answer at all."""
    return Answer(
        content_type="text/event-stream",
        events=(chunk({"content": text}),),
        ending="endless",
        chunk_delay_s=chunk_delay_s,
    )


def stalled(*events: Mapping[str, Json] | bytes) -> Answer:
    """Sends these events (none: not even headers), then keeps the connection and says nothing."""
    return Answer(content_type="text/event-stream", events=events, ending="stall")


def hang() -> Answer:
    """Takes the request and never says anything, streamed or not."""
    return stalled()


def cut_stream(text: str = "The answer is") -> Answer:
    """A stream that ends in good order, without finish_reason and without ``[DONE]``."""
    return stream([chunk({"role": "assistant", "content": text})])


def reset_stream(text: str = "The answer is") -> Answer:
    """A stream whose connection is reset half way."""
    return replace(stream([chunk({"role": "assistant", "content": text})]), ending="reset")


def undecodable_event() -> Answer:
    """A stream with an event that is not JSON."""
    return stream([chunk({"content": "The"}), b'data: {"choices": [{"delta"\n\n', DONE])


def null_choice_event() -> Answer:
    """A stream with ``choices: [null]``."""
    return stream([chunk({"content": "The"}), {"choices": [None]}, DONE])


# --- answers that go wrong --------------------------------------------------------------------


def body(raw: bytes | str | Json, *, status: int = 200, content_type: str = "application/json") -> Answer:
    """Exactly this body; what is not text or bytes is serialised as JSON."""
    if not isinstance(raw, (bytes, str)):
        raw = json.dumps(raw)
    return Answer(status=status, raw=raw.encode() if isinstance(raw, str) else raw, content_type=content_type)


def null_choice() -> Answer:
    """``choices: [null]`` in a plain answer."""
    return body({"id": "x", "model": "m", "choices": [None]})


def empty_choices() -> Answer:
    """``choices: []`` in a plain answer."""
    return body({"id": "x", "model": "m", "choices": []})


def sse_for_json(text: str = "hi") -> Answer:
    """Server-sent events although a plain answer was asked for."""
    event = json.dumps(chunk({"content": text}, finish_reason="stop")).encode()
    return Answer(content_type="text/event-stream", raw=b"data: " + event + b"\n\n" + DONE)


def not_json() -> Answer:
    """Status 200 and application/json, and half a document."""
    return body(b'{"id": "chatcmpl-1", "choices": [{"ind')


def html_502() -> Answer:
    """The page of a gateway in front of the provider."""
    return body(
        b"<html><head><title>502 Bad Gateway</title></head></html>", status=502, content_type="text/html"
    )


def error(
    status: int,
    message: str = "something went wrong",
    *,
    code: str | None = None,
    kind: str = "server_error",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error in OpenAI's form."""
    answer = body({"error": {"message": message, "type": kind, "code": code, "param": None}}, status=status)
    return replace(answer, headers=headers or {})


def rate_limited(retry_after: str | None = None) -> Answer:
    """429, to be tried again; with or without ``Retry-After``."""
    return error(
        429,
        "Rate limit reached for requests",
        code="rate_limit_exceeded",
        kind="requests",
        headers={"Retry-After": retry_after} if retry_after is not None else {},
    )


def quota_exhausted() -> Answer:
    """429, final: nothing left on the account."""
    return error(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        code="insufficient_quota",
        kind="insufficient_quota",
        headers={"Retry-After": "1"},
    )


def context_overflow() -> Answer:
    """400, final: the prompt is longer than the context."""
    return error(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        code="context_length_exceeded",
        kind="invalid_request_error",
    )


def reset() -> Answer:
    """The connection is reset before any byte of an answer."""
    return Answer(ending="reset")


# --- on the wire ------------------------------------------------------------------------------


def _frame(answer: Answer, asked: Json, number: int, kind: str) -> dict[str, Json]:
    asked_model = asked.get("model") if isinstance(asked, dict) else None
    return {
        "id": answer.response_id or f"chatcmpl-{number}",
        "object": kind,
        "created": 1_700_000_000,
        "model": answer.model or asked_model or "loopback",
        **answer.extra,
    }


def document(answer: Answer, asked: Json, number: int) -> dict[str, Json]:
    """The JSON of a plain answer."""
    choice = {"index": 0, "message": answer.message, "finish_reason": answer.finish_reason, "logprobs": None}
    document = {**_frame(answer, asked, number, "chat.completion"), "choices": [choice]}
    return {**document, "usage": answer.usage} if answer.usage else document


def events_of(answer: Answer, asked: Json, number: int) -> tuple[dict[str, Json] | bytes, ...]:
    """The same answer as the events of a stream."""
    frame = _frame(answer, asked, number, "chat.completion.chunk")

    def event(delta: dict[str, Json], finish_reason: str | None = None) -> dict[str, Json]:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    events: list[dict[str, Json] | bytes] = []
    size = answer.chunk_chars
    for name, value in (answer.message or {}).items():
        if name == "tool_calls":
            events += [event(delta) for delta in _tool_call_deltas(value, size)]
        elif isinstance(value, str) and name != "role":
            pieces = [value[start : start + size] for start in range(0, len(value), size)]
            events += [event({name: piece}) for piece in pieces or [""]]
        elif value is not None:
            events.append(event({name: value}))
    events.append(event({}, answer.finish_reason))
    options = asked.get("stream_options") or {}
    if answer.usage and options.get("include_usage"):
        events.append({**frame, "choices": [], "usage": answer.usage})
    return (*events, DONE)


def _tool_call_deltas(calls: Sequence[Mapping[str, Json]], size: int) -> Iterable[dict[str, Json]]:
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [head]}
        for start in range(0, len(arguments), size):
            piece = {"index": index, "function": {"arguments": arguments[start : start + size]}}
            yield {"tool_calls": [piece]}
