"""Samples with any bad tool call, among the samples with calls (METRICS 1)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import JsonOutcome, Sample

NAME = "tool_argument_failure_rate"
DIRECTION: Literal["max", "min"] = "max"
LABEL = "samples with bad tool arguments"
EMPTY = "no sample with a tool call"

_BAD_TAGS = frozenset({"unknown_tool", "arguments_not_string", "arguments_unparseable"})


def calls(sample: Sample) -> tuple[JsonOutcome, ...]:
    """The outcomes of calls that were made; one tagged ``no_call`` stands for an absent call."""
    return tuple(outcome for outcome in sample.arguments if "no_call" not in outcome.tags)


def failure(sample: Sample) -> bool | None:
    """Any call to an unknown tool or with arguments that break the contract; None without calls."""
    if sample.status == "x":
        return None
    made = calls(sample)
    if not made:
        return None
    return any(not call.contract_holds or not _BAD_TAGS.isdisjoint(call.tags) for call in made)
