"""The run as one JSON document, described by ``schemas/results.schema.json``.

The document is complete: what the terminal and the Markdown report show is in it. Rates are in
[0, 1], never percent; what could not be measured is null, never 0.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pytest_agentbench.errors import StorageError
from pytest_agentbench.reports import judgement
from pytest_agentbench.reports.comparisons import Comparison, compare
from pytest_agentbench.reports.rates import Rate, planned, stopped_early
from pytest_agentbench.sample import Level, Parse
from pytest_agentbench.scenario import Json
from pytest_agentbench.verdict import CaseResult, GateResult, RunResult, Tally
from pytest_agentbench.wire import to_wire

SCHEMA_VERSION = 1

_USER_INFO = re.compile(r"//[^/@\s]*@")
_SURROGATES = re.compile("[\ud800-\udfff]")


def document(result: RunResult) -> dict[str, Json]:
    """Everything about one run in builtins.

    Numbers that are not finite are kept as text in the free-form parts (evidence, options); in the
    measurements they would be a mistake of ours, and :func:`write` refuses them.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run": _clean({**to_wire(result.run), "options": _finite(result.run.options)}),
        "models": [_clean(_finite(_without_credentials(model))) for model in result.models],
        "cases": [_clean(_case(case)) for case in result.cases],
        "sensitivity": [_clean(item) for case in result.cases for item in _sensitivity(case)],
        "comparisons": [_clean(_comparison(item)) for item in compare(result.cases)],
        "verdicts": [
            _clean(
                {
                    "case": judgement.case_id(case),
                    "scenario": case.scenario,
                    "model": case.model,
                    **_gate(gate),
                }
            )
            for case in result.cases
            for gate in case.gates
        ],
        "totals": _totals(result),
        "exit_status": result.exit_status,
    }


def write(path: Path, document: Mapping[str, Json]) -> None:
    """Write the document as UTF-8 JSON; the file is either the old one or the whole new one.

    Raises:
        ValueError: the document holds NaN or an infinity.
        StorageError: the file cannot be written.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(
            f"{path}: the results cannot be written ({error.strerror or error}); choose another path"
        ) from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _case(case: CaseResult) -> dict[str, Json]:
    return {
        "id": judgement.case_id(case),
        "scenario": case.scenario,
        "title": case.title,
        "file": case.file,
        "model": case.model,
        "tags": list(case.tags),
        "outcome": case.outcome,
        "reason": case.reason,
        "repeats": case.repeats,
        "n_planned": planned(case),
        "stopped_early": stopped_early(case),
        **_tally(case.tally),
        "variants": [
            {"id": variant.id, "class": variant.variant_class, **_tally(variant.tally)}
            for variant in case.variants
        ],
        "gates": [_gate(gate) for gate in case.gates],
        "failures": [to_wire(failure) for failure in case.failures],
        "faults": dict(case.faults),
        "honoured": [_finite(item) for item in case.honoured],
        "answered_by": dict(case.answered_by),
        "sandbox_backend": case.sandbox_backend,
        "digest": case.digest,
        "duration_s": case.duration_s,
        "notes": list(case.notes),
    }


def _tally(tally: Tally) -> dict[str, Json]:
    loops, passes = tally.loops, tally.passes
    return {
        "n_samples": tally.n_samples,
        "n_x": tally.n_x,
        "n_attempts": tally.n_attempts,
        "n_transport_errors": tally.n_transport_errors,
        "json": {
            **to_wire(tally.json),
            "levels": _every(get_args(Level), tally.json.levels),
            "parse": _every(get_args(Parse), tally.json.parse),
        },
        "arguments": to_wire(tally.arguments),
        "loops": to_wire(loops),
        "pass": to_wire(passes),
        "latency_s": None if tally.latency_s is None else dict(tally.latency_s),
        "tokens": dict(tally.tokens),
        "cost_usd": tally.cost_usd,
    }


def _every(keys: tuple[str, ...], counts: Mapping[str, int]) -> dict[str, int]:
    return {**dict.fromkeys(keys, 0), **counts}


def _gate(gate: GateResult) -> dict[str, Json]:
    return {**to_wire(gate), "evidence": _finite(gate.evidence)}


def _sensitivity(case: CaseResult) -> list[dict[str, Json]]:
    return [
        {"case": judgement.case_id(case), "scenario": case.scenario, "model": case.model, **to_wire(item)}
        for item in case.sensitivity
    ]


def _comparison(item: Comparison) -> dict[str, Json]:
    return {
        "file": item.file,
        "scenario": item.scenario,
        "metric": item.metric,
        "model_a": item.model_a,
        "model_b": item.model_b,
        "a": _rate(item.a),
        "b": _rate(item.b),
        "difference": item.difference,
        "interval": None if item.bounds is None else list(item.bounds),
        "method": "newcombe 95 %",
        "fixed_n": item.fixed_n,
        "reason": item.reason,
    }


def _rate(rate: Rate | None) -> dict[str, Json] | None:
    return None if rate is None else {"x": rate.x, "n": rate.n, "rate": rate.value}


def _totals(result: RunResult) -> dict[str, Json]:
    tallies = [case.tally for case in result.cases]
    known, complete = judgement.cost(result)
    budget = judgement.error_budget(result)
    return {
        "n_cases": len(result.cases),
        "outcomes": dict(judgement.outcomes(result)),
        "n_samples": sum(tally.n_samples for tally in tallies),
        "n_x": sum(tally.n_x for tally in tallies),
        "n_calls": result.run.n_calls,
        "n_attempts": sum(tally.n_attempts for tally in tallies),
        "n_transport_errors": sum(tally.n_transport_errors for tally in tallies),
        "tokens": {key: _token_sum(tallies, key) for key in ("prompt", "completion", "reasoning")},
        "cost_usd": known if complete else None,
        "known_cost_usd": known,
        "n_gates": budget.n_gates,
        "verdicts": dict(judgement.verdicts(result)),
        "error_budget": to_wire(budget),
    }


def _token_sum(tallies: list[Tally], key: str) -> int | None:
    """None when a case that was measured did not say; not every model reports reasoning."""
    values = [tally.tokens.get(key) for tally in tallies if tally.n_samples]
    known = [value for value in values if isinstance(value, int)]
    return sum(known) if known and (key == "reasoning" or len(known) == len(values)) else None


def _without_credentials(model: Mapping[str, Json]) -> dict[str, Json]:
    url = model.get("base_url")
    return {**model, "base_url": _USER_INFO.sub("//", url)} if isinstance(url, str) else dict(model)


def _finite(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _clean(value: Json) -> Json:
    """Without lone surrogates, which a model may send and no strict JSON reader takes."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
