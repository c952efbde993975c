"""Answers that parse in some way and break their schema, among those that parse (METRICS 1)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import Sample

NAME = "schema_failure_rate"
DIRECTION: Literal["max", "min"] = "max"
LABEL = "schema failures"
EMPTY = "no JSON answer parses"


def failure(sample: Sample) -> bool | None:
    """Not valid; None where nothing parses, where no JSON was asked and for an X."""
    if sample.status == "x" or sample.json is None or sample.json.schema_valid is None:
        return None
    return not sample.json.schema_valid
