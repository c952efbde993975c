"""What was meant by a value of the wrong shape, or by a key in the wrong place: the end of a message."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_agentbench.loader.suggest import shown
from pytest_agentbench.scenario import Json

Steps = tuple[str, ...]

_ANY = "*"
_SHORT_FORMS: Mapping[Steps, str] = {
    ("prompt",): "{user: %s}",
    ("prompt", "then"): "[%s]",
    ("tags",): "[%s]",
    ("data",): "{rows: {file: %s}}",
    ("data", "rows"): "{file: %s}",
    ("data", "values", _ANY): "{faker: %s}",
    ("variants", _ANY): "{class: paraphrase, user: %s}",
    ("tools",): "{file: %s}",
    ("tools", _ANY): "{name: %s}",
    ("tools", _ANY, "returns"): "{value: %s}",
    ("answer",): "{text: {contains: %s}}",
    ("answer", "text"): "{contains: %s}",
    ("answer", "json"): "{schema: %s}",
    ("answer", "tool_calls", "expect", _ANY): "{name: %s}",
    ("gates", "pass_rate"): "{min: %s}",
    ("gates", "prompt_sensitivity"): "{max_spread: %s}",
    ("gates", _ANY): "{max: %s}",
}
"""Where people write one text or number, and the mapping or list that says the same."""

_KEYS: Mapping[Steps, str] = {
    ("prompt", "messages", _ANY, "role"): "a message is written {user: TEXT}",
    ("tools", _ANY, "function"): "tools in OpenAI's own format stand in a file: tools: {file: tools.json}",
    ("answer", "contains"): "it belongs under 'text'",
    ("answer", "equals"): "it belongs under 'text'",
    ("answer", "regex"): "it belongs under 'text'",
    ("answer", "number"): "it belongs under 'text'",
    ("answer", "schema"): "it belongs under 'json'",
    ("answer", "json", "type"): "the schema belongs under 'schema'",
    ("data", "file"): "write {rows: {file: ...}}",
}
"""Keys that people bring from elsewhere."""


def about_value(path: tuple[str | int, ...], value: Json) -> str:
    """How ``value``, of a type that cannot stand at ``path``, may have been meant; or nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    form = _find(_SHORT_FORMS, path)
    if not form or (isinstance(value, str) and path == ("gates", path[-1])):
        return ""
    return f", write {form % (value if isinstance(value, str) and _is_plain(value) else shown(value))}"


def about_key(path: tuple[str | int, ...], sections: Mapping[str, Steps]) -> str:
    """Where the unknown key at the end of ``path`` belongs; ``sections`` of each key of the format."""
    found = _find(_KEYS, path)
    if found:
        return f", {found}"
    places = [place for place in sections.get(str(path[-1]), ()) if place != path[0]]
    return f", it belongs under {' or '.join(repr(place) for place in places)}" if places else ""


def sections_of(schema: Json) -> dict[str, Steps]:
    """Every key of a section of ``schema`` and the sections that have it."""
    found: dict[str, Steps] = {}
    for section, part in schema["properties"].items():
        target = schema["$defs"].get(part.get("$ref", "").removeprefix("#/$defs/"), part)
        for key in target.get("properties", ()):
            found[key] = (*found.get(key, ()), section)
    return found


def _is_plain(text: str) -> bool:
    return text.replace("_", "").replace("/", "").replace(".", "").replace("-", "").isalnum()


def _find(table: Mapping[Steps, str], path: tuple[str | int, ...]) -> str:
    fitting = (
        text
        for steps, text in table.items()
        if len(steps) == len(path)
        and all(step in {_ANY, there} for step, there in zip(steps, path, strict=True))
    )
    return next(fitting, "")
