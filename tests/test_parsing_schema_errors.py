"""Schema errors: jsonschema's own verdicts, our tags."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from requirements import shared_data

from pytest_agentbench.parsing.outcome import judge
from pytest_agentbench.parsing.schema_errors import MAX_ERRORS, schema_errors, schema_problem
from pytest_agentbench.parsing.schema_roots import root_types

ORDER = {
    "type": "object",
    "required": ["id", "buyer"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "buyer": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "email": {"type": "string", "format": "email"},
                "note": {"type": "string"},
            },
        },
        "lines": {"type": "array", "maxItems": 2, "items": {"type": "object", "required": ["sku"]}},
        "state": {"enum": ["open", "shut"]},
        "kind": {"const": "order"},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
    },
}
GOOD: dict[str, Any] = {"id": 1, "buyer": {"name": "x"}}


def found(value: Any, schema: Any = ORDER) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(error.tag, error.path) for error in schema_errors(schema, value)]


def suite() -> Iterator[tuple[str, Any, Any, bool]]:
    for file in sorted(shared_data("json-schema-test-suite", "tests", "draft2020-12").glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            for test in case["tests"]:
                name = f"{file.stem}: {case['description']}: {test['description']}"
                yield name, case["schema"], test["data"], test["valid"]


def verdict(valid: Any) -> bool | str:
    try:
        return bool(valid())
    except Exception as error:  # noqa: BLE001 - its kind is compared
        return type(error).__name__


def test_the_draft_2020_12_suite_gets_the_verdicts_of_jsonschema() -> None:
    cls = jsonschema.Draft202012Validator
    different = []
    n = 0
    for name, schema, data, expected in suite():
        validator = cls(schema, registry=REGISTRY, format_checker=cls.FORMAT_CHECKER)
        theirs = verdict(lambda: validator.is_valid(data))  # noqa: B023 - called at once
        ours = verdict(lambda: not schema_errors(schema, data))  # noqa: B023
        n += 1
        if ours != theirs or (theirs is expected and ours is not expected):
            different.append(name)
    assert n == 1299
    assert different == []


def test_the_suite_disagrees_only_where_jsonschema_does_and_why_is_known() -> None:
    known = ("refRemote:", "dynamicRef:", "format:", "pattern:", "patternProperties:", "vocabulary:")
    unexpected = [
        name
        for name, schema, data, expected in suite()
        if verdict(lambda: not schema_errors(schema, data)) != expected  # noqa: B023
        and not name.startswith(known)
    ]
    assert unexpected == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "1"}, ("string_for_number", ("id",))),
        ({"id": True}, ("wrong_type", ("id",))),
        ({"id": None}, ("null_for_required", ("id",))),
        ({"id": 0}, ("range", ("id",))),
        ({"buyer": {}}, ("missing_required", ("buyer", "name"))),
        ({"buyer": '{"name": "x"}'}, ("stringified_object", ("buyer",))),
        ({"buyer": {"name": ""}}, ("length", ("buyer", "name"))),
        ({"buyer": {"name": "x", "zip": 1}}, ("extra_key", ("buyer", "zip"))),
        ({"buyer": {"name": "x", "email": "nobody"}}, ("format", ("buyer", "email"))),
        ({"buyer": {"name": "x", "note": None}}, ("wrong_type", ("buyer", "note"))),
        ({"lines": "[]"}, ("stringified_object", ("lines",))),
        ({"lines": [{"sku": 1}, {}]}, ("missing_required", ("lines", 1, "sku"))),
        ({"lines": [{"sku": 1}] * 3}, ("array_count", ("lines",))),
        ({"lines": [None]}, ("null_for_required", ("lines", 0))),
        ({"state": "ajar"}, ("enum", ("state",))),
        ({"kind": "bill"}, ("const", ("kind",))),
        ({"code": "a1"}, ("pattern", ("code",))),
    ],
)
def test_each_kind_of_error_has_its_tag_and_path(change: dict[str, Any], expected: tuple[str, Any]) -> None:
    assert found({**GOOD, **change}) == [expected]


def test_all_errors_are_told_each_with_its_depth() -> None:
    errors = schema_errors(ORDER, {"buyer": {"age": 1}, "extra": 1, "other": 2, "code": 5})
    assert sorted((error.tag, error.depth) for error in errors) == [
        ("extra_key", 1),
        ("extra_key", 1),
        ("extra_key", 2),
        ("missing_required", 1),
        ("missing_required", 2),
        ("wrong_type", 1),
    ]


def test_a_wrong_root_and_an_object_in_a_string_are_told_apart() -> None:
    assert found([1]) == [("wrong_root", ())]
    assert found('{"id": 1}') == [("stringified_object", ())]


NULLABLE = {"properties": {"n": {"anyOf": [{"type": "number"}, {"type": "null"}]}}}
SHAPES = {
    "oneOf": [
        {
            "type": "object",
            "required": ["kind", "r"],
            "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
        },
        {
            "type": "object",
            "required": ["kind", "w"],
            "properties": {"kind": {"const": "square"}, "w": {"type": "number"}},
        },
    ]
}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (NULLABLE, {"n": "3"}, [("string_for_number", ("n",))]),
        (SHAPES, {"kind": "circle", "r": "3"}, [("string_for_number", ("r",))]),
        (SHAPES, {"kind": "square"}, [("missing_required", ("w",))]),
        (SHAPES, {"kind": "oval"}, [("any_of", ())]),
        ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, 3, [("any_of", ())]),
        ({"anyOf": [False, False]}, 3, [("any_of", ())]),
        ({"not": {"type": "string"}}, "x", [("any_of", ())]),
        ({"properties": {"a": False}}, {"a": 1}, [("extra_key", ())]),
        ({"unevaluatedProperties": False}, {"a": 1}, [("extra_key", ("a",))]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, [("missing_required", ("b",))]),
        ({"contains": {"const": 1}}, [2], [("array_count", ())]),
    ],
)
def test_combined_schemas_are_followed_to_the_branch_that_was_meant(
    schema: Any, value: Any, expected: list[Any]
) -> None:
    assert found(value, schema) == expected


def test_a_required_key_is_recognised_behind_a_reference() -> None:
    schema = {
        "$ref": "#/$defs/order",
        "$defs": {
            "order": {"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
        },
    }
    assert found({"a": None, "b": None}, schema) == [("null_for_required", ("a",)), ("wrong_type", ("b",))]


def test_the_draft_is_the_one_that_the_schema_names() -> None:
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert found([1], draft7) == [("wrong_type", (0,))]


def test_a_remote_reference_is_an_error_and_nothing_is_fetched() -> None:
    started = time.monotonic()
    with pytest.raises(Exception, match=r"http://198\.51\.100\.1"):
        schema_errors({"$ref": "http://198.51.100.1/x.json"}, 1)
    assert time.monotonic() - started < 2


def test_a_million_wrong_items_give_a_thousand_errors() -> None:
    assert len(schema_errors({"items": {"type": "string"}}, [0] * 5_000)) == MAX_ERRORS


def test_a_schema_that_recurses_for_ever_is_an_error_not_a_crash() -> None:
    assert found({}, {"$ref": "#"}) == [("too_deep", ())]


def test_a_deep_value_of_a_recursive_schema_is_validated() -> None:
    value: Any = {}
    for _ in range(100):
        value = {"child": value}
    schema = {"type": "object", "additionalProperties": False, "properties": {"child": {"$ref": "#"}}}
    assert found(value, schema) == []


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        (ORDER, {"object"}),
        ({"type": ["array", "null"]}, {"array", "null"}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array"}}}, {"array"}),
        ({"anyOf": [{"type": "object"}, {"type": "array"}]}, {"object", "array"}),
        ({"properties": {"a": {}}}, {"object"}),
        ({"type": "number"}, {"number", "integer"}),
        ({}, None),
        (True, None),
    ],
)
def test_the_types_of_the_root_are_read_from_the_schema(schema: Any, types: set[str] | None) -> None:
    assert root_types(schema) == (None if types is None else frozenset(types))


def test_what_is_no_schema_is_told() -> None:
    assert schema_problem(ORDER) is None
    assert "type" in (schema_problem({"type": "objekt"}) or "")
    assert schema_problem({"properties": {"a": {"pattern": "("}}}) is not None


@given(
    st.fixed_dictionaries(
        {
            "id": st.integers(min_value=1),
            "buyer": st.fixed_dictionaries({"name": st.text(min_size=1)}, optional={"note": st.text()}),
        },
        optional={
            "state": st.sampled_from(["open", "shut"]),
            "code": st.from_regex(r"\A[A-Z]+\Z"),
            "lines": st.lists(st.fixed_dictionaries({"sku": st.integers() | st.text()}), max_size=2),
        },
    )
)
def test_values_made_for_the_schema_are_valid_and_judged_strict(value: dict[str, Any]) -> None:
    outcome = judge(json.dumps(value), schema=ORDER, accept="strict")
    assert (outcome.level, outcome.contract_holds) == ("L0", True)


@pytest.mark.parametrize(
    ("text", "accept", "level", "holds"),
    [
        ('{"id": 1, "buyer": {"name": "x"}}', "strict", "L0", True),
        ('So: {"id": 1, "buyer": {"name": "x"}}', "strict", "L1", False),
        ('So: {"id": 1, "buyer": {"name": "x"}}', "extractable", "L1", True),
        ('{"id": 1, "buyer": {"name": "x"},}', "extractable", "L2", False),
        ('{"id": 1, "buyer": {"name": "x"},}', "repairable", "L2", True),
        ('{"id": 1}', "repairable", "L3", False),
        ("So: {'id': 1}", "strict", "L3", False),
        ('{"id": 1', "repairable", "L4", False),
        ("", "repairable", "L5", False),
    ],
)
def test_the_level_sums_up_parse_and_schema(text: str, accept: Any, level: str, holds: bool) -> None:
    outcome = judge(text, schema=ORDER, accept=accept)
    assert (outcome.level, outcome.contract_holds) == (level, holds)
    assert (outcome.schema_valid is None) == (level in {"L4", "L5"})


def test_syntax_tags_come_first_then_one_tag_an_error() -> None:
    outcome = judge("So: {'id': '1', 'x': 1, 'y': 2, 'buyer': {'name': 'n'}}", schema=ORDER, accept="strict")
    assert outcome.tags == ("prose_around", "single_quotes", "extra_key", "extra_key", "string_for_number")


def test_without_a_schema_any_json_is_valid() -> None:
    assert judge("[1]", schema=None, accept="strict").contract_holds


@pytest.mark.parametrize(
    ("schema", "value", "tags"),
    [
        (
            {"allOf": [{"properties": {"b": {"type": "integer"}}}, {"required": ["b"]}]},
            {"b": None},
            ["null_for_required"],
        ),
        ({"additionalProperties": {"type": "integer"}}, {"x": None}, ["wrong_type"]),
        (
            {"patternProperties": {"^x": {"type": "integer"}}},
            {"x": None, "xy": None},
            ["wrong_type", "wrong_type"],
        ),
        (
            {
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "dependentRequired": {"a": ["b"]},
            },
            {"a": "x", "b": None},
            ["null_for_required"],
        ),
        ({"items": {"type": "integer"}}, [1, None], ["null_for_required"]),
        (
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]},
            {"a": None, "b": None},
            ["null_for_required", "wrong_type"],
        ),
    ],
)
def test_a_null_is_for_a_required_key_where_the_schema_would_miss_the_key(
    schema: Any, value: Any, tags: list[str]
) -> None:
    assert [error.tag for error in schema_errors(schema, value)] == tags
