"""Attempts, deadlines, keys: what the client does with one call, counted by the server it calls."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from loopback import (
    DONE,
    Answer,
    LoopbackServer,
    body,
    chunk,
    completion,
    cut_stream,
    empty_choices,
    endless,
    error,
    hang,
    html_502,
    not_json,
    rate_limited,
    reset,
    slow,
    stalled,
    stream,
    tool_call,
)
from provider_calls import QUICK, call, fault, model_at

from pytest_agentbench.errors import LimitReachedError, TransportError
from pytest_agentbench.providers.base import Attempt
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.providers.retry import RetryPolicy
from pytest_agentbench.sample import CallRequest, Usage


@pytest.mark.parametrize("streamed", [False, True])
def test_a_reply_has_what_the_server_sent(streamed: bool) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "prompt_tokens_details": {"cached_tokens": 64},
    }
    calls = [tool_call("f", {"a": 1}), tool_call("g", {"b": "ü"}, call_id="call_1")]
    answer = completion("Grüße, 世界 😀!", tool_calls=calls, usage=usage, model="m-0528", response_id="r1")
    with LoopbackServer(answer) as server:
        reply = call(server, stream=streamed)
    assert reply.content == "Grüße, 世界 😀!"
    assert [(made.id, made.name, made.arguments) for made in reply.tool_calls] == [
        ("call_0", "f", '{"a": 1}'),
        ("call_1", "g", '{"b": "ü"}'),
    ]
    assert reply.message == {"role": "assistant", "content": "Grüße, 世界 😀!", "tool_calls": calls}
    assert (reply.finish_reason, reply.model, reply.response_id) == ("tool_calls", "m-0528", "r1")
    assert reply.usage == Usage(prompt_tokens=100, completion_tokens=7, reasoning_tokens=3, cached_tokens=64)
    assert (reply.n_attempts, reply.n_transport_errors, reply.deadline) == (1, 0, False)
    assert reply.latency_s > 0
    assert (reply.ttft_s is not None) == streamed


def test_a_plain_call_does_not_ask_for_a_stream_and_a_streamed_one_asks_for_usage() -> None:
    with LoopbackServer() as server:
        call(server)
        call(server, stream=True)
        assert "stream" not in server.bodies[0]
        assert server.bodies[1]["stream"] is True
        assert server.bodies[1]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (error(500), "http_500", 500),
        (error(503, "overloaded"), "http_503", 503),
        (html_502(), "http_502", 502),
        (rate_limited(), "rate_limited", 429),
        (rate_limited("0"), "rate_limited", 429),
        (not_json(), "undecodable", None),
        (empty_choices(), "undecodable", None),
        (body([1, 2]), "undecodable", None),
        (body({"id": "x", "choices": [{"index": 0}]}), "undecodable", None),
        (body({"error": {"message": "host down", "code": 502}}), "http_502", 502),
        (
            body({"choices": [{"message": {"content": ""}, "error": {"message": "no"}}]}),
            "error_in_body",
            None,
        ),
        (reset(), "reset", None),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_faults_are_tried_again_and_counted_as_the_server_counts_them(
    answer: Answer, kind: str, status: int | None, streamed: bool
) -> None:
    told: list[Attempt] = []
    with LoopbackServer(answer) as server:
        problem = fault(server, stream=streamed, on_attempt=told.append)
        assert server.count == problem.n_attempts == problem.n_transport_errors == len(told) == 3
    assert (problem.kind, problem.status) == (kind, status)
    assert [attempt.kind for attempt in told] == [kind] * 3
    assert [attempt.number for attempt in told] == [1, 2, 3]
    assert [attempt.retry_in_s is None for attempt in told] == [False, False, True]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "messages: unknown role"), "http_400"),
        (error(404, "no such model"), "http_404"),
        (error(401, "bad key"), "auth"),
        (error(403, "not your project"), "auth"),
        (error(422, "temperature must be 1"), "http_422"),
        (error(301, "moved", headers={"Location": "/v2/chat/completions"}), "http_301"),
    ],
)
def test_a_refusal_is_final_and_keeps_the_words_of_the_provider(answer: Answer, kind: str) -> None:
    with LoopbackServer(answer) as server:
        problem = fault(server)
        assert server.count == 1
    assert (problem.kind, problem.n_attempts) == (kind, 1)
    words = {"http_400": "unknown role", "auth": "", "http_404": "no such model"}.get(kind, "")
    assert words in problem.message


def test_a_server_that_is_not_there_is_a_connect_fault_that_names_its_address() -> None:
    with LoopbackServer() as server:
        gone = server.base_url
    problem = fault(gone)
    assert (problem.kind, problem.n_attempts, problem.n_transport_errors) == ("connect", 3, 3)
    assert gone.removesuffix("/v1") in problem.message


def test_a_reply_after_faults_counts_them() -> None:
    answers = [error(500), reset(), rate_limited("0"), completion("at last")]
    with LoopbackServer(lambda _, n: answers[n]) as server:
        reply = call(server, policy=RetryPolicy(max_failures=4, base_s=0.01))
        assert server.count == 4
    assert (reply.content, reply.n_attempts, reply.n_transport_errors) == ("at last", 4, 3)


def test_a_plain_call_beyond_its_deadline_is_repeated_once_as_a_stream() -> None:
    told: list[Attempt] = []
    with LoopbackServer(lambda b, _: completion("in time") if b.get("stream") else hang()) as server:
        reply = call(server, deadline_s=0.3, on_attempt=told.append)
        assert [asked.get("stream", False) for asked in server.bodies] == [False, True]
    assert (reply.content, reply.deadline, reply.finish_reason) == ("in time", False, "stop")
    assert (reply.n_attempts, reply.n_transport_errors) == (2, 0)
    assert [attempt.kind for attempt in told] == ["deadline", None]
    assert reply.latency_s < 0.3


@pytest.mark.parametrize("streamed", [False, True])
def test_endless_output_is_the_models_and_its_text_is_kept(streamed: bool) -> None:
    with LoopbackServer(endless("on and on ")) as server:
        start = time.monotonic()
        reply = call(server, stream=streamed, deadline_s=0.4, stall_s=5)
        assert time.monotonic() - start < 4
        assert server.count == reply.n_attempts == (1 if streamed else 2)
    assert reply.deadline
    assert reply.finish_reason is None
    assert reply.n_transport_errors == 0
    assert reply.content is not None
    assert reply.content.startswith("on and on on and on ")
    assert reply.message["content"] == reply.content
    assert reply.latency_s >= 0.4


def test_a_stream_whose_thoughts_alone_reach_the_deadline_is_the_models_too() -> None:
    answer = stream([chunk({"reasoning_content": "hm "})] * 400, chunk_delay_s=0.005)
    with LoopbackServer(answer) as server:
        reply = call(server, stream=True, deadline_s=0.3)
    assert (reply.deadline, reply.content) == (True, None)
    assert reply.reasoning is not None
    assert reply.reasoning.startswith("hm hm ")


@pytest.mark.parametrize("answer", [hang(), stalled(chunk({"content": "The"}))], ids=["silent", "half way"])
@pytest.mark.parametrize("streamed", [False, True])
def test_silence_is_a_transport_fault_and_never_the_models(answer: Answer, streamed: bool) -> None:
    with LoopbackServer(answer) as server:
        problem = fault(server, stream=streamed, deadline_s=0.2, stall_s=0.5)
        assert server.count == problem.n_attempts == (1 if streamed else 2)
    assert (problem.kind, problem.n_transport_errors) == ("stalled", 1)


def test_comments_that_keep_a_stream_alive_are_no_stall() -> None:
    events: list[dict[str, Any] | bytes] = [b": PROCESSING\n\n"] * 10
    events += [chunk({"content": "hi"}, finish_reason="stop"), DONE]
    with LoopbackServer(stream(events, chunk_delay_s=0.1)) as server:
        reply = call(server, stream=True, stall_s=0.6)
    assert reply.content == "hi"
    assert reply.ttft_s is not None
    assert reply.ttft_s >= 0.9


def test_a_stream_that_loses_only_its_goodbye_is_whole() -> None:
    whole = stream([chunk({"content": "42"}, finish_reason="stop")])
    for answer in (whole, Answer(content_type="text/event-stream", events=whole.events, ending="reset")):
        with LoopbackServer(answer) as server:
            reply = call(server, stream=True)
        assert (reply.content, reply.finish_reason, reply.n_attempts) == ("42", "stop", 1)


def test_a_gateway_that_answers_a_stream_with_json_is_understood() -> None:
    document = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "plain"}}]}
    with LoopbackServer(body(document)) as server:
        assert call(server, stream=True).content == "plain"


def test_a_streamed_connection_is_used_again() -> None:
    async def run(base_url: str) -> None:
        client = ChatClient(model_at(base_url), None)
        for streamed in (True, False, True):
            await client.call(CallRequest(model="m", body={}, deadline_s=9, stream=streamed))
        await client.close()

    with LoopbackServer() as server:
        asyncio.run(run(server.base_url))
        assert len({request.peer for request in server.requests}) == 1


def test_many_calls_in_flight_do_not_wait_for_one_another() -> None:
    async def run(base_url: str) -> None:
        client = ChatClient(model_at(base_url), None)
        request = CallRequest(model="m", body={}, deadline_s=30)
        await asyncio.gather(*[client.call(request) for _ in range(200)])
        await client.close()

    with LoopbackServer(slow(completion("hi"), 0.5)) as server:
        asyncio.run(run(server.base_url))
        assert server.count == 200
        assert server.most_in_flight > 150


def test_a_rate_limit_holds_back_the_other_calls_of_the_model() -> None:
    async def run(base_url: str) -> None:
        client = ChatClient(model_at(base_url), None, policy=QUICK)
        request = CallRequest(model="m", body={}, deadline_s=9)
        first = asyncio.create_task(client.call(request))
        while server.count == 0:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        await asyncio.gather(first, client.call(request))
        await client.close()

    with LoopbackServer(lambda _, n: rate_limited("0.4") if n == 0 else completion("hi")) as server:
        asyncio.run(run(server.base_url))
        times = [request.at for request in server.requests]
    assert len(times) == 3
    assert min(times[1:]) - times[0] >= 0.39


def test_a_cancelled_call_leaves_the_client_usable() -> None:
    async def run(base_url: str) -> str | None:
        client = ChatClient(model_at(base_url), None)
        request = CallRequest(model="m", body={}, deadline_s=30)
        task = asyncio.create_task(client.call(request))
        while server.count == 0:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reply = await client.call(request)
        await client.close()
        return reply.content

    with LoopbackServer(lambda _, n: hang() if n == 0 else completion("hi")) as server:
        assert asyncio.run(run(server.base_url)) == "hi"


def test_a_limit_of_the_session_is_asked_before_every_attempt() -> None:
    asked: list[int] = []

    def limit(_: CallRequest) -> None:
        asked.append(server.count)
        if len(asked) == 3:
            raise LimitReachedError("2 calls are allowed")

    with LoopbackServer(error(500)) as server:
        with pytest.raises(LimitReachedError):
            call(server, before_attempt=limit, policy=RetryPolicy(max_failures=9, base_s=0.01))
        assert server.count == 2
    assert asked == [0, 1, 2]


def test_the_key_is_sent_and_never_shown() -> None:
    key = "sk-very-secret-0123456789"

    def leak(asked: Any, n: int) -> Answer:
        return error(401, f"Incorrect API key provided: {server.requests[n].headers['authorization']}")

    with LoopbackServer(leak) as server:
        problem = fault(server, key=key, model=model_at(server.base_url, api_key_env="MY_KEY"))
        assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    assert key not in str(problem)
    assert key not in str(problem.to_wire())
    assert "Bearer ***" in problem.message
    assert "MY_KEY" in problem.message


@pytest.mark.parametrize("before", range(80, 121, 4))
def test_a_key_that_a_shortened_body_cuts_is_not_shown_in_part(before: int) -> None:
    key = "sk-very-secret-0123456789"
    with LoopbackServer(body(f"{'x' * before}{key}")) as server:
        problem = fault(server, key=key, policy=RetryPolicy(max_failures=1))
    assert problem.kind == "undecodable"
    assert key[:6] not in problem.message


def test_nothing_that_the_environment_holds_for_openai_goes_to_another_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {
        "OPENAI_API_KEY": "sk-openai",
        "OPENAI_ADMIN_KEY": "sk-admin",
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_CUSTOM_HEADERS": "X-Team: team-secret\nAuthorization: Bearer sk-custom",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    with LoopbackServer() as server:
        call(server)
        headers = str(server.requests[0].headers)
        assert server.requests[0].headers["authorization"] == "Bearer none"
    for secret in ("sk-openai", "sk-admin", "org-secret", "proj-secret", "team-secret", "sk-custom"):
        assert secret not in headers


def test_no_proxy_of_the_environment_stands_before_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LoopbackServer() as server:
        assert call(server).content == "Hello!"


def test_lone_surrogates_of_an_earlier_reply_can_be_sent_back() -> None:
    messages = [{"role": "assistant", "content": "half \ud83d"}, {"role": "user", "content": "世"}]
    with LoopbackServer() as server:
        call(server, body={"model": "m", "messages": messages})
        assert server.bodies[0]["messages"] == messages


def test_faults_survive_the_way_over_a_socket() -> None:
    with LoopbackServer(cut_stream()) as server:
        problem = fault(server, stream=True)
    again = TransportError(**problem.to_wire())
    assert (str(again), again.n_attempts) == (str(problem), problem.n_attempts)


@pytest.mark.parametrize("failures", [1, 2, 5, 50])
def test_own_waits_grow_up_to_a_cap_and_are_spread(failures: int) -> None:
    policy = RetryPolicy(base_s=0.5, cap_s=20)
    waits = [policy.delay_s(failures, None) for _ in range(200)]
    longest = min(20.0, 0.5 * 2 ** (failures - 1))
    assert longest / 2 <= min(waits) < max(waits) <= longest


def test_a_wait_that_the_provider_names_is_kept_up_to_a_cap() -> None:
    policy = RetryPolicy(retry_after_cap_s=60)
    assert 7 <= policy.delay_s(1, 7) <= 7.7
    assert 60 <= policy.delay_s(1, 86_400) <= 66
    assert 0 <= policy.delay_s(1, 0) <= 0.05
