"""Mutants of tool calls: killed by a right scenario, told with place and advice in a lax one."""

from __future__ import annotations

from pathlib import Path

import pytest
from trials import surviving, told, tried

TOOLS = """\
tools:
  - name: rate
    parameters: {type: object, properties: {from: {type: string}, to: {type: string}}, required: [from, to]}
    returns: {value: {rate: 11.62}}
  - name: log
    parameters: {type: object, properties: {line: {type: string}}, required: [line]}
"""
CALLS = "[{name: rate, args: {from: EUR, to: NOK}}, {name: rate, args: {from: EUR, to: SEK}}]"
REFERENCE = (
    f"reference: [{{assistant: {{tool_calls: {CALLS}}}}}, "
    "{assistant: {tool_calls: [{name: log, args: {line: done}}]}}, {assistant: Good.}]\n"
)
EXPECT = f"expect: {CALLS[:-1]}, {{name: log, args: {{line: done}}}}]"
REST = "  text: {equals: Good.}\n"


def scenario(tool_calls: str, more: str = "") -> str:
    return TOOLS + f"answer:\n  tool_calls: {{{tool_calls}}}\n" + REST + more + REFERENCE


def test_a_right_scenario_notices_every_mutant(tmp_path: Path) -> None:
    trial = tried(scenario(EXPECT), tmp_path)
    assert surviving(trial) == []
    # Per call: left out, twice, another tool, broken; per argument: changed, dropped; the two arguments of
    # rate swapped, twice; two orders; the text: loop, empty, refusal, another word.
    assert trial.n_mutants == 3 * 4 + 5 * 2 + 2 + 2 + 4


def test_calls_that_nobody_expects_are_told_with_where_to_expect_them(tmp_path: Path) -> None:
    text = TOOLS + "answer:\n" + REST + REFERENCE
    trial = tried(text, tmp_path)
    assert {"calls.0.0.omit", "calls.1.0.tool", "calls.0.1.change:/to", "calls.0.0.drop:/from"} <= set(
        surviving(trial)
    )
    # Nothing is said of how many calls there may be and in which order.
    assert not any("repeat" in name or "swap:0" in name for name in surviving(trial))
    assert told(trial, "calls.0.0.change:/from") == (
        'tried.bench.yaml:10:1: calls.0.0.change:/from: call 0 of turn 0 (rate): /from is "EUS" and not '
        '"EUR", and no check noticed; add `tool_calls: {expect: [...]}` to answer'
    )


@pytest.mark.parametrize("order", ["any", "subset"])
def test_another_order_is_no_mutant_where_any_order_will_do(tmp_path: Path, order: str) -> None:
    trial = tried(scenario(f"order: {order}, {EXPECT}"), tmp_path)
    assert surviving(trial) == []
    assert trial.n_mutants == 30 - 2 - (3 if order == "subset" else 0)


def test_of_a_subset_the_other_calls_may_be_left_out(tmp_path: Path) -> None:
    assert surviving(tried(scenario(f"order: subset, expect: {CALLS}"), tmp_path)) == []


def test_arguments_of_which_nothing_is_said_may_change_but_not_break(tmp_path: Path) -> None:
    names = "expect: [{name: rate}, {name: rate}, {name: log}]"
    assert surviving(tried(scenario(names), tmp_path)) == []
    gates = "gates: {tool_argument_failure_rate: {max: 0.02}}\n"
    assert surviving(tried(scenario(names, gates), tmp_path)) == []


def test_an_argument_with_a_lax_pattern_survives_at_the_check(tmp_path: Path) -> None:
    lax = EXPECT.replace("line: done", 'line: {$regex: "."}')
    trial = tried(scenario(lax), tmp_path)
    assert surviving(trial) == ["calls.1.0.change:/line"]
    assert "tried.bench.yaml:11:3" in told(trial, "calls.1.0.change:/line")
    assert "expect the args of log in answer.tool_calls" in told(trial, "calls.1.0.change:/line")


def test_any_and_optional_arguments_are_free(tmp_path: Path) -> None:
    free = EXPECT.replace("line: done", "line: {$any: true}")
    assert surviving(tried(scenario(free), tmp_path)) == []
    optional = EXPECT.replace("line: done", "line: {$optional: done}")
    assert surviving(tried(scenario(optional), tmp_path)) == []


def test_a_check_that_only_counts_leaves_which_calls_came(tmp_path: Path) -> None:
    trial = tried(scenario("n: 3"), tmp_path)
    assert "calls.0.0.omit" not in surviving(trial)
    assert "calls.0.0.tool" in surviving(trial)


def test_equal_calls_that_change_places_are_no_mutant(tmp_path: Path) -> None:
    again = "[{name: rate, args: {from: EUR, to: NOK}}, {name: rate, args: {from: EUR, to: NOK}}]"
    text = scenario(f"expect: {again}").replace(REFERENCE, "")
    text += f"reference: [{{assistant: {{tool_calls: {again}}}}}, {{assistant: Good.}}]\n"
    assert surviving(tried(text, tmp_path)) == []
