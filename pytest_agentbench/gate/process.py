"""One rate gate of one case, fed sample by sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_agentbench.gate.rate import RateLimit, percent
from pytest_agentbench.metrics.tally import count
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import GateSpec, Json
from pytest_agentbench.stats.bounds import clopper_pearson_lower, clopper_pearson_upper, rate_estimate
from pytest_agentbench.stats.sequential import default_cap, e_value, log_e_fail, log_e_pass
from pytest_agentbench.verdict import Estimate, GateResult, Verdict


class GateProcess:
    """Decides one rate gate while samples come in.

    Only independent samples belong here: no X, no repeated draws (:func:`repeated_draws`), in the
    order in which they were sent.

    Args:
        spec: A gate on a rate, not ``prompt_sensitivity``.
        round_size: Samples of one full round over the variants (and rows). ``sequential`` decides at
            the ends of full rounds only: there the mean rate over the round is what is judged.
        cap: Samples after which an undecided gate stays INCONCLUSIVE (``plan(...).cap``); for
            ``fixed`` the exact number it judges. None: 30 / p0, in full rounds.
        alpha: Largest probability of a false PASS, and of a false FAIL.
        alpha_fail: The same for FAIL alone, where a family of gates shares alpha; None: ``alpha``.

    Raises:
        KeyError: no such metric.
        ValueError: ``round_size`` < 1, a threshold outside [0, 1], the wrong direction, or ``fixed``
            without ``cap``.
    """

    def __init__(
        self,
        spec: GateSpec,
        *,
        round_size: int,
        cap: int | None = None,
        alpha: float = 0.05,
        alpha_fail: float | None = None,
    ) -> None:
        if round_size < 1:
            raise ValueError(f"round_size must be at least 1, got {round_size}")
        self.spec = spec
        self.limit = RateLimit.of(spec)
        self.round_size = round_size
        p0 = self.limit.p0
        if cap is None:
            if spec.decide == "fixed":
                raise ValueError(f"{spec.location}: {spec.metric}: decide: fixed needs the number of samples")
            cap = math.ceil(default_cap(p0) / round_size) * round_size if p0 > 0 else None
        self.cap = cap
        """None only where p0 is 0: such a gate can FAIL at any time and never PASS."""
        self.alpha = alpha
        self.alpha_fail = alpha if alpha_fail is None else alpha_fail
        self._failure = self.limit.metric.failure
        self.n_added = 0
        """Samples seen, those outside the metric's denominator too."""
        self.n = 0
        self.x = 0
        self._verdict: Verdict | None = "PASS" if p0 >= 1 else None
        self._n_used = 0

    @property
    def verdict(self) -> Verdict | None:
        """PASS or FAIL once it is decided, else None. It never changes again."""
        return self._verdict

    @property
    def exhausted(self) -> bool:
        """Whether no further sample can decide: decided, or no full round is left below the cap."""
        if self._verdict is not None:
            return True
        if self.cap is None:
            return False
        if self.spec.decide == "fixed":
            return self.n_added >= self.cap
        return (self.n_added // self.round_size + 1) * self.round_size > self.cap

    def add(self, sample: Sample) -> None:
        """Count the next sample in sending order; once :attr:`exhausted` it changes nothing.

        Raises:
            ValueError: the sample is an X.
        """
        if sample.status == "x":
            raise ValueError(
                f"sample {sample.index} of {sample.scenario} is X (transport): it counts nowhere"
            )
        if self.exhausted:
            return
        self.n_added += 1
        failed = self._failure(sample)
        if failed is not None:
            self.n += 1
            self.x += failed
        if self.limit.p0 <= 0:
            # One failure refutes a rate of 0 with certainty: no round has to be waited for.
            if self.x:
                self._decide("FAIL")
        elif self.spec.decide == "fixed":
            if self.n_added == self.cap:
                self._judge_fixed()
        elif self.n_added % self.round_size == 0:
            self._judge_sequential()

    def close(self) -> None:
        """No more independent samples exist (the rest would be repeated draws): judge what is here.

        Only ``fixed`` needs it. The reason must not be what the samples said.
        """
        if self.spec.decide == "fixed" and self._verdict is None and 0 < self.limit.p0 < 1:
            self._judge_fixed()

    def _decide(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._n_used = self.n_added

    def _judge_sequential(self) -> None:
        if log_e_pass(self.x, self.n, self.limit.p0) >= -math.log(self.alpha):
            self._decide("PASS")
        elif log_e_fail(self.x, self.n, self.limit.p0) >= -math.log(self.alpha_fail):
            self._decide("FAIL")

    def _bounds(self) -> tuple[float, float] | None:
        lower = clopper_pearson_lower(self.x, self.n, alpha=self.alpha_fail)
        upper = clopper_pearson_upper(self.x, self.n, alpha=self.alpha)
        return None if lower is None or upper is None else (lower, upper)

    def _judge_fixed(self) -> None:
        bounds = self._bounds()
        if bounds is None:
            return
        if bounds[1] <= self.limit.p0:
            self._decide("PASS")
        elif bounds[0] > self.limit.p0:
            self._decide("FAIL")

    def result(self, samples: Sequence[Sample], reason_if_undecided: str = "") -> GateResult:
        """The gate's result now; undecided is INCONCLUSIVE.

        ``samples`` are all samples of the case (X among them or not): the estimate is over all of
        them, the verdict rests on the first ``n_used``. ``reason_if_undecided`` ends the sentence of
        an undecided gate, such as "the session's call limit was reached".
        """
        return GateResult(
            metric=self.spec.metric,
            direction=self.spec.direction,
            threshold=self.spec.threshold,
            decide=self.spec.decide,
            verdict=self._verdict or "INCONCLUSIVE",
            estimate=self._estimate(samples),
            n_used=self._n_used,
            evidence=self._evidence(),
            explanation=self._explanation(reason_if_undecided),
            holds=self.spec.inconclusive == "hold",
        )

    def _estimate(self, samples: Sequence[Sample]) -> Estimate:
        failures, n = count(self.spec.metric, samples)
        stopped = self.spec.decide == "sequential" and self._verdict is not None
        note = "stopped by the sequential rule, not a fixed-n interval" if stopped else ""
        return rate_estimate(self.limit.events(failures, n), n, note=note, reason=self.limit.metric.EMPTY)

    def _evidence(self) -> Mapping[str, Json]:
        p0 = self.limit.p0
        if not 0 < p0 < 1:
            return {}
        if self.spec.decide == "fixed":
            bounds = self._bounds()
            if bounds is None:
                return {"lower": None, "upper": None}
            low, high = bounds if self.limit.is_max else (1 - bounds[1], 1 - bounds[0])
            return {"lower": low, "upper": high}
        return {
            "e_pass": e_value(log_e_pass(self.x, self.n, p0)),
            "e_fail": e_value(log_e_fail(self.x, self.n, p0)),
            "needed": 1 / self.alpha,
            "needed_fail": 1 / self.alpha_fail,
        }

    def _explanation(self, reason: str) -> str:
        limit = self.limit
        measured = limit.measured(self.x, self.n)
        ending = f": {reason}" if reason else ""
        if limit.p0 >= 1:
            return f"{limit.metric.LABEL} {limit.claim(holds=True)}: this gate decides nothing"
        if self._verdict is None and self.n == 0:
            return f"{self.spec.metric} is undecided: {limit.metric.EMPTY}{ending}"
        if limit.p0 <= 0:
            if self._verdict == "FAIL":
                return f"{measured} {limit.claim(holds=False)}: a single failure refutes it"
            return f"{measured}: no number of samples proves that none ever fails{ending}"
        if self._verdict is None:
            most = f" of at most {self.cap}" if self.cap is not None else ""
            return (
                f"{measured} against {limit.wanted()} is undecided after {self.n_added}{most} samples "
                f"({self._undecided_evidence()}){ending}"
            )
        holds = self._verdict == "PASS"
        return f"{measured} {limit.claim(holds=holds)}: {self._decisive_evidence(holds=holds)}"

    def _undecided_evidence(self) -> str:
        evidence = self._evidence()
        if self.spec.decide == "fixed":
            return f"one-sided bounds {percent(evidence['lower'])} and {percent(evidence['upper'])}"
        needed = " and ".join(dict.fromkeys(f"{1 / alpha:.3g}" for alpha in (self.alpha, self.alpha_fail)))
        e_pass, e_fail = evidence["e_pass"], evidence["e_fail"]
        return f"e-value {e_pass:.3g} for PASS, {e_fail:.3g} for FAIL, {needed} needed"

    def _decisive_evidence(self, *, holds: bool) -> str:
        evidence = self._evidence()
        if self.spec.decide == "sequential":
            value, alpha = ("e_pass", self.alpha) if holds else ("e_fail", self.alpha_fail)
            return f"e-value {evidence[value]:.3g} >= {1 / alpha:.3g}"
        # The bound that lies towards the threshold: the upper one of a rate below it.
        below = holds == self.limit.is_max
        bound = evidence["upper" if below else "lower"]
        sign = ("<=" if holds else "<") if below else (">=" if holds else ">")
        side = "upper" if below else "lower"
        confidence = 1 - (self.alpha if holds else self.alpha_fail)
        threshold = percent(self.spec.threshold)
        return f"one-sided {percent(confidence)} {side} bound {percent(bound)} {sign} {threshold}"
