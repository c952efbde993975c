"""Values that fit a JSON Schema, with plausible data: names, cities, mails, dates.

A schema becomes a :class:`Plan` once: each of its nodes is spread out into alternatives without ``$ref``,
``allOf``, ``anyOf``, ``oneOf`` and ``if``, from which values are then drawn. What that cannot do for
certain (``not``, ``contains``, an overlapping ``oneOf`` ...) is drawn again until jsonschema is content.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
import math
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

from pytest_agentbench.scenario import Json

Node: TypeAlias = dict[str, Json]
"""A schema, spread out: what it says about one value stands in it and nowhere else."""

_TRIES = 12
_RETRIES = 120
"""Parts of one value that are drawn again, all together."""
_MAX_ALTERNATIVES = 64
_MAX_DEPTH = 64
_USUAL_DEPTH = 8
_USUAL_SIZE = 100
"""Values in one value from which on nothing optional is added: a recursive schema must end."""


class NotPossibleError(ValueError):
    """No value was found that fits the schema; the message names the part of it that is in the way."""


def conforming(schema: Json, rng: random.Random) -> Json:
    """A value that fits ``schema`` (2020-12 unless it says otherwise, ``format`` asserted).

    The same state of ``rng`` gives the same value. Optional keys come as a rule, arrays are short.

    Raises:
        NotPossibleError: the schema allows nothing, or nothing was found.
    """
    plan = plan_of(schema)
    problem = "no value was found"
    for attempt in range(_TRIES):
        drawing = _Drawing(plan, rng, wild=attempt >= _TRIES // 3)
        value = drawing.value(plan.schema, plan.depth, "")
        if not drawing.failed and plan.usable:
            return value
        found = plan.problem(value)
        if found is None:
            return value
        problem = found
    raise NotPossibleError(f"no value was found that fits the schema; in the way is {problem}")


def plan_of(schema: Json) -> Plan:
    """The plan of ``schema``, kept by its text.

    Raises:
        NotPossibleError: it allows no value, or a reference leads nowhere.
    """
    return _plan(json.dumps(schema))


@functools.lru_cache(maxsize=512)
def _plan(text: str) -> Plan:
    return Plan(json.loads(text))


# --- a schema, spread out -------------------------------------------------------------------------------

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

    def draw(self, node: Json, name: str, rng: random.Random) -> Json:
        """A value for one part, as it may stand under the key ``name``; a part in thousands does not fit."""
        return _Drawing(self, rng, wild=False).value(node, self.depth, name)

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
            parts += [part for name, part in one.get("patternProperties", {}).items() if _found(name, key)]
            rest = one.get("additionalProperties", one.get("unevaluatedProperties", True))
            self._inner[place] = _all(parts) if parts else rest
        return self._inner[place]

    def item(self, one: Node, index: int) -> Json:
        """The schema of the element at ``index``."""
        prefix = one.get("prefixItems", ())
        return prefix[index] if index < len(prefix) else one.get("items", one.get("unevaluatedItems", True))

    def containing(self, one: Node, index: int) -> Json:
        """The schema of an element at ``index`` that also is what ``contains`` asks for."""
        place = (id(one), index)
        if place not in self._inner:
            self._inner[place] = _all([self.item(one, index), one["contains"]])
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
        found: list[Node] = [{key: _whole(value) for key, value in node.items() if key not in _COMPOUND}]
        for group in self._groups(node, active, seen):
            merged = (_merged(one, other, seen) for one in found for other in group)
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


def _whole(value: Json) -> Json:
    """2.0 in a schema is 2: it may be a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
    if "type" in one and "type" in other and not _both_types(one["type"], other["type"]):
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
    return {_text(_whole(value)) for value in ([node["const"]] if "const" in node else node["enum"])}


def _all(parts: Sequence[Json]) -> Json:
    if any(part is False for part in parts):
        return False
    left = [part for part in parts if part is not True]
    return (left[0] if len(left) == 1 else {"allOf": left}) if left else True


