"""What a gate needs before the first call is paid for (METRICS 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_agentbench.gate.prompt_sensitivity import SENSITIVITY_GATE
from pytest_agentbench.gate.rate import RateLimit, percent
from pytest_agentbench.scenario import GateSpec
from pytest_agentbench.stats.bounds import clean_samples_needed
from pytest_agentbench.stats.sensitivity import clean_samples_for_insensitive
from pytest_agentbench.stats.sequential import default_cap, first_possible_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """How far a gate may go, and whether that can be far enough.

    Attributes:
        cap: Samples of the case (all variants together) after which the gate is INCONCLUSIVE; for
            ``fixed`` and ``prompt_sensitivity`` exactly as many are judged.
        needed: The fewest samples, none failed, with which PASS is possible: of the case, for
            ``prompt_sensitivity`` of each wording. None: no number is enough.
        decidable: Whether ``needed`` is within reach.
        warning: One line with the numbers where it is not, else ''.
    """

    cap: int
    needed: int | None
    decidable: bool
    warning: str = ""


def plan(
    spec: GateSpec, *, n_variants: int, n_rows: int, repeats: int, round_size: int, alpha: float = 0.05
) -> GatePlan:
    """What this gate needs of a case with ``repeats`` samples of each of ``n_variants`` wordings.

    Raises:
        KeyError: no such metric.
        ValueError: a threshold outside [0, 1], or the wrong direction.
    """
    drawn = repeats * n_variants
    if spec.metric == SENSITIVITY_GATE:
        return _plan_sensitivity(spec, n_variants=n_variants, repeats=repeats)
    limit = RateLimit.of(spec)
    if limit.p0 <= 0:
        return GatePlan(
            cap=drawn,
            needed=None,
            decidable=False,
            warning=f"{_name(spec)} can only FAIL: no number of samples shows a failure rate of exactly 0; "
            f"a failure rate of 2 % takes {first_possible_pass(0.02)} clean ones",
        )
    if limit.p0 >= 1:
        return GatePlan(cap=drawn, needed=0, decidable=True, warning=f"{_name(spec)} decides nothing")
    if spec.decide == "fixed":
        needed = clean_samples_needed(limit.p0, alpha=alpha)
        had = f"has {drawn} (decide: fixed, {_size(repeats, n_variants)})"
        return _sized(spec, cap=drawn, needed=needed, had=had)
    return _plan_sequential(
        spec,
        limit.p0,
        n_variants=n_variants,
        n_rows=n_rows,
        repeats=repeats,
        round_size=round_size,
        alpha=alpha,
    )


def _sized(spec: GateSpec, *, cap: int, needed: int, had: str) -> GatePlan:
    enough = cap >= needed
    warning = "" if enough else f"{_name(spec)} needs at least {needed} samples, {had}"
    return GatePlan(cap=cap, needed=needed, decidable=enough, warning=warning)


def _plan_sequential(
    spec: GateSpec, p0: float, *, n_variants: int, n_rows: int, repeats: int, round_size: int, alpha: float
) -> GatePlan:
    drawn = repeats * n_variants
    clean = first_possible_pass(p0, alpha=alpha)
    needed = math.ceil(clean / round_size) * round_size
    if spec.max_repeats is None:
        cap = math.ceil(max(default_cap(p0), clean) / round_size) * round_size
    else:
        cap = spec.max_repeats
    # What is drawn anyway counts too; of either only full rounds do.
    most = max(cap, drawn)
    cap = most // round_size * round_size
    if cap == 0:
        full = f"one full round is {round_size} ({_round(round_size, n_variants, n_rows)})"
        return _sized(spec, cap=most, needed=needed, had=f"has {most}: {full}")
    named = f"max_repeats: {spec.max_repeats}" if spec.max_repeats == most else _size(repeats, n_variants)
    rounds = f", in full rounds of {round_size}" if round_size > 1 else ""
    return _sized(spec, cap=cap, needed=needed, had=f"has {cap} ({named}{rounds})")


def _plan_sensitivity(spec: GateSpec, *, n_variants: int, repeats: int) -> GatePlan:
    drawn = repeats * n_variants
    needed = clean_samples_for_insensitive(spec.threshold)
    if n_variants < 2:
        warning = f"{_name(spec)} needs at least 2 wordings (3 for tau), has {n_variants}"
    elif needed is None:
        warning = f"{_name(spec)} can never be INSENSITIVE: no number of samples shows a spread of exactly 0"
    elif repeats < needed:
        warning = (
            f"{_name(spec)} needs at least {needed} samples of each wording to be INSENSITIVE, has {repeats}"
        )
    else:
        warning = ""
    return GatePlan(cap=drawn, needed=needed, decidable=not warning, warning=warning)


def _name(spec: GateSpec) -> str:
    if spec.metric == SENSITIVITY_GATE:
        return f"{spec.metric} (max_spread {100 * spec.threshold:.3g} points)"
    return f"{spec.metric} ({spec.direction} {percent(spec.threshold)})"


def _size(repeats: int, n_variants: int) -> str:
    return f"{repeats} repeats of {n_variants} wording{'s' if n_variants != 1 else ''}"


def _round(round_size: int, n_variants: int, n_rows: int) -> str:
    wordings = f"{n_variants} wording{'s' if n_variants != 1 else ''}"
    return f"{wordings} x {n_rows} rows" if round_size == n_variants * n_rows and n_rows > 1 else wordings
