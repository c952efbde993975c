"""One case: draws its samples concurrently, in rounds, until every gate is decided."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_agentbench import gate
from pytest_agentbench.agent import merge_sampling, run_sample, skip_reason
from pytest_agentbench.draws import Draws
from pytest_agentbench.errors import LimitReachedError, QuotaExhaustedError
from pytest_agentbench.evidence import worst_failures
from pytest_agentbench.expand import render
from pytest_agentbench.gate.prompt_sensitivity import DEFAULT_MAX_SPREAD
from pytest_agentbench.metrics.tally import tally
from pytest_agentbench.model import Model
from pytest_agentbench.providers.request import build
from pytest_agentbench.sample import Sample, Services
from pytest_agentbench.scenario import GateSpec, Json, Rendering, Sampling, Scenario
from pytest_agentbench.verdict import CaseResult, GateResult, Outcome, Sensitivity, VariantTally

# Faults after which the same request cannot succeed: drawing again would only repeat them.
FINAL_FAULTS = frozenset({"auth", "context_overflow", "http_400", "http_404", "http_422"})
# With no answer at all after so many X samples, the endpoint is taken to be down.
DEAD_AFTER_X = 20


class CaseServices(Services, Protocol):
    """What a case needs from the broker beside what its samples need."""

    async def plan(self, n_samples: int) -> None:
        """Expect so many more samples (fewer when negative)."""

    async def sandbox_for(self, backend: str) -> tuple[str | None, str]:
        """The backend that would run code, or None and why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario with a model: one pytest item."""

    scenario: Scenario
    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says about every case.

    Attributes:
        repeats: Per variant; None: the scenario's own.
        sampling: Values that win over everybody else's.
        concurrency: Samples in flight per case; None: the model's own.
        max_transport_share: Above this share of X samples a case is INCONCLUSIVE.
    """

    repeats: int | None = None
    sampling: Mapping[str, Json] = field(default_factory=dict)
    concurrency: int | None = None
    max_transport_share: float = 0.05


def unmeasured(case: Case, options: RunOptions, reason: str) -> CaseResult:
    """The result of a case that is not run at all, e.g. for want of a key."""
    return _CaseRun(case, options, {}).result("not_measured", reason)


async def run_case(
    case: Case,
    *,
    services: CaseServices,
    options: RunOptions,
    functions: Mapping[str, Callable[..., Json]],
) -> CaseResult:
    """Draw and judge one case.

    Raises:
        AgentbenchError: where something of ours failed; then there is no result.
    """
    return await _CaseRun(case, options, functions).run(services)


