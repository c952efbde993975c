"""Odd and hostile replies through client, agent loop and checks: never a crash, never a wrong class."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent_sample import draw, rendering, tool
from loopback import Answer, LoopbackServer, completion, tool_call

from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import AgentLimits, CheckSpec, JsonAnswer
from pytest_agentbench.wire import from_wire, to_wire

ASKED = JsonAnswer(schema={"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})
GOOD = '{"a": 1}'


def document(message: Any, *, finish_reason: Any = "stop", **fields: Any) -> Answer:
    """A whole body, as it is."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    whole = {"id": "x", "model": "m", "choices": [choice], "usage": usage, **fields}
    return Answer(raw=json.dumps(whole).encode())


def said(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


def sample_of(answer: Any, *tools: Any, **options: Any) -> Sample:
    with LoopbackServer(answer) as server:
        found, _ = draw(server, rendering(*tools, answer_json=ASKED), **options)
    wired = json.dumps(to_wire(found))
    assert to_wire(from_wire(Sample, json.loads(wired))) == json.loads(wired)
    return found


LEVELS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "content as a list of parts": (document(said([{"type": "text", "text": '{"a":'}, {"type": "text", "text": "1}"}])), "L0", ()),
    "parts without text": (document(said([{"type": "image_url"}])), "L5", ("empty",)),
    "an empty list of parts": (document(said([])), "L5", ("empty",)),
    "content that is a bare object": (document(said({"a": 1})), "L0", ()),
    "no content at all": (document({"role": "assistant"}), "L5", ("empty",)),
    "blank for json_object": (document(said("   \n\n ")), "L5", ("empty",)),
    "only reasoning": (document(said(None, reasoning_content="let me think " + GOOD)), "L5", ("empty",)),
    "a refusal beside content": (document(said(GOOD, refusal="I will not.")), "L5", ("refusal",)),
    "an empty refusal": (document(said(GOOD, refusal="")), "L0", ()),
    "content_filter": (document(said(GOOD), finish_reason="content_filter"), "L5", ("refusal",)),
    "tool_calls announced, none there": (document(said(GOOD), finish_reason="tool_calls"), "L0", ()),
    "tool_calls null": (document(said(GOOD, tool_calls=None)), "L0", ()),
    "tool_calls no list": (document(said(GOOD, tool_calls="get_rate")), "L0", ()),
    "an unknown finish_reason": (document(said(GOOD), finish_reason="eos"), "L0", ()),
    "no finish_reason": (document(said(GOOD), finish_reason=None), "L0", ()),
    "length with a whole value": (document(said(GOOD), finish_reason="length"), "L4", ("truncated",)),
    "two choices, the first counts": (
        document(None, choices=[{"message": said(GOOD), "finish_reason": "stop"}, {"message": said("x")}]), "L0", (),
    ),
    "model null": (document(said(GOOD), model=None), "L0", ()),
    "id a number": (document(said(GOOD), id=5), "L0", ()),
    "no usage": (document(said(GOOD), usage=None), "L0", ()),
    "usage a text": (document(said(GOOD), usage="many"), "L0", ()),
    "usage of texts": (document(said(GOOD), usage={"completion_tokens": "5"}), "L0", ()),
    "negative usage": (document(said(GOOD), usage={"prompt_tokens": -1, "completion_tokens": -5}), "L0", ()),
    "a NUL before the value": (document(said("\0" + GOOD)), "L1", ("prose_around",)),
    "a NUL in a string": (document(said('{"a": 1, "b": "x\0y"}')), "L2", ("control_char",)),
    "a lone surrogate in a string": (document(said('{"a": 1, "b": "\ud800"}')), "L4", ("bad_escape",)),
    "an escaped lone surrogate": (document(said('{"a": 1, "b": "\\ud800"}')), "L4", ("bad_escape",)),
    "escape sequences around": (document(said(f"\x1b[31m{GOOD}\x1b[0m")), "L1", ("prose_around",)),
    "bidi marks around": (document(said(f"\u202e{GOOD}\u202c")), "L1", ("prose_around",)),
    "nested a hundred thousand levels deep": (document(said("[" * 100_000 + "]" * 100_000)), "L4", ("too_deep",)),
    "an error told as text": (document(said("Error: upstream timeout")), "L4", ("no_json",)),
    "two values": (document(said(GOOD + "\n" + GOOD)), "L4", ("multiple_values",)),
    "the schema said back": (document(said('{"type": "object", "properties": {"a": {"type": "integer"}}}')), "L3", ("missing_required",)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEVELS)
def test_an_odd_answer_has_its_level(name: str) -> None:
    answer, level, tags = LEVELS[name]
    sample = sample_of(answer)
    assert (sample.status, sample.fault) == ("ok", None)
    assert sample.json is not None
    assert (sample.json.level, sample.json.tags) == (level, tags)
    assert sample.passed is (level == "L0")


FAULTS: dict[str, Any] = {
    "no choices": document(None, choices=[]),
    "choices null": document(None, choices=None),
    "a null choice": document(None, choices=[None]),
    "a null message": document(None),
    "a message of text": document("hello"),
    "a body that is a list": Answer(raw=b"[]"),
    "an empty body": Answer(raw=b""),
    "half a body": Answer(raw=b'{"choices": [{"message": {"content": "{'),
    "an error with status 200": Answer(raw=b'{"error": {"message": "overloaded", "code": 503}}'),
    "a body nested too deep to read": Answer(raw=b'{"choices":' + b"[" * 200_000),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_completion_is_a_transport_fault_and_not_the_models(name: str) -> None:
    sample = sample_of(FAULTS[name])
    assert sample.status == "x"
    assert sample.fault is not None
    assert sample.json is None
    assert sample.n_attempts == sample.n_transport_errors >= 1


def calls(*raw: dict[str, Any]) -> Any:
    """These tool calls once, then a good answer."""

    def reply(body: Any, n: int) -> Answer:
        return (
            document(said(None, tool_calls=list(raw)), finish_reason="stop") if n == 0 else completion(GOOD)
        )

    return reply


ARGUMENTS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "an object": ({"from": "EUR"}, "L4", ("arguments_not_string",)),
    "null": (None, "L4", ("arguments_not_string",)),
    "a number": (5, "L4", ("arguments_not_string",)),
    "nothing": ("", "L5", ("empty", "arguments_unparseable")),
    "the word null": ("null", "L3", ("wrong_root",)),
    "a list": ("[1]", "L3", ("wrong_root",)),
    "JSON in JSON": (json.dumps('{"from": "EUR"}'), "L3", ("stringified_object",)),
    "cut": ('{"from": "EU', "L4", ("truncated", "arguments_unparseable")),
    "a NUL": ('{"from": "\\u0000"}', "L0", ()),
    "a special token behind": ('{"from": "EUR"}<|im_end|>', "L1", ("special_tokens",)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_odd_arguments_have_their_level_and_the_sample_goes_on(name: str) -> None:
    arguments, level, tags = ARGUMENTS[name]
    call = {"id": "c", "type": "function", "function": {"name": "get_rate", "arguments": arguments}}
    sample = sample_of(calls(call), tool("get_rate", 1))
    assert (sample.status, sample.ended, len(sample.turns)) == ("ok", "answer", 2)
    (outcome,) = sample.arguments
    assert outcome.level == level
    assert set(tags) <= set(outcome.tags)
    assert sample.turns[0].results[0].error is (level != "L0")


def test_calls_with_the_same_id_or_none_are_answered_one_by_one_in_their_order() -> None:
    raw = [tool_call("get_rate", {"n": n}, call_id=call_id) for n, call_id in enumerate(["a", "a", "", ""])]
    sample = sample_of(calls(*raw), tool("get_rate", 10, 11, 12, 13))
    assert [result.content for result in sample.turns[0].results] == ["10", "11", "12", "13"]
    assert [m["tool_call_id"] for m in sample.messages if m["role"] == "tool"] == ["a", "a", "", ""]


def test_two_hundred_parallel_calls_are_all_answered() -> None:
    raw = [tool_call("get_rate", {"n": n}, call_id=f"c{n}") for n in range(200)]
    sample = sample_of(calls(*raw), tool("get_rate", 1))
    assert len(sample.turns[0].results) == len(sample.arguments) == 200
    assert (sample.loop, sample.ended) == (None, "answer")


@pytest.mark.parametrize(
    "name", ["get rate", "", "get_rate ", "../../etc/passwd", "get\u0000rate", "x" * 10_000]
)
def test_a_call_to_a_name_that_is_no_tool_is_an_unknown_tool(name: str) -> None:
    sample = sample_of(calls(tool_call(name, {})), tool("get_rate", 1))
    assert sample.turns[0].results[0].error
    assert sample.arguments[0].tags == ("unknown_tool",)
    assert sample.ended == "answer"


@pytest.mark.parametrize(
    "call", [None, 5, "get_rate", {}, {"function": None}, {"id": "a", "type": "function"}]
)
def test_a_call_without_a_function_is_no_call_and_the_reply_is_the_answer(call: Any) -> None:
    sample = sample_of(document(said(None, tool_calls=[call])), tool("get_rate", 1))
    assert (sample.status, sample.ended, sample.turns[0].reply.tool_calls) == ("ok", "answer", ())
    assert sample.json is not None
    assert sample.json.level == "L5"


def test_a_reply_of_five_megabytes_is_judged_in_seconds() -> None:
    lines = ",".join(f'"line {n} of {n * 7919 % 10007}"' for n in range(200_000))
    sample = sample_of(document(said(f'{{"a": 1, "lines": [{lines}]}}')), limits=AgentLimits(max_seconds=60))
    assert sample.json is not None
    assert (sample.json.level, sample.loop, sample.passed) == ("L0", None, True)


def test_a_text_check_sees_a_lone_surrogate_and_a_nul_as_text() -> None:
    spec = CheckSpec(name="text", params={"contains": "a", "regex": "b.", "number": 5}, location=None)  # type: ignore[arg-type]
    with LoopbackServer(document(said("a\0b\ud800 5"))) as server:
        sample, _ = draw(server, rendering(checks=(spec,)))
    assert sample.passed
