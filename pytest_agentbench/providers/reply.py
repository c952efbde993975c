"""A chat completion in wire form -> :class:`~pytest_agentbench.sample.Reply`.

The message itself is kept verbatim: DeepSeek answers 400 when ``reasoning_content`` does not come
back in tool turns, Gemini wants its thought signature back (PROVIDERS, fact 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_agentbench.providers.faults import AttemptError, fault_in_body
from pytest_agentbench.sample import Reply, ToolCall, Usage
from pytest_agentbench.scenario import Json


def reply_from_json(raw: bytes) -> Reply:
    """The reply in the body of a plain answer with status 200.

    Raises:
        AttemptError: the body is no chat completion (not JSON, an event stream, no choice, an error that
            came with status 200).
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        if raw.lstrip()[:6] in {b"data: ", b"event:"} or raw.lstrip().startswith((b"data:", b": ")):
            raise AttemptError("undecodable", "an event stream came where JSON was asked for") from None
        raise AttemptError("undecodable", f"the body is not JSON: {_excerpt(raw)}") from None
    if not isinstance(document, dict):
        raise AttemptError("undecodable", f"the body is no chat completion: {_excerpt(raw)}")
    problem = fault_in_body(document)
    if problem is not None:
        raise problem
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        raise AttemptError("undecodable", f"the answer has no choices: {_excerpt(raw)}")
    choice = choices[0]
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise AttemptError("undecodable", f"choices[0] holds no message: {_excerpt(raw)}")
    problem = fault_in_body(choice)
    if problem is not None:
        raise problem
    return assemble(choice["message"], document, choice.get("finish_reason"))


def assemble(message: Mapping[str, Json], frame: Mapping[str, Json], finish_reason: Json) -> Reply:
    """A reply from its message and the fields around it (``id``, ``model``, ``provider``, ``usage``)."""
    return Reply(
        message={"role": "assistant", **{key: value for key, value in message.items() if value is not None}},
        content=_text(message.get("content")),
        reasoning=_reasoning(message),
        tool_calls=_tool_calls(message.get("tool_calls")),
        refusal=_text(message.get("refusal")),
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        model=_string(frame.get("model")),
        host=_string(frame.get("provider")),
        response_id=_string(frame.get("id")),
        usage=_usage(frame.get("usage")),
    )


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _text(content: Json) -> str | None:
    """Content is text, null, or a list of parts of which those of type ``text`` are the answer."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part["text"] for part in content if _is_text_part(part)]
        return "".join(texts) if texts else None
    return json.dumps(content, ensure_ascii=False)


def _is_text_part(part: Json) -> bool:
    return isinstance(part, dict) and part.get("type", "text") == "text" and isinstance(part.get("text"), str)


def _reasoning(message: Mapping[str, Json]) -> str | None:
    """Providers use one of three fields; OpenRouter sends the same text in two, so the first counts."""
    for name in ("reasoning_content", "reasoning"):
        value = message.get(name)
        if isinstance(value, str) and value:
            return value
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return None
    texts = [
        part[name]
        for part in details
        if isinstance(part, dict)
        for name in ("text", "summary")
        if isinstance(part.get(name), str)
    ]
    return "".join(texts) or None


def _tool_calls(calls: Json) -> tuple[ToolCall, ...]:
    if not isinstance(calls, list):
        return ()
    found = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        name = function.get("name")
        found.append(
            ToolCall(
                id=_string(call.get("id")) or "",
                name=name if isinstance(name, str) else "",
                arguments=function.get("arguments"),
            )
        )
    return tuple(found)


def _usage(usage: Json) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    completion = usage.get("completion_tokens_details")
    prompt = usage.get("prompt_tokens_details")
    cached = _count(prompt, "cached_tokens")
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(completion, "reasoning_tokens"),
        # DeepSeek's own name for the same.
        cached_tokens=cached if cached is not None else _count(usage, "prompt_cache_hit_tokens"),
    )


def _count(holder: Json, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _excerpt(raw: bytes) -> str:
    return repr(raw[:120].decode("utf-8", "replace"))
