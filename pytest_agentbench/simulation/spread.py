"""A schema spread out into alternatives without references and combinations."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.merging import Node, all_of, both, both_types, canonical, matches, whole

_MAX_ALTERNATIVES = 64
_MAX_DEPTH = 64
_USUAL_DEPTH = 8


class NotPossibleError(ValueError):
    """No value was found that fits the schema; the message names the part of it that is in the way."""


def plan_of(schema: Json) -> Plan:
    """The plan of ``schema``, kept by its text.

    Raises:
        NotPossibleError: it allows no value, or a reference leads nowhere.
    """
    return _plan(json.dumps(schema))


@functools.lru_cache(maxsize=512)
def _plan(text: str) -> Plan:
    return Plan(json.loads(text))


_COMPOUND = frozenset({
    "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "$defs",
    "definitions", "$schema", "$id", "$anchor", "$dynamicAnchor", "$comment", "title", "description",
    "default", "examples", "deprecated",
})  # fmt: skip
_UNSURE = frozenset({
    "not", "if", "dependentSchemas", "dependentRequired", "contains", "minContains", "maxContains",
    "propertyNames", "patternProperties", "minProperties", "maxProperties", "unevaluatedProperties",
    "unevaluatedItems", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor",
})  # fmt: skip
"""Keywords that a draw may miss. Parts of a schema without them are not validated: that takes ten times as
long as the draw, and the server must not be the bottleneck."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS = {
    "object": "properties required additionalProperties patternProperties minProperties maxProperties "
    "propertyNames dependentRequired unevaluatedProperties",
    "array": "items prefixItems minItems maxItems uniqueItems contains minContains maxContains "
    "unevaluatedItems",
    "string": "pattern format minLength maxLength",
    "number": "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
_KIND_OF = {keyword: kind for kind, keywords in _KINDS.items() for keyword in keywords.split()}
_TYPES = ("string", "integer", "object", "array", "boolean", "null", "number")


