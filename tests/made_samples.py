"""Samples and gates made by hand, for the tests of metrics and gates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pytest_agentbench.errors import Location
from pytest_agentbench.sample import JsonOutcome, Reply, Sample, Turn, Usage
from pytest_agentbench.scenario import GateSpec

GOOD = JsonOutcome(level="L0", parse="strict", schema_valid=True, within_accept=True)
FENCED = JsonOutcome(level="L1", parse="extractable", schema_valid=True, within_accept=False, tags=("fence",))
INVALID = JsonOutcome(
    level="L3", parse="strict", schema_valid=False, within_accept=True, tags=("wrong_type", "wrong_type")
)
BROKEN = JsonOutcome(
    level="L4", parse="unparseable", schema_valid=None, within_accept=False, tags=("unbalanced",)
)
SILENT = JsonOutcome(level="L5", parse="none", schema_valid=None, within_accept=False, tags=("empty",))


def sample(index: int = 0, **fields: Any) -> Sample:
    """One sample, passed and with a good JSON answer unless said otherwise."""
    known: dict[str, Any] = {"variant": "base", "row": 0, "json": GOOD, "passed": True, "n_attempts": 1}
    return Sample(scenario="s", model="m", index=index, **{**known, **fields})


def outcomes(failed: Iterable[bool]) -> list[Sample]:
    """Samples in sending order whose JSON answer is broken where ``failed`` says so."""
    return [sample(i, json=BROKEN if bad else GOOD, passed=not bad) for i, bad in enumerate(failed)]


def x_sample(index: int = 0, **fields: Any) -> Sample:
    """A sample that failed in transport: three attempts, three faults."""
    fault = {"kind": "connect", "message": "refused"}
    known = {
        "status": "x",
        "fault": fault,
        "json": None,
        "passed": False,
        "n_attempts": 3,
        "n_transport_errors": 3,
    }
    return sample(index, **{**known, **fields})


def turn(
    *,
    prompt: int | None = None,
    completion: int | None = None,
    reasoning: int | None = None,
    cached: int | None = None,
    latency_s: float = 1.0,
    response_id: str | None = None,
) -> Turn:
    """One turn whose reply has this usage."""
    usage = Usage(
        prompt_tokens=prompt, completion_tokens=completion, reasoning_tokens=reasoning, cached_tokens=cached
    )
    return Turn(reply=Reply(message={}, usage=usage, latency_s=latency_s, response_id=response_id))


def gate(
    metric: str = "parse_failure_rate",
    threshold: float = 0.02,
    *,
    direction: Literal["max", "min"] = "max",
    decide: Literal["sequential", "fixed"] = "sequential",
    max_repeats: int | None = None,
    inconclusive: Literal["hold", "pass"] = "hold",
) -> GateSpec:
    """A gate as a scenario file would state it."""
    return GateSpec(
        metric=metric,
        direction=direction,
        threshold=threshold,
        decide=decide,
        max_repeats=max_repeats,
        inconclusive=inconclusive,
        location=Location(file="x.bench.yaml", line=1, col=1),
    )