class _CaseRun:
    def __init__(
        self,
        case: Case,
        options: RunOptions,
        functions: Mapping[str, Callable[..., Json]],
    ) -> None:
        self.case = case
        self.scenario = case.scenario
        self.model = case.model
        self.options = options
        self.functions = functions
        self.sampling: Sampling = merge_sampling(
            self.scenario.sampling, self.scenario.models, self.model, options.sampling
        )
        self.draws = Draws(
            n_variants=len(self.scenario.variants),
            n_rows=len(self.scenario.rows),
            repeats=options.repeats or self.scenario.repeats,
            seed=self.scenario.seed,
        )
        self.rendering = functools.cache(self._render)
        self.deterministic, self.honoured = self._look_at_request()
        rate_gates = [spec for spec in self.scenario.gates if spec.metric != gate.SENSITIVITY_GATE]
        self.gate_plans = [self._plan_gate(spec) for spec in rate_gates]
        self.gates = [
            gate.GateProcess(spec, round_size=self.draws.round_size, cap=plan.cap)
            for spec, plan in zip(rate_gates, self.gate_plans, strict=True)
        ]
        self.samples: dict[int, Sample] = {}
        self.x_samples: list[Sample] = []
        self.faults: Counter[str] = Counter()
        self.redraws: list[tuple[int, int]] = []
        self.next_index = 0
        self.n_judged = 0
        self.said_planned = 0
        self.seen_replies: dict[tuple[str, str], tuple[int, Mapping[str, Json]]] = {}
        self.n_repeated = 0
        self.stopped = ""
        self.sandbox_backend: str | None = None
        self.started = time.monotonic()

    async def run(self, services: CaseServices) -> CaseResult:
        self.services = services
        reason = skip_reason(self.scenario, self.model)
        if reason is not None:
            return self.result("not_applicable", reason)
        if self.scenario.needs_sandbox:
            self.sandbox_backend, problem = await self.services.sandbox_for(self.scenario.sandbox.backend)
            if self.sandbox_backend is None:
                return self.result("not_measured", f"no sandbox: {problem}")
        await self._plan(self.planned)
        await self._draw_all()
        await self._plan(len(self.samples))
        outcome, reason, gates, sensitivity = self._judge()
        return self.result(outcome, reason, gates, sensitivity)

    # ---- drawing -----------------------------------------------------------------------------

    @property
    def planned(self) -> int:
        """Samples drawn at least; a deterministic request is not bought twice."""
        if self.deterministic:
            return min(self.draws.planned, self.draws.n_distinct)
        return self.draws.planned

    @property
    def least(self) -> int:
        """Samples before which no undecided gate can PASS, and at least those planned."""
        needed = [
            min(plan.needed, process.cap)
            for plan, process in zip(self.gate_plans, self.gates, strict=True)
            if process.verdict is None and plan.needed is not None and process.cap is not None
        ]
        return max([self.planned, *(self.draws.full_rounds(n) for n in needed)])

    @property
    def limit(self) -> int:
        """Samples that may be sent, as things stand."""
        if self.stopped:
            return 0
        undecided = [process for process in self.gates if process.verdict is None and not process.exhausted]
        failed = any(process.verdict == "FAIL" for process in self.gates)
        # Sensitivity compares the wordings over their first repeats: they are always drawn
        # (METRICS 4); a FAIL saves calls only where there is a single wording.
        if failed and self.draws.n_variants == 1:
            return 0
        if failed or not undecided or self.deterministic:
            return self.planned
        return max(self.planned, *(process.cap or 0 for process in undecided))

    @property
    def window(self) -> int:
        """Samples in flight."""
        return self.options.concurrency or self.model.concurrency

    async def _draw_all(self) -> None:
        window = self.window
        running: set[asyncio.Task[Sample]] = set()
        try:
            while True:
                while len(running) < window and (draw := self._next_draw()) is not None:
                    running.add(asyncio.create_task(self._draw(*draw)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._take(task)
                await self._plan(max(self.next_index, self.planned) if not self.stopped else self.next_index)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _next_draw(self) -> tuple[int, int] | None:
        if self.redraws and not self.stopped:
            return self.redraws.pop(0)
        if self.next_index >= self.limit:
            return None
        # Beyond the least that a PASS takes, every sample may be the last that is needed: send on
        # only when those before are judged, and never more than are in flight on chance.
        lag = self.next_index - self.n_judged
        if self.next_index >= self.least and (self.n_judged < self.least or lag >= self.window):
            return None
        self.next_index += 1
        return self.next_index - 1, 0

    async def _draw(self, index: int, redraw: int) -> Sample:
        variant, row = self.draws.at(index)
        sample = await run_sample(
            self.rendering(variant, row),
            self.model,
            sampling=self.sampling,
            limits=self.scenario.agent,
            sandbox=self.scenario.sandbox,
            index=index,
            redraw=redraw,
            services=self.services,
            functions=self.functions,
            seed=self.scenario.seed,
        )
        await self.services.record(sample)
        return sample

    def _take(self, task: asyncio.Task[Sample]) -> None:
        try:
            sample = task.result()
        except (LimitReachedError, QuotaExhaustedError) as error:
            self.stopped = self.stopped or str(error)
            return
        if sample.status == "ok":
            if self._repeats(sample):
                return
            self.samples[sample.index] = sample
            self._feed_gates()
            return
        assert sample.fault is not None
        self.x_samples.append(sample)
        kind = str(sample.fault["kind"])
        self.faults[kind] += 1
        message = f"{kind}: {sample.fault['message']}"
        if kind in FINAL_FAULTS and not self.samples:
            self.stopped = self.stopped or message
        elif not self.samples and len(self.x_samples) >= DEAD_AFTER_X:
            self.stopped = self.stopped or f"no answer in {len(self.x_samples)} samples, last {message}"
        elif kind not in FINAL_FAULTS and len(self.x_samples) <= self.draws.repeats:
            self.redraws.append((sample.index, sample.redraw + 1))

    def _repeats(self, sample: Sample) -> bool:
        """Whether a cache answered: the same request got the same reply under the same id before.

        The id alone is not enough, since some servers give every reply the same one.
        """
        reply = sample.turns[0].reply if sample.turns else None
        if reply is None or reply.response_id is None:
            return False
        key = (sample.request_digest, reply.response_id)
        known = self.seen_replies.setdefault(key, (sample.index, reply.message))
        if known[0] == sample.index or known[1] != reply.message:
            return False
        self.n_repeated += 1
        self.stopped = self.stopped or (
            "the endpoint gives the same reply (response id) to the same request again: a cache, not a draw"
        )
        return True

    def _feed_gates(self) -> None:
        """Give the gates every sample up to the first that is still missing, in sending order."""
        while (sample := self.samples.get(self.n_judged)) is not None:
            self.n_judged += 1
            for process in self.gates:
                process.add(sample)

    async def _plan(self, n_samples: int) -> None:
        if n_samples != self.said_planned:
            await self.services.plan(n_samples - self.said_planned)
            self.said_planned = n_samples

    # ---- judging -----------------------------------------------------------------------------

    def _judge(self) -> tuple[Outcome, str, tuple[GateResult, ...], tuple[Sensitivity, ...]]:
        samples = self.ordered
        reason = f"stopped: {self.stopped}" if self.stopped else ""
        if self.deterministic and not self.stopped:
            for process in self.gates:
                process.close()
        results = [process.result(samples, reason_if_undecided=reason) for process in self.gates]
        sensitivity: tuple[Sensitivity, ...] = ()
        if len(self.scenario.variants) > 1 and samples:
            spec = next((spec for spec in self.scenario.gates if spec.metric == gate.SENSITIVITY_GATE), None)
            sensitivity = gate.sensitivity(
                samples,
                classes={variant.id: variant.variant_class for variant in self.scenario.variants},
                repeats=self.draws.repeats,
                seed=self.scenario.seed,
                max_spread=DEFAULT_MAX_SPREAD if spec is None else spec.threshold,
            )
            if spec is not None:
                results.append(
                    gate.sensitivity_result(
                        spec,
                        sensitivity,
                        reason_if_undecided=reason,
                        holds=spec.inconclusive == "hold",
                    )
                )
        n_x = len(self.x_samples)
        if not samples:
            return "inconclusive", reason or "no sample was drawn", tuple(results), sensitivity
        share = n_x / (n_x + len(samples))
        if share > self.options.max_transport_share:
            allowed = f"{self.options.max_transport_share:.0%}"
            common = ", ".join(f"{kind} {n}" for kind, n in self.faults.most_common(3))
            reason = f"{share:.0%} of the samples failed in transport ({common}), above {allowed}"
            return "inconclusive", reason, tuple(results), sensitivity
        outcome, headline = gate.outcome_of(results)
        return outcome, headline, tuple(results), sensitivity

    @property
    def ordered(self) -> tuple[Sample, ...]:
        """The samples that count, in sending order."""
        return tuple(self.samples[index] for index in sorted(self.samples))

    def result(
        self,
        outcome: Outcome,
        reason: str,
        gates: tuple[GateResult, ...] = (),
        sensitivity: tuple[Sensitivity, ...] = (),
    ) -> CaseResult:
        scenario = self.scenario
        ordered = self.ordered
        everything = (*ordered, *self.x_samples)
        json_asked = scenario.answer_json is not None
        measure = functools.partial(tally, prices=self.model.prices, json_asked=json_asked)
        answered_by = Counter(
            f"{turn.reply.model or '?'}" + (f" @ {turn.reply.host}" if turn.reply.host else "")
            for sample in ordered
            for turn in sample.turns
        )
        return CaseResult(
            scenario=scenario.id,
            title=scenario.title,
            file=scenario.location.file,
            model=self.model.name,
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
            faults=dict(self.faults),
            honoured=self.honoured,
            answered_by=dict(answered_by),
            sandbox_backend=self.sandbox_backend,
            repeats=self.draws.repeats,
            digest=scenario.digest,
            duration_s=round(time.monotonic() - self.started, 3),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.deterministic and self.draws.planned > self.draws.n_distinct:
            notes.append(
                f"the request leaves nothing to chance (temperature 0 or a constant seed): "
                f"{self.draws.n_distinct} distinct requests are drawn once each, not "
                f"{self.draws.planned} times"
            )
        if self.n_repeated:
            notes.append(f"{self.n_repeated} repeated replies are not counted ({self.stopped})")
        if any(spec.is_default for spec in self.scenario.gates):
            notes.append("no gates in the scenario: pass_rate at least 90 % is the default")
        return tuple(notes)

    # ---- requests ----------------------------------------------------------------------------

    def _render(self, variant: int, row: int) -> Rendering:
        return render(self.scenario, self.scenario.variants[variant], row)

    def _look_at_request(self) -> tuple[bool, tuple[Mapping[str, Any], ...]]:
        """Whether equal requests give equal replies, and what the model cannot honour."""
        rendering = self.rendering(0, 0)
        body, honoured = build(
            self.model,
            messages=rendering.messages,
            tools=rendering.tools,
            sampling=self.sampling,
            answer_json=rendering.answer_json,
            request_seed=None,
        )
        constant_seed = isinstance(self.sampling.seed, int) and body.get("seed") is not None
        return body.get("temperature") == 0 or constant_seed, tuple(
            entry for entry in honoured if not entry["honoured"]
        )

    def _plan_gate(self, spec: GateSpec) -> gate.GatePlan:
        planned = gate.plan(
            spec,
            n_variants=self.draws.n_variants,
            n_rows=self.draws.n_rows,
            repeats=self.draws.repeats,
            round_size=self.draws.round_size,
        )
        if self.deterministic:
            return dataclasses.replace(planned, cap=min(planned.cap, self.planned))
        return planned
