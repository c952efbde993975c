"""How many calls a case takes, what they cost at most and about how long they take."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pytest_agentbench.agent import skip_reason
from pytest_agentbench.expand import render
from pytest_agentbench.runner import Case, RunOptions, settle

# A model writes about so fast when nothing better is known. Only the announced duration hangs on it.
TOKENS_PER_S = 50.0
# One thread of llama.cpp on the bundled model, all slots together.
LOCAL_TOKENS_PER_S = 90.0
DEFAULT_MAX_TOKENS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Before the first call.

    ``cost_usd_max`` is None where the price is unknown. ``warnings`` are of gates that these samples
    cannot decide: (place in the file, what is lacking).
    """

    n_samples: int
    n_calls_max: int
    cost_usd_max: float | None
    duration_s: float
    warnings: tuple[tuple[str, str], ...]


def forecast(case: Case, options: RunOptions) -> Forecast:
    """What ``case`` will take: at least ``n_samples`` calls, at most ``n_calls_max``.

    The highest cost takes every sample up to the gates' caps with all its turns and all its
    tokens; prompt tokens are bounded by the characters of the first prompt.
    """
    scenario, model = case.scenario, case.model
    if skip_reason(scenario, model) is not None:
        return Forecast(n_samples=0, n_calls_max=0, cost_usd_max=0.0, duration_s=0.0, warnings=())
    setting = settle(case, options)
    max_tokens = setting.sampling.max_tokens or min(
        DEFAULT_MAX_TOKENS, model.output_tokens or DEFAULT_MAX_TOKENS
    )
    turns = scenario.agent.max_turns if scenario.tools else 1 + len(scenario.then)
    prompt = len(json.dumps(list(render(scenario, scenario.variants[0], 0).messages), ensure_ascii=False))
    cost = None
    if model.prices is not None:
        per_call = (prompt + turns * max_tokens) * model.prices.input + max_tokens * model.prices.output
        cost = setting.most * turns * per_call / 1e6
    elif model.kind == "local":
        cost = 0.0
    concurrency = min(setting.window, model.concurrency)
    speed = LOCAL_TOKENS_PER_S if model.kind == "local" else TOKENS_PER_S * concurrency
    return Forecast(
        n_samples=setting.planned,
        n_calls_max=setting.most * turns,
        cost_usd_max=cost,
        duration_s=setting.planned * max_tokens / speed,
        warnings=tuple((str(spec.location), plan.warning) for spec, plan in setting.gates if plan.warning),
    )
