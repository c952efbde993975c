"""Mutants of JSON answers: killed by a right scenario, told with place and advice in a lax one."""

from __future__ import annotations

from pathlib import Path

import pytest
from trials import surviving, told, tried

SCHEMA = """\
      type: object
      properties:
        name: {type: string}
        age: {type: integer}
        member: {type: boolean}
        tags: {type: array, items: {type: string}}
        home: {type: object, properties: {city: {type: string}}, required: [city], additionalProperties: false}
      required: [name, age, member, tags, home]
      additionalProperties: false
"""
VALUE = '{"name": "Ana", "age": 34, "member": true, "tags": ["a", "b"], "home": {"city": "Oslo"}}'
EXPECT = f"    expect: {VALUE}\n"
REFERENCE = f"reference: [{{assistant: '{VALUE}'}}]\n"
RIGHT = "answer:\n  json:\n    schema:\n" + SCHEMA + EXPECT + REFERENCE
MISSING = "/age is missing, and no check noticed; "
CONTENT = [
    "answer.change:/age", "answer.change:/home/city", "answer.change:/member", "answer.change:/name",
    "answer.change:/tags/0", "answer.change:/tags/1", "answer.double:/tags/0", "answer.double:/tags/1",
    "answer.drop:/tags/0", "answer.drop:/tags/1", "answer.swap:/tags/0",
]  # fmt: skip


def test_a_right_scenario_notices_every_mutant(tmp_path: Path) -> None:
    trial = tried(RIGHT, tmp_path)
    assert surviving(trial) == []
    # 6 of syntax and the loop; per leaf: change, null, and type where it is no text; 6 keys dropped; 2
    # objects with an extra field; the list and its objects as text and null; the list's items.
    assert trial.n_mutants == 7 + (6 + 6 + 2) + 6 + 2 + 3 * 2 + 5


def test_without_an_expected_value_every_change_of_content_survives(tmp_path: Path) -> None:
    trial = tried(RIGHT.replace(EXPECT, ""), tmp_path)
    assert surviving(trial) == CONTENT
    assert told(trial, "answer.change:/age") == (
        "tried.bench.yaml:5:3: answer.change:/age: /age is 35 and not 34, and no check noticed; "
        "add `expect:` to answer.json"
    )


@pytest.mark.parametrize(
    ("old", "new", "survivors", "line"),
    [
        (
            "      additionalProperties: false\n",
            "",
            ["answer.extra:/"],
            "/ has an extra field, and no check noticed; say `additionalProperties: false` in the schema at /",
        ),
        (
            "      required: [name, age, member, tags, home]\n",
            "      required: [name, age, member, tags]\n",
            [],
            "",
        ),
        (
            "      required: [name, age, member, tags, home]\n",
            "",
            [f"answer.drop:/{key}" for key in ("age", "home", "member", "name", "tags")],
            MISSING + "list age under `required` in the schema, or add `expect:` to answer.json",
        ),
        (
            "age: {type: integer}",
            "age: {}",
            ["answer.null:/age", "answer.type:/age"],
            "/age is null, and no check noticed; give /age a `type` in the schema, or add `expect:` to answer.json",
        ),
        ("age: {type: integer}", "age: {type: [integer, string, 'null']}", [], ""),
    ],
)
def test_a_lax_schema_is_told_with_what_it_lacks_unless_it_says_that_it_means_it(
    tmp_path: Path, old: str, new: str, survivors: list[str], line: str
) -> None:
    trial = tried(RIGHT.replace(EXPECT, "").replace(old, new), tmp_path)
    assert sorted(set(surviving(trial)) - set(CONTENT)) == survivors
    if survivors:
        assert told(trial, survivors[0]) == f"tried.bench.yaml:6:5: {survivors[0]}: {line}"


def test_a_key_that_expect_leaves_out_is_told_at_expect(tmp_path: Path) -> None:
    trial = tried(RIGHT.replace('    expect: {"name": "Ana", ', "    expect: {"), tmp_path)
    assert surviving(trial) == ["answer.change:/name"]
    assert "say in `expect:` what /name must be" in told(trial, "answer.change:/name")


def test_a_change_stays_within_the_schema_so_that_only_expect_can_notice(tmp_path: Path) -> None:
    text = (
        "answer: {json: {schema: {type: object, properties: {kind: {enum: [a, b]}, n: {type: integer, maximum: 3}}, "
        "required: [kind, n], additionalProperties: false}}}\n"
        'reference: [{assistant: \'{"kind": "a", "n": 3}\'}]\n'
    )
    trial = tried(text, tmp_path)
    assert surviving(trial) == ["answer.change:/kind", "answer.change:/n"]
    assert "/n is 2 and not 3" in told(trial, "answer.change:/n")


@pytest.mark.parametrize(
    ("expect", "survivors"),
    [
        ("{a: {$any: true}, b: 1}", []),
        ('{a: "x", b: {$optional: 1}}', []),
        ('{a: {$regex: "^x$"}, b: {$number: {value: 1, tolerance: 0.5}}}', []),
        ('{a: {$regex: "."}, b: 1}', ["answer.change:/a"]),
        ('{a: "x"}', ["answer.change:/b", "answer.drop:/b", "answer.null:/b", "answer.type:/b"]),
    ],
)  # fmt: skip
def test_what_expect_lets_pass_on_purpose_is_no_survivor(
    tmp_path: Path, expect: str, survivors: list[str]
) -> None:
    text = f'answer: {{json: {{expect: {expect}}}}}\nreference: [{{assistant: \'{{"a": "x", "b": 1}}\'}}]\n'
    assert surviving(tried(text, tmp_path)) == survivors


@pytest.mark.parametrize(("accept", "n"), [("strict", 6), ("extractable", 4), ("repairable", 3)])
def test_a_fence_or_a_comma_that_the_parser_takes_is_no_mutant(tmp_path: Path, accept: str, n: int) -> None:
    text = (
        f"answer: {{json: {{accept: {accept}, schema: {{const: {{a: 1}}}}}}}}\n"
        "gates: {parse_failure_rate: {max: 0.02}}\nreference: [{assistant: '{\"a\": 1}'}]\n"
    )
    trial = tried(text, tmp_path)
    assert surviving(trial) == []
    # The loop; /a missing, as text and null; the whole as text and null.
    assert trial.n_mutants == n + 1 + 3 + 2


def test_where_only_the_form_has_gates_nobody_asks_for_the_content(tmp_path: Path) -> None:
    text = RIGHT.replace(EXPECT, "") + "gates: {schema_failure_rate: {max: 0.02}}\n"
    assert surviving(tried(text, tmp_path)) == []
