"""Samples put together by hand for the tests of checks, and code run by this interpreter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from pytest_agentbench import checks
from pytest_agentbench.errors import Location
from pytest_agentbench.sample import (
    Execution,
    ExecutionRequest,
    Finding,
    Reply,
    ToolCall,
    ToolResult,
    Turn,
)
from pytest_agentbench.scenario import CheckSpec, JsonAnswer, Rendering, SandboxSpec, Tool

HERE = Location(file="x.bench.yaml", line=3, col=5)
RATE = Tool(
    name="get_rate",
    parameters={
        "type": "object",
        "properties": {"from": {"type": "string"}, "to": {"type": "string"}, "amount": {"type": "number"}},
        "required": ["from"],
        "additionalProperties": False,
    },
)


def rendering(
    *specs: tuple[str, Any], json: JsonAnswer | None = None, tools: tuple[Tool, ...] = (RATE,), **changes: Any
) -> Rendering:
    """What is asked; ``specs`` are (name, params) of checks."""
    return Rendering(
        scenario="s",
        variant="base",
        variant_class="base",
        row=0,
        row_key="0",
        values={},
        messages=(),
        answer_json=json,
        checks=tuple(CheckSpec(name=name, params=params, location=HERE) for name, params in specs),
        tools=tools,
        **changes,
    )


def turn(content: str | None = None, *calls: tuple[str, Any], results: bool = True, **changes: Any) -> Turn:
    """One turn; ``calls`` are (name, arguments)."""
    made = tuple(
        ToolCall(id=str(n), name=name, arguments=arguments) for n, (name, arguments) in enumerate(calls)
    )
    fields = {
        key: changes.pop(key)
        for key in ("refusal", "finish_reason", "reasoning", "deadline")
        if key in changes
    }
    reply = Reply(message={}, content=content, tool_calls=made, **fields)
    answered = tuple(ToolResult(call=call, content=f"{n}") for n, call in enumerate(made)) if results else ()
    return Turn(reply=reply, results=answered, **changes)


async def here(request: ExecutionRequest) -> Execution:
    """Runs the code with this interpreter: no sandbox, but the real thing for what checks make of it."""
    started = time.monotonic()
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", request.code],
        input=request.stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Execution(
        outcome="ok" if process.returncode == 0 else "failed",
        exit_code=process.returncode,
        stdout=process.stdout,
        stderr=process.stderr,
        duration_s=time.monotonic() - started,
        backend="docker",
    )


def evaluate(
    asked: Rendering,
    *turns: Turn,
    ended: str = "answer",
    execute: Any = here,
    sandbox: SandboxSpec | None = None,
) -> checks.Evaluation:
    """Measure and check one sample."""
    return asyncio.run(checks.evaluate(asked, turns, ended, execute, sandbox=sandbox))


def finding(name: str, params: Mapping[str, Any], *turns: Turn, **changes: Any) -> Finding:
    """What the one check ``name`` finds."""
    return evaluate(rendering((name, params)), *turns, **changes).findings[0]