def _merged(one: Node, other: Node, seen: list[Json]) -> Node | None:
    """Both at once; None when nothing can be both."""
    if not one or not other:
        return one or other
    merged = one | other
    for key in one.keys() & other.keys():
        if key in _MERGE:
            merged[key] = _MERGE[key](one[key], other[key])
        elif one[key] != other[key]:
            seen.append({"not": {}})  # two patterns, two formats: one is left to the check
            merged[key] = one[key]
    if merged.get("type") == [] or merged.get("enum") == [] or merged.get("const") is _merged:
        return None
    for mine, theirs in ((one, other), (other, one)):
        rest = theirs.get("additionalProperties", True)
        if rest is not True:
            for key in mine.get("properties", {}).keys() - theirs.get("properties", {}).keys():
                if not any(_found(pattern, key) for pattern in theirs.get("patternProperties", ())):
                    merged["properties"] = merged["properties"] | {key: _all([mine["properties"][key], rest])}
    return merged


def _both_types(one: Json, other: Json) -> list[str]:
    mine, theirs = ({kinds} if isinstance(kinds, str) else set(kinds) for kinds in (one, other))
    whole = {"integer"} & (mine | theirs)
    if "number" in mine or "number" in theirs:
        mine, theirs = (kinds | whole if "number" in kinds else kinds for kinds in (mine, theirs))
    return sorted(mine & theirs - ({"number"} & whole if not {"number"} <= mine & theirs else set()))


def _both_lists(one: list[Json], other: list[Json]) -> list[Json]:
    return [_all(pair) for pair in zip(one, other, strict=False)] + [*one[len(other) :], *other[len(one) :]]


def _both_maps(one: Node, other: Node) -> Node:
    return one | other | {key: _all([one[key], other[key]]) for key in one.keys() & other.keys()}


def _both_steps(one: Json, other: Json) -> Json:
    mine, theirs = Fraction(str(one)), Fraction(str(other))
    step = Fraction(
        math.lcm(mine.numerator, theirs.numerator), math.gcd(mine.denominator, theirs.denominator)
    )
    return int(step) if step.denominator == 1 else float(step)


