"""Two schemas of one value made one, and what is asked of schemas beside."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from pytest_agentbench.scenario import Json

Node: TypeAlias = dict[str, Json]
"""A schema, spread out: what it says about one value stands in it and nowhere else."""


def all_of(parts: Sequence[Json]) -> Json:
    """One schema that asks what all ``parts`` ask."""
    if any(part is False for part in parts):
        return False
    left = [part for part in parts if part is not True]
    return (left[0] if len(left) == 1 else {"allOf": left}) if left else True


def whole(value: Json) -> Json:
    """2.0 in a schema is 2: it may be a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_NEVER = object()
"""In place of a ``const`` that no value can have."""


def both(one: Node, other: Node, seen: list[Json]) -> Node | None:
    """Both schemas at once; None when nothing can be both.

    ``seen`` gets a part for what is left to a check of the drawn value.
    """
    if not one or not other:
        return one or other
    merged = one | other
    for key in one.keys() & other.keys():
        if key in _MERGE:
            merged[key] = _MERGE[key](one[key], other[key])
        elif one[key] != other[key]:
            seen.append({"not": {}})  # two patterns, two formats: one is left to the check
            merged[key] = one[key]
    if merged.get("type") == [] or merged.get("enum") == [] or merged.get("const") is _NEVER:
        return None
    for mine, theirs in ((one, other), (other, one)):
        rest = theirs.get("additionalProperties", True)
        if rest is not True:
            for key in mine.get("properties", {}).keys() - theirs.get("properties", {}).keys():
                if not any(matches(pattern, key) for pattern in theirs.get("patternProperties", ())):
                    merged["properties"] = merged["properties"] | {
                        key: all_of([mine["properties"][key], rest])
                    }
    return merged


def both_types(one: Json, other: Json) -> list[str]:
    """The types that both values of ``type`` allow."""
    mine, theirs = ({kinds} if isinstance(kinds, str) else set(kinds) for kinds in (one, other))
    whole = {"integer"} & (mine | theirs)
    if "number" in mine or "number" in theirs:
        mine, theirs = (kinds | whole if "number" in kinds else kinds for kinds in (mine, theirs))
    return sorted(mine & theirs - ({"number"} & whole if not {"number"} <= mine & theirs else set()))


def _both_lists(one: list[Json], other: list[Json]) -> list[Json]:
    return [all_of(pair) for pair in zip(one, other, strict=False)] + [*one[len(other) :], *other[len(one) :]]


def _both_maps(one: Node, other: Node) -> Node:
    return one | other | {key: all_of([one[key], other[key]]) for key in one.keys() & other.keys()}


def _both_steps(one: Json, other: Json) -> Json:
    mine, theirs = Fraction(str(one)), Fraction(str(other))
    step = Fraction(
        math.lcm(mine.numerator, theirs.numerator), math.gcd(mine.denominator, theirs.denominator)
    )
    return int(step) if step.denominator == 1 else float(step)


_MERGE: Mapping[str, Callable[[Any, Any], Json]] = {
    "type": both_types,
    "enum": lambda one, other: [value for value in one if canonical(value) in set(map(canonical, other))],
    "const": lambda one, other: one if canonical(one) == canonical(other) else _NEVER,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "dependentRequired": lambda one, other: one | {key: [*one.get(key, ()), *other[key]] for key in other},
    "not": lambda one, other: {"anyOf": [one, other]},
    "multipleOf": _both_steps,
    "prefixItems": _both_lists,
    "uniqueItems": lambda one, other: one or other,
    **dict.fromkeys(("properties", "patternProperties"), _both_maps),
    **dict.fromkeys(
        ("additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "propertyNames"),
        lambda one, other: all_of([one, other]),
    ),
    **dict.fromkeys(
        ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max
    ),
    **dict.fromkeys(
        ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min
    ),
}


def canonical(value: Json) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True)


def matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``; False also where it is no pattern."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
