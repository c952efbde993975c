"""Samples in which the model or the agent got stuck in a loop (METRICS 5)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import Sample

NAME = "loop_rate"
DIRECTION: Literal["max", "min"] = "max"
LABEL = "loops"
EMPTY = "no samples"


def failure(sample: Sample) -> bool | None:
    """A loop was found; None for an X."""
    return None if sample.status == "x" else sample.loop is not None
