"""Expected values and matchers, patterns in bounded time, and the assignment of calls."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loading import BASE, load, problems
from scipy.optimize import linear_sum_assignment

from pytest_agentbench import checks
from pytest_agentbench.checks.base import ParametersError
from pytest_agentbench.checks.matching.assignment import align, assign
from pytest_agentbench.checks.matching.patterns import found
from pytest_agentbench.checks.matching.schema import EXPECTED, MATCHER_ARGUMENTS
from pytest_agentbench.checks.matching.values import MATCHERS, mismatches
from pytest_agentbench.loader.structure import scenario_schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def differs(expected: Any, actual: Any, *, extra_keys: bool = False) -> list[str]:
    return mismatches(expected, actual, extra_keys=extra_keys)


@given(JSON)
def test_every_value_matches_itself(value: Any) -> None:
    assert differs(value, json.loads(json.dumps(value))) == []


@given(JSON, JSON)
def test_values_match_exactly_when_they_are_equal_as_json(one: Any, other: Any) -> None:
    equal = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (differs(one, other) == []) is equal


@pytest.mark.parametrize(
    ("expected", "actual", "message"),
    [
        (1, "1", 'expected 1, got "1"'),
        (1, True, "expected 1, got true"),
        (None, "", 'expected null, got ""'),
        ("EUR", "eur", 'expected "EUR", got "eur"'),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b: expected 1, got 2"),
        ({"a": 1}, {}, "a: expected 1, is missing"),
        ({"a": 1}, {"a": 1, "b": 2}, "b: not expected, is 2"),
        ([1, 2], [1], "expected 2 items, got 1"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b: expected 1, got 2"),
        ({"a": 1}, [1], "expected an object, got [1]"),
    ],
)
def test_a_difference_says_where_it_is_what_was_expected_and_what_came(
    expected: Any, actual: Any, message: str
) -> None:
    assert differs(expected, actual) == [message]


def test_numbers_are_equal_by_value() -> None:
    assert differs({"a": 1}, {"a": 1.0}) == []


def test_further_keys_are_allowed_where_the_caller_says_so_at_every_depth() -> None:
    assert differs({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}, extra_keys=True) == []


@pytest.mark.parametrize(
    ("matcher", "fits", "fails"),
    [
        ({"$any": True}, [None, 1, {"a": 1}], []),
        ({"$equals": {"$any": True}}, [{"$any": True}], [1]),
        ({"$regex": "^[A-Z]{3}$"}, ["EUR"], ["eur", 1, None]),
        ({"$fold": " Oslo"}, ["OSLO", "oslo "], ["Bergen", 1]),
        ({"$number": 3}, [3, 3.0], [4, "3", True]),
        ({"$number": {"value": 10, "tolerance": 0.5}}, [9.5, 10.5], [9.4, 10.6]),
        ({"$number": {"value": 200, "relative": 0.01}}, [198, 202], [197.9, 10**400]),
        ({"$schema": {"type": "array", "minItems": 1}}, [[1]], [[], {}]),
        ({"$one_of": [1, {"$fold": "one"}]}, [1, "ONE"], [2, "two"]),
        ({"a": {"$optional": 1}}, [{}, {"a": 1}], [{"a": 2}, {"b": 1}]),
        ({"$ref": "#/a"}, [{"$ref": "#/a"}], [1, {}]),
        ({"$gt": 5, "$any": True}, [{"$gt": 5, "$any": True}], [5]),
    ],
)
def test_a_matcher_stands_in_the_place_of_a_value(matcher: Any, fits: list[Any], fails: list[Any]) -> None:
    for value in fits:
        assert differs({"x": [matcher]}, {"x": [value]}) == []
    for value in fails:
        assert differs({"x": [matcher]}, {"x": [value]}) != []


@pytest.mark.parametrize(
    "matcher",
    [{"$regex": "("}, {"$regex": 1}, {"$fold": 2}, {"$number": "x"}, {"$number": {"value": 1, "tolerance": -1}}, {"$one_of": 3}],
)  # fmt: skip
def test_a_matcher_that_makes_no_sense_is_the_scenarios_fault(matcher: Any) -> None:
    with pytest.raises(ParametersError):
        differs(matcher, "text")


def test_the_scenario_file_and_the_check_take_the_same_expected_values() -> None:
    assert scenario_schema()["$defs"]["expected"] == EXPECTED


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"x": {"$regexp": "a"}}, "unknown key '$regexp' in {}.x, did you mean '$regex'?"),
        ([{"$number": {"value": 1, "tolerence": 2}}], "unknown key 'tolerence' in {}[0].$number, did you mean 'tolerance'?"),
        ({"x": {"$regex": "("}}, '{}.x.$regex must be a regular expression, got "(": missing ), unterminated subpattern at position 0'),
        ({"x": {"$one_of": 1}}, "{}.x.$one_of must be a list, got the number 1"),
        ({"x": {"$one_of": [{"$fold": 2}]}}, '{}.x.$one_of[0].$fold must be text, got the number 2, write "2" in quotes'),
        ({"x": {"$gt": 5}}, "unknown key '$gt' in {}.x, known: $any, $equals, $fold, $number, $one_of, $optional, $regex, $schema"),
    ],
)  # fmt: skip
def test_a_misspelt_matcher_is_found_when_the_scenario_is_loaded_and_never_blamed_on_the_model(
    expected: Any, message: str, tmp_path: Path
) -> None:
    text = json.dumps(expected)
    call = f"{{name: f, args: {{a: {text}}}}}"
    options: dict[str, Any] = {"check_parameters": checks.parameters, "check_names": checks.names}
    for addition, where in (
        (f"answer: {{json: {{expect: {{a: {text}}}}}}}\n", "answer.json.expect.a"),
        (
            f"tools: [{{name: f}}]\nanswer: {{tool_calls: {{expect: [{call}]}}}}\n",
            "answer.tool_calls.expect[0].args.a",
        ),
    ):
        (found,) = problems(BASE + addition, tmp_path, **options)
        assert found.split(": ", 1)[1] == message.format(where)


def test_values_that_look_like_matchers_are_written_with_equals(tmp_path: Path) -> None:
    expect = {"filter": {"$equals": {"$gt": 5}}, "two": {"$schema": "x", "a": 1}, "one": {"a": [{"b": {}}]}}
    load(BASE + f"answer: {{json: {{expect: {json.dumps(expect)}}}}}\n", tmp_path)


def test_every_matcher_is_in_the_table_of_the_documentation() -> None:
    from pytest_agentbench.checks.matching import values

    assert set(MATCHER_ARGUMENTS) == MATCHERS
    assert all(f"``{name}``" in (values.__doc__ or "") for name in MATCHERS)


COSTS = st.integers(1, 6).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(0, 20), min_size=columns, max_size=columns), min_size=1, max_size=6
    )
)


@given(COSTS)
def test_the_assignment_costs_as_little_as_scipys(costs: list[list[int]]) -> None:
    chosen = assign(costs)
    columns = [column for column in chosen if column is not None]
    assert len(set(columns)) == len(columns) == min(len(costs), len(costs[0]))
    rows, best = linear_sum_assignment(costs)
    total = sum(costs[row][column] for row, column in enumerate(chosen) if column is not None)
    assert total == sum(costs[row][column] for row, column in zip(rows, best, strict=True))


def test_nothing_is_assigned_to_nothing() -> None:
    assert assign([]) == []
    assert assign([[], []]) == [None, None]


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1, max_size=5)
    )
)
def test_the_alignment_is_the_longest_that_rises(matches: list[list[bool]]) -> None:
    chosen = align(matches)
    pairs = [(row, column) for row, column in enumerate(chosen) if column is not None]
    assert all(matches[row][column] for row, column in pairs)
    assert [column for _, column in pairs] == sorted({column for _, column in pairs})
    cells = [(row, column) for row, line in enumerate(matches) for column, hit in enumerate(line) if hit]
    longest = max(
        size
        for size in range(len(matches) + 1)
        if size == 0
        or any(
            all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(chain))
            for chain in itertools.combinations(cells, size)
        )
    )
    assert len(pairs) == longest


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("k.x", "11 krones", False),
        ("kr.n", "11 krones", True),
        (r"(a+)+$", "aaa", True),
        (r"(\d+)-\1", "12-12", True),
    ],
)
def test_patterns_are_searched_anywhere(pattern: str, text: str, expected: bool) -> None:
    assert found(pattern, text) is expected
    assert (
        found(pattern.upper() if expected and "\\" not in pattern else pattern, text, ignore_case=True)
        is expected
    )


def test_a_pattern_that_explodes_is_stopped_and_named() -> None:
    started = time.monotonic()
    with pytest.raises(ParametersError, match="took longer than 2 s"):
        found(r"^(a+)+$", "a" * 40 + "!")
    assert time.monotonic() - started < 20


def test_a_pattern_of_many_repeats_on_a_long_reply_runs_apart_and_answers() -> None:
    assert found(r"first.*second.*third", "first " + "x" * 50_000 + " second third")
    assert found(r"\w+!$", "word " * 30_000 + "end!")
