"""What is said before the first call: which cases, how many calls, how dear, how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_agentbench.collection import CaseItem, identity
from pytest_agentbench.forecast import forecast
from pytest_agentbench.resources import project_root
from pytest_agentbench.runner import RunOptions


def announcement(cases: Sequence[CaseItem], options: RunOptions) -> dict[str, Any]:
    """Builtins: the identity of every case, the forecast of calls, and the gates' warnings."""
    forecasts = [forecast(item.case, options) for item in cases]
    calling = [(item, one) for item, one in zip(cases, forecasts, strict=True) if one.n_calls_max]
    priced = [one.cost_usd_max for _item, one in calling if one.cost_usd_max is not None]
    return {
        "cases": [identity(item) for item in cases],
        "n_calls_min": sum(f.n_samples for f in forecasts),
        "n_calls_max": sum(f.n_calls_max for f in forecasts),
        "cost_usd_max": sum(priced) if priced else None,
        "unpriced": sorted({item.case.model.name for item, one in calling if one.cost_usd_max is None}),
        "scenario_files": _scenario_files(cases),
        "models": sorted({item.case.model.name for item, _one in calling}),
        "duration_s": _duration_s(cases, forecasts),
        "warnings": _grouped([warning for f in forecasts for warning in f.warnings]),
    }


def _scenario_files(cases: Sequence[CaseItem]) -> list[list[str]]:
    """Files with their project roots, for models that are simulated by playing references."""
    paths = dict.fromkeys(item.path for item in cases if item.case.model.kind == "simulated")
    return [[str(path), str(project_root(path, cases[0].config.rootpath))] for path in paths]


def _duration_s(cases: Sequence[CaseItem], forecasts: Sequence[Any]) -> float:
    """Models run side by side, the cases of one model share its slots: the slowest model counts."""
    by_model: dict[str, float] = {}
    for item, one in zip(cases, forecasts, strict=True):
        by_model[item.case.model.name] = by_model.get(item.case.model.name, 0.0) + one.duration_s
    return max(by_model.values(), default=0.0)


def _grouped(warnings: Sequence[tuple[str, str]]) -> list[str]:
    """One line per kind of warning, with its first place and how many more places have it."""
    places: dict[str, list[str]] = {}
    for place, text in warnings:
        if place not in places.setdefault(text, []):
            places[text].append(place)
    return [
        f"{where[0]}: {text}" + (f" (and {len(where) - 1} more gates like it)" if len(where) > 1 else "")
        for text, where in places.items()
    ]
