"""What a whole run comes to: its verdict, its counts, how often its gates may err."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pytest_agentbench.reports import figures
from pytest_agentbench.verdict import CaseResult, GateResult, Outcome, RunResult, Verdict

ALPHA = 0.05
"""Each gate errs with at most this probability (METRICS 2)."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

MEANING = (
    "PASS: shown to meet the gate; FAIL: shown to miss it; INCONCLUSIVE (?): shown neither, "
    f"needs more samples; figures: {figures.UNKNOWN} not measured, {figures.NOT_APPLICABLE} does not apply"
)
"""What each verdict means, for the end of a report."""

_WHOLE = frozenset({0, 1, 5, 10})
"""Exit statuses of sessions that ran to their end; 2 to 4 are pytest's for those that did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """How often the verdicts of a run may be wrong, by the union bound over its gates.

    Attributes:
        n_gates: Gates that were judged, undecided ones included.
        false_pass_at_most: For the run: it passes only if every gate does, so one gate's alpha holds.
        false_fail_at_most: That at least one gate FAILs by chance although all are met.
    """

    n_gates: int
    alpha: float
    false_pass_at_most: float
    false_fail_at_most: float
    statement: str


def error_budget(result: RunResult) -> ErrorBudget:
    """The error budget over all gates of all cases; without gates nothing can be wrong."""
    gates = [gate for case in result.cases for gate in case.gates]
    n = len(gates)
    pass_alphas = [_alpha(gate, "needed") for gate in gates]
    fail_alphas = [_alpha(gate, "needed_fail") for gate in gates]
    alpha = max([*pass_alphas, *fail_alphas], default=ALPHA)
    false_pass = max(pass_alphas, default=0.0)
    false_fail = min(1.0, sum(fail_alphas))
    if n:
        statement = (
            f"{figures.plural(n, 'gate')}, each wrong with probability at most {_percent(alpha)}: "
            f"a false PASS of the whole run at most {_percent(false_pass)}, "
            f"any false FAIL at most {_percent(false_fail)}"
        )
    else:
        statement = "no gate was judged"
    return ErrorBudget(
        n_gates=n,
        alpha=alpha,
        false_pass_at_most=false_pass,
        false_fail_at_most=false_fail,
        statement=statement,
    )


def _alpha(gate: GateResult, key: str) -> float:
    """What the gate decided with: a sequential one says the e-value that it needed, 1 / alpha."""
    needed = gate.evidence.get(key)
    return 1 / needed if isinstance(needed, (int, float)) and needed > 1 else ALPHA


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def outcomes(result: RunResult) -> Mapping[Outcome, int]:
    """Cases by outcome, every outcome present."""
    counts = dict.fromkeys(OUTCOMES, 0)
    for case in result.cases:
        counts[case.outcome] += 1
    return counts


def verdicts(result: RunResult) -> Mapping[Verdict, int]:
    """Gates by verdict, every verdict present."""
    counts = dict.fromkeys(VERDICTS, 0)
    for case in result.cases:
        for gate in case.gates:
            counts[gate.verdict] += 1
    return counts


def run_verdict(result: RunResult) -> str:
    """``PASS``, ``FAIL``, ``INCONCLUSIVE`` or ``NOTHING MEASURED`` for the whole run."""
    seen = outcomes(result)
    if seen["fail"] or seen["no_data"]:
        return "FAIL"
    broken_off = bool(result.run.stopped) or result.exit_status not in _WHOLE
    if seen["inconclusive"] or broken_off or (seen["not_measured"] and result.exit_status):
        return "INCONCLUSIVE"
    return "PASS" if seen["pass"] else "NOTHING MEASURED"


def headline(result: RunResult) -> str:
    """One sentence: how many cases came to what, on how many samples."""
    seen = outcomes(result)
    parts = [f"{count} {outcome_name(outcome)}" for outcome, count in seen.items() if count]
    n_samples = sum(case.tally.n_samples for case in result.cases)
    if not parts:
        return "no case was run" + (f". Stopped: {result.run.stopped}" if result.run.stopped else "")
    sentence = f"{figures.plural(len(result.cases), 'case')}: {', '.join(parts)}"
    sentence += f"; {figures.plural(n_samples, 'sample')}, {figures.plural(result.run.n_calls, 'call')}"
    sentence += f" in {figures.duration(result.run.duration_s)}"
    known, complete = cost(result)
    if known or complete:
        sentence += f", {'' if complete else 'at least '}${figures.money(known)}"
    return sentence + (f". Stopped: {result.run.stopped}" if result.run.stopped else "")


def cost(result: RunResult) -> tuple[float, bool]:
    """US dollars of what has a known cost, and whether that is everything."""
    measured = [case.tally.cost_usd for case in result.cases if case.tally.n_attempts]
    known = [value for value in measured if value is not None]
    return sum(known), len(known) == len(measured) and bool(measured)


def outcome_name(outcome: str) -> str:
    """``not_measured`` as ``not measured``."""
    return outcome.replace("_", " ")


def case_id(case: CaseResult) -> str:
    """``file::scenario::model``, as in pytest's node ids."""
    return f"{case.file}::{case.scenario}::{case.model}"


def open_gates(case: CaseResult) -> tuple[GateResult, ...]:
    """Gates that did not PASS, FAILs first."""
    return tuple(
        sorted(
            (gate for gate in case.gates if gate.verdict != "PASS"), key=lambda gate: gate.verdict != "FAIL"
        )
    )


def gate_text(gate: GateResult) -> str:
    """The condition as a person says it: ``parse failures at most 2 %``."""
    bound = f"{100 * gate.threshold:g}"
    unit = "points" if gate.metric == "prompt_sensitivity" else "%"
    word = "at most" if gate.direction == "max" else "at least"
    return f"{figures.metric_name(gate.metric)} {word} {bound} {unit}"
