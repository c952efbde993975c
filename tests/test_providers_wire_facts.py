"""The facts of PROVIDERS, one after the other, on a real server on loopback.

Fact 1 has a second half, the resend by the agent loop, in test_agent_faults.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from loopback import (
    DONE,
    Answer,
    LoopbackServer,
    chunk,
    completion,
    context_overflow,
    cut_stream,
    error,
    null_choice,
    null_choice_event,
    quota_exhausted,
    rate_limited,
    reset_stream,
    sse_for_json,
    stream,
    tool_call,
    undecodable_event,
)
from provider_calls import call, fault

from pytest_agentbench.errors import QuotaExhaustedError, UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.catalogue import resolve
from pytest_agentbench.providers.request import build, tool_in_wire_form
from pytest_agentbench.scenario import JsonAnswer, Sampling, Tool

MESSAGES = [{"role": "user", "content": "Say it as JSON."}]
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
KEYS = dict.fromkeys(
    ("DEEPSEEK_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"), "k"
)


def preset(name: str, server: LoopbackServer | None = None) -> Model:
    base_url = server.base_url if server is not None else None
    (model,) = resolve([name], settings={}, base_url=base_url, env=KEYS)
    return model


def sent(name: str, **asked: Any) -> dict[str, Any]:
    """The body as it arrived at a server, and what ``build`` told, under ``told``."""
    answer_json = asked.pop("answer_json", None)
    messages = asked.pop("messages", MESSAGES)
    with LoopbackServer() as server:
        model = preset(name, server)
        body, told = build(model, messages=messages, sampling=Sampling(**asked), answer_json=answer_json)
        call(server, body=body, model=model)
        arrived: dict[str, Any] = server.requests[0].body
    return {**arrived, "told": {entry["key"]: entry for entry in told}}


@pytest.mark.parametrize("streamed", [False, True])
def test_fact_1_the_assistant_message_is_kept_verbatim_with_unknown_fields(streamed: bool) -> None:
    signature = {"google": {"thought_signature": "EqQBCgIYAhIB=="}}
    message = {
        "content": "",
        "reasoning_content": "The user wants the rate, so ask for it.",
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "text": "The user wants",
                "index": 0,
                "format": "x-v1",
                "signature": "c2ln",
            },
            {"type": "reasoning.encrypted", "data": "gAAAA", "index": 1},
        ],
        "extra_content": signature,
        "tool_calls": [tool_call("get_rate", {"from": "EUR"}, call_id="a", extra_content=signature)],
        "annotations": [],
        "audio": None,
    }
    answer = completion(message=message, tool_calls=message["tool_calls"])  # type: ignore[arg-type]
    with LoopbackServer(answer) as server:
        reply = call(server, stream=streamed)
    del message["audio"]
    assert reply.message == {"role": "assistant", **message}
    assert reply.content == ""


def test_fact_1_reasoning_details_that_come_in_pieces_are_put_together_as_they_must_be_sent_back() -> None:
    def detail(**fields: Any) -> dict[str, Any]:
        return chunk({"reasoning_details": [{"index": 0, **fields}]})

    events: list[dict[str, Any] | bytes] = [
        detail(type="reasoning.text", text="I need ", format="anthropic-v1"),
        detail(type="reasoning.text", text="the rate.", format="anthropic-v1"),
        detail(type="reasoning.text", signature="c2lnbmF0dXJl", format="anthropic-v1"),
        chunk({"content": "1.1"}, finish_reason="stop"),
        DONE,
    ]
    with LoopbackServer(stream(events)) as server:
        reply = call(server, stream=True)
    assert reply.message["reasoning_details"] == [
        {
            "index": 0,
            "type": "reasoning.text",
            "text": "I need the rate.",
            "format": "anthropic-v1",
            "signature": "c2lnbmF0dXJl",
        }
    ]
    assert reply.reasoning == "I need the rate."


def test_fact_2_deepseek_gets_no_temperature_while_it_thinks_and_the_report_says_so() -> None:
    body = sent("deepseek-v4-pro", temperature=0.7, top_p=0.9)
    assert "temperature" not in body
    assert "top_p" not in body
    told = body["told"]["temperature"]
    assert (told["asked"], told["sent"], told["honoured"]) == (0.7, None, False)
    assert "thinks" in told["note"]


def test_fact_2_the_switch_for_thinking_arrives_and_lets_the_temperature_through() -> None:
    body = sent("deepseek-v4-pro", temperature=0.7, thinking="off")
    assert body["thinking"] == {"type": "disabled"}
    assert body["temperature"] == 0.7
    assert body["told"]["temperature"]["honoured"]
    body = sent("deepseek-v4-pro", temperature=0.7, extra_body={"thinking": {"type": "disabled"}})
    assert body["temperature"] == 0.7


def test_fact_3_json_object_is_asked_for_only_with_the_word_json_in_the_prompt() -> None:
    asked = JsonAnswer(schema=SCHEMA, request="json_schema")
    body = sent("deepseek-v4-pro", answer_json=asked)
    assert body["response_format"] == {"type": "json_object"}
    told = body["told"]["request"]
    assert (told["asked"], told["sent"], told["honoured"]) == ("json_schema", "json_object", False)
    body = sent("deepseek-v4-pro", answer_json=asked, messages=[{"role": "user", "content": "Say it."}])
    assert "response_format" not in body
    assert "json" in body["told"]["request"]["note"]


def test_fact_3_blank_content_with_finish_reason_stop_is_a_reply_and_no_transport_fault() -> None:
    with LoopbackServer(completion(" \n \n ")) as server:
        reply = call(server)
        assert server.count == 1
    assert reply.content == " \n \n "
    assert (reply.finish_reason, reply.n_transport_errors) == ("stop", 0)


def test_fact_4_gpt_5_gets_max_completion_tokens_and_no_temperature_but_1() -> None:
    body = sent("gpt-5", max_tokens=800, temperature=0.7)
    assert body["max_completion_tokens"] == 800
    assert "max_tokens" not in body
    assert "temperature" not in body
    assert body["told"]["temperature"]["note"] == "this endpoint takes 1 only"
    assert sent("gpt-5", temperature=1.0)["temperature"] == 1.0


def test_fact_4_claude_opus_4_7_gets_no_temperature_top_p_and_top_k() -> None:
    body = sent("claude-opus-4.7", temperature=0.7, top_p=0.5, max_tokens=10, extra_body={"top_k": 3})
    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert body["max_tokens"] == 10
    rejected = [key for key, entry in body["told"].items() if entry["note"] == "rejected by this endpoint"]
    assert rejected == ["temperature", "top_p", "extra_body.top_k"]


def test_fact_5_claude_gets_one_choice_and_neither_seed_nor_strict_nor_logprobs() -> None:
    with LoopbackServer() as server:
        model = preset("claude-opus-4.7", server)
        body, told = build(
            model,
            messages=MESSAGES,
            tools=(Tool(name="f", strict=True),),
            sampling=Sampling(seed=7, extra_body={"n": 3, "logprobs": True}),
            answer_json=JsonAnswer(schema=SCHEMA, request="json_schema"),
        )
        call(server, body=body, model=model)
        arrived = server.requests[0].body
    assert not {"seed", "n", "logprobs", "response_format"} & set(arrived)
    assert "strict" not in arrived["tools"][0]["function"]
    unheard = {entry["key"] for entry in told if not entry["honoured"]}
    assert unheard == {"seed", "extra_body.n", "extra_body.logprobs", "strict", "request"}


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "Let me think."},
        {"reasoning": "Let me think."},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Let me "},
                {"type": "reasoning.text", "text": "think."},
            ]
        },
        {
            "reasoning": "Let me think.",
            "reasoning_details": [{"type": "reasoning.text", "text": "Let me think."}],
        },
    ],
    ids=["reasoning_content", "reasoning", "reasoning_details", "both"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_fact_6_reasoning_is_read_from_each_field_once_and_kept_out_of_the_content(
    fields: dict[str, Any], streamed: bool
) -> None:
    with LoopbackServer(completion("42", message=fields)) as server:
        reply = call(server, stream=streamed)
    assert reply.reasoning == "Let me think."
    assert reply.content == "42"


def test_fact_7_a_vllm_without_its_tool_parser_is_told_with_its_own_words_and_not_asked_again() -> None:
    words = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    with LoopbackServer(error(400, words, kind="BadRequestError")) as server:
        problem = fault(server)
        assert server.count == 1
    assert problem.kind == "http_400"
    assert words in problem.message


def test_fact_7_the_model_that_answered_is_kept_and_a_call_in_the_content_stays_text() -> None:
    text = '{"name": "get_rate", "parameters": {"from": "EUR"}}'
    with LoopbackServer(completion(text, model="some-other-model")) as server:
        reply = call(server)
    assert reply.model == "some-other-model"
    assert (reply.content, reply.tool_calls) == (text, ())


@pytest.mark.parametrize("streamed", [False, True])
def test_fact_8_the_host_is_pinned_and_the_host_that_answered_is_kept(streamed: bool) -> None:
    with LoopbackServer(completion("hi", provider="DeepInfra")) as server:
        model = preset("llama-4-maverick", server)
        body, _ = build(model, messages=MESSAGES)
        reply = call(server, body=body, model=model, stream=streamed)
        arrived = server.requests[0].body
    assert arrived["provider"]["only"] == ["deepinfra"]
    assert arrived["provider"]["allow_fallbacks"] is False
    assert reply.host == "DeepInfra"


@pytest.mark.parametrize(
    ("answer", "streamed", "kind"),
    [
        (cut_stream(), True, "stream_cut"),
        (stream([chunk({"content": "The answer"}), DONE]), True, "stream_cut"),
        (stream([chunk({"content": "The answer"}), b'data: {"choices": [{"del']), True, "stream_cut"),
        (reset_stream(), True, "reset"),
        (undecodable_event(), True, "undecodable"),
        (null_choice_event(), True, "undecodable"),
        (null_choice(), False, "undecodable"),
        (sse_for_json(), False, "undecodable"),
    ],
    ids=[
        "no finish_reason",
        "DONE alone",
        "half an event",
        "reset",
        "bad event",
        "null choice",
        "null",
        "SSE",
    ],
)
def test_fact_9_a_broken_stream_is_a_transport_fault_and_is_tried_again(
    answer: Answer, streamed: bool, kind: str
) -> None:
    with LoopbackServer(answer) as server:
        problem = fault(server, stream=streamed)
        assert (problem.kind, problem.n_attempts, problem.n_transport_errors) == (kind, 3, 3)
        assert server.count == 3
        server.reply = lambda body, n: answer if n == 3 else completion("well")
        reply = call(server, stream=streamed)
        assert (reply.content, reply.n_attempts, reply.n_transport_errors) == ("well", 2, 1)
        assert server.count == 5


def test_fact_10_an_exhausted_quota_is_final_at_once_though_it_names_a_time_to_wait() -> None:
    with LoopbackServer(quota_exhausted()) as server:
        problem = fault(server)
        assert server.count == 1
    assert isinstance(problem, QuotaExhaustedError)
    assert (problem.kind, problem.status) == ("quota_exhausted", 429)


def test_fact_10_a_rate_limit_is_tried_again_after_the_time_it_names() -> None:
    waits: list[float | None] = []
    with LoopbackServer(lambda body, n: rate_limited("0.2") if n == 0 else completion("hi")) as server:
        reply = call(server, on_attempt=lambda attempt: waits.append(attempt.retry_in_s))
        assert server.count == reply.n_attempts == 2
        apart = server.requests[1].at - server.requests[0].at
    assert waits[0] is not None
    assert 0.2 <= waits[0] <= 0.3
    assert apart >= 0.2


def test_fact_10_a_context_overflow_is_final() -> None:
    with LoopbackServer(context_overflow()) as server:
        problem = fault(server)
        assert server.count == 1
    assert (problem.kind, problem.status, problem.n_attempts) == ("context_overflow", 400, 1)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "arguments",
    ['{"from": "EUR"', '{"ids": "[1, 2]"}', '{"id": null}', "<|python_tag|>{}", "", '{"é": "中文 😀"}'],
    ids=["cut", "array as text", "null", "special token", "empty", "letters"],
)
def test_fact_11_tool_arguments_stay_as_they_came(arguments: str, streamed: bool) -> None:
    with LoopbackServer(
        completion(tool_calls=[tool_call("f", arguments)], finish_reason="tool_calls")
    ) as server:
        reply = call(server, stream=streamed)
    assert reply.tool_calls[0].arguments == arguments
    assert reply.finish_reason == "tool_calls"


def test_fact_11_a_truncated_reply_that_calls_itself_complete_keeps_its_token_count() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    with LoopbackServer(completion('{"a": [1, 2', finish_reason="stop", usage=usage)) as server:
        reply = call(server)
    assert (reply.usage.completion_tokens, reply.usage.reasoning_tokens) == (20, 15)


def test_fact_12_the_client_does_not_need_httpx_and_talks_over_a_real_socket() -> None:
    code = (
        "import asyncio, sys\n"
        "from pytest_agentbench.model import Model\n"
        "from pytest_agentbench.providers.client import ChatClient\n"
        "from pytest_agentbench.sample import CallRequest\n"
        "async def main():\n"
        "    client = ChatClient(Model(name='m', slug='m', model_id='m', base_url=sys.argv[1]), None)\n"
        "    print((await client.call(CallRequest(model='m', body={'model': 'm'}, deadline_s=9))).content)\n"
        "    await client.close()\n"
        "asyncio.run(main())\n"
        "assert 'httpx' not in sys.modules and 'httpx2' in sys.modules\n"
    )
    with LoopbackServer(completion("over a socket")) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.base_url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert server.requests[0].path == "/v1/chat/completions"
    assert (done.stdout, done.returncode) == ("over a socket\n", 0), done.stderr


@pytest.mark.parametrize("name", ["", "get rate", "a" * 65, "get.rate", "取得", "f\n"])
def test_fact_13_a_tool_name_that_no_provider_accepts_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="1 to 64"):
        tool_in_wire_form(Tool(name=name))


@pytest.mark.parametrize("name", ["f", "a" * 64, "Get_rate-2"])
def test_fact_13_tool_names_of_64_letters_digits_and_dashes_are_sent(name: str) -> None:
    assert tool_in_wire_form(Tool(name=name))["function"]["name"] == name
