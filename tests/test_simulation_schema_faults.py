"""A spoilt value has exactly one violation, and the gauge finds it: this tag, at this depth."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from requirements import ROOT
from test_simulation_conforming import SNIPPETS, obj, shipped_schemas, validator

from pytest_agentbench.parsing.outcome import judge
from pytest_agentbench.parsing.schema_errors import schema_errors
from pytest_agentbench.simulation.conforming import conforming
from pytest_agentbench.simulation.schema_faults import TAGS, depths, spoil

S: dict[str, Any] = {"type": "string"}
RICH = {
    "$defs": {
        "part": obj(
            "sku kind weight",
            sku={"type": "string", "pattern": "^[A-Z]{3}[0-9]{4}$"},
            kind={"enum": ["bolt", "nut", "washer"]},
            weight={"type": "number", "exclusiveMinimum": 0, "maximum": 90},
            note={"type": "string", "minLength": 2, "maxLength": 60},
            parts={"type": "array", "items": {"$ref": "#/$defs/part"}, "maxItems": 3},
        )
    },
    **obj(
        "version made_at ratio who parts pair",
        version={"const": "v2"},
        made_at={"type": "string", "format": "date-time"},
        ratio={"type": "number", "minimum": 0, "maximum": 1},
        who={"anyOf": [obj(email={"type": "string", "format": "email"}), {"type": "null"}]},
        parts={"type": "array", "items": {"$ref": "#/$defs/part"}, "minItems": 1, "uniqueItems": True},
        pair={"type": "array", "prefixItems": [S, {"type": "boolean"}], "items": False, "minItems": 2},
        amount={"anyOf": [{"type": "integer"}, S]},
        shape={
            "oneOf": [
                obj(kind={"const": "circle"}, r={"type": "number", "minimum": 0}),
                obj(kind={"const": "box"}, w={"type": "integer"}, h={"type": "integer"}),
            ]
        },
    ),
}
SCHEMAS: dict[str, Any] = {"rich": RICH, **SNIPPETS, **shipped_schemas()}
# The gauge calls a null under a required key wrong_type where `required` and `properties` stand apart.
APART = {"dependent schemas", "any of beside a type", "all of"}


def spoilt(tag: str, name: str, seed: int, depth: int | None = None) -> tuple[Any, tuple[Any] | None]:
    rng = random.Random(seed)
    value = conforming(SCHEMAS[name], rng)
    return value, spoil(tag, value, SCHEMAS[name], rng, depth=depth)


@pytest.mark.parametrize("tag", TAGS)
def test_exactly_one_violation_of_this_tag_over_all_schemas(tag: str) -> None:
    n = 0
    for name, schema in SCHEMAS.items():
        if tag == "null_for_required" and name in APART:
            continue
        for seed in range(12):
            value, made = spoilt(tag, name, seed)
            if made is not None:
                n += 1
                assert [error.tag for error in schema_errors(schema, made[0])] == [tag], (name, value, made)
    assert n >= 20


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_can_be_put_into_a_rich_value_hundreds_of_times(tag: str) -> None:
    found: Counter[Any] = Counter()
    for seed in range(300):
        _, made = spoilt(tag, "rich", seed)
        if made is not None:
            (error,) = schema_errors(RICH, made[0])
            assert error.tag == tag
            found[error.path] += 1
    assert found.total() >= 200  # some places are under optional keys
    assert len(found) > 1 or tag in {"wrong_root", "const"}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("name", ["rich", "invoice", "recursive", "nested-json-depth-6"])
def test_every_possible_depth_can_be_asked_for(tag: str, name: str) -> None:
    for seed in range(4):
        value = conforming(SCHEMAS[name], random.Random(seed))
        for depth in depths(tag, value, SCHEMAS[name]):
            made = spoil(tag, value, SCHEMAS[name], random.Random(seed), depth=depth)
            assert made is not None
            (error,) = schema_errors(SCHEMAS[name], made[0])
            assert (error.tag, error.depth) == (tag, depth)
        assert spoil(tag, value, SCHEMAS[name], random.Random(seed), depth=99) is None


@pytest.mark.parametrize("depth", range(1, 7))
def test_the_leaves_of_the_nested_scenarios_can_be_spoilt_at_their_depth(depth: int) -> None:
    name = f"nested-json-depth-{depth}"
    value = conforming(SCHEMAS[name], random.Random(0))
    assert depths("missing_required", value, SCHEMAS[name]) == tuple(range(1, depth + 1))
    assert depths("format", value, SCHEMAS[name]) == (depth,)
    assert depths("wrong_type", value, SCHEMAS[name]) == tuple(range(1, depth + 1))


def test_a_spoilt_value_as_text_is_level_3_with_this_tag_alone() -> None:
    for tag in TAGS:
        for seed in range(30):
            _, made = spoilt(tag, "rich", seed)
            if made is not None:
                outcome = judge(json.dumps(made[0]), schema=RICH, accept="strict")
                assert (outcome.level, outcome.parse, outcome.tags) == ("L3", "strict", (tag,))


def test_every_place_has_the_same_chance() -> None:
    schema = obj(a=obj(x=S, y=S), b=S)
    value = {"a": {"x": "1", "y": "2"}, "b": "3"}
    found: Counter[Any] = Counter()
    for seed in range(2000):
        made = spoil("missing_required", value, schema, random.Random(seed))
        assert made is not None
        found[schema_errors(schema, made[0])[0].path] += 1
    assert set(found) == {("a",), ("b",), ("a", "x"), ("a", "y")}
    assert min(found.values()) > 430  # 500 expected, standard deviation 19


def test_the_value_that_was_given_is_not_changed() -> None:
    before = conforming(RICH, random.Random(3))
    text = json.dumps(before)
    for tag in TAGS:
        for seed in range(20):
            spoil(tag, before, RICH, random.Random(seed))
    assert json.dumps(before) == text


def test_the_same_seed_spoils_the_same() -> None:
    assert spoilt("wrong_type", "rich", 5) == spoilt("wrong_type", "rich", 5)


@pytest.mark.parametrize(
    ("tag", "schema", "value"),
    [
        ("missing_required", {"type": "object", "properties": {"a": S}}, {"a": "x"}),
        ("extra_key", {"type": "object", "properties": {"a": S}}, {"a": "x"}),
        ("wrong_type", S, "the root has a tag of its own"),
        ("string_for_number", obj(a=S), {"a": "1"}),
        (
            "stringified_object",
            obj(a={"type": ["array", "string"]}) | {"type": ["object", "string"]},
            {"a": []},
        ),
        ("null_for_required", obj(a={"type": ["string", "null"]}), {"a": "x"}),
        ("enum", obj(a=S), {"a": "x"}),
        ("const", obj(a={"enum": ["x"]}), {"a": "x"}),
        ("pattern", obj(a={"type": "string", "pattern": ""}), {"a": "x"}),
        ("format", obj(a={"type": "string", "format": "no-such"}), {"a": "x"}),
        ("range", obj(a={"type": "integer"}), {"a": 1}),
        ("length", obj(a={"type": "string", "minLength": 0}), {"a": "x"}),
        ("array_count", obj(a={"type": "array"}), {"a": [1]}),
        ("any_of", obj(a={"anyOf": [S, {"type": "null"}]}), {"a": "x"}),
        ("wrong_root", {}, 1),
        # One change, two violations: not exactly one.
        ("wrong_type", obj(a={"type": "string", "enum": ["x", "y"]}), {"a": "x"}),
        ("range", obj(a={"minimum": 3, "const": 3}), {"a": 3}),
    ],
)
def test_where_a_fault_has_no_place_there_is_none(tag: str, schema: Any, value: Any) -> None:
    assert validator(schema).is_valid(value)
    assert spoil(tag, value, schema, random.Random(0)) is None
    assert depths(tag, value, schema) == ()


def test_the_tags_are_those_of_the_gauge() -> None:
    text = (ROOT / "pytest_agentbench" / "parsing" / "schema_errors.py").read_text(encoding="utf-8")
    assert all(f'"{tag}"' in text for tag in TAGS)
    assert len(TAGS) == 15


def test_a_null_under_a_key_that_another_branch_requires_is_null_for_required() -> None:
    schema = {"allOf": [{"properties": {"b": {"type": "integer"}}}, {"required": ["b"]}]}
    assert [error.tag for error in schema_errors(schema, {"b": None})] == ["null_for_required"]


def test_a_null_under_a_key_of_a_map_is_a_wrong_type() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert [error.tag for error in schema_errors(schema, {"x": None})] == ["wrong_type"]
