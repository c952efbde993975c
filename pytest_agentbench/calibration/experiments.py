"""What is injected, what is measured, and how often an interval or a verdict is right."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from pytest_agentbench import metrics
from pytest_agentbench.calibration.trial import run_session, scenarios
from pytest_agentbench.metrics.tally import count
from pytest_agentbench.scenario import GateSpec
from pytest_agentbench.simulation.profile import Behaviour, Family, Fault
from pytest_agentbench.stats.bounds import wilson_interval

SIZES = (200, 500)
RATES = (0.02, 0.05, 0.10, 0.20, 0.50)
GATE_AT = 0.10
"""Threshold and true rate of the false-alarm experiment: the worst case, where every verdict is wrong."""
WORDINGS_REPEATS = 50

Runner: TypeAlias = Callable[[Callable[[int], object], Iterable[int]], Iterator[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A metric with the faults (equally often each) that make its rate exactly what is injected.

    ``family`` None: the model is simply wrong so often.
    """

    metric: str
    scenario: str
    family: Family | None
    tags: tuple[str, ...] = ()

    def behaviour(self, rate: float) -> Behaviour:
        """A model whose true rate of this metric's failures is ``rate``."""
        if self.family is None:
            return Behaviour(success=1.0 - rate)
        share = rate / len(self.tags)
        return Behaviour(faults=tuple(Fault(family=self.family, tag=tag, rate=share) for tag in self.tags))


