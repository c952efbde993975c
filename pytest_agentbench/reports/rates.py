"""The rates of a tally that reports show, each with its counts and its interval.

``None`` where a rate does not apply (no JSON was asked, no tool was called); a rate whose
denominator is 0 although it applies has ``value`` None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_agentbench.stats.bounds import wilson_interval
from pytest_agentbench.verdict import CaseResult, Tally

RATE_METRICS = (
    "parse_failure_rate",
    "schema_failure_rate",
    "contract_failure_rate",
    "tool_argument_failure_rate",
    "loop_rate",
    "pass_rate",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``x`` of ``n`` samples; ``bounds`` is the two-sided Wilson 95 % interval, None at n = 0."""

    x: int
    n: int
    bounds: tuple[float, float] | None

    @property
    def value(self) -> float | None:
        """The share x / n, None at n = 0."""
        return self.x / self.n if self.n else None


def rates(tally: Tally) -> Mapping[str, Rate | None]:
    """Every rate of RATE_METRICS over one tally; the denominator of schema failures is what parsed."""
    json, calls, loops, passes = tally.json, tally.arguments, tally.loops, tally.passes
    asked = json.n > 0
    return {
        "parse_failure_rate": _rate(json.parse_failures, json.n, asked),
        "schema_failure_rate": _rate(json.schema_failures, json.n - json.unrecoverable, asked),
        "contract_failure_rate": _rate(json.contract_failures, json.n, asked),
        "tool_argument_failure_rate": _rate(calls.failures, calls.n, calls.n > 0),
        "loop_rate": _rate(loops.looped, loops.n, loops.n > 0),
        "pass_rate": _rate(passes.passed, passes.n, passes.n > 0),
    }


def _rate(x: int, n: int, applies: bool) -> Rate | None:
    if not applies:
        return None
    return Rate(x=x, n=n, bounds=wilson_interval(x, n))


def planned(case: CaseResult) -> int:
    """Samples that the case draws at least, unless a gate fails before."""
    return case.repeats * max(1, len(case.variants))


def stopped_early(case: CaseResult) -> bool:
    """Whether a stopping rule set the number of samples, so that no interval is a fixed-n one.

    True where a sequential gate ended the drawing anywhere but at the planned number (METRICS 2).
    """
    n = case.tally.n_samples
    sequential = any(
        gate.decide == "sequential" and gate.metric != "prompt_sensitivity" for gate in case.gates
    )
    return sequential and n > 0 and n != planned(case)
