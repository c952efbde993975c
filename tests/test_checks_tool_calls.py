"""The check of tool calls, and what is measured of every call's arguments."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from check_subjects import evaluate, finding, rendering, turn

from pytest_agentbench.checks.tool_calls import PARAMETERS
from pytest_agentbench.errors import ScenarioError
from pytest_agentbench.sample import Finding, Turn


def call(name: str, **args: Any) -> tuple[str, str]:
    return name, json.dumps(args)


def expected(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args}


def judge(params: dict[str, Any], *calls: tuple[str, Any], content: str | None = None) -> Finding:
    jsonschema.validate(params, PARAMETERS)
    return finding("tool_calls", params, turn(content, *calls))


A, B, C = expected("f", x=1), expected("f", x=2), expected("g")
CALL_A, CALL_B, CALL_C = call("f", x=1), call("f", x=2), call("g")


@pytest.mark.parametrize(
    ("order", "calls", "tags"),
    [
        ("strict", [CALL_A, CALL_B, CALL_C], ()),
        ("strict", [CALL_B, CALL_A, CALL_C], ("wrong_order",)),
        ("strict", [CALL_A, CALL_B], ("missing_call", "wrong_count")),
        ("strict", [CALL_A, CALL_B, CALL_C, CALL_A], ("wrong_count", "extra_call")),
        ("any", [CALL_C, CALL_B, CALL_A], ()),
        ("any", [CALL_C, CALL_B, CALL_B], ("wrong_arguments",)),
        ("any", [CALL_C, CALL_B, CALL_A, CALL_A], ("wrong_count", "extra_call")),
        ("subset", [CALL_C, CALL_C, CALL_B, CALL_A, call("h")], ()),
        ("subset", [CALL_C, CALL_A], ("missing_call",)),
        ("any", [CALL_C, CALL_B, call("h")], ("wrong_tool",)),
    ],
)
def test_orders(order: str, calls: list[Any], tags: tuple[str, ...]) -> None:
    result = judge({"expect": [A, B, C], "order": order}, *calls)
    assert result.tags == tags
    assert result.status == ("failed" if tags else "passed")


def test_the_order_is_strict_when_nothing_is_said() -> None:
    assert judge({"expect": [A, B]}, CALL_B, CALL_A).tags == ("wrong_order",)


def test_calls_of_several_turns_are_judged_together() -> None:
    result = finding("tool_calls", {"expect": [A, C]}, turn(None, CALL_A), turn(None, CALL_C), turn("Done."))
    assert result.status == "passed"


def test_a_call_that_fits_two_expectations_goes_where_it_helps() -> None:
    # A greedy matcher gives call 1 to the first expectation and leaves call 2 without one.
    loose = {"name": "f", "args": {"x": {"$any": True}}}
    result = judge({"expect": [loose, A], "order": "any"}, CALL_A, CALL_B)
    assert result.status == "passed"
    assert [pair["call"] for pair in result.evidence["pairs"]] == [1, 0]


def test_the_evidence_pairs_every_expectation_with_its_call_and_says_what_differs() -> None:
    result = judge({"expect": [A, C], "order": "any"}, call("f", x=3, y=1))
    assert (
        result.message
        == "call 1 (f): x: expected 1, got 3; call 2 (g): g was not called; expected 2 calls, got 1"
    )
    assert result.evidence["pairs"] == [
        {"expected": 0, "name": "f", "call": 0, "matched": False, "why": ["x: expected 1, got 3", "y: not expected, is 1"]},
        {"expected": 1, "name": "g", "call": None, "matched": False, "why": ["g was not called"]},
    ]  # fmt: skip


def test_arguments_are_exact_unless_more_are_allowed() -> None:
    made = call("f", x=1, note="hi")
    assert judge({"expect": [A]}, made).tags == ("wrong_arguments",)
    assert judge({"expect": [A], "extra_args": "allow"}, made).status == "passed"
    assert judge({"expect": [{**A, "extra_args": "allow"}]}, made).status == "passed"
    assert judge({"expect": [{"name": "f"}]}, made).status == "passed"


def test_arguments_that_do_not_parse_match_nothing_that_names_arguments() -> None:
    assert judge({"expect": [A]}, ("f", "{'x': 1}")).tags == ("wrong_arguments",)
    assert judge({"expect": [A]}, ("f", {"x": 1})).tags == ("wrong_arguments",)


def test_a_pattern_stands_for_an_argument() -> None:
    params = {"expect": [expected("f", x={"$regex": "^R-"})]}
    assert judge(params, call("f", x="R-1")).status == "passed"
    assert judge(params, call("f", x="1")).message == """call 1 (f): x: expected a match of '^R-', got "1\""""


def test_no_call_may_come_where_none_is_expected() -> None:
    assert judge({"expect": []}).status == "passed"
    assert judge({"expect": []}, CALL_A).tags == ("wrong_count", "extra_call")


