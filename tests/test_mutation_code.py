"""Mutants of code: killed by right tests, told by lax ones."""

from __future__ import annotations

from pathlib import Path

from trials import surviving, told, tried

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
