"""RFC 8259 exactly, against the public suite of parsing cases."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requirements import shared_data

from pytest_agentbench.parsing.strict import MAX_DEPTH, JsonSyntaxError, parse_prefix, parse_strict

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def tag_of(text: str | bytes) -> str:
    with pytest.raises(JsonSyntaxError) as refused:
        parse_strict(text)
    return refused.value.tag


def test_every_file_of_the_public_suite_is_classified_as_its_name_demands() -> None:
    files = sorted(shared_data("json-test-suite").glob("*.json"))
    assert len(files) == 318
    wrong = []
    for file in files:
        try:
            parse_strict(file.read_bytes(), duplicate_keys=True)
            parses = True
        except JsonSyntaxError:
            parses = False
        if (file.name.startswith("y_") and not parses) or (file.name.startswith("n_") and parses):
            wrong.append(file.name)
    assert wrong == []


@given(JSON)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse_strict(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.text() | st.binary())
def test_anything_else_raises_nothing_but_our_error(text: str | bytes) -> None:
    try:
        parse_strict(text)
        offset = None
    except JsonSyntaxError as error:
        offset = error.offset
    assert offset is None or 0 <= offset <= len(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", '{"a": 1e999}', "-1e999"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    assert tag_of(text) == "nan_inf"


@pytest.mark.parametrize("text", ['"\\ud800"', '["\\udc00"]', '{"\\ud83d": 1}', '"\\ud83d\\u0041"'])
def test_lone_surrogates_in_escapes_are_refused(text: str) -> None:
    assert tag_of(text) == "bad_escape"


def test_a_surrogate_pair_is_one_character_and_an_escaped_backslash_is_no_escape() -> None:
    assert parse_strict('["\\ud83d\\ude00", "\\\\ud800"]') == ["\U0001f600", "\\ud800"]


def test_a_raw_lone_surrogate_is_refused() -> None:
    assert tag_of('"\ud800"') == "other"


def test_duplicate_keys_are_refused_at_any_depth_and_allowed_on_request() -> None:
    text = '[{"a": {"b": 1, "b": 1}}]'
    assert tag_of(text) == "duplicate_key"
    assert parse_strict(text, duplicate_keys=True) == [{"a": {"b": 1}}]


def test_a_byte_order_mark_is_refused_in_text_and_in_bytes() -> None:
    assert tag_of("\ufeff{}") == "bom"
    assert tag_of(b"\xef\xbb\xbf{}") == "bom"


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert tag_of(b'"\xff"') == "other"


@pytest.mark.parametrize("text", ["", " \n\t ", b""])
def test_nothing_is_refused_as_empty(text: str | bytes) -> None:
    assert tag_of(text) == "empty"


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\v", "\f"])
def test_white_space_that_json_does_not_know_is_refused(space: str) -> None:
    assert tag_of(f"{{}}{space}") == "other"


@pytest.mark.parametrize(
    ("text", "tag", "offset"),
    [
        ('{"a": 1,}', "trailing_comma", None),
        ("[1,]", "trailing_comma", None),
        ("{'a': 1}", "single_quotes", 1),
        ("{a: 1}", "unquoted_key", 1),
        ('{"a": True}', "python_literal", 6),
        ("{\u201ca\u201d: 1}", "smart_quotes", 1),
        ('{"a": "x\ny"}', "control_char", 8),
        ('{"a": "\\d"}', "bad_escape", None),
        ('{"a": 1 "b": 2}', "missing_comma", 8),
        ('{"a": [1', "truncated", 8),
        ('{"a": 1 // one\n}', "comment", 8),
    ],
)
def test_the_error_names_what_it_stopped_at(text: str, tag: str, offset: int | None) -> None:
    with pytest.raises(JsonSyntaxError) as refused:
        parse_strict(text)
    assert refused.value.tag == tag
    if offset is not None:
        assert refused.value.offset == offset


def test_the_limit_of_nesting_is_the_same_however_deep_the_caller_stands() -> None:
    fits = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_strict(fits) is not None
    assert tag_of(f"[{fits}]") == "too_deep"
    assert tag_of('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1)) == "too_deep"

    def deep(n: int) -> Any:
        return deep(n - 1) if n else parse_strict(fits)

    assert deep(500) is not None


def test_brackets_inside_strings_are_no_nesting() -> None:
    text = json.dumps(["[{" * 1_000 + '"', "\\" + "[" * 1_000])
    assert parse_strict(text) == json.loads(text)


def test_an_integer_of_too_many_digits_is_refused_not_a_crash() -> None:
    assert tag_of("1" * 5_000) == "other"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 10_000_000,
        "[" + "[]," * 3_300_000 + "[]]",
        '["' + "x" * 10_000_000 + '"]',
        '["' + '\\"' * 5_000_000,
        '["' + '\\"' * 1_000_000 + '"' + "[" * 1_000,
    ],
    ids=[
        "100k brackets",
        "100k objects",
        "10M brackets",
        "10 MB of pairs",
        "10 MB string",
        "open string",
        "mixed",
    ],
)
def test_hostile_replies_take_linear_time(text: str) -> None:
    started = time.process_time()
    try:
        parse_strict(text)
        tag = ""
    except JsonSyntaxError as error:
        tag = error.tag
    assert tag in {"", "too_deep", "truncated", "other", "missing_comma"}
    # 0.7 s on a quiet machine; what is quadratic takes hours. No test fails for a slow machine.
    assert time.process_time() - started < 60


def test_a_value_is_read_from_the_middle_of_a_text() -> None:
    assert parse_prefix('see {"a": 1} there', 4) == ({"a": 1}, 12)


def test_threads_do_not_disturb_one_another() -> None:
    wrong: list[int] = []

    def read(number: int) -> None:
        value = {"key": number, "list": [number] * 20}
        text = json.dumps(value)
        wrong.extend(number for _ in range(300) if parse_strict(text) != value)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
