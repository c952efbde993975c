"""YAML 1.2 core: what is a string, what is refused, where it stands, and that nothing breaks the parser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loading import BASE, load

from pytest_agentbench.errors import Problem, ScenarioError
from pytest_agentbench.loader.yaml_core import MAX_DEPTH, parse


def value_of(text: str) -> Any:
    nodes, found = parse(text, "f")
    assert found == []
    (node,) = nodes
    return node.value


def messages(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f")[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the table of YAML 1.2, 10.3.2, and what 1.1 made of the same text
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("y", "y"),
        ("2026-01-31", "2026-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0o17", "-0o17"),
        ("+12", 12),
        ("0b11", "0b11"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("1e", "1e"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("=", "="),
        ("<<", "<<"),
        ("九", "九"),
    ],
)
def test_plain_values_are_those_of_the_core_schema(text: str, expected: Any) -> None:
    value = value_of(f"[{text}]")[0]
    assert value == expected
    assert type(value) is type(expected)


def test_an_empty_value_is_null() -> None:
    assert value_of("a:\nb: ''") == {"a": None, "b": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: .nan", "f:1:4: .nan is not a number of JSON, put it in quotes"),
        ("a: -.inf", "f:1:4: -.inf is not a number of JSON, put it in quotes"),
        ("a: 1e999", 'f:1:4: "1e999" is too large for a number of JSON, put it in quotes'),
        ("a: " + "9" * 5000, "f:1:4: a number of 5000 digits is too long, put it in quotes"),
        ("1: a", 'f:1:1: a key must be text, got 1, write "1" in quotes'),
        ("true: a", 'f:1:1: a key must be text, got true, write "true" in quotes'),
        ("? [a]\n: b", "f:1:3: a key must be text, got a mapping or list"),
        ("a: !!python/object:os.system x", "f:1:4: tag !!python/object:os.system is not allowed, only what JSON can hold: remove the tag"),
        ("a: !!binary eA==", "f:1:4: tag !!binary is not allowed, only what JSON can hold: remove the tag"),
        ("a: !mine x", "f:1:4: tag !mine is not allowed, only what JSON can hold: remove the tag"),
        ("a: !!int x", 'f:1:4: "x" is not a value of the tag !!int'),
        ("a: *b", "f:1:4: alias *b has no anchor &b before it in this document"),
        ("a: &b [*b]", "f:1:8: alias *b stands inside its own anchor &b"),
        ("<<: {a: 1}", "f:1:1: merge key '<<' is not in YAML 1.2: write the keys out"),
        ("a: 1\nb: 2\na: 3", "f:3:1: duplicate key 'a', it stands already in line 1"),
        ("a: {b: 1, b: 2}", "f:1:11: duplicate key 'b', it stands already in line 1"),
        ('a: "x', "f:1:4: a quote is opened here and never closed"),
        ("a: [1, 2\nb: 3", "f:1:4: a list '[' is opened here and not closed: ',' or ']' is missing"),
        ("a: {b: 1\nc: 3", "f:1:4: a mapping '{' is opened here and not closed: ',' or '}' is missing"),
        ("a: @b", "f:1:4: text cannot begin with '@' in YAML: put it in quotes"),
        ("a: `b`", "f:1:4: text cannot begin with '`' in YAML: put it in quotes"),
        ('a: "\\q"', "f:1:5: an unknown escape in double quotes: write \\\\ for a backslash, or use single quotes"),
        ("a: 'it's'", "f:1:8: a key is expected here: wrong indent, or text after a closing quote"),
        ("a: b\nc", "f:2:1: text where a key is expected: a ':' is missing, or the line needs more indent"),
        ("a: \x00", "f:1:4: character U+0000 is not allowed, write it as an escape in double quotes"),
        ("a: '\ud83d'", "f:1:5: half of a surrogate pair is not a character"),
        ("a: {% if x %}b{% endif %}", "f:1:4: a value cannot begin with {% unquoted: put it in quotes, or below '|'"),
        ("a: [{{ b }}]", 'f:1:5: unquoted {{ is a mapping in YAML: write "{{ b }}" in quotes'),
        ('a: {{ b["c"] }}', "f:1:4: unquoted {{ is a mapping in YAML: write '{{ b[\"c\"] }}' in quotes"),
        ("- {{ a | tojson }}", 'f:1:3: unquoted {{ is a mapping in YAML: write "{{ a | tojson }}" in quotes'),
        ("{{ a }}: b", 'f:1:1: unquoted {{ is a mapping in YAML: write "{{ a }}" in quotes'),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_with_its_place(text: str, message: str) -> None:
    assert messages(text) == [message]


def test_a_second_mapping_in_braces_is_no_template() -> None:
    assert value_of("a: {b: {c: d}}") == {"a": {"b": {"c": "d"}}}


def test_an_alias_bomb_is_stopped() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]"
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    assert messages("\n".join(lines)) == ["f:5:12: aliases expand to more than 20000 values (alias *d)"]


def test_nesting_is_bounded_also_by_way_of_aliases() -> None:
    # libyaml reads ahead, and may give up at a bound of its own before ours is met.
    (told,) = messages("[" * 100_000)
    assert told in {f"f:1:{col}: nested more than {MAX_DEPTH} levels deep" for col in (MAX_DEPTH + 2, 1001)}
    assert messages("[" * 110) == [f"f:1:{MAX_DEPTH + 2}: nested more than {MAX_DEPTH} levels deep"]
    deep = "[" * 60 + "x" + "]" * 60
    assert messages(f"a: &a {deep}\nb: {'[' * 60}*a{']' * 60}") == [
        "f:2:64: nested more than 100 levels deep"
    ]


def test_an_alias_gives_the_value_of_its_anchor() -> None:
    assert value_of("a: &x {k: [1]}\nb: *x") == {"a": {"k": [1]}, "b": {"k": [1]}}


def test_several_documents_have_anchors_of_their_own_and_places_in_the_file() -> None:
    nodes, found = parse("a: &x 1\n---\n# nothing\n---\nb: *x\n", "f")
    assert [node.value for node in nodes] == [{"a": 1}, {"b": None}]
    assert [str(problem) for problem in found] == [
        "f:5:4: alias *x has no anchor &x before it in this document"
    ]
    assert nodes[1].place(("b",), key=True) == (5, 1)


def test_every_key_and_value_has_its_place_counted_in_characters() -> None:
    (node,), _ = parse("é: {日本: [a, 'b']}\n", "f")
    assert node.place(("é",), key=True) == (1, 1)
    assert node.place(("é", "日本"), key=True) == (1, 5)
    assert node.place(("é", "日本")) == (1, 9)
    assert node.place(("é", "日本", 1)) == (1, 13)
    assert node.place(("é", "日本", 7, "x")) == (1, 9)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None)
def test_json_is_read_as_it_is(value: Any) -> None:
    # YAML reads escapes of the basic plane only, so characters beyond it are written as themselves;
    # what YAML forbids to stand unescaped is written as an escape by json.dumps or here.
    text = json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() or c == "\n" else f"\\U{ord(c):08x}" for c in text)
    nodes, found = parse(text, "f")
    if isinstance(value, dict) and "<<" in json.dumps(value) and found:
        return
    assert [str(problem) for problem in found if "merge key" not in str(problem)] == []
    if not found:
        assert [node.value for node in nodes] == ([] if value is None else [value])


@given(st.text())
@example("a: !<tag:yaml.org,2002:int> [")
@example("%TAG ! x\n---\n!a b")
@example("? ? ? ?")
@example("- - - -\n\t- -")
@example("a: &a\nb: *a\nc: &a [*a]")
@example("{{{{{{{{")
@example("\ufeff\ufeffa: b")
@example("--- |1-\n x\n...\n---")
@settings(deadline=None, max_examples=300)
def test_no_text_raises_anything_but_a_scenario_error(text: str) -> None:
    for problem in problems_of(text):
        assert problem.location.line >= 1
        assert problem.location.col >= 1
        assert "\n" not in problem.message


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        load(text, Path.cwd())
    except ScenarioError as error:
        return error.problems
    return ()


FRAGMENTS = st.sampled_from([
    "data", "rows", "values", "prompt", "user", "variants", "class", "format", "transform", "order", "tools", "name",
    "returns", "sequence", "answer", "json", "schema", "$ref", "#", "gates", "pass_rate", "min", "0.5", "{{ x }}",
    "reference", "assistant", "checks", "contains", "id", "faker", "choice", "list", "of", "1", "null", "true", "tags",
    "sampling", "messages", "image", "when", "args", "expect", "text", "tool_calls", "sandbox", "files", "properties",
])  # fmt: skip
DOCUMENTS = st.dictionaries(
    FRAGMENTS,
    st.recursive(FRAGMENTS | st.integers(-2, 3) | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FRAGMENTS, inner, max_size=3), max_leaves=10),
    max_size=5,
)  # fmt: skip


@given(DOCUMENTS)
@settings(deadline=None, max_examples=300)
def test_no_document_of_our_own_words_raises_anything_but_a_scenario_error(document: dict[str, Any]) -> None:
    text = json.dumps({"agentbench": 1, "id": "demo", "prompt": {"user": "Buyer: x"}, **document})
    assert all("under any of the given schemas" not in problem.message for problem in problems_of(text))


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert [scenario.id for scenario in load("\ufeff" + BASE, tmp_path)] == ["demo"]
