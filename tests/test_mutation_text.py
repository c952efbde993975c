"""Mutants of texts: killed by a right scenario, told with place and advice in a lax one."""

from __future__ import annotations

from pathlib import Path

import pytest
from trials import surviving, told, tried

from pytest_agentbench.mutation.of_text import Fragment, fragments


def scenario(check: str, reference: str = "It is 23 degrees.", more: str = "") -> str:
    return f"answer:\n  text: {check}\n{more}reference: [{{assistant: '{reference}'}}]\n"


def test_a_number_that_is_compared_as_a_number_leaves_no_survivor(tmp_path: Path) -> None:
    trial = tried(scenario("{number: 23}"), tmp_path)
    assert surviving(trial) == []
    assert trial.n_mutants == 5  # loop, empty, refusal, 24, 123


def test_a_number_that_is_searched_as_text_is_found_in_a_longer_one(tmp_path: Path) -> None:
    trial = tried(scenario('{contains: "23"}'), tmp_path)
    assert told(trial, "text.grow:23") == (
        "tried.bench.yaml:5:3: text.grow:23: the answer says '123' and not '23', and no check noticed; "
        "make the check text stricter, e.g. `text: {number: 23}`, which `contains` is not"
    )
    assert surviving(trial) == ["text.grow:23"]


def test_a_check_that_takes_any_text_is_told(tmp_path: Path) -> None:
    trial = tried(scenario("{not_contains: rain}"), tmp_path)
    assert surviving(trial) == ["text.change:23", "text.empty", "text.grow:23", "text.refusal"]
    assert 'e.g. `text: {contains: "23"}`' in told(trial, "text.change:23")


def test_without_any_check_the_place_is_the_scenario(tmp_path: Path) -> None:
    trial = tried("gates: {pass_rate: {min: 0.9}}\nreference: [{assistant: Paris}]\n", tmp_path)
    assert surviving(trial) == ["text.change:Paris", "text.empty", "text.refusal"]
    assert told(trial, "text.empty").startswith("tried.bench.yaml:2:5: ")
    assert "add a check to answer" in told(trial, "text.empty")


def test_where_only_loops_are_asked_the_only_mutant_is_a_loop(tmp_path: Path) -> None:
    trial = tried("gates: {loop_rate: {max: 0.02}}\nreference: [{assistant: A day. Another.}]\n", tmp_path)
    assert (surviving(trial), trial.n_mutants) == ([], 1)


def test_values_of_the_row_are_named_by_their_column(tmp_path: Path) -> None:
    data = "data: {rows: 2, values: {who: {choice: [Ana, Bo]}}}\n"
    trial = tried(scenario("{contains: Dear}", "Dear {{ who }}!", data), tmp_path)
    assert surviving(trial) == ["text.change:who"]
    assert '`text: {contains: "{{ who }}"}`' in told(trial, "text.change:who")
    assert "(row 0)" in told(trial, "text.change:who")


@pytest.mark.parametrize(
    ("text", "row", "results", "found"),
    [
        ("At 13:15 sharp.", {"at": "13:15"}, [], [("at", "13:15")]),
        ("At 13:15, 2 more.", {}, [], [("13:15", "13:15"), ("2", "2")]),
        ("Refund F-R-12 of 7.50.", {"order": "R-12"}, [], [("order", "R-12"), ("7.50", "7.50")]),
        ("Warm in Warsaw.", {}, [{"city": "Warsaw"}], [("Warsaw", "Warsaw")]),
        ("Annabel came.", {"who": "Anna"}, [], []),
        ("Paris.", {}, [], [("Paris", "Paris")]),
        ("It is -3.", {}, [], [("-3", "-3")]),
        ("No data here.", {"flag": True, "one": "H"}, [], []),
    ],
)
def test_what_looks_like_data_in_a_text(
    text: str, row: dict[str, object], results: list[object], found: list[tuple[str, str]]
) -> None:
    assert fragments(text, row, results) == [Fragment(name=name, text=said) for name, said in found]
