"""Schemas of answers: references inside the project are inlined, nothing ever goes to the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from loading import BASE, one, problems


def schema_of(root: Path, schema: Any = "main.json", **files: Any) -> Any:
    for name, content in files.items():
        (root / name.replace("__", "/").replace("_json", ".json")).write_text(
            json.dumps(content), encoding="utf-8"
        )
    answer = one(f"{BASE}answer: {{json: {{schema: {json.dumps(schema)}}}}}\n", root).answer_json
    assert answer is not None
    return answer.schema


def wrong(root: Path, schema: Any, **files: Any) -> list[str]:
    for name, content in files.items():
        (root / name.replace("__", "/").replace("_json", ".json")).write_text(
            json.dumps(content), encoding="utf-8"
        )
    return problems(f"{BASE}answer: {{json: {{schema: {json.dumps(schema)}}}}}\n", root)


def valid(schema: Any, value: Any) -> bool:
    found: bool = Draft202012Validator(schema).is_valid(value)
    return found


def test_a_schema_can_be_inline_a_file_or_a_boolean(tmp_path: Path) -> None:
    assert schema_of(tmp_path, {"type": "object"}) == {"type": "object"}
    assert schema_of(tmp_path, True) is True
    assert schema_of(
        tmp_path,
        main_json={"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "type": "array"},
    ) == {"type": "array"}


def test_a_schema_can_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("type: object\nrequired: [on]\n", encoding="utf-8")
    assert schema_of(tmp_path, "s.yaml") == {"type": "object", "required": ["on"]}


def test_references_to_files_become_self_contained(tmp_path: Path) -> None:
    schema = schema_of(
        tmp_path,
        main_json={
            "properties": {
                "a": {"$ref": "parts.json#/$defs/name"},
                "b": {"$ref": "parts.json"},
                "c": {"$ref": "#/$defs/own"},
            },
            "$defs": {"own": {"type": "null"}},
        },
        parts_json={
            "type": "object",
            "properties": {"n": {"$ref": "#/$defs/name"}},
            "$defs": {"name": {"type": "string"}},
        },
    )
    assert all(part["$ref"].startswith("#") for part in schema["properties"].values())
    assert valid(schema, {"a": "x", "b": {"n": "y"}, "c": None})
    assert not valid(schema, {"a": 1})
    assert not valid(schema, {"b": {"n": 1}})
    assert not valid(schema, {"c": 1})


def test_files_may_refer_to_each_other_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    schema = schema_of(
        tmp_path,
        main_json={
            "type": "object",
            "properties": {"child": {"$ref": "sub/node.json"}},
            "additionalProperties": False,
        },
        sub__node_json={"type": "array", "items": {"$ref": "../main.json"}},
    )
    assert valid(schema, {"child": [{"child": [{}]}]})
    assert not valid(schema, {"child": [{"child": [1]}]})
    assert not valid(schema, {"child": [{"x": 1}]})


def test_a_schema_may_refer_to_itself_below(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, {"type": "object", "additionalProperties": {"$ref": "#"}})
    assert valid(schema, {"a": {"b": {}}})
    assert not valid(schema, {"a": 1})


def test_anchors_and_escaped_names_are_found(tmp_path: Path) -> None:
    schema = schema_of(
        tmp_path,
        main_json={
            "properties": {
                "a": {"$ref": "#here"},
                "b": {"$ref": "p.json#there"},
                "c": {"$ref": "#/$defs/x~1y%20z"},
            },
            "$defs": {"q": {"$anchor": "here", "type": "null"}, "x/y z": {"const": 3}},
        },
        p_json={"$defs": {"r": {"$anchor": "there", "type": "string"}}},
    )
    assert valid(schema, {"a": None, "b": "x", "c": 3})
    assert not valid(schema, {"a": 1})
    assert not valid(schema, {"b": 1})
    assert not valid(schema, {"c": 1})


def test_a_property_or_constant_called_ref_is_left_alone(tmp_path: Path) -> None:
    schema = {
        "properties": {"$ref": {"type": "string"}, "$id": {"const": {"$ref": "http://x"}}},
        "enum": [{"$ref": "nope.json"}],
    }
    assert schema_of(tmp_path, schema) == schema


def test_names_already_taken_under_defs_are_not_overwritten(tmp_path: Path) -> None:
    schema = schema_of(
        tmp_path, {"$ref": "p.json", "$defs": {"p.json": {"type": "null"}}}, p_json={"type": "string"}
    )
    assert valid(schema, "x")
    assert not valid(schema, None)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("nope.json", "4:25: answer.json.schema: file 'nope.json' does not exist"),
        (".", "4:25: answer.json.schema: '.' is a folder, not a file"),
        ("https://example.org/a.json", "4:25: answer.json.schema: 'https://example.org/a.json' is a URL: only files of the project are read, never the network"),
        ("file:///etc/passwd", "4:25: answer.json.schema: 'file:///etc/passwd' is a URL: only files of the project are read, never the network"),
        ({"$ref": "http://example.org/a.json"}, "4:34: answer.json.schema: $ref 'http://example.org/a.json' is a URL: only files of the project are read, never the network"),
        ({"$ref": "nope.json"}, "4:34: answer.json.schema: $ref file 'nope.json' does not exist"),
        ({"items": {"$ref": "#/$defs/a"}}, "4:44: answer.json.schema: $ref '#/$defs/a' points to nothing"),
        ({"$ref": "#a"}, "4:34: answer.json.schema: $ref '#a' points to an $anchor that is not there"),
        ({"$ref": "#"}, "4:34: answer.json.schema: $ref '#' leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "4:50: answer.json.schema: $ref '#/$defs/b' leads back to itself"),
        ({"type": "strin"}, "4:34: not a JSON Schema: answer.json.schema.type must be one of array, boolean, integer, null, number, object, string, got the text \"strin\", did you mean 'string'?"),
        ({"required": "a"}, '4:38: not a JSON Schema: answer.json.schema.required must be a list, got the text "a"'),
        ({"pattern": "("}, '4:37: not a JSON Schema: answer.json.schema.pattern must be a regular expression, got "(": missing ), unterminated subpattern at position 0'),
        ({"city": "string"}, "4:25: not a JSON Schema: answer.json.schema has no keyword of JSON Schema, it would accept everything: write {type: object, properties: {city: ...}}"),
        ({"type": "object", "requird": ["a"]}, "4:44: not a JSON Schema: unknown keyword 'requird' in answer.json.schema, did you mean 'required'?"),
        ({"items": {"minItem": 1}}, "4:36: not a JSON Schema: unknown keyword 'minItem' in answer.json.schema.items, did you mean 'minItems'?"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "4:37: answer.json.schema: $schema 'http://json-schema.org/draft-07/schema#' is not draft 2020-12: set it to https://json-schema.org/draft/2020-12/schema"),
        ({"items": {"$id": "x"}}, "4:43: answer.json.schema: an $id inside a schema moves its references: remove it"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_says_why_at_its_place(
    schema: Any, message: str, tmp_path: Path
) -> None:
    assert wrong(tmp_path, schema) == [f"demo.bench.yaml:{message}"]


def test_mistakes_in_a_schema_file_are_reported_at_its_name(tmp_path: Path) -> None:
    assert wrong(tmp_path, "main.json", main_json={"properties": {"a": {"type": "text"}}}) == [
        (
            "demo.bench.yaml:4:25: not a JSON Schema: answer.json.schema.properties.a.type must be one of array, boolean, "
            'integer, null, number, object, string, got the text "text"'
        )
    ]
    (tmp_path / "main.json").write_text('{"a": 1,}', encoding="utf-8")
    (message,) = problems(BASE + "answer: {json: {schema: main.json}}\n", tmp_path)
    assert message.startswith("demo.bench.yaml:4:25: answer.json.schema: 'main.json' is not JSON: ")


def test_keywords_of_others_and_names_of_properties_are_no_misspelt_keywords(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "x-order": 1,
        "example": {},
        "discriminator": {"propertyName": "typ"},
        "properties": {"typ": {"type": "string", "nullable": True}, "requird": True},
    }
    assert schema_of(tmp_path, schema) == schema


def test_files_outside_the_project_are_refused_symlinks_resolved(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    (root / "link.json").symlink_to(tmp_path / "secret.json")
    for reference in ("../secret.json", "link.json", str(tmp_path / "secret.json")):
        (message,) = wrong(root, reference)
        assert (
            message
            == f"demo.bench.yaml:4:25: answer.json.schema: '{reference}' is outside the project root {root}"
        )
        (message,) = wrong(root, {"$ref": reference})
        assert "is outside the project root" in message


def test_a_symlink_that_stays_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "null"}', encoding="utf-8")
    (tmp_path / "b.json").symlink_to("a.json")
    assert schema_of(tmp_path, "b.json") == {"type": "null"}


def test_parameters_of_tools_are_schemas_too(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"type": "object"}', encoding="utf-8")
    (tool,) = one(BASE + "tools: [{name: a, parameters: {$ref: p.json}}]\n", tmp_path).tools
    assert valid(tool.parameters, {})
    assert problems(BASE + "tools: [{name: a, parameters: {type: objekt}}]\n", tmp_path) == [
        (
            "demo.bench.yaml:4:38: not a JSON Schema: tools[0].parameters.type must be one of array, boolean, integer, null, "
            "number, object, string, got the text \"objekt\", did you mean 'object'?"
        )
    ]


def test_the_schema_of_scenarios_is_a_valid_schema_that_explains_every_key() -> None:
    from pytest_agentbench.loader.schemas import subschemas
    from pytest_agentbench.loader.structure import scenario_schema

    schema = scenario_schema()
    Draft202012Validator.check_schema(schema)
    for path, part in subschemas(schema):
        if len(path) >= 2 and path[-2] == "properties":
            target = part
            while "description" not in target and "$ref" in target:
                target = schema["$defs"][target["$ref"].removeprefix("#/$defs/")]
            assert target.get("description"), path
        if part.get("type") == "object" and "properties" in part and "faker" not in part["properties"]:
            assert part.get("additionalProperties") is False, path
