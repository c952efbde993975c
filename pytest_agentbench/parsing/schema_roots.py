"""What a JSON Schema says about the whole value, read without a validator."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_agentbench.scenario import Json

_ALL_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_MAX_REFERENCES = 16


def root_types(schema: Json) -> frozenset[str] | None:
    """JSON types that ``schema`` allows for the whole value; None when it does not say."""
    types = _types(schema, schema, 0)
    return None if types >= _ALL_TYPES else types


def _types(schema: Json, root: Json, depth: int) -> frozenset[str]:
    if not isinstance(schema, Mapping) or depth > _MAX_REFERENCES:
        return _ALL_TYPES
    types = _ALL_TYPES
    if "type" in schema:
        named = schema["type"]
        types = frozenset([named] if isinstance(named, str) else named)
        types |= {"integer"} if "number" in types else frozenset()
    elif "properties" in schema or "required" in schema:
        types = frozenset({"object"})
    if isinstance(schema.get("$ref"), str):
        types &= _types(pointer(root, schema["$ref"]), root, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list) and branches:
            types &= frozenset().union(*(_types(branch, root, depth + 1) for branch in branches))
    for branch in schema.get("allOf", ()):
        types &= _types(branch, root, depth + 1)
    return types


def pointer(root: Json, reference: str) -> Json:
    """What a local ``$ref`` leads to; None when it is not local or leads nowhere."""
    if not reference.startswith("#"):
        return None
    node = root
    for step in reference[1:].lstrip("/").split("/") if len(reference) > 1 else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node
