"""JSON values with one thing changed, and the walk over their parts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator

from pytest_agentbench.mutation.mutant import JsonPath
from pytest_agentbench.scenario import Json


def parts(value: Json, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Json]]:
    """Every value in ``value`` with its path, itself first."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from parts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from parts(item, (*path, index))


def is_leaf(value: Json) -> bool:
    """Whether nothing is inside."""
    return not (isinstance(value, dict | list) and value)


def edited(value: Json, path: JsonPath, edit: Callable[[Any, Any], None]) -> Json:
    """A copy of ``value`` on which ``edit(container, last step of path)`` was called."""
    changed = copy.deepcopy(value)
    container = changed
    for step in path[:-1]:
        container = container[step]
    edit(container, path[-1])
    return changed


def with_value(value: Json, path: JsonPath, new: Json) -> Json:
    """A copy of ``value`` with ``new`` at ``path``."""
    return edited(value, path, lambda holder, step: holder.__setitem__(step, new)) if path else new


def other(value: Json, schema: Json = None) -> Json:
    """Another value of the same type, near to ``value``; one that fits ``schema`` where there is one.

    What breaks the schema is noticed by it: only what fits shows whether the value itself is compared.
    """
    candidates = [*_choices(schema, value), *_near(value)]
    return next((new for new in candidates if _fits(new, schema)), candidates[0])


def bumped(text: str) -> str:
    """``text`` with its last letter or digit replaced by the next of its kind."""
    for place in range(len(text) - 1, -1, -1):
        if text[place].isalnum():
            return text[:place] + _next(text[place]) + text[place + 1 :]
    return text + "x"


def _choices(schema: Json, value: Json) -> list[Json]:
    options = schema.get("enum", []) if isinstance(schema, dict) else []
    return [option for option in options if type(option) is type(value) and option != value]


def _near(value: Json) -> list[Json]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1, value * 2 + 1]
    if isinstance(value, str):
        return [bumped(value), value + "x", "x" + value]
    return [[*value, "x"] if isinstance(value, list) else {**value, "x": "x"} if value == {} else "x"]


def _next(letter: str) -> str:
    for first, last in (("0", "9"), ("a", "z"), ("A", "Z")):
        if first <= letter <= last:
            return first if letter == last else chr(ord(letter) + 1)
    return "x" if letter != "x" else "y"


def _fits(value: Json, schema: Json) -> bool:
    if schema is None:
        return True
    try:
        checker = Draft202012Validator.FORMAT_CHECKER
        return bool(Draft202012Validator(schema, format_checker=checker).is_valid(value))
    except Exception:  # noqa: BLE001 - a part of a schema whose references lead elsewhere
        return True
