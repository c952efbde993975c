"""Bodies: only what somebody set, under the endpoint's rules, and what became of each wish."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agentbench.model import Model, ParameterRules
from pytest_agentbench.providers.request import build
from pytest_agentbench.scenario import JsonAnswer, Sampling, Tool

MESSAGES = [{"role": "user", "content": "Hello"}]
STRICT = {
    "title": "An invoice!",
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "string"}}},
    "required": ["a"],
    "additionalProperties": False,
}
LOOSE = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}}


def model(rules: ParameterRules | None = None, **fields: Any) -> Model:
    return Model(name="m", slug="m", model_id="id/m", rules=rules or ParameterRules(), **fields)


def made(of: Model | None = None, **asked: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    extra = {
        key: asked.pop(key) for key in ("tools", "answer_json", "request_seed", "messages") if key in asked
    }
    body, told = build(of or model(), sampling=Sampling(**asked), **{"messages": MESSAGES, **extra})
    return body, {entry["key"]: entry for entry in told}


def test_nothing_that_nobody_set_is_sent() -> None:
    body, told = made()
    assert body == {"model": "id/m", "messages": MESSAGES}
    assert told == {}


def test_what_was_set_is_sent_and_told() -> None:
    body, told = made(temperature=0.0, top_p=0.9, max_tokens=80, stop=("END",), seed=3)
    assert {key: body[key] for key in ("temperature", "top_p", "max_tokens", "stop", "seed")} == {
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 80,
        "stop": ["END"],
        "seed": 3,
    }
    assert all(entry["honoured"] and entry["note"] == "" for entry in told.values())
    assert told["temperature"] == {
        "key": "temperature",
        "asked": 0.0,
        "sent": 0.0,
        "honoured": True,
        "note": "",
    }


def test_the_scenario_wins_over_the_preset_and_null_unsets_it() -> None:
    preset = model(sampling={"temperature": 0.2, "top_p": 0.5, "extra_body": {"a": 1, "b": 1}})
    body, _ = made(preset, temperature=0.7, extra_body={"b": 2})
    assert (body["temperature"], body["top_p"], body["a"], body["b"]) == (0.7, 0.5, 1, 2)
    body, _ = made(preset, set_keys=frozenset({"temperature"}))
    assert "temperature" not in body
    assert body["top_p"] == 0.5


def test_the_seed_of_a_sample_is_sent_only_when_per_sample_was_asked() -> None:
    assert "seed" not in made(request_seed=5)[0]
    assert made(seed="per_sample", request_seed=5)[0]["seed"] == 5
    assert made(seed=7, request_seed=5)[0]["seed"] == 7


def test_more_tokens_than_the_model_writes_are_cut_to_its_limit() -> None:
    body, told = made(model(output_tokens=100), max_tokens=500)
    assert body["max_tokens"] == 100
    assert told["max_tokens"]["honoured"] is False
    assert made(model(output_tokens=100))[0].get("max_tokens") is None


@pytest.mark.parametrize(
    ("rules", "wish", "sent", "honoured"),
    [
        ({"thinking_on": {"think": True}}, "on", {"think": True}, True),
        ({"thinking_off": {"think": False}, "thinks_by_default": True}, "off", {"think": False}, True),
        ({"thinks_by_default": True}, "off", {}, False),
        ({}, "on", {}, False),
        ({}, "off", {}, True),
        ({"thinks_by_default": True}, "on", {}, True),
    ],
)
def test_thinking_is_switched_where_there_is_a_switch(
    rules: dict[str, Any], wish: Any, sent: dict[str, Any], honoured: bool
) -> None:
    body, told = made(model(ParameterRules(**rules)), thinking=wish)
    assert {key: value for key, value in body.items() if key == "think"} == sent
    assert told["thinking"]["honoured"] is honoured


def test_what_is_ignored_while_thinking_counts_when_it_does_not_think() -> None:
    rules = ParameterRules(thinking_on={"think": 1}, ignored_when_thinking=("temperature",))
    assert "temperature" not in made(model(rules), temperature=1.5, thinking="on")[0]
    assert made(model(rules), temperature=1.5)[0]["temperature"] == 1.5


def test_what_belongs_to_the_sample_cannot_be_replaced_by_extra_body() -> None:
    body, told = made(extra_body={"messages": [], "stream": True, "n": 4, "min_p": 0.1})
    assert body == {"model": "id/m", "messages": MESSAGES, "min_p": 0.1}
    unheard = {key for key, entry in told.items() if not entry["honoured"]}
    assert unheard == {"extra_body.messages", "extra_body.stream", "extra_body.n"}


def test_extra_body_of_the_scenario_wins_over_the_models_own() -> None:
    pinned = model(extra_body={"provider": {"only": ["a"]}, "x": 1})
    assert made(pinned)[0]["provider"] == {"only": ["a"]}
    assert made(pinned, extra_body={"provider": {"only": ["b"]}})[0]["provider"] == {"only": ["b"]}
    assert made(pinned, extra_body={"provider": {"only": ["b"]}})[0]["x"] == 1


def test_tools_go_out_in_openais_form() -> None:
    tools = (Tool(name="f", description="Does.", parameters={"type": "object"}, strict=True), Tool(name="g"))
    body, _ = made(tools=tools, tool_choice="required", parallel_tool_calls=False)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "parameters": {"type": "object"},
                "description": "Does.",
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


@pytest.mark.parametrize("choice", ["f", {"name": "f"}, {"type": "function", "function": {"name": "f"}}])
def test_one_tool_can_be_demanded_by_its_name(choice: Any) -> None:
    body, _ = made(tools=(Tool(name="f"),), tool_choice=choice)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_a_choice_among_no_tools_is_not_sent() -> None:
    body, told = made(tool_choice="required", parallel_tool_calls=True)
    assert not {"tool_choice", "parallel_tool_calls", "tools"} & set(body)
    assert told["tool_choice"]["note"] == "the scenario has no tools"


@pytest.mark.parametrize(("schema", "strict"), [(STRICT, True), (LOOSE, False)])
def test_a_schema_is_strict_only_where_openai_would_take_it(schema: Any, strict: bool) -> None:
    body, told = made(answer_json=JsonAnswer(schema=schema, request="json_schema"))
    assert body["response_format"]["type"] == "json_schema"
    sent = body["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (schema, strict)
    assert sent["name"] == ("An_invoice" if strict else "answer")
    assert told["request"]["honoured"]
    assert bool(told["request"]["note"]) is not strict


@pytest.mark.parametrize(
    ("rules", "asked", "sent"),
    [
        ({}, "json_object", "json_object"),
        ({"json_request": "json_object"}, "json_schema", "json_object"),
        ({"json_request": "none"}, "json_schema", None),
        ({"json_request": "none"}, "json_object", None),
        ({"json_request": "json_object", "json_word": True}, "json_object", None),
        ({"json_word": True}, "json_schema", "json_schema"),
    ],
)
def test_a_weaker_form_is_sent_where_the_asked_one_is_not_enforced(
    rules: dict[str, Any], asked: Any, sent: str | None
) -> None:
    body, told = made(model(ParameterRules(**rules)), answer_json=JsonAnswer(schema=STRICT, request=asked))
    assert body.get("response_format", {}).get("type") == sent
    assert told["request"]["honoured"] is (asked == sent)
    assert (told["request"]["note"] == "") is (asked == sent)


def test_any_json_has_no_schema_to_send() -> None:
    body, told = made(answer_json=JsonAnswer(request="json_schema"))
    assert body["response_format"] == {"type": "json_object"}
    assert told["request"]["note"] == "the answer has no schema"
    assert "response_format" not in made(answer_json=JsonAnswer(schema=STRICT))[0]


def test_the_word_json_is_found_in_parts_too() -> None:
    rules = ParameterRules(json_word=True)
    parts = [{"role": "user", "content": [{"type": "text", "text": "As JSON"}, {"type": "image_url"}]}]
    body, _ = made(model(rules), messages=parts, answer_json=JsonAnswer(request="json_object"))
    assert body["response_format"] == {"type": "json_object"}