def test_forbidden_calls_are_found_by_name_and_by_arguments() -> None:
    assert judge({"forbidden": ["g"]}, CALL_A).status == "passed"
    assert judge({"forbidden": ["f"]}, CALL_A).tags == ("forbidden_call",)
    assert judge({"forbidden": [B]}, CALL_A).status == "passed"
    assert judge({"forbidden": [B]}, call("f", x=2, y=1)).message == "call 1 to f is forbidden"


@pytest.mark.parametrize(
    ("n", "passes"),
    [(2, True), (1, False), ({"min": 1}, True), ({"max": 1}, False), ({"min": 2, "max": 3}, True)],
)
def test_the_number_of_calls(n: Any, passes: bool) -> None:
    result = judge({"n": n}, CALL_A, CALL_B)
    assert (result.status == "passed") is passes
    assert result.tags == (() if passes else ("wrong_count",))


def test_a_call_written_into_the_answer_is_a_failure_of_its_own() -> None:
    params = {"expect": [expected("get_rate", **{"from": "EUR"})]}
    for text in (
        'get_rate(from="EUR")',
        '<tool_call>{"name": "get_rate", "arguments": {}}</tool_call>',
        '{"name": "get_rate", "parameters": {"from": "EUR"}}',
    ):
        assert judge(params, content=text).tags[:2] == ("no_call", "tool_call_in_content")
    assert "tool_call_in_content" not in judge(params, content="I would have to look up the rate.").tags


def test_a_count_that_is_no_number_is_the_scenarios_fault() -> None:
    with pytest.raises(ScenarioError, match="n must be a whole number"):
        judge({"n": "{{ n }}"}, CALL_A)


def outcomes(*turns: Turn, ended: str = "answer", checks: Any = ()) -> list[tuple[str, str, tuple[str, ...]]]:
    evaluation = evaluate(rendering(*checks), *turns, ended=ended)
    return [(outcome.level, outcome.parse, outcome.tags) for outcome in evaluation.arguments]


@pytest.mark.parametrize(
    ("name", "arguments", "outcome"),
    [
        ("get_rate", '{"from": "EUR"}', ("L0", "strict", ())),
        ("get_rate", '```json\n{"from": "EUR"}\n```', ("L1", "extractable", ("fence",))),
        ("get_rate", "{'from': 'EUR'}", ("L2", "repairable", ("single_quotes",))),
        ("get_rate", '{"from": 1}', ("L3", "strict", ("wrong_type",))),
        ("get_rate", '{"from": "EUR", "amount": "3"}', ("L3", "strict", ("string_for_number",))),
        ("get_rate", '"{\\"from\\": \\"EUR\\"}"', ("L3", "strict", ("stringified_object",))),
        ("get_rate", '{"from": "EU', ("L4", "unparseable", ("truncated", "arguments_unparseable"))),
        ("get_rate", "", ("L5", "none", ("empty", "arguments_unparseable"))),
        ("get_rate", {"from": "EUR"}, ("L4", "unparseable", ("arguments_not_string",))),
        ("get_rate", None, ("L4", "unparseable", ("arguments_not_string",))),
        ("get_rates", '{"from": "EUR"}', ("L3", "strict", ("unknown_tool",))),
    ],
)
def test_the_arguments_of_a_call_go_through_the_levels(name: str, arguments: Any, outcome: Any) -> None:
    assert outcomes(turn(None, (name, arguments))) == [outcome]


def test_every_call_has_an_outcome_in_order() -> None:
    good, bad = ("get_rate", '{"from": "EUR"}'), ("get_rate", "{}")
    levels = [level for level, _, _ in outcomes(turn(None, good, bad), turn(None, good))]
    assert levels == ["L0", "L3", "L0"]


def test_only_the_last_call_of_a_cut_reply_may_be_cut() -> None:
    half, whole = ("get_rate", '{"from": "EU'), ("get_rate", '{"from": "EUR"}')
    cut = outcomes(turn(None, half, half, truncated=True, results=False), ended="truncated")
    assert cut[1] == ("L4", "unparseable", ("truncated", "arguments_unparseable"))
    late = outcomes(turn(None, half, deadline=True, results=False), ended="deadline")
    assert late == [("L4", "unparseable", ("deadline", "arguments_unparseable"))]
    assert outcomes(turn(None, whole, truncated=True, results=False), ended="truncated")[0][0] == "L0"


def test_an_awaited_call_that_does_not_come_is_level_five() -> None:
    awaited = (("tool_calls", {"expect": [{"name": "get_rate"}]}),)
    assert outcomes(turn("Eleven."), checks=awaited) == [("L5", "none", ("no_call",))]
    assert outcomes(turn("get_rate('EUR')"), checks=awaited)[0][2] == ("no_call", "tool_call_in_content")
    assert outcomes(turn("Eleven.")) == []


def test_too_many_calls_are_tagged_and_keep_their_level() -> None:
    awaited = (("tool_calls", {"expect": [{"name": "get_rate"}]}),)
    good = ("get_rate", '{"from": "EUR"}')
    assert outcomes(turn(None, good, good), checks=awaited) == [
        ("L0", "strict", ()),
        ("L0", "strict", ("wrong_count",)),
    ]
