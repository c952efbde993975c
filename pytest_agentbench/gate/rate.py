"""A gate on a rate, read as a limit p0 on a failure rate, and the words to speak of it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_agentbench import metrics
from pytest_agentbench.metrics import RateMetric
from pytest_agentbench.scenario import GateSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """``p0``: the largest failure rate that the gate allows, in [0, 1]."""

    spec: GateSpec
    metric: RateMetric
    p0: float

    @classmethod
    def of(cls, spec: GateSpec) -> RateLimit:
        """Read a gate: ``pass_rate: {min: m}`` is a failure rate of at most 1 - m.

        Raises:
            KeyError: no such metric.
            ValueError: the threshold is not in [0, 1], or the direction is not the metric's.
        """
        metric = metrics.get(spec.metric)
        if spec.direction != metric.DIRECTION:
            raise ValueError(
                f"{spec.location}: {spec.metric} is gated by {metric.DIRECTION}, got {spec.direction}"
            )
        if not 0 <= spec.threshold <= 1:
            raise ValueError(f"{spec.location}: {spec.metric}: a rate lies in [0, 1], got {spec.threshold}")
        # 1 - 0.9 is 0.09999999999999998; the gate means 0.1.
        p0 = spec.threshold if spec.direction == "max" else round(1 - spec.threshold, 12)
        return cls(spec=spec, metric=metric, p0=p0)

    @property
    def is_max(self) -> bool:
        """Whether the rate shown is the failure rate itself, not its complement."""
        return self.spec.direction == "max"

    def events(self, failures: int, n: int) -> int:
        """What the metric counts, from failures in n samples: failures, or what did not fail."""
        return failures if self.is_max else n - failures

    def measured(self, failures: int, n: int) -> str:
        """Such as "parse failures 3.5 % (7 of 200)"."""
        events = self.events(failures, n)
        rate = percent(events / n) if n else "of no samples"
        return f"{self.metric.LABEL} {rate} ({events} of {n})"

    def wanted(self) -> str:
        """Such as "at most 2 %"."""
        return f"{'at most' if self.is_max else 'at least'} {percent(self.spec.threshold)}"

    def claim(self, *, holds: bool) -> str:
        """Such as "are at most 2 %" (the gate holds) or "are above 2 %"."""
        words = ("are at most", "are above") if self.is_max else ("are at least", "are below")
        return f"{words[0] if holds else words[1]} {percent(self.spec.threshold)}"


def percent(rate: float) -> str:
    """A rate in per cent, three digits: "3.5 %"."""
    return f"{100 * rate:.3g} %"
