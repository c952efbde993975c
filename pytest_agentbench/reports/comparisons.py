"""Two models over the same scenario: differences of their rates with Newcombe intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pytest_agentbench.reports.rates import Rate, rates, stopped_early
from pytest_agentbench.stats.bounds import newcombe_interval
from pytest_agentbench.verdict import CaseResult

COMPARED = ("parse_failure_rate", "schema_failure_rate", "loop_rate", "pass_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of one scenario under two models.

    Attributes:
        difference: Rate of ``model_b`` minus rate of ``model_a``, in [-1, 1]; None with ``reason``.
        bounds: Two-sided Newcombe 95 % interval of the difference (Newcombe 1998, method 10),
            not corrected for the number of comparisons.
        fixed_n: False where a stopping rule set the number of samples of either case: the
            interval is then no fixed-n interval and the difference is slightly biased.
    """

    file: str
    scenario: str
    metric: str
    model_a: str
    model_b: str
    a: Rate | None
    b: Rate | None
    difference: float | None
    bounds: tuple[float, float] | None
    fixed_n: bool
    reason: str = ""

    @property
    def tendency(self) -> str:
        """``better`` or ``worse`` (model_b) where the interval excludes 0, else ''."""
        if self.bounds is None or self.bounds[0] <= 0 <= self.bounds[1]:
            return ""
        more = self.bounds[0] > 0
        return "better" if more == (self.metric == "pass_rate") else "worse"


def compare(cases: Sequence[CaseResult]) -> tuple[Comparison, ...]:
    """All pairs of models (in the order of the run) of every scenario that has two or more."""
    by_scenario: dict[str, list[CaseResult]] = {}
    for case in cases:
        by_scenario.setdefault(f"{case.file}::{case.scenario}", []).append(case)
    return tuple(
        _comparison(first, second, metric)
        for group in by_scenario.values()
        for first, second in combinations(group, 2)
        for metric in COMPARED
    )


def _comparison(first: CaseResult, second: CaseResult, metric: str) -> Comparison:
    a, b = rates(first.tally)[metric], rates(second.tally)[metric]
    reason = ""
    difference: float | None = None
    bounds: tuple[float, float] | None = None
    if a is None or b is None or a.value is None or b.value is None:
        reason = _why_not(first, a) or _why_not(second, b)
    else:
        difference = b.value - a.value
        bounds = newcombe_interval(b.x, b.n, a.x, a.n)
    return Comparison(
        file=first.file,
        scenario=first.scenario,
        metric=metric,
        model_a=first.model,
        model_b=second.model,
        a=a,
        b=b,
        difference=difference,
        bounds=bounds,
        fixed_n=not (stopped_early(first) or stopped_early(second)),
        reason=reason,
    )


def _why_not(case: CaseResult, rate: Rate | None) -> str:
    if rate is not None and rate.value is not None:
        return ""
    if case.tally.n_samples == 0:
        return f"{case.model}: {case.outcome.replace('_', ' ')}" + (
            f" ({case.reason})" if case.reason else ""
        )
    return f"{case.model}: " + ("nothing that counts" if rate is not None else "does not apply")
