"""Samples whose contract holds, whose checks all pass and that have no loop (METRICS 1)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import Sample

NAME = "pass_rate"
DIRECTION: Literal["max", "min"] = "min"
LABEL = "passes"
EMPTY = "no samples"


def failure(sample: Sample) -> bool | None:
    """Did not pass; None for an X."""
    return None if sample.status == "x" else not sample.passed
