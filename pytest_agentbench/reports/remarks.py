"""What a report says in sentences: open gates, failures, notes on models, faults and the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_agentbench.reports import figures, judgement
from pytest_agentbench.reports.rates import planned, stopped_early
from pytest_agentbench.scenario import Json
from pytest_agentbench.verdict import CaseResult, Failure, GateResult, RunResult

Item = tuple[str, str]
"""A head of one line and a sentence beneath it (may be empty)."""


def model_title(model: Mapping[str, Json]) -> str:
    """The name, what goes over the wire where it differs, and the host."""
    name, model_id = str(model.get("name", "")), str(model.get("model_id") or "")
    shown = name if model_id in {"", name} else f"{name} ({model_id})"
    host = str(model.get("host") or "")
    return f"{shown} at {host}" if host else shown


def not_passed(result: RunResult) -> Iterator[Item]:
    """Gates that failed, then what is undecided, then what was not measured, each with its reason."""
    heads = {"FAIL": 0, "no data": 1, "INCONCLUSIVE": 2, "not measured": 3}
    found: list[tuple[int, Item]] = []
    for case in result.cases:
        gates = judgement.open_gates(case)
        for gate in gates:
            head = (
                f"{_verdict(gate)}  {place(case)}  {judgement.gate_text(gate)}: {estimate_text(gate, case)}"
            )
            found.append((heads[gate.verdict], (head, gate.explanation)))
        if case.outcome in {"no_data", "not_measured"} or (case.outcome == "inconclusive" and not gates):
            word = "INCONCLUSIVE" if case.outcome == "inconclusive" else judgement.outcome_name(case.outcome)
            found.append((heads[word], (f"{word}  {place(case)}", case.reason)))
        elif case.outcome == "inconclusive" and case.reason and not _said(case.reason, gates):
            found.append((heads["INCONCLUSIVE"], (f"INCONCLUSIVE  {place(case)}", case.reason)))
    for _, item in sorted(found, key=lambda entry: entry[0]):
        yield item


def _verdict(gate: GateResult) -> str:
    return (
        gate.verdict
        if gate.holds or gate.verdict != "INCONCLUSIVE"
        else "INCONCLUSIVE (does not hold the run)"
    )


def _said(reason: str, gates: tuple[GateResult, ...]) -> bool:
    return any(gate.explanation and gate.explanation in reason for gate in gates)


def place(case: CaseResult) -> str:
    """Which case: scenario and model."""
    return f"{case.scenario} x {case.model}"


def estimate_text(gate: GateResult, case: CaseResult) -> str:
    """The estimate with its interval and counts: ``6.0 % [3.2, 11.0], 9 of 150``."""
    found = gate.estimate
    if found.value is None:
        return f"not measured ({found.reason})" if found.reason else "not measured"
    spread = gate.metric == "prompt_sensitivity"
    text = f"{figures.percent(found.value)} {'points' if spread else '%'}"
    if found.low is not None and found.high is not None:
        text += f" {figures.interval((found.low, found.high))}"
    elif found.high is not None:
        text += f", at most {figures.percent(found.high)}"
    if found.x is not None:
        text += f", {found.x} of {found.n}"
    elif found.n:
        text += f", n = {found.n}"
    early = stopped_early(case) and not spread
    return text + (" (stopped early: not a fixed-n interval)" if early else "")


def worst_failures(result: RunResult, *, per_case: int, most: int) -> list[tuple[str, Failure]]:
    """Up to ``per_case`` failures of every case and ``most`` in all, failed cases first."""
    order = sorted(result.cases, key=lambda case: case.outcome != "fail")
    found = [
        (f"{place(case)}  {failure.variant}, row {failure.row}, sample {failure.index}", failure)
        for case in order
        for failure in case.failures[:per_case]
    ]
    return found[:most]


def honoured(result: RunResult) -> Iterator[Item]:
    """Per model and parameter what was asked, what was sent and what the endpoint makes of it."""
    seen: dict[tuple[str, str], list[str]] = {}
    for case in result.cases:
        for item in _not_honoured(case):
            scenarios = seen.setdefault((case.model, _honoured_text(item)), [])
            if case.scenario not in scenarios:
                scenarios.append(case.scenario)
    scenarios_of = {
        case.model: {other.scenario for other in result.cases if other.model == case.model}
        for case in result.cases
    }
    for (model, text), scenarios in seen.items():
        where = "" if set(scenarios) == scenarios_of[model] else f" ({_some(scenarios)})"
        yield f"{model}: {text}{where}", ""


def _not_honoured(case: CaseResult) -> list[Mapping[str, Json]]:
    return [item for item in case.honoured if item.get("honoured") is not True]


def _honoured_text(item: Mapping[str, Json]) -> str:
    text = f"{item.get('key', '?')}: asked {_value(item.get('asked'))}, sent {_value(item.get('sent'))}"
    kept = item.get("honoured")
    if isinstance(kept, bool):
        text += ", honoured" if kept else ", not honoured"
    elif kept is not None:
        text += f", honoured {_value(kept)}"
    note = item.get("note")
    return f"{text} ({note})" if note else text


def _value(value: Json) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def unlike(result: RunResult) -> Iterator[str]:
    """What was sent differently to the models of one scenario (it is the swap, never an error)."""
    texts: dict[str, set[str]] = {}
    models: dict[str, set[str]] = {}
    for case in result.cases:
        models.setdefault(case.scenario, set()).add(case.model)
        for item in _not_honoured(case):
            texts.setdefault(f"{item.get('key', '?')}", set()).add(case.model)
    everyone = {name for names in models.values() for name in names}
    for key, names in texts.items():
        if len(everyone) > 1 and names != everyone:
            yield f"{key} is not as asked for {', '.join(sorted(names))} (see asked / sent / honoured)"


def faults(result: RunResult) -> Iterator[Item]:
    """Transport and sandbox faults by kind, per case; none of them counts against a model."""
    for case in result.cases:
        tally = case.tally
        if not (case.faults or tally.n_x or tally.n_transport_errors):
            continue
        kinds = ", ".join(f"{kind} {count}" for kind, count in case.faults.items())
        counts = (
            f"{tally.n_x} of {tally.n_samples + tally.n_x} samples X, "
            f"{tally.n_transport_errors} of {tally.n_attempts} requests failed"
        )
        yield f"{place(case)}: {counts}" + (f" ({kinds})" if kinds else ""), ""


def answered_by(result: RunResult) -> Iterator[Item]:
    """Models whose replies name another model than the one that was asked."""
    asked = {str(model.get("name", "")): str(model.get("model_id") or "") for model in result.models}
    totals: dict[str, dict[str, int]] = {}
    for case in result.cases:
        counts = totals.setdefault(case.model, {})
        for who, count in case.answered_by.items():
            counts[who] = counts.get(who, 0) + count
    for model, counts in totals.items():
        model_id = asked.get(model) or model
        if any(who.split(" @ ")[0] not in {model_id, model} for who in counts):
            shown = ", ".join(f"{who} ({figures.count(count)})" for who, count in counts.items())
            yield f"{model} (asked as {model_id}): {shown}", ""


def notes(result: RunResult) -> Iterator[Item]:
    """Warnings of the models and notes of the cases, the same note once."""
    for model in result.models:
        if model.get("warning"):
            yield f"{model.get('name')}: {model['warning']}", ""
    seen: dict[str, list[str]] = {}
    for case in result.cases:
        for note in case.notes:
            seen.setdefault(note, []).append(place(case))
        if case.outcome == "not_applicable":
            yield f"{place(case)}: not applicable" + (f" ({case.reason})" if case.reason else ""), ""
        if 0 < case.tally.n_samples < planned(case) and not stopped_early(case) and case.outcome != "fail":
            yield f"{place(case)}: {case.tally.n_samples} of {planned(case)} planned samples were drawn", ""
    for note, places in seen.items():
        yield f"{_some(places)}: {note}", ""


def run_remarks(result: RunResult) -> Iterator[str]:
    """The sandbox that ran code, the journal, why the run ended early."""
    backend = result.run.sandbox_backend
    used = sorted({case.sandbox_backend for case in result.cases if case.sandbox_backend})
    if used:
        yield f"sandbox: {', '.join(used)}"
    elif backend:
        yield f"sandbox: {backend} (no code was run in it)"
    else:
        yield "sandbox: none"
    if result.run.stopped:
        yield f"the run ended early: {result.run.stopped}"


def _some(names: list[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
