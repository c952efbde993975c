"""Loops of the agent: which repetitions of calls are no progress."""

from __future__ import annotations

from typing import Any

from pytest_agentbench.loops.calls import canonical_call, find_call_loop
from pytest_agentbench.sample import Loop, Reply, ToolCall, ToolResult, Turn, Usage


def turn(*calls: tuple[Any, ...], text: str | None = None, polling: bool = False) -> Turn:
    """One turn; a call is (name, arguments, result) or (name, arguments, result, True) for an error."""
    made = [ToolCall(id=str(n), name=call[0], arguments=call[1]) for n, call in enumerate(calls)]
    results = [
        ToolResult(call=tool_call, content=call[2], error=len(call) > 3, polling=polling)
        for tool_call, call in zip(made, calls, strict=True)
    ]
    reply = Reply(message={}, content=text, tool_calls=tuple(made), usage=Usage(completion_tokens=10))
    return Turn(reply=reply, results=tuple(results))


def loop_of(*turns: Turn) -> Loop:
    found = find_call_loop(turns)
    assert found is not None
    return found


def test_a_call_is_its_name_with_sorted_arguments() -> None:
    first = ToolCall(id="1", name="f", arguments='{"a": 1, "b": {"d": 2, "c": 3}}')
    second = ToolCall(id="2", name="f", arguments='{"b":{"c":3,"d":2},"a":1}')
    assert canonical_call(first) == canonical_call(second)
    assert canonical_call(ToolCall(id="3", name="f", arguments="{broken")) == "f({broken)"


def test_the_same_call_with_the_same_result_three_times_is_a_loop() -> None:
    same = ("f", '{"a": 1}', "x")
    assert find_call_loop([turn(same), turn(same)]) is None
    loop = loop_of(turn(("g", "{}", "y")), turn(same), turn(("f", '{"a":1}', "x")), turn(same))
    assert (loop.kind, loop.where, loop.period, loop.repeats, loop.start) == ("same_result", "agent", 1, 3, 1)
    assert loop.wasted_tokens == 20
    assert loop.excerpt == 'f({"a": 1}) -> x'


def test_a_changed_result_is_progress_until_the_fifth_time() -> None:
    turns = [turn(("f", "{}", str(n))) for n in range(5)]
    assert find_call_loop(turns[:4]) is None
    assert loop_of(*turns).kind == "same_result"


def test_other_arguments_are_progress() -> None:
    assert find_call_loop([turn(("f", f'{{"page": {n}}}', "x")) for n in range(20)]) is None


def test_the_same_call_failing_three_times_is_a_loop_even_with_others_between() -> None:
    bad, other = ("f", "{}", "503", True), ("g", "{}", "fine")
    assert find_call_loop([turn(bad), turn(other), turn(bad)]) is None
    loop = loop_of(turn(bad), turn(other), turn(bad), turn(("g", '{"n": 1}', "fine")), turn(bad))
    assert (loop.kind, loop.repeats) == ("same_error", 3)


def test_an_error_that_a_retry_cured_is_forgotten() -> None:
    bad, good = ("f", "{}", "503", True), ("f", "{}", "ok")
    assert find_call_loop([turn(bad), turn(good), turn(bad), turn(good)]) is None


def test_a_cycle_at_the_tail_is_a_loop() -> None:
    one, two, three = ("f", "{}", "1"), ("g", "{}", "2"), ("h", "{}", "3")
    loop = loop_of(turn(three), *[turn(one), turn(two)] * 3)
    assert (loop.kind, loop.period, loop.repeats, loop.start) == ("cycle", 2, 3, 1)
    assert loop_of(*[turn(one), turn(two), turn(three)] * 3).period == 3
    assert find_call_loop([*[turn(one), turn(two)] * 3, turn(three)]) is None
    assert find_call_loop([turn(one), turn(two)] * 2) is None


def test_parallel_calls_of_one_turn_count_one_after_another() -> None:
    same = ("f", "{}", "x")
    assert loop_of(turn(same, same, same)).kind == "same_result"


def test_polling_tools_are_exempt() -> None:
    assert find_call_loop([turn(("status", "{}", "running"), polling=True)] * 10) is None


def test_the_same_text_three_times_without_a_call_is_a_monologue() -> None:
    loop = loop_of(*[turn(text="Let me  think.\n"), turn(text="Let me think."), turn(text="Let me think.")])
    assert (loop.kind, loop.repeats, loop.wasted_tokens) == ("monologue", 3, 20)
    said = turn(text="Let me think.")
    assert find_call_loop([said, said, turn(("f", "{}", "x"), text="Let me think."), said, said]) is None


def test_without_turns_there_is_no_loop() -> None:
    assert find_call_loop([]) is None
    assert find_call_loop([turn(text=None)] * 5) is None