_MERGE: Mapping[str, Callable[[Any, Any], Json]] = {
    "type": _both_types,
    "enum": lambda one, other: [value for value in one if _text(value) in set(map(_text, other))],
    "const": lambda one, other: one if _text(one) == _text(other) else _merged,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "dependentRequired": lambda one, other: one | {key: [*one.get(key, ()), *other[key]] for key in other},
    "not": lambda one, other: {"anyOf": [one, other]},
    "multipleOf": _both_steps,
    "prefixItems": _both_lists,
    "uniqueItems": lambda one, other: one or other,
    **dict.fromkeys(("properties", "patternProperties"), _both_maps),
    **dict.fromkeys(
        ("additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "propertyNames"),
        lambda one, other: _all([one, other]),
    ),
    **dict.fromkeys(
        ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max
    ),
    **dict.fromkeys(
        ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min
    ),
}


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


# --- drawing one value ----------------------------------------------------------------------------------


class _Drawing:
    """One value on its way; ``wild`` draws are less plausible and reach further."""

    def __init__(self, plan: Plan, rng: random.Random, *, wild: bool) -> None:
        self.plan = plan
        self.rng = rng
        self.wild = wild
        self.size_left = _USUAL_SIZE
        self.retries_left = _RETRIES
        self.failed = False

    def value(self, node: Json, depth: int, name: str) -> Json:
        """A value for ``node`` with at most ``depth`` levels; ``name`` is the key that it stands under."""
        while True:
            drawn = self._once(node, depth, name)
            if not self.plan.needs_check(node) or self.plan.fits(node, drawn):
                return drawn
            self.retries_left -= 1
            if self.retries_left <= 0:
                self.failed = True
                return drawn

    def _once(self, node: Json, depth: int, name: str) -> Json:
        self.size_left -= 1
        choices = self.plan.choices(node, depth)
        if not choices:
            self.failed = True
            return None
        one = self.rng.choice(choices)
        if len(choices) > 1 and one.get("type") == "null" and self.rng.random() < 0.5:
            one = self.rng.choice(choices)  # X or nothing: X as a rule
        members = self.plan.members(one)
        if members is not None:
            return self.rng.choice(members)
        kinds = self.plan.kinds(one, depth, wild=self.wild)
        if len(kinds) > 1 and "null" in kinds and self.rng.random() < 0.85:
            kinds.remove("null")
        kind = self.rng.choice(kinds)
        if kind == "object":
            return self._object(one, depth)
        if kind == "array":
            return self._array(one, depth, name)
        if kind == "string":
            drawn = _string(one, name, self.rng)
            self.failed = self.failed or drawn is None
            return drawn or ""
        if kind in {"integer", "number"}:
            return _number(one, name, self.rng, whole=kind == "integer")
        return self.rng.random() < 0.5 if kind == "boolean" else None

    def _object(self, one: Node, depth: int) -> Json:
        keys = self._keys(one, depth)
        return {key: self.value(self.plan.property(one, key), depth - 1, key) for key in keys}

    def _keys(self, one: Node, depth: int) -> list[str]:
        required = one.get("required", [])
        optional = [key for key in one.get("properties", ()) if key not in required]
        optional = [key for key in optional if self._possible(one, key, depth)]
        least = one.get("minProperties", 0)
        most = one.get("maxProperties", math.inf)
        chosen = dict.fromkeys(required)
        share = 0.75 if self.size_left > 0 else 0.0
        for key in optional:
            if len(chosen) < most and self.rng.random() < (self.rng.random() if self.wild else share):
                chosen[key] = None
        for key in optional:
            if len(chosen) < least:
                chosen[key] = None
        for key, more in one.get("dependentRequired", {}).items():
            if key in chosen:
                chosen.update(dict.fromkeys(more))
        is_map = not optional and not required and ("patternProperties" in one or _is_open(one))
        n_invented = max(least - len(chosen), self.rng.randint(1, 3) if is_map and self.size_left > 0 else 0)
        self._invent(one, chosen, depth, min(n_invented, most - len(chosen)))
        return [key for key in one.get("properties", ()) if key in chosen] + [
            key for key in chosen if key not in one.get("properties", ())
        ]

    def _invent(self, one: Node, chosen: dict[str, None], depth: int, n: float) -> None:
        """Keys that the schema does not name."""
        patterns = list(one.get("patternProperties", ()))
        tries = 20
        while n > 0 and tries:
            if "propertyNames" in one and self.plan.choices(one["propertyNames"], depth):
                key = str(self.value(one["propertyNames"], 0, ""))
            elif patterns and (tries % 2 or not _is_open(one)):
                key = text_matching(self.rng.choice(patterns), self.rng, 3) or ""
            else:
                key = self.rng.choice(_pool("word"))
            tries -= 1
            if key not in chosen and self._possible(one, key, depth):
                chosen[key] = None
                n -= 1

    def _possible(self, one: Node, key: str, depth: int) -> bool:
        if depth == 0 or not self.plan.choices(self.plan.property(one, key), depth - 1):
            return False
        return "propertyNames" not in one or self.plan.fits(one["propertyNames"], key)

    def _array(self, one: Node, depth: int, name: str) -> list[Json]:
        n_prefix = len(one.get("prefixItems", ()))
        n_wanted = one.get("minContains", 1) if "contains" in one else 0
        least = max(one.get("minItems", 0), n_wanted)
        usual = max(least, n_prefix) + (self.rng.randint(0 if least or n_prefix else 1, 2))
        most = min(one.get("maxItems", usual), usual if self.size_left > 0 else least)
        made: list[Json] = []
        taken: set[str] = set()
        tries = 60
        while len(made) < most and tries:
            node = self.plan.item(one, len(made))
            if n_wanted > 0 and depth and self.plan.choices(self.plan.containing(one, len(made)), depth - 1):
                node = self.plan.containing(one, len(made))
                n_wanted -= 1
            if depth == 0 or not self.plan.choices(node, depth - 1):
                break
            item = self.value(node, depth - 1, name.removesuffix("s"))
            if one.get("uniqueItems"):
                if _text(_whole(item)) in taken:
                    tries -= 1
                    continue
                taken.add(_text(_whole(item)))
            made.append(item)
        self.failed = self.failed or len(made) < least
        return made


def _is_open(one: Node) -> bool:
    """Whether keys that the schema does not name are part of it."""
    rest = one.get("additionalProperties", False if "properties" in one else None)
    return isinstance(rest, dict) or ("minProperties" in one and rest is not False)


# --- numbers --------------------------------------------------------------------------------------------

_RANGES: Sequence[tuple[str, int, int]] = (
    ("age", 18, 90), ("year", 1995, 2026), ("month", 1, 12), ("day", 1, 28), ("hour", 0, 23),
    ("minute", 0, 59), ("percent", 0, 100), ("quantity", 1, 12), ("count", 0, 20), ("cents", 100, 50_000),
    ("price", 1, 500), ("amount", 1, 500), ("total", 1, 2_000), ("lat", -60, 70), ("latitude", -60, 70),
    ("lon", -170, 170), ("lng", -170, 170), ("longitude", -170, 170), ("rate", 0, 3), ("score", 0, 1),
    ("confidence", 0, 1), ("temperature", -5, 35), ("celsius", -5, 35),
)  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    """The words of a key, lower case: ``unitPrice_cents`` is unit, price, cents."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))


@functools.lru_cache(maxsize=4096)
def _usual_range(name: str) -> tuple[int, int]:
    words = _words(name)
    return next(((low, high) for word, low, high in _RANGES if word in words), (1, 1_000))


def _number(one: Node, name: str, rng: random.Random, *, whole: bool) -> Json:
    least, most = _bounds(one, whole=whole)
    low, high = _usual_range(name)
    span = high - low
    if low > most:
        low, high = max(least, most - span), most
    elif high < least:
        low, high = least, min(most, least + span)
    else:
        low, high = cast("int", max(low, least)), cast("int", min(high, most))
    if "multipleOf" in one:
        return _multiple(one["multipleOf"], (low, high), (least, most), rng, whole=whole)
    if whole:
        return rng.randint(math.ceil(low), max(math.ceil(low), math.floor(high)))
    drawn = round(rng.uniform(low, high), 2)
    shut = drawn in (one.get("exclusiveMinimum"), one.get("exclusiveMaximum"))
    return drawn if low <= drawn <= high and not shut else (low + high) / 2


def _bounds(one: Node, *, whole: bool) -> tuple[Any, Any]:
    """Smallest and largest number, infinite where none is set; exclusive ones are counted in for integers."""
    least, most = one.get("minimum", -math.inf), one.get("maximum", math.inf)
    above, below = one.get("exclusiveMinimum", -math.inf), one.get("exclusiveMaximum", math.inf)
    if not whole:
        return max(least, above), min(most, below)
    return max(_up(least), -_up(-above, beyond=True)), min(-_up(-most), _up(below, beyond=True))


def _up(bound: float, *, beyond: bool = False) -> Any:
    """The whole number at or above ``bound``; ``beyond``: the one that is strictly below it."""
    if math.isinf(bound):
        return bound
    return math.ceil(bound) - 1 if beyond else math.ceil(bound)


def _multiple(
    of: Json, near: tuple[Any, Any], bounds: tuple[Any, Any], rng: random.Random, *, whole: bool
) -> Json:
    step = Fraction(str(of))
    step = Fraction(step.numerator) if whole else step
    first, last = math.ceil(Fraction(near[0]) / step), math.floor(Fraction(near[1]) / step)
    if first > last:  # none near by: the first one within the bounds
        first = last = 0 if bounds[0] == -math.inf else math.ceil(Fraction(bounds[0]) / step)
    drawn = step * rng.randint(first, last)
    return int(drawn) if drawn.denominator == 1 and (whole or isinstance(of, int)) else float(drawn)


# --- strings --------------------------------------------------------------------------------------------

_MEANT: Mapping[str, str] = {
    "email": "ascii_safe_email", "mail": "ascii_safe_email", "firstname": "first_name", "first": "first_name",
    "lastname": "last_name", "last": "last_name", "surname": "last_name", "username": "user_name",
    "user": "name", "city": "city", "town": "city", "place": "city", "country": "country", "state": "state",
    "street": "street_address", "address": "street_address", "postcode": "postcode", "zip": "postcode",
    "phone": "phone_number", "company": "company", "organisation": "company", "organization": "company",
    "vendor": "company", "seller": "company", "buyer": "company", "currency": "currency_code",
    "language": "language_code", "locale": "locale", "job": "job", "role": "job", "url": "url",
    "link": "url", "website": "url", "color": "color_name", "colour": "color_name", "sku": "ean13",
    "ean": "ean13", "barcode": "ean13", "iban": "iban", "name": "name", "person": "name", "author": "name",
    "customer": "name", "title": "sentence", "subject": "sentence", "description": "sentence",
    "text": "sentence", "summary": "sentence", "comment": "sentence", "note": "sentence", "notes": "sentence",
    "reason": "sentence", "message": "sentence", "body": "sentence", "about": "sentence",
    "query": "sentence", "question": "sentence", "answer": "sentence",
}  # fmt: skip
_CODES = frozenset({"id", "number", "code", "ref", "reference", "order", "invoice", "key", "token"})
_DATES = frozenset({"date", "day", "birthday", "since", "until", "due", "deadline"})
_POOL_SIZE = 200


@functools.lru_cache(maxsize=1)
def _faker() -> Any:
    from faker import Faker

    return Faker("en_US")


@functools.cache
def _pool(provider: str) -> tuple[str, ...]:
    """Values of one of Faker's providers, always the same: to draw from them costs a fiftieth of Faker."""
    faker = _faker()
    faker.seed_instance(0)
    return tuple(getattr(faker, provider)() for _ in range(_POOL_SIZE))


@functools.lru_cache(maxsize=4096)
def _maker(name: str) -> Callable[[random.Random], str]:
    """How to make a text that suits the key ``name``."""
    words = _words(name)
    if words and words[-1] in _CODES:
        return _code
    if words and words[-1] in _DATES:
        return _date
    provider = next((_MEANT[word] for word in reversed(words) if word in _MEANT), "word")
    return lambda rng: rng.choice(_pool(provider))


def text_for(name: str, rng: random.Random) -> str:
    """A text such as may stand under the key ``name``: a name, a city, a code, a sentence."""
    return _maker(name)(rng)


def _string(one: Node, name: str, rng: random.Random) -> str | None:
    """A text for an alternative; None when none was found."""
    least, most = one.get("minLength", 0), one.get("maxLength", math.inf)
    for drawn in _candidates(one, name, rng):
        if least <= len(drawn) <= most and ("pattern" not in one or _found(one["pattern"], drawn)):
            return drawn
    return None


def _candidates(one: Node, name: str, rng: random.Random) -> Iterator[str]:
    least, most = one.get("minLength", 0), one.get("maxLength", math.inf)
    if one.get("format") in _FORMATS:
        for _ in range(20):
            yield _FORMATS[one["format"]](rng)
    elif "pattern" not in one:
        drawn = text_for(name, rng)
        while len(drawn) < least:
            drawn = f"{drawn} {rng.choice(_pool('word'))}"
        yield drawn if len(drawn) <= most else drawn[: int(most)].rstrip().ljust(least, "a")
    if "pattern" in one:
        for span in (3, 3, 0, 1, 8):
            yield text_matching(one["pattern"], rng, span) or ""
        shortest = len(text_matching(one["pattern"], rng, 0) or "")
        for n_parts in (1, 2, 3, 4, 1, 2, 3, 4):
            lacking = rng.randint(least, int(min(most, least + 5))) - shortest
            yield text_matching(one["pattern"], rng, max(0, lacking // n_parts), full=True) or ""


def _code(rng: random.Random) -> str:
    return f"{''.join(rng.choices(string.ascii_uppercase, k=2))}-{rng.randrange(10_000, 100_000)}"


def _date(rng: random.Random) -> str:
    return (dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(900))).isoformat()


def _time(rng: random.Random) -> str:
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"


def _of(pool: str, pattern: str = "{}") -> Callable[[random.Random], str]:
    return lambda rng: pattern.format(rng.choice(_pool(pool)))


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda rng: f"{_date(rng)}T{_time(rng)}",
    "duration": lambda rng: f"P{rng.randint(1, 30)}D",
    **dict.fromkeys(("email", "idn-email"), _of("ascii_safe_email")),
    **dict.fromkeys(("hostname", "idn-hostname"), _of("domain_name")),
    **dict.fromkeys(("uri", "iri"), _of("domain_name", "https://{}/")),
    **dict.fromkeys(("uri-reference", "iri-reference"), _of("word", "/{}")),
    "uri-template": _of("domain_name", "https://{}/{{id}}"),
    "ipv4": lambda rng: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "ipv6": lambda rng: "2001:db8::" + ":".join(f"{rng.getrandbits(16):x}" for _ in range(4)),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": _of("word", "/{}/0"),
    "relative-json-pointer": _of("word", "1/{}"),
    "regex": _of("word", "^{}$"),
}

# --- texts that match a pattern -------------------------------------------------------------------------

_Maker: TypeAlias = Callable[[random.Random, int, dict[int, str]], str]
"""Takes the span (negative: in full) and the groups made so far."""
_LETTERS = string.ascii_letters + string.digits
_PRINTABLE = "".join(map(chr, range(32, 127))) + "\n\téß漢"
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": _LETTERS,
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": string.ascii_letters,
    "CATEGORY_NOT_WORD": " -.,;",
    "CATEGORY_NOT_SPACE": _LETTERS,
}


