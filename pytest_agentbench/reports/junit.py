"""A case as properties of its junit test case: scalars under dotted names."""

from __future__ import annotations

from pytest_agentbench.reports.rates import rates, stopped_early
from pytest_agentbench.verdict import CaseResult

Scalar = str | int | float | bool


def properties(case: CaseResult) -> list[tuple[str, Scalar]]:
    """``(name, value)`` pairs; what could not be measured is left out, never written as 0."""
    tally = case.tally
    found: list[tuple[str, Scalar | None]] = [
        ("agentbench.scenario", case.scenario),
        ("agentbench.model", case.model),
        ("agentbench.outcome", case.outcome),
        ("agentbench.reason", case.reason or None),
        ("agentbench.n_samples", tally.n_samples),
        ("agentbench.n_x", tally.n_x),
        ("agentbench.n_attempts", tally.n_attempts),
        ("agentbench.n_transport_errors", tally.n_transport_errors),
        ("agentbench.stopped_early", stopped_early(case)),
        ("agentbench.sandbox_backend", case.sandbox_backend),
        ("agentbench.digest", case.digest or None),
        ("agentbench.cost_usd", tally.cost_usd),
    ]
    for metric, rate in rates(tally).items():
        if rate is None or rate.bounds is None:
            continue
        found += [
            (f"agentbench.{metric}", rate.value),
            (f"agentbench.{metric}.n", rate.n),
            (f"agentbench.{metric}.low", rate.bounds[0]),
            (f"agentbench.{metric}.high", rate.bounds[1]),
        ]
    found += [(f"agentbench.latency_s.{key}", value) for key, value in (tally.latency_s or {}).items()]
    for gate in case.gates:
        name = f"agentbench.gate.{gate.metric}"
        found += [
            (name, gate.verdict),
            (f"{name}.threshold", gate.threshold),
            (f"{name}.decide", gate.decide),
        ]
    for item in case.sensitivity:
        name = f"agentbench.sensitivity.{item.variant_class}"
        found += [
            (f"{name}.verdict", item.verdict),
            (f"{name}.tau_squared", item.tau_squared),
            (f"{name}.shrunk_spread", item.shrunk_spread),
            (f"{name}.p_value", item.p_value),
        ]
    return [(name, value) for name, value in found if value is not None]
