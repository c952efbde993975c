"""The simulated model over a real socket: openai's client, streams, tools, recognition, seeds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from provider_calls import call, model_at
from shipped import shipped
from simulated import asked, header, reply_of, serving, simulation_of

from pytest_agentbench.calibration.trial import scenarios
from pytest_agentbench.expand import render
from pytest_agentbench.loader import load_text
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import Behaviour, Fault, Pace, Profile, Spread

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 1}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_rate",
        "parameters": {
            "type": "object",
            "properties": {"from": {"type": "string"}},
            "required": ["from"],
            "additionalProperties": False,
        },
    },
}


def prompt_of(scenario: Any, *, variant: int = 0, row: int = 0) -> list[Any]:
    return list(render(scenario, scenario.variants[variant], row).messages)


def test_openais_own_client_gets_a_plain_answer_with_usage() -> None:
    with (
        serving(simulation_of(None, scenarios()["text"])) as url,
        openai.OpenAI(base_url=url, api_key="x") as client,
    ):
        answer = client.chat.completions.create(
            model="model", messages=prompt_of(scenarios()["text"]), max_tokens=50
        )
        assert answer.choices[0].message.content == "Paris"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert [model.id for model in client.models.list()] == ["model"]


def test_openais_own_client_streams_the_same_text_with_usage_at_the_end() -> None:
    scenario = shipped()["invoice"]
    with serving(simulation_of(None, scenario)) as url, openai.OpenAI(base_url=url, api_key="x") as client:
        whole = client.chat.completions.create(model="model", messages=prompt_of(scenario))
        stream = client.chat.completions.create(
            model="model", messages=prompt_of(scenario), stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_come_alike_plain_and_streamed(stream: bool) -> None:
    scenario = scenarios()["tool"]
    with serving(simulation_of(None, scenario)) as url:
        reply = call(url, body=asked(messages=prompt_of(scenario)), stream=stream, model=model_at(url))
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [
        ("get_rate", {"from": "EUR", "to": "NOK", "digits": 2})
    ]
    assert reply.finish_reason == "tool_calls"


def test_a_schema_of_the_request_is_filled_and_an_offered_tool_called_where_there_is_no_scenario() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    simulation = simulation_of()
    filled = json.loads(reply_of(simulation, asked(response_format=form), {})["message"]["content"])
    assert set(filled) == {"name", "age"}
    assert filled["age"] >= 1
    first = reply_of(simulation, asked(tools=[TOOL]), {})["message"]
    (made,) = first["tool_calls"]
    assert made["function"]["name"] == "get_rate"
    assert set(json.loads(made["function"]["arguments"])) == {"from"}
    result = {"role": "tool", "tool_call_id": made["id"], "content": "1.1"}
    after = asked(tools=[TOOL], messages=[{"role": "user", "content": "Hello"}, first, result])
    assert reply_of(simulation, after, {})["message"]["content"]
    assert "tool_calls" not in reply_of(simulation, asked(tools=[TOOL], tool_choice="none"), {})["message"]


def test_a_scenario_without_a_reference_gets_answers_that_fit_its_schema() -> None:
    (scenario,) = load_text(
        "agentbench: 1\nid: bare\nprompt: {user: Go}\nanswer: {json: {schema: " + json.dumps(SCHEMA) + "}}\n",
        file="bare.bench.yaml",
        root=Path(),
        folder=Path(),
    )
    simulation = simulation_of(None, scenario)
    texts = {
        reply_of(simulation, asked("Go"), header("bare", index=index))["message"]["content"]
        for index in range(9)
    }
    assert len(texts) > 1
    assert all(set(json.loads(text)) == {"name", "age"} for text in texts)


def test_every_prompt_of_every_shipped_scenario_is_recognised_without_the_header() -> None:
    known = shipped()
    simulation = simulation_of(None, *known.values())
    for scenario in known.values():
        for variant in range(len(scenario.variants)):
            rendering = render(scenario, scenario.variants[variant], 0)
            body = asked(messages=list(rendering.messages))
            told = reply_of(simulation, body, header(scenario.id, variant=rendering.variant))
            assert reply_of(simulation, body, {})["message"]["content"] == told["message"]["content"]


def test_a_request_depends_on_its_sample_alone_and_not_on_the_order_of_arrival() -> None:
    behaviour = Behaviour(faults=(Fault(family="syntax", tag="fence", rate=0.5),))
    scenario = scenarios()["json"]
    body = asked(messages=prompt_of(scenario))

    def said(order: range, *, with_header: bool, seed: int = 0) -> dict[int, str]:
        simulation = simulation_of(behaviour, scenario, seed=seed)
        return {
            index: reply_of(simulation, body, header("calibration-json", index=index) if with_header else {})[
                "message"
            ]["content"]
            for index in order
        }

    forwards = said(range(40), with_header=True)
    assert forwards == said(range(39, -1, -1), with_header=True)
    assert forwards == said(range(40), with_header=False)
    assert forwards != said(range(40), with_header=True, seed=1)


def test_a_later_turn_is_known_by_the_ids_of_its_tool_calls() -> None:
    behaviour = Behaviour(faults=(Fault(family="syntax", tag="refusal", rate=0.5),))
    scenario = scenarios()["tool"]
    prompt = prompt_of(scenario)
    with_header, without = simulation_of(behaviour, scenario), simulation_of(behaviour, scenario)
    firsts = [reply_of(without, asked(messages=prompt), {})["message"] for _ in range(20)]
    for index, first in enumerate(firsts):
        result = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "1"}
        body = asked(messages=[*prompt, first, result])
        told = reply_of(with_header, body, header("calibration-tool", index=index))
        assert reply_of(without, body, {})["message"] == told["message"]


def test_profiles_and_their_models_are_told_apart_by_name() -> None:
    profiles = [
        Profile(name="good"),
        Profile(name="bad", behaviour=Behaviour(success=0.0), models={"half": Behaviour(success=0.5)}),
    ]
    simulation = Simulation(profiles, [scenarios()["text"]])
    right: Counter[str] = Counter()
    for index in range(400):
        for model in ("good", "bad", "bad:half", "simulated:bad", "anything else"):
            body = asked(model=model, messages=prompt_of(scenarios()["text"]))
            said = reply_of(simulation, body, header("calibration-text", index=index))
            right[model] += said["message"]["content"] == "Paris"
    assert right["good"] == right["anything else"] == 400
    assert right["bad"] == right["simulated:bad"] == 0
    assert 150 < right["bad:half"] < 250


def test_success_rates_differ_by_class_and_by_variant() -> None:
    behaviour = Behaviour(
        success=1.0, success_by_class={"paraphrase": 0.0}, success_by_variant={"third": 1.0}
    )
    scenario = scenarios()["wordings"]
    simulation = simulation_of(behaviour, scenario)
    right = {
        variant.id: reply_of(
            simulation,
            asked(messages=prompt_of(scenario, variant=number)),
            header(scenario.id, variant=variant.id),
        )["message"]["content"]
        == "Paris"
        for number, variant in enumerate(scenario.variants)
    }
    assert right == {"base": True, "second": False, "third": True, "fourth": False, "fifth": False}


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_comes_with_every_reply_and_must_come_back_with_tool_calls(stream: bool) -> None:
    behaviour = Behaviour(reasoning=True, wants_reasoning_back=True)
    scenario = scenarios()["tool"]
    prompt = prompt_of(scenario)
    with (
        serving(simulation_of(behaviour, scenario)) as url,
        openai.OpenAI(base_url=url, api_key="x") as client,
    ):
        reply = call(url, body=asked(messages=prompt), stream=stream, model=model_at(url))
        assert reply.reasoning
        result = {"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": "1"}
        kept: Any = [*prompt, dict(reply.message), result]
        assert client.chat.completions.create(model="model", messages=kept).choices[0].message.content
        dropped = {key: value for key, value in reply.message.items() if key != "reasoning_content"}
        with pytest.raises(openai.BadRequestError, match="reasoning_content"):
            client.chat.completions.create(model="model", messages=[*prompt, dropped, result])  # type: ignore[list-item]
        answer = client.chat.completions.create(
            model="model",
            messages=[*prompt, dropped, result],  # type: ignore[list-item]
            extra_body={"thinking": {"type": "disabled"}},
        )
        assert getattr(answer.choices[0].message, "reasoning_content", None) is None


def test_latencies_follow_their_distribution_and_the_length_of_the_prompt() -> None:
    behaviour = Behaviour(
        paces=(
            Pace(first_token_s=Spread(median=1.0, p95=3.0), tokens_per_s=Spread(median=100, p95=100)),
            Pace(from_tokens=1000, first_token_s=Spread(median=10.0, p95=10.0)),
        )
    )
    simulation = simulation_of(behaviour, scenarios()["text"])
    body = asked(messages=prompt_of(scenarios()["text"]))
    delays = sorted(
        simulation.answer(body, header("calibration-text", index=n), "/v1/chat/completions").delay_s
        for n in range(2000)
    )
    tokens = 1
    assert delays[1000] - tokens / 100 == pytest.approx(1.0, rel=0.08)
    assert delays[1900] - tokens / 100 == pytest.approx(3.0, rel=0.12)
    long = simulation.answer(asked("word " * 1000), {}, "/v1/chat/completions")
    assert long.delay_s == pytest.approx(10.0)
    streamed = simulation.answer({**body, "stream": True}, {}, "/v1/chat/completions")
    assert streamed.piece_s * len(streamed.pieces) == pytest.approx(tokens / 100)


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        ({"model": "m"}, "/v1/chat/completions", 400),
        ({"model": "m", "messages": []}, "/v1/chat/completions", 400),
        ({"model": "m", "messages": "hi"}, "/v1/chat/completions", 400),
        ({"model": "m", "messages": [1, None, "x"]}, "/v1/chat/completions", 200),
        (
            {"model": None, "messages": [{"content": [{"type": "text"}]}], "tools": [None, {}]},
            "/chat/completions",
            200,
        ),
        ({}, "/v1/embeddings", 404),
    ],
)
def test_odd_requests_get_an_answer_or_a_clear_refusal(body: dict[str, Any], path: str, status: int) -> None:
    assert simulation_of().answer(body, {"x-agentbench-sample": "[1"}, path).status == status


def test_what_was_put_in_is_counted_once_a_sample() -> None:
    behaviour = Behaviour(faults=(Fault(family="calls", tag="no_call", rate=0.3),), success=1.0)
    scenario = scenarios()["tool"]
    simulation = simulation_of(behaviour, scenario)
    for index in range(300):
        reply_of(simulation, asked(messages=prompt_of(scenario)), header(scenario.id, index=index))
    assert simulation.befell["model", "calls:no_call"] + simulation.befell["model", ""] == 300
    assert 60 < simulation.befell["model", "calls:no_call"] < 120
