"""Values drawn for a schema fit it, by jsonschema's own judgement, and look like data."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from requirements import shared_data
from shipped import IDS, shipped

from pytest_agentbench.simulation.conforming import NotPossibleError, conforming
from pytest_agentbench.simulation.pattern_text import text_matching
from pytest_agentbench.simulation.spread import plan_of

S: dict[str, Any] = {"type": "string"}
I: dict[str, Any] = {"type": "integer"}  # noqa: E741
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "required": ["value", "children"],
            "additionalProperties": False,
            "properties": {
                "value": I,
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
        }
    },
    "$ref": "#/$defs/node",
}
SHAPES = {
    "kind of a circle": {"required": ["kind", "r"], "properties": {"kind": {"const": "circle"}, "r": I}},
    "kind of a box": {"required": ["kind", "w"], "properties": {"kind": {"const": "box"}, "w": I}},
}


def obj(required: str = "", /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split() or list(properties),
        "additionalProperties": False,
    }


SNIPPETS: dict[str, Any] = {
    "anything": True,
    "empty schema": {},
    "string": S,
    "short string": {**S, "maxLength": 3},
    "exact length": {**S, "minLength": 17, "maxLength": 17},
    "very long string": {**S, "minLength": 2000},
    "empty string": {**S, "maxLength": 0},
    "pattern": {**S, "pattern": r"^[A-Z]{2}-\d{6}$"},
    "pattern without anchors": {**S, "pattern": "foo|ba[rz]+"},
    "pattern with groups": {**S, "pattern": r"^(\w+)@(\w+)\.(com|org)$"},
    "pattern with a reference to a group": {**S, "pattern": r"^([ab])\1$"},
    "pattern with a negated class": {**S, "pattern": r"^[^0-9\s]{3,}$"},
    "pattern and length": {**S, "pattern": "^[a-z]+$", "minLength": 40, "maxLength": 45},
    "pattern and a great length": {**S, "pattern": "^[a-z]+$", "minLength": 2000},
    "pattern of two parts and length": {**S, "pattern": "^[a-z]+-[0-9]+$", "minLength": 60, "maxLength": 64},
    "many elements": {"type": "array", "items": I, "minItems": 90},
    "pattern with a look-ahead": {**S, "pattern": r"^(?=.*)[A-Za-z]+\.?$"},
    "pattern and format": {**S, "pattern": "^2", "format": "date"},
    **{
        f"format {name}": {**S, "format": name}
        for name in (
            "date",
            "time",
            "date-time",
            "duration",
            "email",
            "idn-email",
            "hostname",
            "ipv4",
            "ipv6",
            "uri",
            "uri-reference",
            "uri-template",
            "uuid",
            "json-pointer",
            "relative-json-pointer",
            "regex",
            "no-such-format",
        )
    },
    "format and length": {**S, "format": "email", "maxLength": 22},
    "enum": {"enum": ["a", 1, None, [2]]},
    "enum with a type": {"type": "integer", "enum": ["a", 1, 2.5, 3]},
    "const": {"const": {"a": [1]}},
    "integer": I,
    "integer in a range": {**I, "minimum": 5, "maximum": 5},
    "far integer": {**I, "minimum": 10**12},
    "negative integer": {**I, "maximum": -7},
    "exclusive integers": {**I, "exclusiveMinimum": 0, "exclusiveMaximum": 2},
    "exclusive integers at fractions": {**I, "exclusiveMinimum": 0.5, "exclusiveMaximum": 1.5},
    "multiple": {**I, "multipleOf": 7},
    "multiple in a range": {**I, "multipleOf": 250, "minimum": 1001, "maximum": 1250},
    "number": {"type": "number"},
    "number in a small range": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    "number with a step": {"type": "number", "multipleOf": 0.25, "minimum": 1},
    "number with a decimal step": {"type": "number", "multipleOf": 0.01},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "nullable": {"type": ["string", "null"]},
    "array": {"type": "array", "items": S},
    "array with a count": {"type": "array", "items": I, "minItems": 4, "maxItems": 4},
    "empty array": {"type": "array", "maxItems": 0},
    "unique": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [S, I, {"type": "boolean"}], "items": False, "minItems": 3},
    "tuple and rest": {"type": "array", "prefixItems": [S], "items": I, "minItems": 3},
    "contains": {"type": "array", "contains": {"const": 7}, "minContains": 2, "items": I},
    "not more than": {"type": "array", "contains": {"const": 1}, "maxContains": 1, "items": {"enum": [1, 2]}},
    "object": obj(a=S, b=I),
    "optional keys": obj("a", a=S, b=I, c=I),
    "required without a property": {"type": "object", "required": ["x"]},
    "map": {"type": "object", "additionalProperties": I},
    "pattern properties": {
        "type": "object",
        "patternProperties": {"^x-[a-z]+$": I},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "property names": {"type": "object", "propertyNames": {"pattern": "^[a-c]{2}$"}, "minProperties": 2},
    "few properties": {**obj("a", a=S, b=S, c=S, d=S), "maxProperties": 2},
    "many properties": {**obj("a", a=S, b=S, c=S, d=S), "minProperties": 4},
    "dependent": {
        **obj("a", a=S, b=S, c=S, d=S),
        "dependentRequired": {"b": ["c"], "c": ["d"]},
    },
    "dependent schemas": {
        "type": "object",
        "properties": {"card": S},
        "dependentSchemas": {"card": {"required": ["address"]}},
    },
    "any of": {"anyOf": [S, I, {"type": "null"}]},
    "any of beside a type": {"type": "object", "properties": {"a": I}, "anyOf": [{"required": ["a"]}]},
    "one of, told apart": {"oneOf": [{"type": "object", **shape} for shape in SHAPES.values()]},
    "one of, overlapping": {"oneOf": [{**I, "multipleOf": 3}, {**I, "multipleOf": 5}]},
    "all of": {"allOf": [obj("a", a=S, b=I), {"required": ["b"], "properties": {"b": {"minimum": 5}}}]},
    "all of, two ranges": {"allOf": [{**I, "minimum": 3}, {"maximum": 4}, {"multipleOf": 4}]},
    "all of, two enums": {"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 4]}]},
    "all of, number and integer": {"allOf": [{"type": ["number", "string"]}, I]},
    "not": {"type": "integer", "not": {"maximum": 500}},
    "not a string": {"not": {"type": "string"}},
    "condition": {
        **obj(country={"enum": ["US", "NL"]}, code=S),
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"code": {"pattern": "^[0-9]{5}$"}}},
        "else": {"properties": {"code": {"pattern": "^[0-9]{4} [A-Z]{2}$"}}},
    },
    "recursive": TREE,
    "recursive by #": {
        "type": "object",
        "required": ["n"],
        "additionalProperties": False,
        "properties": {"n": I, "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
    },
    "wide recursion": {
        "type": "object",
        "additionalProperties": False,
        "properties": {k: {"type": "array", "items": {"$ref": "#"}, "minItems": 1} for k in "abcdef"},
    },
    "reference with siblings": {"$defs": {"n": I}, "$ref": "#/$defs/n", "minimum": 900},
    "escaped reference": {"$defs": {"a/b c": I}, "$ref": "#/$defs/a~1b%20c"},
    "anchor": {"$defs": {"n": {**I, "$anchor": "here"}}, "$ref": "#here"},
    "no unevaluated properties": {
        "allOf": [{"type": "object", "properties": {"a": I}}],
        "properties": {"b": S},
        "unevaluatedProperties": False,
    },
    "twenty levels": json.loads('{"required":["x"],"properties":{"x":' * 20 + "true" + "}}" * 20),
    "counts written as decimals": {"type": "array", "items": S, "minItems": 2.0, "maxItems": 3.0},
}


def validator(schema: Any) -> Any:
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER, registry=REGISTRY
    )


def shipped_schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for scenario in shipped().values():
        if scenario.answer_json is not None:
            found[scenario.id] = scenario.answer_json.schema
        found |= {f"{scenario.id} {tool.name}": tool.parameters for tool in scenario.tools}
    return found


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_value_fits_its_schema(name: str) -> None:
    checked = validator(SNIPPETS[name])
    for seed in range(60):
        value = conforming(SNIPPETS[name], random.Random(seed))
        assert list(checked.iter_errors(value)) == [], value
        json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("scenario", IDS)
def test_every_shipped_schema_gives_values_that_fit(scenario: str) -> None:
    schemas = {name: one for name, one in shipped_schemas().items() if name.split()[0] == scenario}
    for schema in schemas.values():
        checked = validator(schema)
        for seed in range(100):
            assert list(checked.iter_errors(conforming(schema, random.Random(seed)))) == []


def test_the_same_seed_gives_the_same_value_and_another_seed_another() -> None:
    schema = shipped_schemas()["invoice"]
    values = [json.dumps(conforming(schema, random.Random(seed))) for seed in (1, 1, 2, 3)]
    assert values[0] == values[1]
    assert len(set(values)) == 3


def test_the_schema_is_not_changed() -> None:
    before = json.dumps(SNIPPETS["all of"])
    conforming(SNIPPETS["all of"], random.Random(0))
    assert json.dumps(SNIPPETS["all of"]) == before


def test_keys_and_formats_say_what_a_value_is_about() -> None:
    keys = ("name", "email", "city", "birth_date", "orderId", "age", "total_cents")
    schema = obj(**dict.fromkeys(keys[:5], S), age=I, total_cents=I)
    for seed in range(30):
        value = conforming(schema, random.Random(seed))
        assert " " in value["name"]
        assert "@" in value["email"]
        assert len(value["birth_date"]) == 10
        assert value["orderId"][2] == "-"
        assert 18 <= value["age"] <= 90
        assert value["total_cents"] >= 100


def test_optional_keys_come_often_and_not_always() -> None:
    n = sum("b" in conforming(obj("a", a=S, b=I), random.Random(seed)) for seed in range(400))
    assert 250 < n < 350


def test_what_may_be_null_is_null_now_and_then() -> None:
    for schema in ({"type": ["string", "null"]}, {"anyOf": [S, {"type": "null"}]}):
        n = sum(conforming(schema, random.Random(seed)) is None for seed in range(400))
        assert 20 < n < 160


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        (False, "#"),
        ({"type": "string", "enum": [1, 2]}, "#"),
        (obj(a=S, b=obj(c=False)), "#/properties/b/properties/c"),
        ({"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#"}}}, "no end"),
        ({"allOf": [S, I]}, "#"),
        ({"type": "string", "pattern": "^a$", "not": {"const": "a"}}, "#/not"),
        ({"type": "string", "pattern": "("}, "cannot be used"),
        ({"$ref": "#/$defs/none"}, "#/$defs/none"),
        ({"$ref": "https://example.com/x.json"}, "example.com"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}, "#/"),
        ({"type": "string", "minLength": 5, "pattern": "^abc$"}, "#/"),
    ],
)
def test_a_schema_that_allows_nothing_is_named_by_its_part(schema: Any, part: str) -> None:
    with pytest.raises(NotPossibleError) as caught:
        conforming(schema, random.Random(0))
    assert part in str(caught.value)


def test_a_text_that_cannot_match_is_none() -> None:
    assert text_matching("(?!a)a", random.Random(0), 3) is None
    assert text_matching("[", random.Random(0), 3) is None


def test_a_plan_is_made_once_for_equal_schemas() -> None:
    assert plan_of({"type": "string", "maxLength": 5}) is plan_of({"type": "string", "maxLength": 5})


def test_an_invoice_takes_well_under_a_millisecond() -> None:
    schema = shipped_schemas()["invoice"]
    rng = random.Random(0)
    conforming(schema, rng)
    started = time.process_time()
    for _ in range(300):
        conforming(schema, rng)
    assert (time.process_time() - started) / 300 < 0.001


def suite() -> Iterator[tuple[str, Any]]:
    """Schemas of the public suite for which it has a valid instance that jsonschema here accepts too."""
    for file in sorted(shared_data("json-schema-test-suite", "tests", "draft2020-12").glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            if any(test["valid"] and accepted(case["schema"], test["data"]) for test in case["tests"]):
                yield f"{file.stem}: {case['description']}", case["schema"]


def accepted(schema: Any, value: Any) -> bool:
    try:
        return bool(validator(schema).is_valid(value))
    except Exception:  # noqa: BLE001 - a reference that leads nowhere, a pattern that is none
        return False


def test_nearly_every_schema_of_the_public_suite_gets_a_value() -> None:
    n = n_made = 0
    refused = []
    for name, schema in suite():
        n += 1
        try:
            values = [conforming(schema, random.Random(seed)) for seed in range(3)]
        except NotPossibleError as error:
            refused.append(f"{name}: {error}")
            continue
        assert all(accepted(schema, value) for value in values), name
        n_made += 1
    # Left are references to other documents and by $id: schemas come here self-contained.
    assert n > 300
    assert n_made / n > 0.93, "\n".join(refused)
    assert all("reference" in line or "not.json" in line or "/not" in line for line in refused), refused
