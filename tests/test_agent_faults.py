"""Faults are X and never the model's; endless output is the model's and never X."""

from __future__ import annotations

from typing import Any

import pytest
from agent_sample import draw, rendering, tool
from loopback import (
    Answer,
    LoopbackServer,
    chunk,
    completion,
    context_overflow,
    cut_stream,
    endless,
    error,
    quota_exhausted,
    reset,
    stalled,
    stream,
    tool_call,
)

from pytest_agentbench.errors import QuotaExhaustedError, SandboxError, UsageError
from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.scenario import AgentLimits, JsonAnswer, Tool, ToolResponse


def test_reasoning_and_unknown_fields_of_the_assistant_message_are_sent_back_verbatim() -> None:
    """DeepSeek V4 answers 400 without reasoning_content, Gemini 3 without its thought signature."""
    signature = {"google": {"thought_signature": "EqQBCgIYAhIB=="}}
    message = {
        "reasoning_content": "I need the rate.",
        "reasoning_details": [{"type": "reasoning.text", "text": "I need the rate.", "signature": "x"}],
        "extra_content": signature,
        "annotations": [],
    }
    calls = [tool_call("get_rate", '{"from":"EUR" }', call_id="a", extra_content=signature)]

    def strict_provider(body: Any, n: int) -> Answer:
        if n == 0:
            return completion("", tool_calls=calls, message=message)
        back = body["messages"][2]
        missing = [key for key, value in message.items() if back.get(key) != value]
        if missing or back["content"] != "" or back["tool_calls"] != calls:
            return error(400, f"The {missing} in the thinking mode must be passed back to the API.")
        return completion("1.1")

    with LoopbackServer(strict_provider) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)))
    assert sample.fault is None
    assert sample.ended == "answer"
    assert sample.messages[2] == {"role": "assistant", "content": "", **message, "tool_calls": calls}
    assert sample.turns[0].reply.reasoning == "I need the rate."


def test_a_fault_after_all_attempts_is_an_x_with_its_attempts() -> None:
    with LoopbackServer(error(500, "overloaded")) as server:
        sample, _ = draw(server, rendering())
        assert (sample.n_attempts, sample.n_transport_errors) == (server.count, server.count) == (3, 3)
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.fault["kind"] == "http_500"
    assert "overloaded" in sample.fault["message"]
    assert not sample.passed
    assert len(sample.request_digest) == 64


def test_attempts_are_summed_over_the_turns_and_a_late_fault_makes_the_whole_sample_x() -> None:
    def reply(body: Any, n: int) -> Answer:
        if n in {0, 2}:
            return error(503) if n == 0 else reset()
        return completion(tool_calls=[tool_call("get_rate", {})]) if n in {1, 3} else context_overflow()

    with LoopbackServer(reply) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)))
        assert sample.n_attempts == server.count == 5
    assert sample.n_transport_errors == 3
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.fault["kind"] == "context_overflow"
    assert len(sample.turns) == 2


def test_a_retry_that_succeeds_is_counted_and_no_x() -> None:
    with LoopbackServer(lambda body, n: error(503) if n == 0 else completion("1.1")) as server:
        sample, _ = draw(server, rendering())
        assert server.count == 2
    assert (sample.status, sample.n_attempts, sample.n_transport_errors) == ("ok", 2, 1)


def test_an_endless_stream_is_the_models_deadline_with_its_loop_found() -> None:
    text = "She loved to play with her friends and loved to play with her toys. "
    with LoopbackServer(endless(text, chunk_delay_s=0.002)) as server:
        sample, _ = draw(server, rendering(), limits=AgentLimits(max_seconds=0.5))
        assert [body.get("stream", False) for body in server.bodies] == [False, True]
    assert (sample.status, sample.ended, sample.fault) == ("ok", "deadline", None)
    assert (sample.n_attempts, sample.n_transport_errors) == (2, 0)
    assert sample.final is not None
    assert sample.final.deadline
    assert sample.final.content is not None
    assert sample.final.content.startswith(text)
    assert not sample.turns[0].truncated
    assert sample.loop is not None
    assert sample.loop.where == "answer"
    assert not sample.passed


@pytest.mark.parametrize("answer_json", [None, JsonAnswer()])
def test_endless_output_that_is_no_loop_is_a_deadline(answer_json: JsonAnswer | None) -> None:
    def words(body: Any, n: int) -> Answer:
        events = [chunk({"content": f"{number * 7919 % 10007} "}) for number in range(5000)]
        return stream(events, chunk_delay_s=0.01)

    with LoopbackServer(lambda body, n: words(body, n) if body.get("stream") else endless()) as server:
        sample, _ = draw(server, rendering(answer_json=answer_json), limits=AgentLimits(max_seconds=0.3))
    assert (sample.status, sample.ended, sample.loop) == ("ok", "deadline", None)
    assert [finding.tags for finding in sample.findings] == [("deadline",)]
    assert not sample.passed
    if answer_json is not None:
        assert sample.json is not None
        assert sample.json.parse == "unparseable"
        assert "deadline" in sample.json.tags


def test_a_connection_that_says_nothing_is_an_x() -> None:
    with LoopbackServer(stalled()) as server:
        limits = AgentLimits(max_seconds=0.2, stall_s=0.2)
        sample, _ = draw(server, rendering(), limits=limits)
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.fault["kind"] == "stalled"


def test_a_cut_stream_is_an_x() -> None:
    with LoopbackServer(lambda body, n: cut_stream() if body.get("stream") else endless()) as server:
        sample, _ = draw(server, rendering(), limits=AgentLimits(max_seconds=0.2))
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.fault["kind"] == "stream_cut"


def test_an_exhausted_quota_is_told_to_the_caller() -> None:
    with LoopbackServer(quota_exhausted()) as server:
        with pytest.raises(QuotaExhaustedError):
            draw(server, rendering())
        assert server.count == 1


def test_an_exception_in_a_tool_function_is_an_x() -> None:
    def broken(args: dict[str, Any]) -> Any:
        raise ZeroDivisionError("division by zero")

    lookup = Tool(name="lookup", sequence=(ToolResponse(kind="function", value="find"),))
    with LoopbackServer(completion(tool_calls=[tool_call("lookup", {})])) as server:
        sample, _ = draw(server, rendering(lookup), functions={"find": broken})
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.fault["kind"] == "tool_function"
    assert "function 'find' raised ZeroDivisionError: division by zero at" in sample.fault["message"]
    assert sample.n_attempts == 1


def test_a_function_that_is_not_registered_is_told_to_the_caller() -> None:
    lookup = Tool(name="lookup", sequence=(ToolResponse(kind="function", value="find"),))
    with (
        LoopbackServer(completion(tool_calls=[tool_call("lookup", {})])) as server,
        pytest.raises(UsageError, match="rates: tool lookup: no function is registered as 'find'"),
    ):
        draw(server, rendering(lookup))


def test_a_fault_of_the_sandbox_is_an_x() -> None:
    async def execute(request: ExecutionRequest) -> Execution:
        raise SandboxError("the engine is gone")

    python = Tool(name="python", sequence=(ToolResponse(kind="sandbox", value="python"),))
    with LoopbackServer(completion(tool_calls=[tool_call("python", {"code": "1"})])) as server:
        sample, _ = draw(server, rendering(python), execute=execute)
    assert sample.status == "x"
    assert sample.fault == {"kind": "sandbox", "message": "the engine is gone"}
