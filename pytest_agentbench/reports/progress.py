"""Progress while a run draws, and what it will ask before the first call: text only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_agentbench.reports import figures
from pytest_agentbench.reports.plain import clip, neutralise


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands.

    Attributes:
        n_planned: Samples planned at least; it grows when undecided gates ask for more.
        per_s: Samples per second lately; None before there is a rate.
        left_s: Seconds left at that rate; None when unknown.
        waiting: What keeps the run from drawing now (weights, compile, 429), else ''.
    """

    n_done: int
    n_planned: int
    per_s: float | None = None
    n_failed: int = 0
    n_x: int = 0
    left_s: float | None = None
    waiting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a run will ask.

    Attributes:
        n_calls: Calls drawn at least, unless a gate fails before.
        n_calls_most: Calls at most, while gates stay undecided (retries not counted).
        cost_usd: Highest cost of those calls over the models with a price; None when none has one.
        unpriced: Models without a price.
        about_s: Rough time for the least calls; None when nothing is known.
    """

    n_calls: int
    n_calls_most: int
    cost_usd: float | None = None
    unpriced: Sequence[str] = ()
    about_s: float | None = None


def line(state: Progress, width: int = 80) -> str:
    """``agentbench 312/2000 samples, 41/s, 7 failed, 3 X, 40 s left``; what matters least goes first."""
    head = f"agentbench {state.n_done}/{max(state.n_planned, state.n_done)} samples"
    parts: list[tuple[int, str]] = []
    if state.per_s is not None:
        parts.append((2, f"{state.per_s:.0f}/s" if state.per_s >= 10 else f"{state.per_s:.1f}/s"))
    parts.append((1, f"{state.n_failed} failed"))
    if state.n_x:
        parts.append((1, f"{state.n_x} X"))
    if state.waiting:
        parts.append((0, neutralise(state.waiting)))
    elif state.left_s is not None and state.n_done < state.n_planned:
        parts.append((0, f"{figures.duration(state.left_s)} left"))
    for worst in (2, 1, 0):
        text = ", ".join([head, *(part for rank, part in parts if rank <= worst)])
        if len(text) <= width:
            return text
    return clip(text, width)


def announcement(plan: Announcement) -> str:
    """``calls at least 2,000 (up to 24,000 while undecided), at most $3.10 (n/a for x), about 4 min``."""
    parts = [f"calls at least {figures.count(plan.n_calls)}"]
    if plan.n_calls_most > plan.n_calls:
        parts[0] += f" (up to {figures.count(plan.n_calls_most)} while undecided)"
    without = f"n/a for {', '.join(plan.unpriced)}"
    if plan.cost_usd is not None:
        parts.append(f"at most ${figures.money(plan.cost_usd)}" + (f" ({without})" if plan.unpriced else ""))
    elif plan.unpriced:
        parts.append(f"cost {without}")
    if plan.about_s is not None:
        parts.append(f"about {figures.duration(plan.about_s)}")
    return neutralise(", ".join(parts))
