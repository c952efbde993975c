"""The agent loop against a real server on loopback: turns, tools, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent_sample import draw, rendering, tool
from loopback import Answer, LoopbackServer, completion, slow, tool_call

from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.scenario import AgentLimits, Sampling, SandboxSpec, Tool, ToolResponse
from pytest_agentbench.wire import from_wire, to_wire


def script(*answers: Answer) -> LoopbackServer:
    """Answers in this order; one more request would fail the test by IndexError."""
    return LoopbackServer(lambda body, n: answers[n])


def usage(completion_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 9, "completion_tokens": completion_tokens, "total_tokens": 9 + completion_tokens}


def test_an_answer_without_tools_is_one_turn() -> None:
    with script(completion("1.1", usage=usage(2))) as server:
        sample, calls = draw(server, rendering(), redraw=1)
        assert server.count == 1
    assert (sample.status, sample.ended, sample.fault) == ("ok", "answer", None)
    assert (sample.scenario, sample.model, sample.variant) == ("rates", "m", "terse")
    assert (sample.row, sample.index, sample.redraw) == (2, 5, 1)
    assert (sample.n_attempts, sample.n_transport_errors) == (1, 0)
    assert sample.final is not None
    assert sample.final.content == "1.1"
    assert sample.messages[-1] == {"role": "assistant", "content": "1.1"}
    assert sample.passed
    assert dict(calls[0].sample) == {
        "scenario": "rates",
        "model": "m",
        "variant": "terse",
        "row": 2,
        "index": 5,
        "turn": 0,
        "request": sample.request_digest,
    }


def test_tool_calls_are_answered_until_the_model_answers_and_each_turn_has_its_number() -> None:
    with script(
        completion(tool_calls=[tool_call("get_rate", {"from": "EUR"}, call_id="a")]),
        completion("Let me see.", tool_calls=[tool_call("get_rate", {"from": "EUR"}, call_id="b")]),
        completion("It is 1.1."),
    ) as server:
        sample, calls = draw(server, rendering(tool("get_rate", OSError("503 try again"), {"rate": 1.1})))
        sent = server.bodies[2]["messages"]
    assert [call.sample["turn"] for call in calls] == [0, 1, 2]
    assert [message["role"] for message in sent] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    assert sent[3] == {"role": "tool", "tool_call_id": "a", "content": '{"error": "503 try again"}'}
    assert sent[5] == {"role": "tool", "tool_call_id": "b", "content": '{"rate": 1.1}'}
    assert [len(turn.results) for turn in sample.turns] == [1, 1, 0]
    assert [turn.results[0].error for turn in sample.turns[:2]] == [True, False]
    assert sample.ended == "answer"
    assert sample.n_attempts == 3
    assert list(sample.messages[:-1]) == sent


def test_parallel_tool_calls_are_answered_in_one_turn_in_their_order() -> None:
    calls = [tool_call("get_rate", {"from": name}, call_id=name) for name in ("EUR", "GBP", "JPY")]
    with script(completion(tool_calls=calls), completion("done")) as server:
        draw(server, rendering(tool("get_rate", "1", "2", "3")))
        sent = server.bodies[1]["messages"][3:]
    assert [(message["tool_call_id"], message["content"]) for message in sent] == [
        ("EUR", "1"),
        ("GBP", "2"),
        ("JPY", "3"),
    ]


def test_unknown_tools_and_broken_arguments_go_back_to_the_model_and_are_found_by_the_checks() -> None:
    calls = [tool_call("get_rat", "{}", call_id="a"), tool_call("get_rate", '{"from": "EUR"', call_id="b")]
    with script(completion(tool_calls=calls), completion("sorry")) as server:
        sample, _ = draw(server, rendering(tool("get_rate", "1")))
        sent = server.bodies[1]["messages"][3:]
    assert "there is no tool 'get_rat'; tools: get_rate" in sent[0]["content"]
    assert "the arguments are not valid JSON" in sent[1]["content"]
    assert sample.status == "ok"
    assert [result.error for result in sample.turns[0].results] == [True, True]
    assert "unknown_tool" in sample.arguments[0].tags
    assert sample.arguments[1].parse == "unparseable"


def test_follow_ups_are_sent_one_by_one_when_a_turn_ends_without_a_tool_call() -> None:
    with script(
        completion(tool_calls=[tool_call("get_rate", {})]),
        completion("1.1"),
        completion("2.2"),
        completion("3.3"),
    ) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1), then=("And in euro?", "And in yen?")))
        sent = [[m["content"] for m in body["messages"] if m["role"] == "user"] for body in server.bodies]
    assert sent == [
        ["What is the rate?"],
        ["What is the rate?"],
        ["What is the rate?", "And in euro?"],
        ["What is the rate?", "And in euro?", "And in yen?"],
    ]
    assert (sample.ended, len(sample.turns)) == ("answer", 4)


def test_max_turns_ends_a_model_that_only_calls_tools() -> None:
    with LoopbackServer(lambda body, n: completion(tool_calls=[tool_call("get_rate", {"n": n})])) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)), limits=AgentLimits(max_turns=3))
        assert server.count == 3
    assert (sample.ended, len(sample.turns)) == ("max_turns", 3)
    # The last calls are answered too: loops are searched in calls and their results.
    assert all(turn.results for turn in sample.turns)


def test_an_answer_in_the_last_turn_allowed_is_an_answer() -> None:
    with script(completion(tool_calls=[tool_call("get_rate", {})]), completion("1.1")) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)), limits=AgentLimits(max_turns=2))
    assert sample.ended == "answer"


def test_a_follow_up_beyond_max_turns_is_not_sent() -> None:
    with script(completion("1.1")) as server:
        sample, _ = draw(server, rendering(then=("more",)), limits=AgentLimits(max_turns=1))
    assert sample.ended == "max_turns"


@pytest.mark.parametrize("finish_reason", ["length", "stop", "tool_calls"])
def test_a_reply_that_used_all_its_tokens_is_truncated_whatever_its_label_says(finish_reason: str) -> None:
    cut = completion(
        "I will",
        tool_calls=[tool_call("get_rate", '{"from": "EU')],
        finish_reason=finish_reason,
        usage=usage(20),
    )
    with script(cut) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)), sampling=Sampling(max_tokens=20))
        assert server.bodies[0]["max_tokens"] == 20
    assert (sample.ended, sample.turns[0].truncated) == ("truncated", True)
    # Its tool calls are not carried out.
    assert sample.turns[0].results == ()
    assert sample.messages[-1]["role"] == "assistant"


def test_finish_reason_length_is_truncated_where_nobody_set_a_limit() -> None:
    with script(completion("I will", finish_reason="length")) as server:
        sample, _ = draw(server, rendering())
        assert "max_tokens" not in server.bodies[0]
    assert sample.ended == "truncated"


def test_max_tokens_is_one_budget_for_the_whole_sample() -> None:
    again = completion(tool_calls=[tool_call("get_rate", {})], usage=usage(30))
    with script(again, again, completion("I", finish_reason="length", usage=usage(10))) as server:
        sample, _ = draw(
            server,
            rendering(tool("get_rate", 1)),
            limits=AgentLimits(max_tokens=70),
            sampling=Sampling(max_tokens=50, set_keys=frozenset({"max_tokens"})),
        )
        assert [body["max_tokens"] for body in server.bodies] == [50, 40, 10]
    assert (sample.ended, len(sample.turns)) == ("truncated", 3)


def test_a_token_budget_that_is_used_up_between_turns_ends_the_sample() -> None:
    with script(completion(tool_calls=[tool_call("get_rate", {})], usage=usage(71))) as server:
        limits = AgentLimits(max_tokens=70)
        sample, _ = draw(server, rendering(tool("get_rate", 1)), limits=limits)
    assert (sample.ended, len(sample.turns)) == ("truncated", 1)


def test_each_call_has_what_is_left_of_the_time() -> None:
    again = slow(completion(tool_calls=[tool_call("get_rate", {})]), 0.2)
    with script(again, completion("1.1")) as server:
        limits = AgentLimits(max_seconds=30, stall_s=7)
        sample, calls = draw(server, rendering(tool("get_rate", 1)), limits=limits)
    assert calls[0].deadline_s == 30
    assert calls[1].deadline_s == pytest.approx(30 - sample.turns[0].reply.latency_s, abs=0.05)
    assert calls[1].deadline_s <= 29.8
    assert [call.stall_s for call in calls] == [7, 7]


def test_time_spent_in_a_tool_counts() -> None:
    async def execute(request: ExecutionRequest) -> Execution:
        return Execution(outcome="ok", exit_code=0, stdout="", stderr="", duration_s=31.0, backend="wasm")

    python = Tool(name="python", sequence=(ToolResponse(kind="sandbox", value="python"),))
    with script(completion(tool_calls=[tool_call("python", {"code": "1"})])) as server:
        sample, _ = draw(server, rendering(python), limits=AgentLimits(max_seconds=30), execute=execute)
    assert (sample.ended, sample.status, len(sample.turns)) == ("deadline", "ok", 1)


def test_code_of_a_tool_runs_under_the_limits_of_the_scenario() -> None:
    seen: list[ExecutionRequest] = []

    async def execute(request: ExecutionRequest) -> Execution:
        seen.append(request)
        return Execution(outcome="ok", exit_code=0, stdout="42", stderr="", duration_s=0.1, backend="docker")

    python = Tool(name="python", sequence=(ToolResponse(kind="sandbox", value="python"),))
    spec = SandboxSpec(backend="docker", timeout_s=3, memory_mb=64, output_bytes=1000)
    answers = completion(tool_calls=[tool_call("python", {"code": "print(42)"})]), completion("42")
    with script(*answers) as server:
        draw(server, rendering(python), execute=execute, sandbox=spec)
        content = json.loads(server.bodies[1]["messages"][-1]["content"])
    assert content == {"outcome": "ok", "exit_code": 0, "stdout": "42", "stderr": ""}
    (request,) = seen
    assert request == ExecutionRequest(
        code="print(42)",
        files={"a.txt": "1"},
        timeout_s=3,
        memory_mb=64,
        output_bytes=1000,
        backend="docker",
    )


def test_the_digest_is_equal_for_equal_requests_and_differs_by_prompt_and_seed() -> None:
    with LoopbackServer(completion("1")) as server:

        def digest(**options: Any) -> str:
            asked = options.pop("asked", rendering())
            return draw(server, asked, **options)[0].request_digest

        assert digest(index=1) == digest(index=2)
        assert len(digest()) == 64
        assert digest(asked=rendering(user="other")) != digest()
        per_sample = Sampling(seed="per_sample", set_keys=frozenset({"seed"}))
        assert digest(index=1, sampling=per_sample) != digest(index=2, sampling=per_sample)
        assert digest(index=1, sampling=per_sample) == digest(index=1, sampling=per_sample, redraw=1)
        seeds = {body["seed"] for body in server.bodies if "seed" in body}
    assert len(seeds) == 2


def test_a_function_of_the_team_answers_and_shares_state_over_the_turns() -> None:
    def book(args: dict[str, Any], context: Any) -> Any:
        context.state["booked"] = context.state.get("booked", 0) + args["seats"]
        return {"booked": context.state["booked"]}

    reserve = Tool(name="book", sequence=(ToolResponse(kind="function", value="book_seats"),))
    twice = [completion(tool_calls=[tool_call("book", {"seats": n})]) for n in (2, 3)]
    with script(*twice, completion("5")) as server:
        draw(server, rendering(reserve), functions={"book_seats": book})
        assert server.bodies[2]["messages"][-1]["content"] == '{"booked": 5}'


def test_a_sample_goes_over_the_wire_and_comes_back_the_same() -> None:
    with script(completion(tool_calls=[tool_call("get_rate", {})]), completion("1.1")) as server:
        sample, _ = draw(server, rendering(tool("get_rate", 1)))
    assert from_wire(type(sample), json.loads(json.dumps(to_wire(sample)))) == sample
