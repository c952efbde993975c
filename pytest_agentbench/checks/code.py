"""Code in the final answer, run with the scenario's tests in the sandbox."""

from __future__ import annotations

import re
import secrets
import textwrap
from collections.abc import Mapping
from typing import Any

from pytest_agentbench.checks.base import ParametersError, Subject
from pytest_agentbench.sample import Execution, ExecutionRequest, Finding
from pytest_agentbench.scenario import Json

NAME = "code"

PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tests"],
    "properties": {
        "language": {"description": "Default python.", "enum": ["python"]},
        "tests": {
            "description": "Python that runs after the code, in the same module; an exception is a failure. "
            "Of a list, one after another.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        },
        "entry": {
            "description": "Name of the function that the code must define. Tests that define "
            "check(candidate) are called with it.",
            "type": "string",
        },
    },
}

_FENCE = re.compile(
    r"^[ \t]*(```+|~~~+)[ \t]*([\w+.#-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_REASONING = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_PYTHON = frozenset({"", "python", "py", "python3", "python2", "pycon"})
_IN_TESTS = re.compile(r'File "tests\.py", line (\d+)')
_OUTPUT_CHARACTERS = 2_000

_HARNESS = """\
import sys, types
_module = types.ModuleType("answer")
sys.modules["answer"] = _module
exec(compile({code!r}, "answer.py", "exec"), _module.__dict__)
{entry}exec(compile({tests!r}, "tests.py", "exec"), _module.__dict__)
{call}sys.stdout.write("\\n" + {proof!r} + "\\n")
"""


async def check(params: Json, subject: Subject) -> Finding:
    """Passed when the code and then the tests run to their end within the sandbox's limits.

    The code is a module named ``answer``, so what stands under ``if __name__ == "__main__"`` does not
    run. That the tests ran to their end is proved by a random word on stdout: code that ends the
    process early has not passed. Tags: ``no_code``, ``truncated``, ``syntax_error``, ``assertion``,
    ``exception``, ``exited_early``, ``timeout``, ``out_of_memory``, ``output_limit``.

    Raises:
        SandboxError: the sandbox failed; never the model's failure.
    """
    code, whole = extract(subject.text, entry=params.get("entry"))
    if not code.strip():
        return _failed("no_code", "there is no code in the answer")
    if not whole and subject.ended in {"truncated", "deadline"}:
        return _failed("truncated", "the answer was cut inside the code")
    tests = _tests(params["tests"])
    proof = f"tests-done-{secrets.token_hex(8)}"
    sandbox = subject.sandbox
    execution = await subject.execute(
        ExecutionRequest(
            code=harness(code, tests=tests, entry=params.get("entry"), proof=proof),
            files=dict(subject.rendering.files),
            timeout_s=sandbox.timeout_s,
            memory_mb=sandbox.memory_mb,
            output_bytes=sandbox.output_bytes,
            backend=sandbox.backend,
        )
    )
    evidence = {
        "outcome": execution.outcome,
        "exit_code": execution.exit_code,
        "stderr": execution.stderr[-_OUTPUT_CHARACTERS:],
        "stdout": execution.stdout[-_OUTPUT_CHARACTERS:].replace(proof, ""),
        "duration_s": execution.duration_s,
        "backend": execution.backend,
    }
    tag, message = _verdict(execution, proof, tests)
    if tag is None:
        return Finding(check=NAME, status="passed", evidence=evidence)
    return Finding(check=NAME, status="failed", message=message, tags=(tag,), evidence=evidence)


def extract(answer: str, *, entry: str | None = None) -> tuple[str, bool]:
    """The code of an answer, and whether it is whole (False: its fence never closes).

    Of several fenced blocks those marked as Python or not at all count; of these the first that defines
    ``entry``, else the first. Without a fence the whole text, without a reasoning block, is the code.
    """
    answer = _REASONING.sub("", answer)
    blocks = [
        (match.group(3), match.group(0).rstrip().endswith(match.group(1)) and match.group(3).strip() != "")
        for match in _FENCE.finditer(answer)
        if match.group(2).lower() in _PYTHON
    ]
    if not blocks:
        return ("", True) if _FENCE.search(answer) is not None else (answer.strip("\n"), False)
    if entry is not None:
        name = re.escape(entry)
        defines = re.compile(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^{name}\s*=", re.MULTILINE)
        blocks = [block for block in blocks if defines.search(block[0])] or blocks
    code, whole = blocks[0]
    return textwrap.dedent(code), whole


def harness(code: str, *, tests: str, entry: str | None, proof: str) -> str:
    """The program that is run: the code as a module, then the tests in it, then ``proof`` on stdout."""
    check_entry = call = ""
    if entry is not None:
        if not entry.isidentifier():
            raise ParametersError(f"entry must be the name of a function, got {entry!r}")
        check_entry = f"_module.{entry}\n"
        if re.search(r"^def check\(", tests, re.MULTILINE):
            call = f"_module.check(_module.{entry})\n"
    return _HARNESS.format(code=code, tests=tests, entry=check_entry, call=call, proof=proof)


def _tests(tests: Json) -> str:
    parts = tests if isinstance(tests, (list, tuple)) else [tests]
    if not all(isinstance(part, str) for part in parts):
        raise ParametersError(f"tests must be text, got {tests!r}")
    return "\n".join(textwrap.dedent(part) for part in parts)


def _verdict(execution: Execution, proof: str, tests: str) -> tuple[str | None, str]:
    if execution.outcome in {"timeout", "out_of_memory", "output_limit"}:
        return execution.outcome, f"{execution.outcome} after {execution.duration_s:.1f} s"
    lines = execution.stderr.strip().splitlines()
    last = lines[-1].strip() if lines else ""
    if execution.outcome == "ok":
        if proof in execution.stdout:
            return None, ""
        return "exited_early", "the code ended the process before the tests were done"
    error = last.split(":", 1)[0]
    if error == "AssertionError":
        return "assertion", _assertion(lines, tests)
    if error in {"SyntaxError", "IndentationError", "TabError"}:
        return "syntax_error", last
    if error == "MemoryError":
        return "out_of_memory", last
    if not last or error == "SystemExit":
        return "exited_early", f"the process ended with status {execution.exit_code}"
    return "exception", last


def _assertion(lines: list[str], tests: str) -> str:
    """What an assertion said, with the line of the tests in which it failed."""
    numbers = [int(match.group(1)) for line in lines if (match := _IN_TESTS.search(line)) is not None]
    source = tests.splitlines()
    if not numbers or not 0 < numbers[-1] <= len(source):
        return lines[-1].strip()
    return f"{lines[-1].strip()}: {source[numbers[-1] - 1].strip()}"[:300]


def _failed(tag: str, message: str) -> Finding:
    return Finding(check=NAME, status="failed", message=message, tags=(tag,))
