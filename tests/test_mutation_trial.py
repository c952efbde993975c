"""A reference that fails is told with the check that fails; explained survivors do not count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trials import surviving, tried

from pytest_agentbench.mutation.trial import MAX_MUTANTS, MAX_ROWS, spread

TOOL = """\
tools: [{name: look, parameters: {type: object, properties: {n: {type: integer}}, required: [n]}}]
answer: {text: {equals: done}}
"""


def failures(text: str, root: Path) -> list[str]:
    return [str(problem) for problem in tried(text, root).failures]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "answer: {text: {contains: Oslo}}\nreference: [{assistant: Bergen}]\n",
            "4:10: the reference fails (variant base): check text: 'Oslo' is not in 'Bergen'",
        ),
        (
            "answer: {text: {contains: Oslo}}\nchecks: [{text: {contains: Rome}}]\nreference: [{assistant: Oslo}]\n",
            "5:11: the reference fails (variant base): check text: 'Rome' is not in 'Oslo'",
        ),
        (
            "answer: {json: {expect: {a: 1}}}\nreference: [{assistant: '{\"a\": 2}'}]\n",
            "4:17: the reference fails (variant base): json_expect: a: expected 1, got 2",
        ),
        (
            "answer: {json: {accept: strict}}\nreference: [{assistant: no}]\n",
            "4:10: the reference fails (variant base): the answer is unparseable (no_json)",
        ),
        (
            TOOL
            + "reference: [{assistant: {tool_calls: [{name: look, args: {n: x}}]}}, {assistant: done}]\n",
            "6:1: the reference fails (variant base): the arguments of its call 0 do not fit the tool: ",
        ),
        (
            TOOL + "reference: [{assistant: {tool_calls: [{name: look, args: {n: 1}}]}}]\n",
            "6:1: the reference fails (variant base): it has 1 turns, and the agent asks for another",
        ),
        (
            TOOL + "reference: [{assistant: done}, {assistant: done}]\n",
            "6:1: the reference fails (variant base): the agent is done after 1 of its 2 turns",
        ),
        (
            "gates: {loop_rate: {max: 0.1}}\nreference: [{assistant: '" + "again and " * 40 + "'}]\n",
            "5:1: the reference fails (variant base): it has a loop (exact)",
        ),
    ],
)
def test_a_reference_that_fails_is_told_with_place_and_reason(tmp_path: Path, text: str, line: str) -> None:
    (told,) = failures(text, tmp_path)
    assert told.startswith(f"tried.bench.yaml:{line}")


def test_a_reference_that_fails_in_some_rows_names_the_first(tmp_path: Path) -> None:
    text = (
        "data: {rows: 5, values: {n: {int: [1, 9]}}}\nanswer: {text: {number: 0}}\n"
        'reference: [{assistant: "{{ n }}"}]\n'
    )
    (told,) = failures(text, tmp_path)
    assert "(variant base, row 0)" in told
    assert told.endswith("(and 4 more)")


def test_the_reference_is_played_in_every_wording(tmp_path: Path) -> None:
    text = (
        "variants: [{class: paraphrase, user: Go., id: short}]\nanswer: {text: {equals: hi}}\n"
        "data: {rows: 4, values: {n: {int: [1, 9]}}}\nreference: [{assistant: hi}]\n"
    )
    assert tried(text, tmp_path).n_played == 5


def test_follow_ups_and_examples_in_the_prompt_do_not_shift_the_turns(tmp_path: Path) -> None:
    text = "answer: {text: {equals: two}}\nreference: [{assistant: one}, {assistant: two}]\n"
    prompt = "messages: [{user: a}, {assistant: b}, {user: c}], then: [d]"
    trial = tried(text, tmp_path, prompt=prompt)
    assert surviving(trial) == []


def test_explained_survivors_do_not_count_and_stale_explanations_are_told(tmp_path: Path) -> None:
    text = (
        "answer: {text: {not_contains: x}}\nreference: [{assistant: No data here.}]\n"
        "equivalent_mutants:\n  - {mutant: 'text.*', why: all is well}\n  - {mutant: 'calls.*', why: old}\n"
    )
    trial = tried(text, tmp_path)
    assert (surviving(trial), trial.n_explained) == ([], 2)
    assert [str(warning) for warning in trial.warnings] == [
        "tried.bench.yaml:8:14: no surviving mutant is called 'calls.*': remove this explanation"
    ]


def test_of_many_rows_some_are_played_and_that_is_said(tmp_path: Path) -> None:
    text = (
        f"data: {{rows: {MAX_ROWS + 50}, values: {{n: {{int: [1, 9]}}}}}}\ngates: {{loop_rate: {{max: 0.1}}}}\n"
        "reference: [{assistant: hi}]\n"
    )
    trial = tried(text, tmp_path)
    assert trial.n_played == MAX_ROWS
    assert f"the reference was played in {MAX_ROWS} of {MAX_ROWS + 50} rows" in str(trial.warnings[0])


def test_rows_are_evenly_spread() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(101, 3) == [0, 50, 100]
    assert spread(10, 10) == list(range(10))


def test_of_very_many_mutants_some_are_played_and_that_is_said(tmp_path: Path) -> None:
    answer = json.dumps(list(range(MAX_MUTANTS)))
    trial = tried(
        f"answer: {{json: {{expect: {answer}}}}}\nreference: [{{assistant: '{answer}'}}]\n", tmp_path
    )
    assert (surviving(trial), trial.n_mutants) == ([], MAX_MUTANTS)
    assert f"{MAX_MUTANTS} of " in str(trial.warnings[0])


def test_a_text_that_is_one_expression_is_played_as_text(tmp_path: Path) -> None:
    text = (
        "data: {rows: 2, values: {n: {int: [10, 99]}}}\nanswer: {text: {number: '{{ n }}'}}\n"
        "reference: [{assistant: '{{ n }}'}]\n"
    )
    assert surviving(tried(text, tmp_path)) == []
