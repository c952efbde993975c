"""Mutants of code: killed by right tests, told by lax ones."""

from __future__ import annotations

from pathlib import Path

from trials import loaded, run_plainly, surviving, told, tried, try_one

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionRequest

REFERENCE = """\
reference:
  - assistant: |-
      ```python
      def spend(have, price):
          if have < price:
              return 0
          return have - price
      ```
"""


def scenario(tests: str, more: str = "") -> str:
    return f"answer:\n  code: {{language: python, tests: {tests!r}}}\n{more}{REFERENCE}"


def test_right_tests_notice_every_mutant(tmp_path: Path) -> None:
    trial = tried(scenario("assert spend(5, 3) == 2 and spend(1, 9) == 0"), tmp_path)
    assert surviving(trial) == []
    # loop, delete, syntax, none; the operators < and -; the constant 0
    assert trial.n_mutants == 7


def test_lax_tests_are_told_with_the_line_that_they_leave_open(tmp_path: Path) -> None:
    trial = tried(scenario("assert spend(5, 3) == 2"), tmp_path)
    assert surviving(trial) == ["code.constant:3.16"]
    assert told(trial, "code.constant:3.16") == (
        "tried.bench.yaml:5:3: code.constant:3.16: `0` is `1` in line 3, and no check noticed; "
        "add a test to `tests` that fails with it"
    )


def test_tests_that_call_nothing_let_everything_pass_that_is_python(tmp_path: Path) -> None:
    trial = tried(scenario("assert spend"), tmp_path)
    assert surviving(trial) == [
        "code.constant:3.16", "code.none", "code.operator:2.8", "code.operator:4.12",
    ]  # fmt: skip


def test_mutants_of_several_rows_are_named_by_their_row(tmp_path: Path) -> None:
    data = "data: {rows: 2, values: {unused: {choice: [a]}}}\n"
    trial = tried(scenario("assert spend(5, 3) == 2", data), tmp_path)
    assert surviving(trial) == ["code.constant:0:3.16", "code.constant:1:3.16"]


def test_a_fault_of_the_sandbox_is_no_notice_and_is_told(tmp_path: Path) -> None:
    async def execute(request: ExecutionRequest) -> Execution:
        if "have - price" not in request.code:
            raise SandboxError("the engine is gone")
        return await run_plainly(request)

    trial = try_one(loaded(scenario("assert spend(5, 3) == 2"), tmp_path), execute)
    # The loop, the broken code, the empty body and the other operator; missing code is not run.
    assert [str(warning) for warning in trial.warnings] == [
        "tried.bench.yaml:6:1: 4 mutants could not be played, the first is text.loop: sandbox: the engine is gone"
    ]


def test_a_fault_of_the_sandbox_in_the_reference_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    async def execute(_request: ExecutionRequest) -> Execution:
        raise SandboxError("the engine is gone")

    (failure,) = try_one(loaded(scenario("assert spend"), tmp_path), execute).failures
    assert "the reference fails (variant base): sandbox: the engine is gone" in str(failure)


def test_what_may_never_end_is_no_mutant(tmp_path: Path) -> None:
    text = scenario("assert spend(5, 2) == 3").replace(
        "if have < price:\n              return 0\n", "while have > 9:\n              have -= 1\n"
    )
    trial = tried(text, tmp_path)
    # loop, delete, syntax, none and the last line's minus; nothing of the while
    assert (surviving(trial), trial.n_mutants) == ([], 5)
