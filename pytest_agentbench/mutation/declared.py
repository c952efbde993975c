"""What a scenario itself declares about a part of an answer: only against that can a change be wrong."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.mutation.mutant import JsonPath
from pytest_agentbench.scenario import Json

Expected = Literal["value", "matcher", "any", "nothing"]
"""``value``: compared exactly. ``matcher``: by ``$regex`` or the like. ``any``: it says that all is right.
``nothing``: it does not speak of this part."""

_DEPTH = 50


def expected_at(expect: Json, path: JsonPath) -> Expected:
    """What the rendered ``expect`` says about the value at ``path``."""
    node = _unwrapped(expect)
    for step in path:
        name = matcher_name(node)
        if name is not None:
            return _BY_NAME.get(name, "matcher")
        if isinstance(node, dict):
            if step not in node:
                return "nothing"
            node = node[step]
        elif isinstance(node, list):
            if not isinstance(step, int) or step >= len(node):
                return "value"  # a list is compared with its length
            node = node[step]
        else:
            return "value"
        node = _unwrapped(node)
    name = matcher_name(node)
    return "value" if name is None else _BY_NAME.get(name, "matcher")


def may_be_absent(expect: Json, path: JsonPath) -> bool:
    """Whether ``expect`` says ``$optional`` of the key at the end of ``path``."""
    node = expect
    for step in path:
        node = _unwrapped(node)
        inside = step in node if isinstance(node, dict) else isinstance(node, list) and step < len(node)  # type: ignore[operator]
        if not inside:
            return False
        node = node[step]
    return matcher_name(node) == "$optional"


def schema_at(schema: Json, path: JsonPath) -> Json:
    """The part of ``schema`` for the value at ``path``, with its ``$defs``; None where none is plain."""
    node = _resolved(schema, schema)
    for step in path:
        if not isinstance(node, dict):
            return None
        if isinstance(step, str):
            node = (node.get("properties") or {}).get(step)
        else:
            first = node.get("prefixItems") or []
            node = first[step] if step < len(first) else node.get("items")
        node = _resolved(node, schema)
    if isinstance(node, dict) and isinstance(schema, dict) and "$defs" in schema:
        return {"$defs": schema["$defs"], **node}
    return node


def allows_type(schema: Json, name: str) -> bool:
    """Whether ``schema`` lists the JSON type ``name`` as one of several."""
    return isinstance(schema, dict) and isinstance(schema.get("type"), list) and name in schema["type"]


def is_open(schema: Json) -> bool:
    """Whether ``schema`` says that an object may have further keys, or says nothing about its keys."""
    if not isinstance(schema, dict) or "properties" not in schema:
        return True
    return schema.get("additionalProperties", False) is not False or "patternProperties" in schema


def is_optional(schema: Json, key: str | int) -> bool:
    """Whether ``schema`` names the keys that must be there, and ``key`` is none of them."""
    return isinstance(schema, dict) and "required" in schema and key not in schema["required"]


def matcher_name(node: Json) -> str | None:
    """``$regex`` for ``{$regex: ...}``; None for a plain value."""
    if isinstance(node, dict) and len(node) == 1:
        (name,) = node
        if isinstance(name, str) and name.startswith("$"):
            return name
    return None


_BY_NAME: dict[str, Expected] = {"$any": "any", "$equals": "value"}


def _unwrapped(node: Json) -> Json:
    while matcher_name(node) == "$optional":
        node = node["$optional"]
    return node


def _resolved(node: Json, root: Json) -> Json:
    for _ in range(_DEPTH):
        if not isinstance(node, dict) or "$ref" not in node:
            return node
        reference = str(node["$ref"])
        if not reference.startswith("#"):
            return None
        node = root
        for step in reference.lstrip("#/").split("/") if reference != "#" else ():
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                return None
            node = node[name]
    return None
