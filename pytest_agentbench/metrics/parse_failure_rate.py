"""Replies that parse worse than the team's own parser takes (METRICS 1)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import Sample

NAME = "parse_failure_rate"
DIRECTION: Literal["max", "min"] = "max"
LABEL = "parse failures"
EMPTY = "no sample with a JSON answer"


def failure(sample: Sample) -> bool | None:
    """Parses worse than ``accept``; None where no JSON was asked and for an X."""
    if sample.status == "x" or sample.json is None:
        return None
    return not sample.json.within_accept
