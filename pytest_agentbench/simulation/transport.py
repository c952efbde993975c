"""Faults between client and model: what comes in place of an answer, or is left of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from pytest_agentbench.simulation.response import DONE, Response, error

_PAGE = b"<html><head><title>Please wait</title></head><body>Checking your browser.</body></html>"


def faulty(kind: str, answer: Response, *, streamed: bool, retry_after_s: float) -> Response:
    """``answer`` as it comes through where ``kind`` (a key of a profile's ``transport``) happens."""
    if kind == "rate_limited":
        seconds = {"retry-after": f"{retry_after_s:.3f}", "retry-after-ms": f"{retry_after_s * 1000:.0f}"}
        text = "Rate limit reached for requests per minute."
        return error(429, text, code="rate_limit_exceeded", kind="requests", headers=seconds)
    return _FAULTS[kind](answer, streamed)


def _quota(_answer: Response, _streamed: object) -> Response:
    text = "You exceeded your current quota, please check your plan and billing details."
    return error(429, text, code="insufficient_quota", kind="insufficient_quota")


def _overflow(_answer: Response, _streamed: object) -> Response:
    text = "This model's maximum context length is 8192 tokens, your messages resulted in 9001 tokens."
    return error(400, text, code="context_length_exceeded", kind="invalid_request_error")


def _cut(answer: Response, streamed: object) -> Response:
    """A stream without its last events, in good order; a plain body without its second half."""
    if streamed:
        return replace(answer, pieces=answer.pieces[: max(1, (len(answer.pieces) - 1) // 2)])
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _undecodable(answer: Response, streamed: object) -> Response:
    if streamed:
        return replace(answer, pieces=(answer.pieces[0], b'data: {"choices": [{"delta"\n\n', DONE))
    return replace(answer, body=b"upstream said: " + answer.body)


def _other_form(answer: Response, streamed: object) -> Response:
    """Events where JSON was asked for, JSON that is no completion where events were."""
    if streamed:
        return replace(answer, pieces=(), body=b'{"detail": "streaming is off"}', content_type="text/plain")
    whole = json.loads(answer.body)
    choice = whole["choices"][0]
    piece = {"index": 0, "delta": choice["message"], "finish_reason": choice["finish_reason"]}
    event = json.dumps({**whole, "object": "chat.completion.chunk", "choices": [piece]}).encode()
    return replace(answer, content_type="text/event-stream", body=b"data: " + event + b"\n\n" + DONE)


_FAULTS: Mapping[str, Callable[[Response, object], Response]] = {
    "quota": _quota,
    "http_500": lambda _answer, _streamed: error(500, "The server had an error.", code="server_error"),
    "http_503": lambda _answer, _streamed: error(503, "Overloaded, please retry.", code="overloaded"),
    "reset": lambda _answer, _streamed: Response(ending="reset"),
    "stall": lambda _answer, _streamed: Response(ending="stall"),
    "stream_cut": _cut,
    "undecodable_event": _undecodable,
    "empty_body": lambda answer, _streamed: replace(answer, body=b"", pieces=()),
    "sse_for_json": _other_form,
    "context_overflow": _overflow,
    "wrong_content_type": lambda answer, _streamed: replace(
        answer, body=_PAGE, pieces=(), content_type="text/html"
    ),
}
