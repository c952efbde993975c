"""Streams out of bytes, cut wherever a network may cut them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.providers.faults import AttemptError
from pytest_agentbench.providers.stream import Assembler, EventParser

TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


def parse(pieces: list[bytes]) -> list[bytes]:
    parser = EventParser()
    return [data for piece in pieces for data in parser.feed(piece)] + list(parser.end())


def assemble(*deltas: dict[str, Any]) -> dict[str, Any]:
    assembler = Assembler()
    for delta in deltas:
        assembler.add(json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode())
    return dict(assembler.reply().message)


@given(
    values=st.lists(JSON, max_size=6),
    places=st.lists(st.integers(0, 10_000), max_size=20),
    newline=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    space=st.sampled_from([b"", b" "]),
    comments=st.booleans(),
)
def test_events_come_out_the_same_wherever_the_bytes_are_cut(
    values: list[Any], places: list[int], newline: bytes, space: bytes, comments: bool
) -> None:
    events = [json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") for value in values]
    comment = b": keep-alive" + newline + newline if comments else b""
    raw = b"".join(comment + b"data:" + space + event + newline + newline for event in events)
    assert parse(cut(raw, places)) == events


@given(raw=st.binary(max_size=200), places=st.lists(st.integers(0, 200), max_size=8))
def test_no_bytes_break_the_parser_and_cuts_change_nothing(raw: bytes, places: list[int]) -> None:
    assert parse(cut(raw, places)) == parse([raw])


@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_an_event_is_taken_or_refused_as_a_transport_fault_and_nothing_else_happens(raw: bytes) -> None:
    assembler = Assembler()
    try:
        assembler.add(raw)
    except AttemptError:
        return
    assert assembler.reply().message["role"] == "assistant"


@given(choice=JSON, delta=st.dictionaries(st.sampled_from(["content", "tool_calls", "role", "x"]), JSON))
def test_odd_chunks_never_raise_anything_but_a_transport_fault(choice: Any, delta: dict[str, Any]) -> None:
    assembler = Assembler()
    for event in (
        {"choices": choice},
        {"choices": [choice]},
        {"choices": [{"delta": delta}]},
        {"choices": [{"delta": delta, "finish_reason": choice}]},
    ):
        try:
            assembler.add(json.dumps(event).encode())
        except AttemptError:
            continue
    assembler.reply()


def test_several_data_lines_are_one_event_and_other_fields_are_skipped() -> None:
    raw = b"event: x\nid: 7\ndata: a\ndata: b\nretry: 1\n\ndata: c\n\n"
    assert parse([raw]) == [b"a\nb", b"c"]


def test_the_last_event_needs_no_empty_line() -> None:
    assert parse([b"data: a\n\ndata: [DONE]"]) == [b"a", b"[DONE]"]


def test_tool_calls_are_put_together_by_index() -> None:
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}
    message = assemble(
        {"role": "assistant", "content": None, "tool_calls": [first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]},
        {"tool_calls": [second, {"index": 0, "function": {"arguments": " 1}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]},
    )
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert "content" not in message


@pytest.mark.parametrize("index", [{"index": 0}, {}], ids=["index 0 each time", "no index"])
def test_whole_tool_calls_without_an_index_of_their_own_stay_apart(index: dict[str, int]) -> None:
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"n": {n}}}'}}
        for n in range(3)
    ]
    message = assemble(*({"tool_calls": [{**index, **call}]} for call in calls))
    assert message["tool_calls"] == calls


def test_a_name_that_is_repeated_with_every_piece_is_taken_once() -> None:
    pieces = [{"index": 0, "id": "a", "function": {"name": "get", "arguments": part}} for part in ("{", "}")]
    message = assemble(*({"tool_calls": [piece]} for piece in pieces))
    assert message["tool_calls"][0]["function"] == {"name": "get", "arguments": "{}"}


def test_unknown_fields_grow_merge_and_stay() -> None:
    message = assemble(
        {"audio": {"id": "x", "transcript": "He"}, "signature": "c2ln", "annotations": [{"a": 1}]},
        {"audio": {"id": "x", "transcript": "llo"}, "annotations": [{"b": 2}], "extra": 3},
    )
    assert message["audio"] == {"id": "x", "transcript": "Hello"}
    assert message["annotations"] == [{"a": 1}, {"b": 2}]
    assert (message["signature"], message["extra"]) == ("c2ln", 3)


def test_only_the_first_choice_is_read() -> None:
    assembler = Assembler()
    assembler.add(
        b'{"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}'
    )
    assert assembler.reply().content == "a"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "upstream lost", "code": 502}, "choices": []}, "http_502"),
        ({"error": {"message": "upstream lost"}}, "error_in_body"),
        ({"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, "error_in_body"),
        ({"choices": [None]}, "undecodable"),
        ({"choices": "none"}, "undecodable"),
    ],
)
def test_an_error_within_a_stream_is_a_fault(event: dict[str, Any], kind: str) -> None:
    with pytest.raises(AttemptError) as caught:
        Assembler().add(json.dumps(event).encode())
    assert caught.value.kind == kind
