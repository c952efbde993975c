"""Estimates against thresholds: PASS, FAIL or INCONCLUSIVE (METRICS 2 and 4)."""

from __future__ import annotations

from pytest_agentbench.gate.outcome import outcome_of
from pytest_agentbench.gate.plan import GatePlan, plan
from pytest_agentbench.gate.process import GateProcess
from pytest_agentbench.gate.prompt_sensitivity import SENSITIVITY_GATE, sensitivity, sensitivity_result

__all__ = [
    "SENSITIVITY_GATE",
    "GatePlan",
    "GateProcess",
    "outcome_of",
    "plan",
    "sensitivity",
    "sensitivity_result",
]