PROBES = (
    Probe(
        metric="parse_failure_rate",
        scenario="json",
        family="syntax",
        tags=("fence", "prose_around", "truncated", "trailing_comma", "unquoted_key", "empty"),
    ),
    Probe(
        metric="schema_failure_rate",
        scenario="schema",
        family="schema",
        tags=("missing_required", "extra_key", "wrong_type", "enum"),
    ),
    Probe(
        metric="contract_failure_rate",
        scenario="schema",
        family="schema",
        tags=("range", "pattern", "stringified_object"),
    ),
    Probe(
        metric="tool_argument_failure_rate",
        scenario="tool",
        family="calls",
        # no_call is left out: a sample without calls is in no denominator of this rate.
        tags=("missing_argument", "argument_type", "arguments_unparseable", "unknown_tool"),
    ),
    Probe(
        metric="loop_rate", scenario="tool", family="loops", tags=("exact", "near", "counter", "same_result")
    ),
    Probe(metric="pass_rate", scenario="text", family=None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often the Wilson 95 % interval of ``n`` samples held the injected rate, over ``n_sessions``."""

    metric: str
    injected: float
    n: int
    n_sessions: int
    mean: float
    covered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """Verdicts of a gate whose threshold is the true rate: both PASS and FAIL claim too much."""

    metric: str
    rate: float
    n_sessions: int
    passed: float
    failed: float
    mean_samples: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wordings:
    """Verdicts on prompt sensitivity (shares of sessions) for a model that behaves so."""

    name: str
    success: str
    equal: bool
    """Whether all wordings have the same success rate."""
    n_sessions: int
    sensitive: float
    insensitive: float


def coverage(probe: Probe, rate: float, *, seeds: int, run: Runner) -> list[Coverage]:
    """One row per size; the smaller samples are the first of the larger."""
    counts = list(run(partial(_counts, probe, rate), range(seeds)))
    rows = []
    for place, n in enumerate(SIZES):
        found = [one[place] for one in counts if isinstance(one, list)]
        truth = [_holds(x, total, rate) for x, total in found]
        rows.append(
            Coverage(
                metric=probe.metric,
                injected=rate,
                n=n,
                n_sessions=seeds,
                mean=sum(x for x, _ in found) / sum(total for _, total in found),
                covered=sum(truth) / seeds,
            )
        )
    return rows


def false_alarms(probe: Probe, *, seeds: int, run: Runner) -> FalseAlarms:
    """A sequential gate of ``GATE_AT`` against a model of exactly this rate."""
    results = [one for one in run(partial(_gate, probe), range(seeds)) if isinstance(one, tuple)]
    return FalseAlarms(
        metric=probe.metric,
        rate=GATE_AT,
        n_sessions=seeds,
        passed=sum(verdict == "PASS" for verdict, _ in results) / seeds,
        failed=sum(verdict == "FAIL" for verdict, _ in results) / seeds,
        mean_samples=sum(n for _, n in results) / seeds,
    )


MODELS: Mapping[str, Behaviour] = {
    "perfect": Behaviour(),
    "equal, 95 %": Behaviour(success=0.95),
    "equal, 80 %": Behaviour(success=0.80),
    "equal, 50 %": Behaviour(success=0.50),
    "wording-sensitive": Behaviour(success=0.95, success_by_class={"paraphrase": 0.65}),
}


def wordings(name: str, *, seeds: int, run: Runner) -> Wordings:
    """Prompt sensitivity of five wordings of 50 samples each."""
    behaviour = MODELS[name]
    verdicts = list(run(partial(_wordings, behaviour), range(seeds)))
    paraphrased = behaviour.success_by_class.get("paraphrase", behaviour.success)
    equal = paraphrased == behaviour.success
    return Wordings(
        name=name,
        success=f"{behaviour.success:.0%}" + ("" if equal else f", paraphrases {paraphrased:.0%}"),
        equal=equal,
        n_sessions=seeds,
        sensitive=verdicts.count("SENSITIVE") / seeds,
        insensitive=verdicts.count("INSENSITIVE") / seeds,
    )


def simulation_error(share: float, n: int) -> float:
    """How far the share of ``n`` sessions may be off by chance: three standard errors."""
    return 3.0 * math.sqrt(share * (1.0 - share) / n)


def one_after_another(function: Callable[[int], object], seeds: Iterable[int]) -> Iterator[object]:
    """Runs the sessions in this process."""
    return map(function, seeds)


def side_by_side(executor: Executor) -> Runner:
    """Runs the sessions in the processes of ``executor``."""
    return lambda function, seeds: executor.map(function, seeds, chunksize=5)


def _counts(probe: Probe, rate: float, seed: int) -> list[tuple[int, int]]:
    session = run_session(
        probe.scenario,
        probe.behaviour(rate),
        seed=_seed(probe.metric, rate, seed),
        repeats=max(SIZES),
        gates=(fixed_gate(probe.metric),),
    )
    return [count(probe.metric, session.samples[:n]) for n in SIZES]


def _holds(x: int, n: int, rate: float) -> bool:
    interval = wilson_interval(x, n)
    return interval is not None and interval[0] <= rate <= interval[1]


def _gate(probe: Probe, seed: int) -> tuple[str, int]:
    session = run_session(
        probe.scenario,
        probe.behaviour(GATE_AT),
        seed=_seed(probe.metric, "gate", seed),
        repeats=50,
        gates=(_gate_at(probe.metric),),
    )
    return session.result.gates[0].verdict, len(session.samples)


def _wordings(behaviour: Behaviour, seed: int) -> str | None:
    session = run_session(
        "wordings", behaviour, seed=_seed("wordings", behaviour.success, seed), repeats=WORDINGS_REPEATS
    )
    return session.result.sensitivity[0].verdict


def _seed(*parts: object) -> int:
    """A seed of its own for every row: sessions of two rows share no draw."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def fixed_gate(metric: str) -> GateSpec:
    """A gate that makes a case draw its repeats, no more and no less."""
    return replace(_gate_at(metric), decide="fixed")


def _gate_at(metric: str) -> GateSpec:
    direction = metrics.get(metric).DIRECTION
    return GateSpec(
        metric=metric,
        direction=direction,
        threshold=GATE_AT if direction == "max" else 1.0 - GATE_AT,
        location=scenarios()["json"].location,
    )
