"""Everything that is found in one sample together, and when the sample passes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any, ClassVar

import pytest
from check_subjects import HERE, evaluate, here, rendering, turn

from pytest_agentbench import checks
from pytest_agentbench.sample import Finding, JsonOutcome, Turn
from pytest_agentbench.scenario import JsonAnswer
from pytest_agentbench.wire import from_wire, to_wire

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ASKED = JsonAnswer(schema=SCHEMA)
GIRL = "She loved to play with her friends and loved to play with her toys. "


def outcome(asked: JsonAnswer, *turns: Any, ended: str = "answer") -> JsonOutcome:
    found = evaluate(rendering(json=asked), *turns, ended=ended).json
    assert found is not None
    return found


def test_a_valid_answer_passes() -> None:
    evaluation = evaluate(rendering(json=ASKED), turn('{"a": 1}'))
    assert evaluation.passed
    assert evaluation.json is not None
    assert (evaluation.json.level, evaluation.json.value) == ("L0", {"a": 1})
    assert (evaluation.arguments, evaluation.loop, evaluation.findings) == ((), None, ())


def test_without_json_asked_nothing_is_measured_of_it() -> None:
    evaluation = evaluate(rendering(), turn("hello"))
    assert evaluation.json is None
    assert evaluation.passed


def test_only_the_final_answer_is_measured() -> None:
    assert outcome(ASKED, turn("Let me look.", ("get_rate", "{}")), turn('{"a": 1}')).level == "L0"


@pytest.mark.parametrize(
    ("last", "ended", "level", "tags"),
    [
        (turn('{"a": 1}', truncated=True), "truncated", "L4", ("truncated",)),
        (turn('{"a": 1', truncated=True), "answer", "L4", ("truncated",)),
        (turn('{"a": 1', deadline=True), "deadline", "L4", ("deadline",)),
        (turn(None), "answer", "L5", ("empty",)),
        (turn("  \n "), "answer", "L5", ("empty",)),
        (turn(None, refusal="I will not."), "answer", "L5", ("refusal",)),
        (turn('{"a": 1}', finish_reason="content_filter"), "answer", "L5", ("refusal",)),
        (turn("I cannot."), "answer", "L4", ("no_json",)),
        (turn(None, ("get_rate", "{}")), "max_turns", "L4", ("truncated",)),
        (turn('{"a": 1}', ("get_rate", "{}")), "max_turns", "L4", ("truncated",)),
    ],
)
def test_cut_refused_and_blank_answers(last: Any, ended: str, level: str, tags: tuple[str, ...]) -> None:
    found = outcome(ASKED, last, ended=ended)
    assert (found.level, found.tags) == (level, tags)
    assert not found.contract_holds


def test_accept_says_what_the_teams_parser_takes() -> None:
    fenced = turn('```json\n{"a": 1}\n```')
    assert not outcome(ASKED, fenced).contract_holds
    assert outcome(JsonAnswer(schema=SCHEMA, accept="extractable"), fenced).contract_holds


def test_the_expected_values_are_a_finding_of_their_own() -> None:
    asked = JsonAnswer(schema=SCHEMA, expect={"a": 1, "b": [1]}, has_expect=True)
    right = evaluate(rendering(json=asked), turn('{"a": 1, "b": [1], "c": 0}'))
    assert right.passed
    wrong = evaluate(rendering(json=asked), turn('{"a": 1, "b": [1, 2]}'))
    assert not wrong.passed
    assert wrong.json is not None
    assert wrong.json.contract_holds
    (found,) = wrong.findings
    assert (found.check, found.status, found.message) == (
        "json_expect",
        "failed",
        "b: expected 1 items, got 2",
    )
    nothing = evaluate(rendering(json=asked), turn("no"))
    assert nothing.findings[0].status == "not_applicable"


def test_matchers_may_stand_among_the_expected_values() -> None:
    asked = JsonAnswer(expect={"id": {"$regex": "^R-[0-9]+$"}}, has_expect=True)
    assert evaluate(rendering(json=asked), turn('{"id": "R-12"}')).passed
    assert not evaluate(rendering(json=asked), turn('{"id": "12"}')).passed


def test_null_may_be_expected() -> None:
    asked = JsonAnswer(expect=None, has_expect=True)
    assert evaluate(rendering(json=asked), turn("null")).passed
    assert not evaluate(rendering(json=asked), turn("0")).passed


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (turn(GIRL * 10), "answer"),
        (turn("ok", reasoning=GIRL * 10), "reasoning"),
        (turn(None, ("get_rate", json.dumps({"from": GIRL * 20}))), "arguments"),
        (turn(GIRL * 10, deadline=True), "answer"),
    ],
)
def test_loops_are_searched_in_answers_reasoning_and_arguments(said: Any, where: str) -> None:
    evaluation = evaluate(rendering(), said)
    assert evaluation.loop is not None
    assert evaluation.loop.where == where
    assert not evaluation.passed


def test_a_loop_in_an_earlier_turn_counts() -> None:
    evaluation = evaluate(rendering(), turn(GIRL * 10, ("get_rate", '{"from": "EUR"}')), turn("Fine."))
    assert evaluation.loop is not None


def test_inside_a_json_answer_it_takes_more_to_be_a_loop() -> None:
    answer = '{"a": 1, "b": "' + GIRL * 8 + '"}'
    assert evaluate(rendering(json=ASKED), turn(answer)).loop is None
    assert evaluate(rendering(json=ASKED), turn(GIRL * 8)).loop is not None


def test_a_loop_of_calls_ended_by_a_limit_is_unterminated() -> None:
    same = turn(None, ("get_rate", '{"from": "EUR"}'))
    loop = evaluate(rendering(), same, same, same, ended="max_turns").loop
    assert loop is not None
    assert (loop.kind, loop.where, loop.unterminated) == ("same_result", "agent", True)


def test_truncation_alone_fails_no_sample_without_a_contract() -> None:
    assert evaluate(rendering(), turn("Once upon a time", truncated=True), ended="truncated").passed


@pytest.mark.parametrize(
    ("ended", "last"),
    [("deadline", turn("Once upon a time", deadline=True)), ("max_turns", turn(None, ("get_rate", "{}")))],
)
def test_a_sample_whose_time_or_turns_ran_out_has_not_passed_and_says_so(ended: str, last: Turn) -> None:
    evaluation = evaluate(rendering(("text", {"not_contains": "never"})), last, ended=ended)
    assert not evaluation.passed
    limit, text = evaluation.findings
    assert (limit.check, limit.status, limit.tags, text.status) == ("limit", "failed", (ended,), "passed")
    assert f"agent.max_{'seconds' if ended == 'deadline' else 'turns'}" in limit.message


def test_one_failed_check_fails_the_sample_and_all_are_reported() -> None:
    asked = rendering(("text", {"contains": "x"}), ("text", {"contains": "y"}))
    evaluation = evaluate(asked, turn("y"))
    assert [found.status for found in evaluation.findings] == ["failed", "passed"]
    assert not evaluation.passed


def test_a_check_that_does_not_apply_fails_nothing() -> None:
    class Silent:
        NAME = "silent-in-tests"
        PARAMETERS: ClassVar[dict[str, Any]] = {}

        async def check(self, params: Any, subject: checks.Subject) -> Finding:
            return Finding(check=self.NAME, status="not_applicable", message=f"{params} {subject.text}")

    silent = Silent()
    checks.register(silent)
    checks.register(silent)
    evaluation = evaluate(rendering(("silent-in-tests", 1)), turn("t"))
    assert evaluation.passed
    assert evaluation.findings[0].message == "1 t"
    assert "silent-in-tests" in checks.names()
    assert checks.parameters("silent-in-tests") == {}
    with pytest.raises(ValueError, match="is there already"):
        checks.register(Silent())
    with pytest.raises(ValueError, match="is no check"):
        checks.register(object())  # type: ignore[arg-type]


def test_checks_are_found_by_the_names_of_their_files() -> None:
    assert {"code", "text", "tool_calls"} <= set(checks.names())
    assert checks.parameters("text") is not None
    assert checks.parameters("base") is None
    assert checks.parameters("matching") is None
    with pytest.raises(KeyError, match="no check 'txt'; there are code, "):
        checks.get("txt")
    for name in ("code", "text", "tool_calls"):
        assert isinstance(checks.get(name), checks.Check)
        assert name == checks.get(name).NAME


def test_what_is_found_travels_over_the_wire() -> None:
    asked = JsonAnswer(schema=SCHEMA, expect={"a": 2}, has_expect=True)
    evaluation = evaluate(
        rendering(("tool_calls", {"expect": [{"name": "get_rate"}]}), json=asked),
        turn("So: {'a': '1'}", ("get_rate", "{}")),
    )
    wired = json.loads(json.dumps(to_wire(evaluation)))
    assert from_wire(checks.Evaluation, wired) == evaluation


def test_without_json_neither_jsonschema_nor_json_repair_is_imported() -> None:
    program = (
        "import asyncio, sys; sys.path.insert(0, 'tests')\n"
        "from check_subjects import evaluate, rendering, turn\n"
        "evaluate(rendering(('text', {'contains': 'a'}), ('tool_calls', {'n': 0})), turn('a b c ' * 30))\n"
        "print(sorted({'jsonschema', 'json_repair', 'openai', 'docker', 'pytest', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_validator_is_built_once_and_not_per_sample() -> None:
    asked = rendering(json=ASKED)
    answer = turn(json.dumps({"a": 1, "rest": {f"key{n}": f"value {n}" for n in range(30)}}))

    async def many() -> float:
        await checks.evaluate(asked, (answer,), "answer", here)
        started = time.process_time()
        for _ in range(200):
            await checks.evaluate(asked, (answer,), "answer", here)
        return (time.process_time() - started) / 200

    # Half a millisecond on an idle machine; the bound is for a mistake of another order.
    assert asyncio.run(many()) < 0.2


def test_the_place_of_a_check_is_kept() -> None:
    assert rendering(("text", {})).checks[0].location == HERE
