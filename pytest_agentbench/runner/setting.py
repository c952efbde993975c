"""What is settled about a case before its first call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_agentbench import gate
from pytest_agentbench.agent import merge_sampling
from pytest_agentbench.draws import Draws
from pytest_agentbench.expand import render
from pytest_agentbench.providers.request import build
from pytest_agentbench.runner.case import Case, RunOptions
from pytest_agentbench.scenario import GateSpec, Json, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a case is drawn.

    Attributes:
        sampling: Of preset, scenario and command line together.
        draws: The sending order.
        deterministic: Equal requests give equal replies (temperature 0 or a constant seed is sent):
            each distinct request is drawn once.
        not_honoured: What the model cannot honour: {key, asked, sent, honoured, note}.
        rate_gates: Every gate on a rate with its plan.
        sensitivity_gate: The gate on prompt sensitivity, if there is one.
    """

    case: Case
    options: RunOptions
    sampling: Sampling
    draws: Draws
    deterministic: bool
    not_honoured: tuple[Mapping[str, Json], ...]
    rate_gates: tuple[tuple[GateSpec, gate.GatePlan], ...]
    sensitivity_gate: tuple[GateSpec, gate.GatePlan] | None

    @property
    def gates(self) -> tuple[tuple[GateSpec, gate.GatePlan], ...]:
        """Every gate with its plan."""
        return self.rate_gates + ((self.sensitivity_gate,) if self.sensitivity_gate is not None else ())

    @property
    def planned(self) -> int:
        """Samples drawn at least; a deterministic request is not bought twice."""
        if self.deterministic:
            return min(self.draws.planned, self.draws.n_distinct)
        return self.draws.planned

    @property
    def most(self) -> int:
        """Samples drawn at most, when gates stay undecided."""
        return max([self.planned, *(self.draws.full_rounds(self.cap(plan)) for _, plan in self.rate_gates)])

    @property
    def window(self) -> int:
        """Samples in flight."""
        return self.options.concurrency or self.case.model.concurrency

    def cap(self, plan: gate.GatePlan) -> int:
        """Samples after which a gate with this plan stays undecided."""
        return min(plan.cap, self.planned) if self.deterministic else plan.cap


def settle(case: Case, options: RunOptions) -> Setting:
    """The setting of ``case`` under the command line's ``options``."""
    scenario, model = case.scenario, case.model
    sampling = merge_sampling(scenario.sampling, scenario.models, model, options.sampling)
    draws = Draws(
        n_variants=len(scenario.variants),
        n_rows=len(scenario.rows),
        repeats=options.repeats or scenario.repeats,
        seed=scenario.seed,
    )
    first = render(scenario, scenario.variants[0], 0)
    body, told = build(
        model,
        messages=first.messages,
        tools=first.tools,
        sampling=sampling,
        answer_json=first.answer_json,
        request_seed=None,
    )
    constant_seed = isinstance(sampling.seed, int) and body.get("seed") is not None
    plans = [
        (
            spec,
            gate.plan(
                spec,
                n_variants=draws.n_variants,
                n_rows=draws.n_rows,
                repeats=draws.repeats,
                round_size=draws.round_size,
            ),
        )
        for spec in scenario.gates
    ]
    return Setting(
        case=case,
        options=options,
        sampling=sampling,
        draws=draws,
        deterministic=body.get("temperature") == 0 or constant_seed,
        not_honoured=tuple(entry for entry in told if not entry["honoured"]),
        rate_gates=tuple(entry for entry in plans if entry[0].metric != gate.SENSITIVITY_GATE),
        sensitivity_gate=next((entry for entry in plans if entry[0].metric == gate.SENSITIVITY_GATE), None),
    )