def text_matching(pattern: str, rng: random.Random, span: int, *, full: bool = False) -> str | None:
    """A text in which ``pattern`` is found; None when none was made (look-around, an invalid pattern).

    ``span``: a repetition comes at most this many times more than it must; ``full``: just as many.
    """
    maker = _pattern_maker(pattern)
    for _ in range(10 if maker is not None else 0):
        text = cast("_Maker", maker)(rng, -span if full else span, {})
        if re.search(pattern, text) is not None:
            return text
    return None


@functools.lru_cache(maxsize=512)
def _pattern_maker(pattern: str) -> _Maker | None:
    # No library that turns a pattern into a text is among our dependencies; re's own parser is stable.
    from re import _parser  # type: ignore[attr-defined]

    try:
        return _sequence(_parser.parse(pattern))
    except (re.error, KeyError, OverflowError, RecursionError):
        return None


def _sequence(steps: Any) -> _Maker:
    makers = [_STEPS[op.name](argument) for op, argument in steps]
    if len(makers) == 1:
        return makers[0]
    return lambda rng, span, groups: "".join([maker(rng, span, groups) for maker in makers])


def _one_of(characters: str) -> _Maker:
    return lambda rng, span, groups: rng.choice(characters)  # noqa: ARG005


def _in(items: Any) -> _Maker:
    characters = ""
    negated = False
    for op, argument in items:
        if op.name == "NEGATE":
            negated = True
        elif op.name == "LITERAL":
            characters += chr(argument)
        elif op.name == "RANGE":
            characters += "".join(map(chr, range(argument[0], min(argument[1], argument[0] + 255) + 1)))
        else:
            characters += _CATEGORIES[argument.name]
    if negated:
        characters = "".join(c for c in _LETTERS if c not in characters) or "".join(
            c for c in _PRINTABLE if c not in characters
        )
    return _one_of(characters)