class Plan:
    """One schema, ready to be drawn from.

    Attributes:
        schema: The schema itself, a copy that nobody changes.
        validator: jsonschema's, with formats; its errors are about the whole schema.
        depth: How deep values are drawn: as deep as must be and a little more.
        usable: jsonschema could judge every part that it was asked about.
    """

    def __init__(self, schema: Json) -> None:
        import jsonschema
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        self.schema = schema
        cls: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        # An explicit registry, since jsonschema's default one fetches what it does not know.
        self.validator = cls(schema, format_checker=cls.FORMAT_CHECKER, registry=REGISTRY)
        self.usable = True
        self._spread: dict[int, tuple[Json, tuple[Node, ...], bool]] = {}
        self._members: dict[int, tuple[Json, ...] | None] = {}
        self._choices: dict[tuple[int, int], tuple[Node, ...]] = {}
        self._inner: dict[tuple[int, str | int], Json] = {}
        self._names = dict(_named_parts(schema))
        needed = next((depth for depth in range(_MAX_DEPTH) if self.choices(schema, depth)), None)
        if needed is None:
            raise NotPossibleError(f"nothing fits {self._impossible(schema, '#')}")
        self.depth = max(_USUAL_DEPTH, needed + 2)

    def alternatives(self, node: Json) -> tuple[Node, ...]:
        """What ``node`` (a part of the schema) may mean, each without references and combinations."""
        return self._spread_out(node)[1]

    def meant(self, node: Json, value: Json) -> Node | None:
        """The alternative of ``node`` that ``value`` fits; where there is one only, that one."""
        found = self.alternatives(node)
        return next((one for one in found if len(found) == 1 or self.fits(one, value)), None)

    def needs_check(self, node: Json) -> bool:
        """Whether a draw from ``node`` may fail to fit it."""
        return self._spread_out(node)[2]

    def fits(self, node: Json, value: Json) -> bool:
        """Whether ``value`` is valid against one part of the schema; True where jsonschema cannot say."""
        if isinstance(node, bool):
            return node
        try:
            return bool(self.validator.evolve(schema=node).is_valid(value))
        except Exception:  # noqa: BLE001 - a reference or a pattern that cannot be used; said for the whole
            self.usable = False
            return True

    def problem(self, value: Json) -> str | None:
        """The part of the schema that ``value`` breaks, None when it is valid."""
        try:
            for error in self.validator.iter_errors(value):
                return "#" + "".join(f"/{step}" for step in error.absolute_schema_path)
        except Exception as fault:
            raise NotPossibleError(f"the schema cannot be used: {fault}") from fault
        return None

    def choices(self, node: Json, depth: int) -> tuple[Node, ...]:
        """The alternatives of ``node`` that can be had with at most ``depth`` levels below it."""
        key = (id(node), depth)
        if key not in self._choices:
            self._choices[key] = tuple(
                one for one in self.alternatives(node) if self.kinds(one, depth) or self.members(one)
            )
        return self._choices[key]

    def kinds(self, one: Node, depth: int, *, wild: bool = False) -> list[str]:
        """JSON types that an alternative allows and that can be had with ``depth`` levels."""
        if self.members(one) is not None:
            return []
        named = one.get("type")
        if named is not None:
            types = [named] if isinstance(named, str) else list(named)
            return [kind for kind in types if self._within(one, kind, depth)]
        meant = list(dict.fromkeys(_KIND_OF[keyword] for keyword in one if keyword in _KIND_OF)) or ["string"]
        within = [kind for kind in meant if self._within(one, kind, depth)]
        if within and not wild and "not" not in one:
            return within
        return [kind for kind in _TYPES if self._within(one, kind, depth)]

    def members(self, one: Node) -> tuple[Json, ...] | None:
        """The values of ``enum`` or ``const`` that fit all the rest; None where there is neither."""
        if "enum" not in one and "const" not in one:
            return None
        if id(one) not in self._members:
            named = [one["const"]] if "const" in one else one["enum"]
            self._members[id(one)] = tuple(value for value in named if self.fits(one, value))
        return self._members[id(one)]

    def property(self, one: Node, key: str) -> Json:
        """The schema of the value under ``key``."""
        place = (id(one), key)
        if place not in self._inner:
            parts = [one["properties"][key]] if key in one.get("properties", ()) else []
            parts += [part for name, part in one.get("patternProperties", {}).items() if matches(name, key)]
            rest = one.get("additionalProperties", one.get("unevaluatedProperties", True))
            self._inner[place] = all_of(parts) if parts else rest
        return self._inner[place]

    def item(self, one: Node, index: int) -> Json:
        """The schema of the element at ``index``."""
        prefix = one.get("prefixItems", ())
        return prefix[index] if index < len(prefix) else one.get("items", one.get("unevaluatedItems", True))

    def containing(self, one: Node, index: int) -> Json:
        """The schema of an element at ``index`` that also is what ``contains`` asks for."""
        place = (id(one), index)
        if place not in self._inner:
            self._inner[place] = all_of([self.item(one, index), one["contains"]])
        return self._inner[place]

    def _within(self, one: Node, kind: str, depth: int) -> bool:
        if kind == "object":
            keys = one.get("required", ())
            if len(keys) > one.get("maxProperties", len(keys)):
                return False
            return all(depth and self.choices(self.property(one, key), depth - 1) for key in keys)
        if kind == "array":
            least = one.get("minItems", 0)
            places = range(min(least, len(one.get("prefixItems", ())) + 1))
            if least > one.get("maxItems", least):
                return False
            return all(depth and self.choices(self.item(one, place), depth - 1) for place in places)
        return True

    def _impossible(self, node: Json, where: str) -> str:
        """The place of the innermost part that allows nothing."""
        for one in self.alternatives(node):
            for key in one.get("required", ()):
                inner = self.property(one, key)
                if not self.choices(inner, _MAX_DEPTH - 1):
                    if where.count("/") > _MAX_DEPTH:
                        return f"{where} (it has no end)"
                    return self._impossible(inner, f"{where}/properties/{key}")
        return where

    def _spread_out(self, node: Json) -> tuple[Json, tuple[Node, ...], bool]:
        held = self._spread.get(id(node))
        if held is not None:
            return held
        seen: list[Json] = []
        found = tuple(self._expand(node, (), seen))
        unsure = not all(self._is_sure(part) for part in seen)
        self._spread[id(node)] = (node, found, unsure)  # holds the node: its id stays its own
        return self._spread[id(node)]

    def _expand(self, node: Json, active: tuple[str, ...], seen: list[Json]) -> list[Node]:
        """``active``: references being followed; one that leads to itself adds nothing."""
        if not isinstance(node, dict):
            return [{}] if node else []
        seen.append(node)
        found: list[Node] = [{key: whole(value) for key, value in node.items() if key not in _COMPOUND}]
        for group in self._groups(node, active, seen):
            merged = (both(one, other, seen) for one in found for other in group)
            found = [one for one in merged if one is not None][:_MAX_ALTERNATIVES]
        return found

    def _groups(self, node: Node, active: tuple[str, ...], seen: list[Json]) -> Iterator[list[Node]]:
        for keyword in ("$ref", "$dynamicRef"):
            name = node.get(keyword)
            if name in active:
                yield []
            elif name is not None:
                yield self._expand(self._target(name), (*active, name), seen)
        for part in node.get("allOf", ()):
            yield self._expand(part, active, seen)
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                yield [one for part in node[keyword] for one in self._expand(part, active, seen)]
        for pair in _conditions(node):
            yield [one for part in pair for one in self._expand(part, active, seen)]

    def _is_sure(self, node: Node) -> bool:
        """Whether a draw obeys every keyword of ``node`` by its construction."""
        return (
            not node.keys() & _UNSURE
            and node.get("$schema", _DIALECT) == _DIALECT
            and not ("pattern" in node and "format" in node)
            and isinstance(node.get("multipleOf", 1), int)
            and ("oneOf" not in node or self._told_apart(node["oneOf"]))
        )

    def _told_apart(self, branches: Sequence[Json]) -> bool:
        """Whether no value can fit two branches: they differ in type, or in a key that names the branch."""
        spread = [self._expand(branch, (), []) for branch in branches]
        pairs = (
            (one, other)
            for mine, theirs in itertools.combinations(spread, 2)
            for one in mine
            for other in theirs
        )
        return all(_differ(one, other) for one, other in pairs)

    def _target(self, reference: str) -> Json:
        if reference in self._names:
            return self._names[reference]
        node = self.schema
        for step in unquote(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(name)] if isinstance(node, list) else node[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise NotPossibleError(f"the reference {reference!r} leads nowhere in the schema") from None
        if not reference.startswith("#"):
            raise NotPossibleError(f"the reference {reference!r} leads out of the schema")
        return node


def _named_parts(node: Json) -> Iterator[tuple[str, Json]]:
    """Parts with a name of their own (``$anchor``, ``$id``), by the reference that leads to them."""
    if isinstance(node, dict):
        for keyword, mark in (("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", "")):
            if isinstance(node.get(keyword), str):
                yield mark + node[keyword], node
    if isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _named_parts(part)


def _conditions(node: Node) -> Iterator[tuple[Json, Json]]:
    """``if`` and ``dependentSchemas`` as two schemas of which a value fits one."""
    if "if" in node:
        test = node["if"]
        yield (
            {"allOf": [test, node.get("then", True)]},
            {"allOf": [{"not": test}, node.get("else", True)]},
        )
    for key, part in node.get("dependentSchemas", {}).items():
        yield {"allOf": [{"required": [key]}, part]}, {"properties": {key: False}}


def _differ(one: Node, other: Node) -> bool:
    if "type" in one and "type" in other and not both_types(one["type"], other["type"]):
        return True
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    keys = set(one.get("required", ())) & set(other.get("required", ())) & mine.keys() & theirs.keys()
    if not one.get("type") == other.get("type") == "object":
        return False
    named = [(_constants(mine[key]), _constants(theirs[key])) for key in keys]
    return any(these and those and these.isdisjoint(those) for these, those in named)


def _constants(node: Json) -> set[str]:
    """Texts of the values that a schema names; empty where it names none."""
    if not isinstance(node, dict) or not node.keys() & {"const", "enum"}:
        return set()
    return {canonical(whole(value)) for value in ([node["const"]] if "const" in node else node["enum"])}
