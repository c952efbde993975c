"""The tools of a sample: mocks that answer the model's calls as the scenario says."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_agentbench.errors import AgentbenchError, UsageError
from pytest_agentbench.expand.templates import TemplateError, names_in, render_value
from pytest_agentbench.parsing.strict import JsonSyntaxError, parse_strict
from pytest_agentbench.sample import Execute, ExecutionRequest, ToolCall, ToolResult
from pytest_agentbench.scenario import Json, Rendering, SandboxSpec, Tool, ToolResponse

# A tool that says nothing about its answers (tools from a file in OpenAI's format) accepts the call.
_ACCEPTED = ToolResponse(kind="value", value={"status": "ok"})
_NO_RULE = ToolResponse(kind="error", value="there is no result for these arguments")
_EXHAUSTED = ToolResponse(kind="error", value="there are no more results")


class ToolFunctionError(AgentbenchError):
    """A registered tool function failed: a fault of the team's code, never of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a registered tool function gets as its second argument, if it takes one.

    ``n`` counts the tool's earlier calls in this sample; ``state`` is a dict that all tool
    functions of one sample share, empty at its start.
    """

    tool: str
    scenario: str
    variant: str
    row_key: str
    values: Mapping[str, Json]
    n: int
    state: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A tool's result and the seconds it took (waiting for a sandbox excluded)."""

    result: ToolResult
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class MockTools:
    """The tools of one sample and what they remember between its calls."""

    rendering: Rendering
    sandbox: SandboxSpec
    execute: Execute
    functions: Mapping[str, Callable[..., Json]]
    _called: Counter[str] = field(default_factory=Counter)
    _played: Counter[str] = field(default_factory=Counter)
    _state: dict[str, Any] = field(default_factory=dict)

    async def answer_all(self, calls: tuple[ToolCall, ...], *, timeout_s: float) -> tuple[Answered, ...]:
        """Results in the order of the calls, which run side by side.

        Raises:
            ToolFunctionError: a registered function raised, returned no JSON, or took too long.
            SandboxError: the sandbox failed at its own work.
        """
        # Each coroutine takes its place in a sequence before it first waits: the order is certain.
        answers = await asyncio.gather(
            *(self._answer(call, timeout_s) for call in calls), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return tuple(answer for answer in answers if isinstance(answer, Answered))

    async def _answer(self, call: ToolCall, timeout_s: float) -> Answered:
        tool = next((tool for tool in self.rendering.tools if tool.name == call.name), None)
        if tool is None:
            names = ", ".join(tool.name for tool in self.rendering.tools) or "none"
            return _error(call, f"there is no tool {call.name!r}; tools: {names}")
        n = self._called[tool.name]
        self._called[tool.name] += 1
        args = _arguments(call)
        if isinstance(args, str):
            return _error(call, args, polling=tool.polling)
        values = {**self.rendering.values, "args": args, "n": n}
        response = self._choose(tool, args)
        if response.kind == "function":
            return await self._call_function(
                tool, call, name=str(response.value), args=args, n=n, timeout_s=timeout_s
            )
        if response.kind == "sandbox":
            return await self._run_code(tool, call, args)
        try:
            value = render_value(response.value, values)
        except TemplateError as error:
            if "args" not in names_in(response.value):
                raise
            # It asks for an argument that the call lacks: a real tool would refuse the call.
            return _error(call, f"invalid arguments: {error}", polling=tool.polling)
        if response.kind == "error":
            return _error(call, value, polling=tool.polling)
        return Answered(result=ToolResult(call=call, content=_text(value), polling=tool.polling))

    def _choose(self, tool: Tool, args: Mapping[str, Json]) -> ToolResponse:
        for rule in tool.rules:
            if is_subset(render_value(rule.args, self.rendering.values), args):
                return rule.response
        if not tool.sequence:
            return _NO_RULE if tool.rules else _ACCEPTED
        place = self._played[tool.name]
        self._played[tool.name] += 1
        if place < len(tool.sequence):
            return tool.sequence[place]
        if tool.then == "error":
            return _EXHAUSTED
        return tool.sequence[-1 if tool.then == "last" else place % len(tool.sequence)]

    async def _call_function(
        self, tool: Tool, call: ToolCall, *, name: str, args: dict[str, Json], n: int, timeout_s: float
    ) -> Answered:
        function = self.functions.get(name)
        if function is None:
            known = ", ".join(sorted(self.functions)) or "none"
            raise UsageError(
                f"{self.rendering.scenario}: tool {tool.name}: no function is registered as {name!r}; "
                f"registered: {known}"
            )
        context = ToolContext(
            tool=tool.name,
            scenario=self.rendering.scenario,
            variant=self.rendering.variant,
            row_key=self.rendering.row_key,
            values=self.rendering.values,
            n=n,
            state=self._state,
        )
        given = (args, context) if _takes_context(function) else (args,)
        started = time.monotonic()
        timer = asyncio.timeout(timeout_s)
        try:
            async with timer:
                if inspect.iscoroutinefunction(function):
                    value = await function(*given)
                else:
                    # It may block; the other samples must go on meanwhile.
                    value = await asyncio.to_thread(function, *given)
                    if inspect.isawaitable(value):
                        value = await value
            content = _text(value)
        except Exception as error:
            why = f"did not return within {timeout_s:.3g} s" if timer.expired() else _blame(error)
            raise ToolFunctionError(f"tool {tool.name}: function {name!r} {why}") from error
        result = ToolResult(call=call, content=content, polling=tool.polling)
        return Answered(result=result, seconds=time.monotonic() - started)

    async def _run_code(self, tool: Tool, call: ToolCall, args: Mapping[str, Json]) -> Answered:
        code = args.get("code")
        if not isinstance(code, str):
            return _error(call, "the argument 'code' must be a string with the program", polling=tool.polling)
        execution = await self.execute(
            ExecutionRequest(
                code=code,
                files=self.rendering.files,
                timeout_s=self.sandbox.timeout_s,
                memory_mb=self.sandbox.memory_mb,
                output_bytes=self.sandbox.output_bytes,
                backend=self.sandbox.backend,
            )
        )
        said = {
            "outcome": execution.outcome,
            "exit_code": execution.exit_code,
            "stdout": execution.stdout,
            "stderr": execution.stderr,
        }
        failed = execution.outcome != "ok"
        result = ToolResult(call=call, content=_text(said), error=failed, polling=tool.polling)
        return Answered(result=result, seconds=execution.duration_s)


def is_subset(expected: Json, given: Json) -> bool:
    """Whether ``given`` has all that ``expected`` names.

    Mappings: every expected key with a fitting value. Lists: same length, item by item. Scalars:
    equal, where true is not 1 and "1" is not 1.
    """
    if isinstance(expected, Mapping):
        return isinstance(given, Mapping) and all(
            key in given and is_subset(value, given[key]) for key, value in expected.items()
        )
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(given, (list, tuple))
            and len(expected) == len(given)
            and all(is_subset(one, other) for one, other in zip(expected, given, strict=True))
        )
    return isinstance(expected, bool) is isinstance(given, bool) and bool(expected == given)


def _arguments(call: ToolCall) -> dict[str, Json] | str:
    """The arguments as an object, or what is wrong with them."""
    if not isinstance(call.arguments, str):
        return f"the arguments must be a JSON text, not {type(call.arguments).__name__}"
    try:
        value = parse_strict(call.arguments)
    except JsonSyntaxError as error:
        return f"the arguments are not valid JSON: {error}"
    if not isinstance(value, dict):
        return f"the arguments must be a JSON object, not {type(value).__name__}"
    return value


def _error(call: ToolCall, value: Json, *, polling: bool = False) -> Answered:
    return Answered(
        result=ToolResult(call=call, content=_text({"error": value}), error=True, polling=polling)
    )


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _takes_context(function: Callable[..., Json]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins have none
        return False
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    required = [p for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]
    return len(required) > 1


def _blame(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}: {error}{where}"
