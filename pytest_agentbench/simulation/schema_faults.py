"""Spoil a value that fits its schema: exactly one violation, of a given kind, at a given depth (METRICS 1).

That it is exactly one is not assumed but looked at with jsonschema: a candidate that breaks the schema in
another way too, or not at all, is thrown away. What a failed ``anyOf`` or ``oneOf`` is about is decided by
the branch that the value is meant for, the only one of its type and discriminator; without one, the fault
is ``any_of``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.merging import Node
from pytest_agentbench.simulation.places import Path, replaced
from pytest_agentbench.simulation.single_error import only_error
from pytest_agentbench.simulation.spread import Plan, plan_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A part of the value: where it is, and the alternative of its schema that it fits.

    ``key`` is set for a fault about one key of an object. ``required``: the part stands under a key that
    its object requires; ``optional``: under one that is named by the schema and not required.
    """

    at: Path
    value: Json
    one: Node
    n_alternatives: int
    required: bool = False
    optional: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One tag: which keywords of jsonschema report it, at which places, and what stands there then.

    ``below``: the path that METRICS counts is one longer than the place's, it ends in the key.
    """

    keywords: frozenset[str]
    places: Callable[[_Place], Iterable[_Place]]
    values: Callable[[_Place, random.Random], Iterable[Json]]
    below: bool = False


def spoil(
    tag: str, value: Json, schema: Json, rng: random.Random, *, depth: int | None = None
) -> tuple[Json] | None:
    """``value``, which fits ``schema``, with one violation tagged ``tag``, in a tuple of one.

    The path of the violation has ``depth`` steps; None: any. Every place has the same chance. The result
    shares its untouched parts with ``value``. None: there is no such place.

    Raises:
        KeyError: no such tag.
        NotPossibleError: the schema allows no value.
    """
    kind = _KINDS[tag]
    plan = plan_of(schema)
    places = [
        place
        for part in _parts(plan, plan.schema, value, ())
        for place in kind.places(part)
        if depth is None or len(place.at) + kind.below == depth
    ]
    rng.shuffle(places)
    for place in places:
        spoilt = _at(place, kind, plan, value, rng)
        if spoilt is not None:
            return spoilt
    return None


def depths(tag: str, value: Json, schema: Json) -> tuple[int, ...]:
    """At which depths :func:`spoil` can put ``tag`` into ``value``, ascending."""
    kind = _KINDS[tag]
    plan = plan_of(schema)
    rng = random.Random(0)  # noqa: S311  a draw, not a secret
    found: set[int] = set()
    for part in _parts(plan, plan.schema, value, ()):
        for place in kind.places(part):
            depth = len(place.at) + kind.below
            if depth not in found and _at(place, kind, plan, value, rng) is not None:
                found.add(depth)
    return tuple(sorted(found))


def _parts(
    plan: Plan, node: Json, value: Json, at: Path, *, required: bool = False, optional: bool = False
) -> Iterator[_Place]:
    """Every part of ``value`` that the schema says something about."""
    one = plan.meant(node, value)
    if one is None:
        return
    yield _Place(
        at=at,
        value=value,
        one=one,
        n_alternatives=len(plan.alternatives(node)),
        required=required,
        optional=optional,
    )
    if isinstance(value, dict):
        for key, inner in value.items():
            needed = key in one.get("required", ())
            free = not needed and key in one.get("properties", ())
            yield from _parts(
                plan, plan.property(one, key), inner, (*at, key), required=needed, optional=free
            )
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _parts(plan, plan.item(one, index), inner, (*at, index))


def _at(place: _Place, kind: _Kind, plan: Plan, whole: Json, rng: random.Random) -> tuple[Json] | None:
    candidates = list(kind.values(place, rng))
    rng.shuffle(candidates)
    for candidate in candidates:
        spoilt = replaced(whole, place.at, candidate)
        if only_error(plan, spoilt) in {(keyword, place.at) for keyword in kind.keywords}:
            return (spoilt,)
    return None


_KEYS = ("comment", "confidence", "notes", "extra", "source", "explanation", "status", "metadata")
_WORDS = ("other", "unknown", "none", "N/A")
_NO_FORMAT: Mapping[str, Sequence[str]] = {
    "date": ("12/03/2024", "March 3, 2024", "2024-13-45", "2024-3-5"),
    "date-time": ("2024-03-05", "05.03.2024 10:00", "2024-03-05 25:61"),
    "time": ("10 a.m.", "25:61:00Z"),
    "duration": ("3 days", "72h"),
    "ipv4": ("300.1.2.3", "10.0.0"),
    "ipv6": ("12345::1", "10.0.0.1"),
    "uri": ("www.example .com", "example"),
    "hostname": ("-bad-.example", "no host"),
    "regex": ("[a-z", "("),
    "json-pointer": ("a/b",),
    "uri-template": ("/{id",),
}


def _key(test: Callable[[_Place], Iterable[str]]) -> Callable[[_Place], Iterator[_Place]]:
    """One place for each key of an object."""

    def places(part: _Place) -> Iterator[_Place]:
        if isinstance(part.value, dict):
            for key in test(part):
                yield replace(part, key=key)

    return places


def _here(test: Callable[[_Place], Json]) -> Callable[[_Place], Iterable[_Place]]:
    """The part itself, where ``test`` holds."""
    return lambda part: (part,) if test(part) else ()


def _allowed(place: _Place) -> set[str]:
    types = place.one.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _says(place: _Place, *keywords: str) -> bool:
    return any(keyword in place.one for keyword in keywords)


def _without_key(place: _Place, _rng: random.Random) -> Iterator[Json]:
    yield {key: value for key, value in place.value.items() if key != place.key}


def _is_closed(place: _Place) -> bool:
    one = place.one
    shut = False in (one.get("additionalProperties"), one.get("unevaluatedProperties"))
    return shut and isinstance(place.value, dict)


def _with_key(place: _Place, rng: random.Random) -> Iterator[Json]:
    extra = rng.choice([True, 1, "n/a", None])
    for key in _KEYS:
        if key not in place.one.get("properties", ()):
            yield {**place.value, key: extra}


def _other_types(place: _Place, rng: random.Random) -> Iterator[Json]:
    """Values of another type, but none that has a tag of its own."""
    value, allowed = place.value, _allowed(place)
    yield [value]
    yield {"value": value}
    yield rng.choice([True, False])
    yield rng.randint(1, 99)
    if not allowed & {"number", "integer"}:
        yield "see above"
    if place.optional:
        yield None
    if isinstance(value, dict | list) and len(value) > 0:
        yield next(iter(value.values() if isinstance(value, dict) else value))


def _other_roots(place: _Place, rng: random.Random) -> Iterator[Json]:
    yield [place.value]
    yield {"result": place.value}
    yield rng.randint(1, 99)
    yield "done"
    yield rng.choice([True, False])


def _outside(named: Sequence[Json], value: Json, rng: random.Random) -> list[Json]:
    """A few values like ``value``, but none of ``named``; each is as good as another."""
    near: list[Json] = list(_WORDS)
    if isinstance(value, str):
        near += [value.upper(), value.title(), f"{value}s", value[:-1], f"{value} "]
    elif _is_number(value):
        near = [value + 1, value - 1, value + 1_000]
    elif isinstance(value, bool):
        near = [not value]
    others = [one for one in near if one not in named]
    return rng.sample(others, min(3, len(others)))


def _unlike_pattern(place: _Place, rng: random.Random) -> Iterator[Json]:
    text = place.value
    yield from (f"{text}?", f" {text}", text.lower(), text.upper(), text[:-1], text[1:], text[::-1], "", "?")
    yield "?" * len(text)
    for _ in range(4 if text else 0):
        at = rng.randrange(len(text))
        yield text[:at] + rng.choice("?x7 -") + text[at + 1 :]


def _unlike_format(place: _Place, _rng: random.Random) -> Iterator[Json]:
    text, name = place.value, place.one["format"]
    yield from _NO_FORMAT.get(name, ())
    yield from (
        f"not a {name}",
        text.replace("@", " at "),
        text[:-1],
        f"{text}{text}",
        "{" + text,
        "?" * len(text),
    )


def _beyond(place: _Place, rng: random.Random) -> Iterator[Json]:
    one, value = place.one, place.value
    far = rng.choice([1, 2, 10, 1_000])
    steps = [one["minimum"] - 1, one["minimum"] - far] if "minimum" in one else []
    steps += [one["maximum"] + 1, one["maximum"] + far] if "maximum" in one else []
    for bound, sign in (("exclusiveMinimum", -1), ("exclusiveMaximum", 1)):
        steps += [one[bound], one[bound] + sign * far] if bound in one else []
    if "multipleOf" in one:
        steps += [value + 1, value + one["multipleOf"] / 2]
    for number in steps:
        whole = float(number).is_integer() and isinstance(value, int)
        yield int(number) if whole else number


def _of_other_length(place: _Place, _rng: random.Random) -> Iterator[Json]:
    one, value = place.one, place.value
    if isinstance(value, str):
        if one.get("minLength", 0) > 0:
            yield value[: one["minLength"] - 1]
        if "maxLength" in one:
            lacking = one["maxLength"] + 1 - len(value)
            yield value + (value[-1:] or "x") * lacking
            yield value + (" and more" * lacking)[:lacking]
        return
    if one.get("minProperties", 0) > 0:
        yield dict(list(value.items())[: one["minProperties"] - 1])
    if "maxProperties" in one:
        lacking = one["maxProperties"] + 1 - len(value)
        for inner in (*list(value.values())[:1], "x", 1):
            yield value | {f"more{n}": inner for n in range(lacking)}


def _of_other_count(place: _Place, rng: random.Random) -> Iterator[Json]:
    one, items = place.one, place.value
    if one.get("minItems", 0) > 0:
        yield items[: one["minItems"] - 1]
    lacking = one["maxItems"] + 1 - len(items) if "maxItems" in one else 1
    for more in [rng.choice(items)] if items else ["x", 1, {}, None]:
        yield [*items, *[more] * lacking]
    if "contains" in one:
        yield []
    if one.get("uniqueItems") and len(items) > 1:
        yield [items[1], *items[1:]]


def _fitting_no_branch(place: _Place, rng: random.Random) -> Iterator[Json]:
    value = place.value
    yield from (True, rng.randint(1_000, 9_999), 0.5, "none of these", [], {}, None, [value])
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {**value, key: "unknown" if isinstance(inner, str) else [inner]}
            yield {name: other for name, other in value.items() if name != key}


def _kind(
    keywords: str,
    places: Callable[[_Place], Iterable[_Place]],
    values: Callable[[_Place, random.Random], Iterable[Json]],
    *,
    below: bool = False,
) -> _Kind:
    return _Kind(keywords=frozenset(keywords.split()), places=places, values=values, below=below)


_KINDS: Mapping[str, _Kind] = {
    "missing_required": _kind(
        "required dependentRequired",
        _key(lambda part: [key for key in part.one.get("required", ()) if key in part.value]),
        _without_key,
        below=True,
    ),
    "extra_key": _kind(
        "additionalProperties unevaluatedProperties", _here(_is_closed), _with_key, below=True
    ),
    "wrong_type": _kind("type", _here(lambda part: part.at and _says(part, "type")), _other_types),
    "string_for_number": _kind(
        "type",
        _here(lambda part: part.at and _is_number(part.value) and "string" not in _allowed(part)),
        lambda place, _rng: (str(place.value),),
    ),
    "stringified_object": _kind(
        "type",
        _here(lambda part: isinstance(part.value, dict | list)),
        lambda place, _rng: (json.dumps(place.value, ensure_ascii=False),),
    ),
    "null_for_required": _kind(
        "type",
        _here(lambda part: part.required),
        lambda _place, _rng: (None,),
    ),
    "enum": _kind(
        "enum",
        _here(lambda part: _says(part, "enum")),
        lambda place, rng: _outside(place.one["enum"], place.value, rng),
    ),
    "const": _kind(
        "const",
        _here(lambda part: _says(part, "const")),
        lambda place, rng: _outside([place.one["const"]], place.value, rng),
    ),
    "pattern": _kind(
        "pattern",
        _here(lambda part: isinstance(part.value, str) and _says(part, "pattern")),
        _unlike_pattern,
    ),
    "format": _kind(
        "format", _here(lambda part: isinstance(part.value, str) and _says(part, "format")), _unlike_format
    ),
    "range": _kind(
        "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
        _here(lambda part: _is_number(part.value)),
        _beyond,
    ),
    "length": _kind(
        "minLength maxLength minProperties maxProperties",
        _here(
            lambda part: (
                (isinstance(part.value, str) and _says(part, "minLength", "maxLength"))
                or (isinstance(part.value, dict) and _says(part, "minProperties", "maxProperties"))
            )
        ),
        _of_other_length,
    ),
    "array_count": _kind(
        "minItems maxItems uniqueItems contains minContains maxContains items unevaluatedItems",
        _here(lambda part: isinstance(part.value, list)),
        _of_other_count,
    ),
    "any_of": _kind("anyOf oneOf", _here(lambda part: part.n_alternatives > 1), _fitting_no_branch),
    "wrong_root": _kind("type", _here(lambda part: not part.at), _other_roots),
}

TAGS = tuple(_KINDS)
"""The schema tags of METRICS 1."""
