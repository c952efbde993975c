"""Which failures are shown, and what of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from loading import BASE, one
from made_samples import BROKEN, GOOD, INVALID, sample, x_sample

from pytest_agentbench.evidence import EXCERPT_CHARACTERS, worst_failures
from pytest_agentbench.sample import Finding, Loop, Reply, Sample, SchemaError, ToolCall, Turn
from pytest_agentbench.verdict import Failure


def said(text: str | None, *calls: ToolCall) -> tuple[Turn, ...]:
    return (Turn(reply=Reply(message={}, content=text, tool_calls=calls)),)


def shown(tmp_path: Path, *samples: Sample, **options: Any) -> tuple[Failure, ...]:
    return worst_failures(samples, one(BASE, tmp_path), **options)


def failing(index: int = 0, **fields: Any) -> Sample:
    return sample(index, passed=False, **fields)


def test_every_kind_of_failure_is_shown_before_any_kind_twice(tmp_path: Path) -> None:
    broken = [failing(i, json=BROKEN, turns=said("{")) for i in range(3)]
    other = failing(3, json=replace(BROKEN, tags=("truncated",)), turns=said("{"))
    found = shown(tmp_path, *broken, other, sample(4), x_sample(5), limit=3)
    assert [(failure.tag, failure.index) for failure in found] == [
        ("unbalanced", 0),
        ("truncated", 3),
        ("unbalanced", 1),
    ]


def test_a_syntax_error_is_shown_where_the_parser_stopped(tmp_path: Path) -> None:
    text = '{"lines": [' + '"item", ' * 100 + "oops]}"
    at = text.index("oops")
    (found,) = shown(tmp_path, failing(json=replace(BROKEN, offset=at), turns=said(text)))
    assert found.excerpt == "…" + text[at - 30 :]
    (near,) = shown(tmp_path, failing(json=replace(BROKEN, offset=5), turns=said(text)))
    assert near.excerpt.startswith('{"lines"')
    assert len(near.excerpt) == EXCERPT_CHARACTERS


def test_a_schema_error_says_what_is_wrong(tmp_path: Path) -> None:
    error = SchemaError(tag="wrong_type", path=("a",), depth=1, message="/a: '1' is not of type 'integer'")
    (found,) = shown(tmp_path, failing(json=replace(INVALID, errors=(error,)), turns=said('{"a": "1"}')))
    assert (found.tag, found.message, found.excerpt) == ("wrong_type", error.message, '{"a": "1"}')


def test_a_loop_comes_before_what_it_broke(tmp_path: Path) -> None:
    loop = Loop(
        kind="exact", where="answer", period=2, repeats=90, start=0, unterminated=True, wasted_tokens=178,
        excerpt="la la la",
    )  # fmt: skip
    (found,) = shown(tmp_path, failing(json=BROKEN, loop=loop, turns=said("la " * 180)))
    assert (found.tag, found.message, found.excerpt) == (
        "loop:exact",
        "exact loop in answer: period 2, 90 times",
        "la la la",
    )


def test_a_limit_is_named_before_the_json_that_is_not_there_with_the_last_call(tmp_path: Path) -> None:
    limit = Finding(check="limit", status="failed", message="the turns ran out", tags=("max_turns",))
    last = said(None, ToolCall(id="a", name="get_rate", arguments='{"from": "EUR"}'))
    cut = replace(BROKEN, tags=("truncated",))
    (found,) = shown(tmp_path, failing(json=cut, findings=(limit,), ended="max_turns", turns=last))
    assert (found.tag, found.message) == ("max_turns", "the turns ran out")
    assert found.excerpt == 'get_rate({"from": "EUR"})'


def test_a_failed_check_is_shown_with_its_message(tmp_path: Path) -> None:
    passed = Finding(check="text", status="passed")
    failed = Finding(check="text", status="failed", message="'x' is not in 'y'", tags=("text_contains",))
    (found,) = shown(tmp_path, failing(json=GOOD, findings=(passed, failed), turns=said("y")))
    assert (found.tag, found.message, found.excerpt) == ("text_contains", "'x' is not in 'y'", "y")
