"""The protocol between a container and us, fed by hand: however the bytes are cut."""

from __future__ import annotations

import ast
import struct

from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.resources import bundled
from pytest_agentbench.sandboxes import conversation
from pytest_agentbench.sandboxes.conversation import READY, REFUSED, REPORT_BYTES, START, Conversation


def frame(stream: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(content)) + content


def report(text: str) -> bytes:
    return text.ljust(REPORT_BYTES).encode()


def heard(data: bytes, *, limit: int = 1000) -> Conversation:
    talk = Conversation(limit)
    talk.feed(data)
    return talk


def test_the_runner_in_the_image_uses_the_same_words() -> None:
    source = (bundled("sandbox") / "run.py").read_text(encoding="utf-8")
    for name in ("READY", "START", "REFUSED", "REPORT_BYTES"):
        assigned = [
            ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ]
        assert assigned == [getattr(conversation, name)]


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=6),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_streams_come_apart_the_same_wherever_the_bytes_are_cut(
    chunks: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = frame(1, READY) + frame(1, START) + b"".join(frame(stream, content) for stream, content in chunks)
    data += frame(1, report("agentbench-report 3 0 1"))
    talk = Conversation(10_000)
    places = sorted(min(cut, len(data)) for cut in cuts)
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        talk.feed(data[begin:end])
    assert talk.started
    assert talk.report() == (3, 0, 1)
    assert talk.stdout == b"".join(content for stream, content in chunks if stream == 1)
    assert talk.stderr == b"".join(content for stream, content in chunks if stream == 2)


def test_nothing_counts_as_started_before_both_words() -> None:
    assert not heard(frame(1, READY)).started
    assert not heard(frame(1, START)).ready
    assert heard(frame(1, READY[:4]) + frame(1, READY[4:] + START)).started


def test_a_refusal_is_its_reason() -> None:
    assert heard(frame(1, READY + REFUSED + b"No space left\n")).refused == "No space left"


def test_output_without_a_report_has_none() -> None:
    talk = heard(frame(1, READY + START + b"x" * 200))
    assert talk.report() is None
    assert talk.texts() == ("x" * 200, "")
    assert heard(frame(1, READY + START + report("agentbench-report a b c"))).report() is None


def test_the_limit_holds_for_each_stream_and_not_for_the_report() -> None:
    full = READY + START + b"x" * 100 + report("agentbench-report 0 0 0")
    assert not heard(frame(1, full), limit=100).over_limit
    assert heard(frame(1, full + b"x"), limit=100).over_limit
    assert heard(frame(1, READY + START) + frame(2, b"x" * 101), limit=100).over_limit
    assert heard(frame(1, READY + START) + frame(2, b"\xc3\xa4" * 60), limit=3).texts() == ("", "ä\ufffd")
