"""What an endpoint really does: one call with a tool, one with a schema, one streamed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pytest_agentbench.errors import TransportError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.base import Provider
from pytest_agentbench.providers.request import build
from pytest_agentbench.sample import CallRequest, Reply
from pytest_agentbench.scenario import Json, JsonAnswer, Sampling, Tool

Answered = Literal["yes", "no", "?"]

MAX_TOKENS = 2_000
"""Enough for a model that thinks before it answers; most stop after twenty."""

_TOOL = Tool(
    name="get_temperature",
    description="The temperature in a city, in degrees Celsius.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
# Keys and values that nobody gives unasked: an answer that has them was held to the schema.
_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "zz_capital": {"type": "string"},
        "zz_confidence": {"type": "string", "enum": ["qlow", "qhigh"]},
    },
    "required": ["zz_capital", "zz_confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that was looked at. ``?``: the call did not get that far, or nothing can be told."""

    what: str
    honoured: Answered
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came out.

    Attributes:
        n_calls: Calls made; n_answered: those with a usable reply.
        observations: In the order of the calls.
    """

    n_calls: int
    n_answered: int
    observations: tuple[Observation, ...]


async def probe(model: Model, provider: Provider, *, deadline_s: float = 120.0) -> Probe:
    """Make the three calls and say what was honoured. Costs some hundred tokens."""
    sampling = Sampling(max_tokens=MAX_TOKENS)
    seen: list[Observation] = []
    replies: list[Reply] = []

    async def call(name: str, body: dict[str, Json], *, stream: bool = False) -> Reply | None:
        request = CallRequest(model=model.name, body=body, deadline_s=deadline_s, stream=stream)
        try:
            reply = await provider.call(request)
        except TransportError as fault:
            seen.append(Observation(what=name, honoured="no", detail=f"{fault.kind}: {fault.message}"))
            return None
        if reply.deadline:
            seen.append(Observation(what=name, honoured="no", detail=f"no end within {deadline_s:g} s"))
            return None
        seen.append(Observation(what=name, honoured="yes", detail=f"answered in {reply.latency_s:.1f} s"))
        replies.append(reply)
        return reply

    asked = "What is the temperature in Paris now? Use the tool."
    body, _ = build(
        model,
        messages=[{"role": "user", "content": asked}],
        tools=(_TOOL,),
        sampling=Sampling(max_tokens=MAX_TOKENS, tool_choice="required"),
    )
    seen += _tool_choice(await call("call with a tool", body), body)
    body, told = build(
        model,
        messages=[{"role": "user", "content": "What is the capital of France? Answer with JSON."}],
        sampling=sampling,
        answer_json=JsonAnswer(schema=_SCHEMA, request="json_schema"),
    )
    note = next((str(entry["note"]) for entry in told if entry["key"] == "request"), "")
    seen += _schema(await call("call with a schema", body), body, note)
    body, _ = build(model, messages=[{"role": "user", "content": "Count from 1 to 5."}], sampling=sampling)
    seen += _stream(await call("streamed call", body, stream=True))
    seen += _identity(model, replies)
    return Probe(n_calls=3, n_answered=len(replies), observations=tuple(seen))


def _tool_choice(reply: Reply | None, body: dict[str, Json]) -> list[Observation]:
    what = "tool_choice"
    if reply is None:
        return [
            Observation(what=what, honoured="?", detail="no reply; a vLLM server needs its tool parser flags")
        ]
    if "tool_choice" not in body:
        return [Observation(what=what, honoured="no", detail="this model's rules do not send it")]
    if not reply.tool_calls:
        text = (reply.content or "").strip()
        as_text = _TOOL.name in text or '"name"' in text or "<tool_call>" in text
        detail = "the call came as text in content" if as_text else f"required, but text came: {_short(text)}"
        return [Observation(what=what, honoured="no", detail=detail)]
    call = reply.tool_calls[0]
    found = [Observation(what=what, honoured="yes", detail=f"{call.name}({_short(str(call.arguments))})")]
    try:
        arguments = json.loads(call.arguments)
        fits = isinstance(arguments, dict) and isinstance(arguments.get("city"), str) and len(arguments) == 1
    except (TypeError, ValueError):
        fits = False
    detail = "" if fits else f"{_short(str(call.arguments))} does not fit the tool's parameters"
    return [*found, Observation(what="tool arguments", honoured="yes" if fits else "no", detail=detail)]


def _schema(reply: Reply | None, body: dict[str, Json], note: str) -> list[Observation]:
    what = "schema"
    if reply is None:
        return [Observation(what=what, honoured="?", detail="no reply")]
    sent = body.get("response_format", {}).get("type")
    if sent != "json_schema":
        detail = f"{sent or 'nothing'} was sent in its place: {note}"
        return [Observation(what=what, honoured="no", detail=detail)]
    try:
        value = json.loads(reply.content or "")
    except ValueError:
        return [Observation(what=what, honoured="no", detail=f"no JSON came: {_short(reply.content or '')}")]
    fits = (
        isinstance(value, dict)
        and set(value) == {"zz_capital", "zz_confidence"}
        and isinstance(value["zz_capital"], str)
        and value["zz_confidence"] in {"qlow", "qhigh"}
    )
    detail = "" if fits else f"JSON that does not fit came: {_short(reply.content or '')}"
    return [Observation(what=what, honoured="yes" if fits else "no", detail=detail)]


def _stream(reply: Reply | None) -> list[Observation]:
    what = "usage in the stream"
    if reply is None:
        return [Observation(what=what, honoured="?", detail="no reply")]
    tokens = reply.usage.completion_tokens
    if tokens is None:
        detail = "tokens and cost of streamed replies stay unknown"
        return [Observation(what=what, honoured="no", detail=detail)]
    first = f", first token after {reply.ttft_s:.2f} s" if reply.ttft_s is not None else ""
    return [Observation(what=what, honoured="yes", detail=f"{tokens} tokens{first}")]


def _identity(model: Model, replies: list[Reply]) -> list[Observation]:
    if not replies:
        return [Observation(what="response.model", honoured="?", detail="no reply")]
    named = list(dict.fromkeys(reply.model or "" for reply in replies))
    other = [name for name in named if name != model.model_id]
    if not other:
        found = [Observation(what="response.model", honoured="yes", detail=f"equals {model.model_id}")]
    else:
        shown = " and ".join(repr(name) for name in other)
        detail = f"{shown} answered for {model.model_id!r}: make sure that it is the same model"
        found = [Observation(what="response.model", honoured="no", detail=detail)]
    hosts = list(dict.fromkeys(reply.host for reply in replies if reply.host))
    if hosts:
        one = len(hosts) == 1
        detail = f"answered by {', '.join(hosts)}" + ("" if one else ": pin one with extra_body.provider")
        found.append(Observation(what="one host", honoured="yes" if one else "no", detail=detail))
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
