"""The final answer as JSON: how it parses, whether it fits, whether it says what was expected."""

from __future__ import annotations

from pytest_agentbench.checks.matching.patterns import apart, has_pattern
from pytest_agentbench.checks.matching.values import mismatches
from pytest_agentbench.parsing.outcome import absent, judge, unparseable
from pytest_agentbench.sample import Finding, JsonOutcome, Turn
from pytest_agentbench.scenario import Json, JsonAnswer

CHECK = "json_expect"


def measure(asked: JsonAnswer, turns: tuple[Turn, ...], ended: str) -> JsonOutcome:
    """The outcome of the last reply's text (METRICS 1).

    Cut by a limit of time, tokens or turns while the model was producing: unparseable, whatever is there.
    Refused, filtered or blank: none. Reasoning that the provider sends apart is no part of the text.
    """
    if not turns:
        return absent("empty")
    last = turns[-1]
    if ended == "deadline" or last.reply.deadline:
        return unparseable("deadline")
    if ended in {"truncated", "max_turns"} or last.truncated:
        return unparseable("truncated")
    reply = last.reply
    if reply.refusal or reply.finish_reason == "content_filter":
        return absent("refusal")
    return judge(reply.content or "", schema=asked.schema, accept=asked.accept)


async def compare(expect: Json, outcome: JsonOutcome) -> Finding:
    """Whether the value says what was expected: expected keys with these values, lists and scalars exactly.

    Not applicable where there is no value to compare: that sample fails its contract already.
    """
    if outcome.parse in {"unparseable", "none"}:
        return Finding(check=CHECK, status="not_applicable", message="there is no value to compare")
    wrong = await apart(_compare, expect, outcome) if has_pattern(expect) else _compare(expect, outcome)
    if not wrong:
        return Finding(check=CHECK, status="passed")
    return Finding(
        check=CHECK,
        status="failed",
        message="; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
        tags=("json_expect",),
        evidence={"mismatches": wrong[:20], "n_mismatches": len(wrong)},
    )


def _compare(expect: Json, outcome: JsonOutcome) -> list[str]:
    return mismatches(expect, outcome.value, extra_keys=True)
