"""Prompt sensitivity of a case: the measurement per class of variants, and its gate (METRICS 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from pytest_agentbench.gate.rate import percent
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import GateSpec, VariantClass
from pytest_agentbench.stats.permutation import Stratum, permutation_p
from pytest_agentbench.stats.sensitivity import (
    best_and_worst,
    components,
    raw_spread,
    samples_to_decide,
    spread_upper,
)
from pytest_agentbench.verdict import Estimate, GateResult, Sensitivity, Verdict

SENSITIVITY_GATE = "prompt_sensitivity"
DEFAULT_MAX_SPREAD = 0.10
_SIGNIFICANT = 0.05
_METHOD = "shrunk spread; Newcombe one-sided 95 % upper bound of best minus worst"
_RANK = {"SENSITIVE": 0, "INCONCLUSIVE": 1, None: 1, "INSENSITIVE": 2}
_VERDICTS: dict[str | None, Verdict] = {
    "SENSITIVE": "FAIL",
    "INCONCLUSIVE": "INCONCLUSIVE",
    None: "INCONCLUSIVE",
    "INSENSITIVE": "PASS",
}


def sensitivity(
    samples: Sequence[Sample],
    *,
    classes: Mapping[str, VariantClass],
    repeats: int,
    seed: int,
    max_spread: float = DEFAULT_MAX_SPREAD,
) -> tuple[Sensitivity, ...]:
    """Prompt sensitivity per class of variants, from the first ``repeats`` samples of each variant.

    Success is ``Sample.passed``. ``classes`` maps every variant id of the scenario, in its order, to
    its class; the base belongs to every class. X samples are left out; repeated draws must not be
    handed in. A class with samples of fewer than two wordings is not returned; one with a wording
    that has no samples yet cannot be INSENSITIVE. Where wordings share rows of data the permutation
    stays within a row.
    """
    by_variant: dict[str, list[Sample]] = {variant: [] for variant in classes}
    for sample in sorted(samples, key=lambda sample: (sample.index, sample.redraw)):
        if sample.status == "ok" and len(by_variant[sample.variant]) < repeats:
            by_variant[sample.variant].append(sample)
    base = [variant for variant, kind in classes.items() if kind == "base"]
    found = []
    for kind in dict.fromkeys(kind for kind in classes.values() if kind != "base"):
        members = [*base, *(variant for variant, other in classes.items() if other == kind)]
        drawn = {variant: by_variant[variant] for variant in members if by_variant[variant]}
        if len(drawn) >= 2:
            missing = [variant for variant in members if variant not in drawn]
            found.append(_measure(kind, drawn, missing=missing, seed=seed, max_spread=max_spread))
    return tuple(found)


def _strata(drawn: Mapping[str, Sequence[Sample]]) -> list[Stratum]:
    """Successes and samples per row and wording; one pooled stratum where no row is shared."""
    rows: dict[int, dict[str, list[bool]]] = defaultdict(lambda: {variant: [] for variant in drawn})
    for variant, samples in drawn.items():
        for sample in samples:
            rows[sample.row][variant].append(sample.passed)
    shared = any(sum(bool(outcomes) for outcomes in row.values()) > 1 for row in rows.values())
    if shared:
        return [[(sum(row[variant]), len(row[variant])) for variant in drawn] for row in rows.values()]
    return [[(sum(sample.passed for sample in samples), len(samples)) for samples in drawn.values()]]


def _measure(
    kind: str,
    drawn: Mapping[str, Sequence[Sample]],
    *,
    missing: Sequence[str],
    seed: int,
    max_spread: float,
) -> Sensitivity:
    names = list(drawn)
    x = [sum(sample.passed for sample in samples) for samples in drawn.values()]
    m = [len(samples) for samples in drawn.values()]
    parts = components(x, m)
    spread = raw_spread(x, m)
    p_value = permutation_p(_strata(drawn), seed=seed)
    upper = spread_upper(x, m)
    best, worst = best_and_worst(x, m)
    # Below three wordings there is no variance component: only the two-sample test is left.
    judged = spread if parts is None else parts.shrunk_spread
    verdict: Literal["SENSITIVE", "INSENSITIVE", "INCONCLUSIVE"]
    # 0.9 - 0.8 is 0.09999999999999998 and means 10 points.
    if p_value < _SIGNIFICANT and judged >= max_spread - 1e-9:
        verdict, conclusion = "SENSITIVE", f"at least {_points(max_spread)} and no chance result"
    elif missing:
        verdict = "INCONCLUSIVE"
        conclusion = f"undecided against {_points(max_spread)}, no samples of {', '.join(missing)}"
    elif upper is not None and upper < max_spread:
        verdict = "INSENSITIVE"
        conclusion = f"best minus worst is at most {_points(upper)}, below {_points(max_spread)}"
    else:
        verdict = "INCONCLUSIVE"
        conclusion = f"undecided against {_points(max_spread)}"
        if upper is not None:
            conclusion += f", best minus worst may be up to {_points(upper)}"
        needed = samples_to_decide(x, m, max_spread=max_spread)
        if needed is not None and needed > min(m):
            conclusion += (
                f"; about {needed} samples of each wording would decide at these rates, has {min(m)}"
            )
    shrunk = "" if parts is None else " after shrinking"
    explanation = (
        f"{kind}: spread {_points(judged)}{shrunk} over {len(x)} wordings "
        f"({names[best]} {percent(x[best] / m[best])}, {names[worst]} {percent(x[worst] / m[worst])}), "
        f"p = {p_value:.2g}: {conclusion}"
    )
    return Sensitivity(
        variant_class=kind,
        k=len(x),
        m=min(m),
        success_rates={name: xi / mi for name, xi, mi in zip(names, x, m, strict=True)},
        tau_squared=None if parts is None else parts.tau_squared,
        tau=None if parts is None else parts.tau,
        tau_low=None if parts is None else parts.tau_low,
        tau_high=None if parts is None else parts.tau_high,
        icc=None if parts is None else parts.icc,
        raw_spread=spread,
        shrunk_spread=None if parts is None else parts.shrunk_spread,
        p_value=p_value,
        spread_upper=upper,
        best=names[best],
        worst=names[worst],
        verdict=verdict,
        explanation=explanation,
    )


def sensitivity_result(
    spec: GateSpec, measured: Sequence[Sensitivity], *, reason_if_undecided: str = "", holds: bool = False
) -> GateResult:
    """The gate over all classes: SENSITIVE in any is FAIL, INSENSITIVE in all is PASS.

    ``holds``: whether an undecided gate makes the case inconclusive; by default it does not
    (METRICS 4). Estimate and explanation are those of the class that decides: the first in the order
    SENSITIVE, undecided, INSENSITIVE, of equal ones that with the widest (shrunk) spread; ``high`` is
    its Newcombe bound, ``n`` its samples.
    """
    evidence = {
        one.variant_class: {
            "verdict": one.verdict,
            "p_value": one.p_value,
            "spread": _judged_spread(one),
            "spread_upper": one.spread_upper,
        }
        for one in measured
    }
    if not measured:
        missing = "fewer than two wordings have samples"
        verdict: Verdict = "INCONCLUSIVE"
        estimate = Estimate(value=None, n=0, reason=missing)
        explanation = f"{spec.metric} is undecided: {missing}"
    else:
        deciding = min(measured, key=lambda one: (_RANK[one.verdict], -_judged_spread(one)))
        verdict = _VERDICTS[deciding.verdict]
        estimate = Estimate(
            value=_judged_spread(deciding),
            n=deciding.k * deciding.m,
            high=deciding.spread_upper,
            method=_METHOD,
        )
        explanation = f"prompt sensitivity, {deciding.explanation}"
    if verdict == "INCONCLUSIVE" and reason_if_undecided:
        explanation += f": {reason_if_undecided}"
    return GateResult(
        metric=spec.metric,
        direction="max",
        threshold=spec.threshold,
        decide="fixed",
        verdict=verdict,
        estimate=estimate,
        n_used=0 if verdict == "INCONCLUSIVE" else estimate.n,
        evidence=evidence,
        explanation=explanation,
        holds=holds,
    )


def _judged_spread(one: Sensitivity) -> float:
    """The spread that is compared with the gate: the shrunk one, the raw one of two wordings."""
    spread = one.raw_spread if one.shrunk_spread is None else one.shrunk_spread
    return 0.0 if spread is None else spread


def _points(spread: float) -> str:
    return f"{100 * spread:.3g} points"
