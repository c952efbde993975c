"""The text check: equal, contains, patterns, numbers."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from check_subjects import finding, turn

from pytest_agentbench.checks.text import PARAMETERS, numbers_in
from pytest_agentbench.errors import ScenarioError


@pytest.mark.parametrize(
    ("params", "answer", "passes"),
    [
        ({"equals": "yes"}, " yes\n", True),
        ({"equals": "yes"}, "Yes", False),
        ({"equals": "yes", "ignore_case": True}, "YES", True),
        ({"equals": ["yes", "y"]}, "y", True),
        ({"equals": 42}, "42", True),
        ({"contains": "23"}, "It has 23 degrees", True),
        ({"contains": 11.62}, "It is 11.62 NOK", True),
        ({"contains": ["a", "z"]}, "abc", False),
        ({"contains_any": ["x", "b"]}, "abc", True),
        ({"contains_any": ["x", "y"]}, "abc", False),
        ({"not_contains": "sorry"}, "Sorry", True),
        ({"not_contains": "sorry", "ignore_case": True}, "Sorry", False),
        ({"contains": "\u00e9"}, "caf\u0065\u0301", True),
        ({"contains": "STRASSE", "ignore_case": True}, "Hauptstraße", True),
        ({"regex": r"\b\d{2}:\d{2}\b"}, "at 17:05.", True),
        ({"regex": [r"\d", "x"]}, "1", False),
        ({"not_regex": r"\d"}, "1", False),
        ({"number": 9}, "3 x 3 = 9", True),
        ({"number": 9}, "9 is 3 x 3", False),
        ({"number": {"value": 9, "which": "first"}}, "9 is 3 x 3", True),
        ({"number": {"value": 3, "which": "any"}}, "9 is 3 x 5", True),
        ({"number": {"value": 1234.5, "tolerance": 0.5}}, "about 1,235 euro", True),
        ({"number": {"value": 1000, "relative": 0.01}}, "1011", False),
        ({"number": {"value": -5}}, "it is \u22125 outside", True),
        ({"number": 1}, "no number", False),
        ({"contains": "x", "number": 2}, "x 2", True),
        ({"contains": "x"}, None, False),
    ],
)
def test_each_condition(params: dict[str, Any], answer: str | None, passes: bool) -> None:
    jsonschema.validate(params, PARAMETERS)
    assert finding("text", params, turn(answer)).status == ("passed" if passes else "failed")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,234,567.5 and 2", [1234567.5, 2]),
        ("1'000 or 2\u202f000", [1000, 2000]),
        ("1, 2, 3", [1, 2, 3]),
        ("-3.5e2 .5", [-350, 0.5]),
        ("v1.2.3 x4", []),
        ("(7) $8 9%", [7, 8, 9]),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, numbers: list[float]) -> None:
    assert numbers_in(text) == numbers


def test_a_failure_says_what_was_expected_and_what_came_and_tags_each_condition() -> None:
    result = finding("text", {"contains": "17", "regex": "z"}, turn("It is 18."))
    assert result.message == "'17' is not in 'It is 18.'"
    assert result.tags == ("text_contains", "text_regex")
    assert result.evidence == {"failures": ["'17' is not in 'It is 18.'", "'z' is not found in 'It is 18.'"]}


@pytest.mark.parametrize("params", [{"contains": None}, {"number": {"value": "many"}}, {"regex": "("}])
def test_rendered_parameters_that_make_no_sense_name_the_place_in_the_file(params: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError, match=r"x\.bench\.yaml:3:5: check 'text': "):
        finding("text", params, turn("1"))


@pytest.mark.parametrize("params", [{}, {"contain": "x"}, {"number": {"tolerance": 1}}, {"contains": []}])
def test_wrong_parameters_are_refused_by_the_schema(params: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(params, PARAMETERS)


def test_a_template_may_stand_for_a_number() -> None:
    jsonschema.validate({"number": {"value": "{{ total }}", "tolerance": "{{ off }}"}}, PARAMETERS)
