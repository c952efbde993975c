"""A turn with spoilt calls fails, and the checks say why: played on the shipped tool scenarios."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from check_subjects import RATE, evaluate, rendering, turn
from shipped import shipped

from pytest_agentbench.expand import render
from pytest_agentbench.sample import Turn
from pytest_agentbench.scenario import Rendering, Tool
from pytest_agentbench.simulation.call_faults import TAGS, spoil
from pytest_agentbench.simulation.draft import Draft, DraftCall

CALLING = [name for name, scenario in shipped().items() if scenario.tools]
# What the checks call each fault: a tag among the findings, or among those of the arguments.
FOUND = {
    "unknown_tool": {"unknown_tool"},
    "no_call": {"no_call", "missing_call"},
    "call_in_content": {"tool_call_in_content", "missing_call"},
    "missing_call": {"missing_call"},
    "extra_call": {"extra_call"},
    "wrong_tool": {"wrong_tool"},
    "wrong_arguments": {"wrong_arguments"},
    "wrong_order": {"wrong_order"},
    "arguments_not_string": {"arguments_not_string"},
    "arguments_unparseable": {"arguments_unparseable"},
    "missing_argument": {"missing_required"},
    "extra_argument": {"extra_key"},
    "argument_type": {"wrong_type", "string_for_number"},
}
BREAKS_SCHEMA = {"missing_argument", "extra_argument", "argument_type"}
CONVERT = Tool(
    name="convert",
    parameters={
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "unit": {"enum": ["EUR", "NOK"]},
            "note": {"type": "string"},
        },
        "required": ["amount"],
        "additionalProperties": False,
    },
)


def call(name: str, **args: Any) -> DraftCall:
    return DraftCall(name=name, arguments=json.dumps(args))


def turn_of(draft: Draft) -> Turn:
    return turn(draft.content, *((one.name, one.arguments) for one in draft.calls))


def drafts_of(asked: Rendering) -> list[Draft]:
    """The reference as drafts."""
    made = []
    for step in asked.reference:
        said = step["assistant"]
        if isinstance(said, str):
            made.append(Draft(content=said))
        else:
            calls = tuple(call(one["name"], **one["args"]) for one in said.get("tool_calls", ()))
            made.append(Draft(content=said.get("text"), calls=calls))
    return made


def tags_of(asked: Rendering, drafts: list[Draft]) -> tuple[bool, set[str]]:
    found = evaluate(asked, *map(turn_of, drafts))
    tags = [*(one.tags for one in found.arguments), *(one.tags for one in found.findings)]
    return found.passed, {tag for some in tags for tag in some}


def spoilt_by(tag: str, draft: Draft, tools: tuple[Tool, ...], seed: int) -> Draft:
    made = spoil(tag, draft, tools, random.Random(seed))
    assert made is not None
    return made


@pytest.mark.parametrize("scenario", CALLING)
@pytest.mark.parametrize("tag", TAGS)
def test_a_spoilt_turn_of_a_shipped_scenario_fails_with_its_tag(tag: str, scenario: str) -> None:
    loaded = shipped()[scenario]
    for seed in range(25):
        rng = random.Random(seed)
        asked = render(loaded, loaded.variants[0], seed)
        drafts = drafts_of(asked)
        place = rng.choice([index for index, draft in enumerate(drafts) if draft.calls])
        spoilt = spoil(tag, drafts[place], asked.tools, rng)
        if spoilt is None:
            possible = len(asked.tools) > 1 if tag == "wrong_tool" else len(drafts[place].calls) > 1
            assert tag in {"missing_call", "wrong_order", "wrong_tool"}
            assert not possible
            continue
        drafts[place] = spoilt
        if not spoilt.calls:
            drafts = drafts[: place + 1]  # a turn without calls ends the sample
        passed, tags = tags_of(asked, drafts)
        if tag == "wrong_order" and spoilt.calls:
            assert passed == (_order(asked) != "strict")
        else:
            assert not passed, spoilt
            assert tags & FOUND[tag], (spoilt, tags)


def _order(asked: Rendering) -> str:
    (check,) = (one for one in asked.checks if one.name == "tool_calls")
    return str(check.params.get("order", "strict"))


def strict(*calls: DraftCall) -> Rendering:
    expect = [{"name": one.name, "args": json.loads(one.arguments)} for one in calls]
    return rendering(("tool_calls", {"expect": expect, "order": "strict"}), tools=(RATE, CONVERT))


TWO = (call("get_rate", **{"from": "EUR", "amount": 3}), call("convert", amount=11.5, unit="EUR"))


@pytest.mark.parametrize("tag", TAGS)
def test_every_fault_is_possible_with_two_tools_and_two_calls(tag: str) -> None:
    asked = strict(*TWO)
    draft = Draft(calls=TWO, reasoning="I need both.", finish_reason="tool_calls")
    assert tags_of(asked, [draft, Draft(content="Done.")]) == (True, set())
    for seed in range(200):
        spoilt = spoil(tag, draft, asked.tools, random.Random(seed), expect_more=bool(seed % 2))
        assert spoilt is not None
        assert spoilt.reasoning == "I need both."
        passed, tags = tags_of(asked, [spoilt, Draft(content="Done.")] if spoilt.calls else [spoilt])
        assert not passed
        assert tags & FOUND[tag]
        foreign = set().union(*(FOUND[other] for other in BREAKS_SCHEMA if other != tag))
        assert not (tags & foreign), "only one thing is wrong"


def test_a_spoilt_draft_says_what_it_is() -> None:
    draft = Draft(calls=TWO, content="One moment.", finish_reason="tool_calls")
    for seed in range(60):
        made = {tag: spoilt_by(tag, draft, (RATE, CONVERT), seed) for tag in TAGS}
        for tag in ("no_call", "call_in_content"):
            assert made[tag].calls == ()
            assert made[tag].finish_reason is None
        said, written = made["no_call"].content or "", made["call_in_content"].content or ""
        assert said
        assert "get_rate" not in said
        assert "get_rate" in written
        assert "convert" in written
        assert len(made["missing_call"].calls) == 1
        assert len(made["extra_call"].calls) == 3
        assert made["wrong_order"].calls == (TWO[1], TWO[0])
        assert {type(one.arguments) for one in made["arguments_not_string"].calls} == {str, dict}
        assert not {one.name for one in made["unknown_tool"].calls} <= {"get_rate", "convert"}
        with pytest.raises(json.JSONDecodeError):
            [json.loads(one.arguments) for one in made["arguments_unparseable"].calls]


def test_the_three_ways_to_write_a_call_as_text_all_come() -> None:
    texts = {spoilt_by("call_in_content", Draft(calls=TWO[:1]), (RATE,), seed).content for seed in range(40)}
    assert texts == {
        "get_rate(from='EUR', amount=3)",
        '{"name": "get_rate", "arguments": {"from": "EUR", "amount": 3}}',
        '<tool_call>\n{"name": "get_rate", "arguments": {"from": "EUR", "amount": 3}}\n</tool_call>',
    }


def test_near_misses_of_a_name_are_no_tools_that_exist() -> None:
    tools = tuple(Tool(name=name) for name in ("get_rate", "get_rates", "getRate", "rate"))
    names = {
        spoilt_by("unknown_tool", Draft(calls=(call("get_rate"),)), tools, seed).calls[0].name
        for seed in range(60)
    }
    assert names == {"get-rate", "get_rate_tool"}


@pytest.mark.parametrize(
    ("tag", "draft", "tools"),
    [
        *((tag, Draft(content="No call here."), (RATE,)) for tag in TAGS),
        ("missing_call", Draft(calls=TWO[:1]), (RATE, CONVERT)),
        ("wrong_order", Draft(calls=TWO[:1]), (RATE, CONVERT)),
        ("wrong_order", Draft(calls=(TWO[0], TWO[0])), (RATE, CONVERT)),
        ("wrong_tool", Draft(calls=TWO[:1]), (RATE,)),
        ("wrong_arguments", Draft(calls=(call("ping"),)), (Tool(name="ping"),)),
        ("missing_argument", Draft(calls=(call("ping"),)), (Tool(name="ping"),)),
        ("extra_argument", Draft(calls=(call("ping"),)), (Tool(name="ping"),)),
        ("argument_type", Draft(calls=(call("ping"),)), (Tool(name="ping"),)),
    ],
)
def test_a_fault_without_a_place_is_none(tag: str, draft: Draft, tools: tuple[Tool, ...]) -> None:
    assert spoil(tag, draft, tools, random.Random(0)) is None


def test_a_call_to_a_tool_that_is_not_offered_can_be_spoilt_too() -> None:
    draft = Draft(calls=(call("other", a=1),))
    for tag in ("wrong_arguments", "extra_call", "unknown_tool", "arguments_unparseable", "no_call"):
        assert spoil(tag, draft, (), random.Random(0)) not in (None, draft)


def test_arguments_of_an_empty_object_can_be_broken() -> None:
    broken = spoil("arguments_unparseable", Draft(calls=(call("ping"),)), (), random.Random(0))
    assert broken is not None
    assert broken.calls[0].arguments == "{"


def test_the_same_seed_spoils_the_same() -> None:
    one, other = (spoil("extra_call", Draft(calls=TWO), (RATE, CONVERT), random.Random(4)) for _ in range(2))
    assert one == other
