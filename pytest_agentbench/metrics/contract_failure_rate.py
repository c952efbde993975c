"""Answers that do not parse within ``accept`` or break their schema (METRICS 1)."""

from __future__ import annotations

from typing import Literal

from pytest_agentbench.sample import Sample

NAME = "contract_failure_rate"
DIRECTION: Literal["max", "min"] = "max"
LABEL = "contract failures"
EMPTY = "no sample with a JSON answer"


def failure(sample: Sample) -> bool | None:
    """Not (within ``accept`` and valid); None where no JSON was asked and for an X."""
    if sample.status == "x" or sample.json is None:
        return None
    return not sample.json.contract_holds
