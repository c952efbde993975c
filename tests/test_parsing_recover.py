"""What is read from replies that are not strict JSON, and that nothing is made up."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requirements import shared_data

from pytest_agentbench.parsing.probe import probe
from pytest_agentbench.parsing.recover import Recovered, recover

OBJECT = frozenset({"object"})
TAGS = frozenset(
    [
        "empty",
        "refusal",
        "truncated",
        "fence",
        "reasoning_block",
        "prose_around",
        "special_tokens",
        "multiple_values",
        "single_quotes",
        "smart_quotes",
        "python_literal",
        "nan_inf",
        "trailing_comma",
        "missing_comma",
        "comment",
        "unquoted_key",
        "bad_escape",
        "control_char",
        "unescaped_quote",
        "unbalanced",
        "duplicate_key",
        "bom",
        "too_deep",
        "no_json",
        "wrong_root",
        "other",
    ]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
PIECES = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "'",
            "\\",
            "//",
            "/*",
            "*/",
            "#",
            "1",
            "-2.5",
            "1e9",
            "true",
            "None",
            "NaN",
            "null",
            "abc",
            '"a"',
            '"b":',
            '{"a":1}',
            "```json",
            "```",
            "\n",
            "<think>",
            "</think>",
            "<|im_end|>",
            "“",
            "”",
            "\ufeff",
            "\\u12",
            "\\ud800",
            "...",
            "é",
            "中",
        ]
    ),
    max_size=30,
).map("".join)


def read(text: str | bytes) -> tuple[str, Any, tuple[str, ...]]:
    found = recover(text, roots=OBJECT)
    return found.parse, found.value, found.tags


@pytest.mark.parametrize("text", ['{"a": 1}', ' \n{"a": 1}\r\n\t'])
def test_exactly_one_value_is_strict(text: str) -> None:
    assert read(text) == ("strict", {"a": 1}, ())


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('```json\n{"a": 1}\n```', ["fence"]),
        ('```\n{"a": 1}\n```\n', ["fence"]),
        ('~~~JSON\n{"a": 1}\n~~~', ["fence"]),
        ('```json\n{"a": 1}', ["fence"]),
        ('Sure, here it is:\n```json\n{"a": 1}\n```\nBye.', ["fence", "prose_around"]),
        ('Here you are: {"a": 1}', ["prose_around"]),
        ('{"a": 1}\n\nI hope this helps {you}!', ["prose_around"]),
        ('As [1] and [see note] say: {"a": 1}', ["prose_around"]),
        ('\ufeff{"a": 1}', ["bom"]),
        ('\u00a0{"a": 1}\u3000', []),
        ('<think>maybe {"b": 2}?</think>\n{"a": 1}', ["reasoning_block"]),
        ('maybe {"b": 2}?</think>{"a": 1}', ["reasoning_block"]),
        ('[THINK]hm[/THINK]{"a": 1}', ["reasoning_block"]),
        ('{"a": 1}<|im_end|>', ["special_tokens"]),
        ('<s>{"a": 1}</s>', ["special_tokens"]),
        ('{"a": 1}<\uff5cend\u2581of\u2581sentence\uff5c>', ["special_tokens"]),
        (
            '<|channel|>analysis<|message|>{"b": 2}<|end|><|start|>assistant<|channel|>final<|message|>{"a": 1}',
            ["reasoning_block", "special_tokens"],
        ),
        ('<think>x</think>```json\n{"a": 1}\n```', ["reasoning_block", "fence"]),
    ],
)
def test_what_stands_around_one_value_is_taken_away(text: str, tags: list[str]) -> None:
    assert read(text) == ("extractable", {"a": 1}, tuple(tags))


@pytest.mark.parametrize(
    ("text", "value", "tags"),
    [
        ('{"a": 1,}', {"a": 1}, ["trailing_comma"]),
        ("{'a': 'it''s'}", {"a": "it''s"}, ["single_quotes"]),
        ("{'a': 'it's'}", {"a": "it's"}, ["single_quotes"]),
        ("{'a': 'it\\'s'}", {"a": "it's"}, ["single_quotes"]),
        ("{\u201ca\u201d: \u201cb\u201d}", {"a": "b"}, ["smart_quotes"]),
        ('{"a": True, "b": None}', {"a": True, "b": None}, ["python_literal"]),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, ["missing_comma"]),
        ('{"a": [{"b": 1}{"b": 2}]}', {"a": [{"b": 1}, {"b": 2}]}, ["missing_comma"]),
        ('{"a": 1 // one\n, /* two */ "b": 2 # three\n}', {"a": 1, "b": 2}, ["comment"]),
        ("{a: 1, b_2: 2}", {"a": 1, "b_2": 2}, ["unquoted_key"]),
        ('{"a": "C:\\dir\\users"}', {"a": "C:\\dir\\users"}, ["bad_escape"]),
        ('{"a": "it\\\'s"}', {"a": "it's"}, ["bad_escape"]),
        ('{"a": "x\ny\tz"}', {"a": "x\ny\tz"}, ["control_char"]),
        ('{"a": "he said "hi" to me", "b": 2}', {"a": 'he said "hi" to me', "b": 2}, ["unescaped_quote"]),
        ('{"a": "he said "hi", then left"}', {"a": 'he said "hi", then left'}, ["unescaped_quote"]),
        ('{"a": 1, "a": 1}', {"a": 1}, ["duplicate_key"]),
        ('{"a": 1}}', {"a": 1}, ["unbalanced"]),
        ('{{"a": 1}}', {"a": 1}, ["unbalanced"]),
        ('{"a": .5, "b": +1}', {"a": 0.5, "b": 1}, ["other"]),
        ("{a: hello world}", {"a": "hello world"}, ["unquoted_key", "other"]),
        ('```json\n{"a": 1,}\n```', {"a": 1}, ["fence", "trailing_comma"]),
        ('{"a": "\\ud83d\\ude00",}', {"a": "\U0001f600"}, ["trailing_comma"]),
    ],
)
def test_syntax_is_mended_where_no_data_changes(text: str, value: Any, tags: list[str]) -> None:
    assert read(text) == ("repairable", value, tuple(tags))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('{"a": [1, 2', ["unbalanced"]),
        ('{"a": "hel', ["truncated"]),
        ('{"a": ', ["truncated"]),
        ('{"a": 1,', ["truncated"]),
        ('{"a": tr', ["truncated"]),
        ('{"a": [1, 2}}', ["unbalanced"]),
        ('{"a": 1}{"b": 2}', ["multiple_values"]),
        ('{"a": 1}\n{"a": 1}', ["multiple_values"]),
        ('{"a": 1}\n\n{"b":', ["multiple_values"]),
        ('{"a": NaN}', ["nan_inf"]),
        ('{"a": 1e999}', ["nan_inf"]),
        ('{"a": 1, "a": 2}', ["duplicate_key"]),
        ('{"a": "\\ud800"}', ["bad_escape"]),
        ('{"a": [1, 2, ...]}', ["other"]),
        ('{"a": [1 000]}', ["missing_comma"]),
        ('{"a"=>1}', ["other"]),
        ("I cannot do that.", ["no_json"]),
        ("I'm sorry, but [as an assistant] I can't.", ["no_json"]),
        ('Here: [{"a": 1}]', ["prose_around", "wrong_root"]),
        ("[" * 100_000, ["too_deep"]),
    ],
)
def test_what_would_be_guessing_is_unparseable(text: str, tags: list[str]) -> None:
    assert read(text) == ("unparseable", None, tuple(tags))


@pytest.mark.parametrize("text", ["", "  \n", "\u00a0", "\ufeff", b""])
def test_blank_is_nothing(text: str | bytes) -> None:
    assert read(text) == ("none", None, ("empty",))


def test_a_reply_that_only_thinks_is_nothing() -> None:
    assert read('<think>perhaps {"a": 1}') == ("none", None, ("reasoning_block", "empty"))


def test_a_part_of_a_broken_value_is_not_taken_for_the_value() -> None:
    parse, value, _ = read('{"x": <missing>, "y": {"a": 1}}')
    assert parse == "unparseable"
    assert value is None


def test_a_scalar_is_taken_only_when_it_is_the_whole_reply() -> None:
    number = frozenset({"number", "integer"})
    assert recover("42", roots=number).parse == "strict"
    assert recover("```\n42\n```", roots=number) == Recovered(
        parse="extractable", value=42, tags=("fence",), offset=0
    )
    assert recover("The answer is 42", roots=number).parse == "unparseable"
    assert recover("True", roots=frozenset({"boolean"})).value is True


def test_without_a_schema_objects_and_arrays_are_both_candidates() -> None:
    assert recover("So: [1, 2]").value == [1, 2]
    assert recover('[1] says {"a": 1}').tags == ("multiple_values",)


def test_the_offset_is_where_strict_parsing_stopped() -> None:
    assert recover('{"a": 1, b: 2}').offset == 9
    assert recover('  {"a": 1, "b": NaN}').offset == 16
    assert recover('{"a": 1}').offset is None


def test_bytes_that_are_no_text_are_unparseable() -> None:
    assert recover(b'{"a": "\xff"}') == Recovered(parse="unparseable", tags=("other",), offset=7)


def test_no_file_of_the_public_suite_makes_it_raise_and_all_good_ones_are_strict() -> None:
    for file in shared_data("json-test-suite").glob("*.json"):
        found = recover(file.read_bytes())
        assert set(found.tags) <= TAGS
        if file.name.startswith("y_") and "duplicated_key" not in file.name:
            assert found.parse == "strict", file.name


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *texts_in(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


@given(PIECES | st.text(max_size=60) | st.binary(max_size=60))
@example('{"a": 1 \'b\': "2"')
@example('{"a": \'')
def test_no_input_makes_it_raise_and_every_string_it_finds_stands_in_the_text(text: str | bytes) -> None:
    found = recover(text)
    assert set(found.tags) <= TAGS
    assert (found.parse == "strict") == (not found.tags and found.offset is None)
    if isinstance(text, str) and found.parse == "repairable" and "\\" not in text:
        for string in texts_in(found.value):
            assert all(word in text for word in string.split())


PLAIN = st.text(st.characters(exclude_characters="'\"", codec="utf-8"), max_size=8)
REPR = st.recursive(
    st.none() | st.booleans() | st.integers() | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(PLAIN, REPR, min_size=1, max_size=3))
def test_a_python_repr_is_read_back_whole(value: dict[str, Any]) -> None:
    assert read(repr(value))[:2] == ("repairable", value)


@given(st.dictionaries(st.text(max_size=6), VALUE, min_size=1, max_size=3), st.data())
def test_a_cut_document_is_never_closed(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = data.draw(st.integers(min_value=1, max_value=len(text) - 1))
    assert recover(text[:cut], roots=OBJECT).parse == "unparseable"


@pytest.mark.parametrize(
    "text",
    [
        "[]" * 5_000_000,
        "{" * 10_000_000,
        '{"k" ' * 200_000,
        '{"a":"' + 'x" ' * 300_000,
        "[a " * 300_000,
        '["/*' * 200_000,
        "<s>" * 300_000,
        "<think></think>" * 100_000,
        "```\n" * 500_000,
        '{"a":' + " " * 900_000 + "'",
        "{'a':'" + "\\'" * 400_000,
        '["a"' + ' "a"' * 200_000 + "]",
        '{"a": "' + '"a", b' * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_replies_cost_little(text: str) -> None:
    started = time.process_time()
    recover(text)
    assert time.process_time() - started < 60


def test_the_probe_refuses_what_json_repair_makes_up_or_drops() -> None:
    assert probe("{a: hello}") is not None
    assert probe('{"a": [1, 2, ...]}') is None
    assert probe('{"a" 1 2 3 : }') is None
    assert probe("") is None
    assert probe("{" + "x" * 200_000 + "}") is None


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('["it\'s", Infinity]', ("nan_inf",)),
        ('["a", NaN, 1]', ("nan_inf",)),
        ('[NaN, {"a": 1}]', ("nan_inf",)),
        ('["bac\\x41k"]', ("bad_escape",)),
        ('{"a": "x"\n"gr\\u00f6": 1}', ("missing_comma",)),
        ('{"a": "x\\u00', ("truncated",)),
        ('["a", +5]', ("other",)),
    ],
)
def test_a_fault_is_not_taken_for_another_that_stands_beside_it(text: str, tags: tuple[str, ...]) -> None:
    assert recover(text).tags == tags
