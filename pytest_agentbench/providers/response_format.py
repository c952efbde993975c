"""``response_format``: how a JSON answer is asked for at an endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pytest_agentbench.model import ParameterRules
from pytest_agentbench.scenario import Json, JsonAnswer


def response_format_for(
    answer: JsonAnswer, rules: ParameterRules, messages: Sequence[Mapping[str, Json]]
) -> tuple[dict[str, Json] | None, str]:
    """(``response_format`` or None, why it is less than what was asked or '')."""
    wanted, note = answer.request, ""
    if wanted == "json_schema" and answer.schema is None:
        wanted, note = "json_object", "the answer has no schema"
    if "response_format" in rules.ignored or rules.json_request == "none":
        return None, "this endpoint ignores response_format"
    if wanted == "json_schema" and rules.json_request == "json_object":
        wanted, note = "json_object", "this endpoint enforces no schema"
    if wanted == "json_schema":
        schema = {
            "name": _name(answer.schema),
            "strict": is_strict_schema(answer.schema),
            "schema": answer.schema,
        }
        return {"type": "json_schema", "json_schema": schema}, note
    if rules.json_word and not _mentions_json(messages):
        # Sent all the same it is a 400, and nothing is measured.
        return None, 'json_object needs the word "json" in the prompt at this endpoint, and it is not there'
    return {"type": "json_object"}, note


def is_strict_schema(schema: Json) -> bool:
    """Whether a schema is in the subset that OpenAI takes with ``strict: true``.

    Necessary conditions only: the root is an object, every object closes its properties and requires
    them all. With another schema ``strict: true`` is a 400.
    """
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return False
    return all(
        part.get("additionalProperties") is False
        and set(part.get("required", ())) == set(part.get("properties", {}))
        for part in _subschemas(schema)
        if part.get("type") == "object" or "properties" in part
    )


def _subschemas(schema: Json) -> Iterator[Mapping[str, Json]]:
    stack = [schema]
    while stack:
        part = stack.pop()
        if not isinstance(part, Mapping):
            continue
        yield part
        for key in ("properties", "$defs", "definitions"):
            if isinstance(part.get(key), Mapping):
                stack += part[key].values()
        for key in ("items", "additionalProperties"):
            stack.append(part.get(key))
        for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
            if isinstance(part.get(key), list):
                stack += part[key]


def _name(schema: Json) -> str:
    title = schema.get("title") if isinstance(schema, Mapping) else None
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", title).strip("_")[:64] if isinstance(title, str) else ""
    return name or "answer"


def _mentions_json(messages: Sequence[Mapping[str, Json]]) -> bool:
    for message in messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        if any("json" in str(part.get("text") or "").lower() for part in parts if isinstance(part, Mapping)):
            return True
    return False
