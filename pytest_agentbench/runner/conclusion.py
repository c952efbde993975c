"""What a case's samples come to: gates, sensitivity, tallies, outcome."""

from __future__ import annotations

import functools
import time
from collections import Counter

from pytest_agentbench import gate
from pytest_agentbench.evidence import worst_failures
from pytest_agentbench.gate.prompt_sensitivity import DEFAULT_MAX_SPREAD
from pytest_agentbench.metrics.tally import tally
from pytest_agentbench.runner.drawing import Drawing
from pytest_agentbench.verdict import CaseResult, GateResult, Outcome, Sensitivity, VariantTally


def conclude(drawing: Drawing, *, sandbox_backend: str | None = None) -> CaseResult:
    """The result of a case whose drawing has ended."""
    gates, sensitivity = _judge(drawing)
    outcome, reason = _outcome(drawing, gates)
    return case_result(
        drawing, outcome, reason, gates=gates, sensitivity=sensitivity, sandbox_backend=sandbox_backend
    )


def case_result(
    drawing: Drawing,
    outcome: Outcome,
    reason: str,
    *,
    gates: tuple[GateResult, ...] = (),
    sensitivity: tuple[Sensitivity, ...] = (),
    sandbox_backend: str | None = None,
) -> CaseResult:
    """The tallies of what was drawn, possibly nothing, under an outcome."""
    setting = drawing.setting
    scenario, model = setting.case.scenario, setting.case.model
    ordered = drawing.ordered
    everything = (*ordered, *drawing.x_samples)
    measure = functools.partial(tally, prices=model.prices, json_asked=scenario.answer_json is not None)
    answered_by = Counter(
        f"{turn.reply.model or '?'}" + (f" @ {turn.reply.host}" if turn.reply.host else "")
        for sample in ordered
        for turn in sample.turns
    )
    return CaseResult(
        scenario=scenario.id,
        title=scenario.title,
        file=scenario.location.file,
        model=model.name,
        tags=scenario.tags,
        outcome=outcome,
        reason=reason,
        tally=measure(everything),
        variants=tuple(
            VariantTally(
                id=variant.id,
                variant_class=variant.variant_class,
                tally=measure([sample for sample in everything if sample.variant == variant.id]),
            )
            for variant in scenario.variants
        ),
        gates=gates,
        sensitivity=sensitivity,
        failures=worst_failures(ordered, scenario),
        faults=dict(drawing.faults),
        honoured=setting.not_honoured,
        answered_by=dict(answered_by),
        sandbox_backend=sandbox_backend,
        repeats=setting.draws.repeats,
        digest=scenario.digest,
        duration_s=round(time.monotonic() - drawing.started, 3),
        notes=_notes(drawing),
    )


def _judge(drawing: Drawing) -> tuple[tuple[GateResult, ...], tuple[Sensitivity, ...]]:
    setting = drawing.setting
    scenario = setting.case.scenario
    samples = drawing.ordered
    reason = f"stopped: {drawing.stopped}" if drawing.stopped else ""
    if setting.deterministic and not drawing.stopped:
        for process in drawing.gates:
            process.close()
    results = [process.result(samples, reason_if_undecided=reason) for process in drawing.gates]
    if len(scenario.variants) == 1 or not samples:
        return tuple(results), ()
    spec = setting.sensitivity_gate[0] if setting.sensitivity_gate is not None else None
    sensitivity = gate.sensitivity(
        samples,
        classes={variant.id: variant.variant_class for variant in scenario.variants},
        repeats=setting.draws.repeats,
        seed=scenario.seed,
        max_spread=DEFAULT_MAX_SPREAD if spec is None else spec.threshold,
    )
    if spec is not None:
        holds = spec.inconclusive == "hold"
        results.append(gate.sensitivity_result(spec, sensitivity, reason_if_undecided=reason, holds=holds))
    return tuple(results), sensitivity


def _outcome(drawing: Drawing, gates: tuple[GateResult, ...]) -> tuple[Outcome, str]:
    n_samples, n_x = len(drawing.samples), len(drawing.x_samples)
    if not n_samples:
        return "inconclusive", f"stopped: {drawing.stopped}" if drawing.stopped else "no sample was drawn"
    share = n_x / (n_x + n_samples)
    allowed = drawing.setting.options.max_transport_share
    if share > allowed:
        common = ", ".join(f"{kind} {n}" for kind, n in drawing.faults.most_common(3))
        return (
            "inconclusive",
            f"{share:.0%} of the samples failed in transport ({common}), above {allowed:.0%}",
        )
    return gate.outcome_of(gates)


def _notes(drawing: Drawing) -> tuple[str, ...]:
    draws = drawing.setting.draws
    notes = []
    if drawing.setting.deterministic and draws.planned > draws.n_distinct:
        notes.append(
            "the request leaves nothing to chance (temperature 0 or a constant seed): "
            f"{draws.n_distinct} distinct requests are drawn once each, not {draws.planned} times"
        )
    if drawing.n_repeated:
        notes.append(f"{drawing.n_repeated} repeated replies are not counted ({drawing.stopped})")
    if any(spec.is_default for spec in drawing.setting.case.scenario.gates):
        notes.append("no gates in the scenario: pass_rate at least 90 % is the default")
    return tuple(notes)