def _repeat(argument: Any) -> _Maker:
    least, most, steps = argument
    maker = _sequence(steps)

    def make(rng: random.Random, span: int, groups: dict[int, str]) -> str:
        longest = min(int(most), least + abs(span))
        n = longest if span < 0 else rng.randint(least, longest)
        return "".join([maker(rng, span, groups) for _ in range(n)])

    return make


def _branch(argument: Any) -> _Maker:
    makers = [_sequence(steps) for steps in argument[1]]
    return lambda rng, span, groups: rng.choice(makers)(rng, span, groups)


def _group(argument: Any) -> _Maker:
    number, _, _, steps = argument
    maker = _sequence(steps)

    def make(rng: random.Random, span: int, groups: dict[int, str]) -> str:
        text = groups[number] = maker(rng, span, groups)
        return text

    return make


def _nothing(_argument: Any) -> _Maker:
    """Anchors and look-around: the finished text is searched, so they need not be made."""
    return lambda rng, span, groups: ""  # noqa: ARG005


_STEPS: Mapping[str, Callable[[Any], _Maker]] = {
    "LITERAL": lambda code: _one_of(chr(code)),
    "NOT_LITERAL": lambda code: _one_of(_LETTERS.replace(chr(code), "")),
    "ANY": lambda _: _one_of(_LETTERS),
    "IN": _in,
    "BRANCH": _branch,
    "SUBPATTERN": _group,
    "ATOMIC_GROUP": _sequence,
    "GROUPREF": lambda number: lambda rng, span, groups: groups.get(number, ""),  # noqa: ARG005
    **dict.fromkeys(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"), _repeat),
    **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT", "GROUPREF_EXISTS"), _nothing),
}
