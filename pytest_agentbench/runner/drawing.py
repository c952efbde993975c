"""The draws of one case: concurrently, in rounds, until every gate is decided."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping

from pytest_agentbench import gate
from pytest_agentbench.agent import run_sample
from pytest_agentbench.errors import LimitReachedError, QuotaExhaustedError
from pytest_agentbench.expand import render
from pytest_agentbench.runner.case import CaseServices
from pytest_agentbench.runner.setting import Setting
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import Json, Rendering

# Faults after which the same request cannot succeed: drawing again would only repeat them.
FINAL_FAULTS = frozenset({"auth", "context_overflow", "http_400", "http_404", "http_422", "not_recorded"})
# With no answer at all after so many X samples, the endpoint is taken to be down.
DEAD_AFTER_X = 20
# With no answer at all after so many final refusals, all requests of the case are taken to be refused.
REFUSED_AFTER_X = 3


class Drawing:
    """The samples of one case as they come in.

    Attributes:
        samples: By their place in the sending order; only those that count.
        x_samples: Those that failed in transport or in the sandbox.
        faults: How many of them, by kind.
        stopped: Why drawing ended before the gates were decided, else ''.
        n_repeated: Replies that a cache gave again; they count nowhere.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.gates = [
            gate.GateProcess(spec, round_size=setting.draws.round_size, cap=setting.cap(plan))
            for spec, plan in setting.rate_gates
        ]
        self.samples: dict[int, Sample] = {}
        self.x_samples: list[Sample] = []
        self.faults: Counter[str] = Counter()
        self.stopped = ""
        self.n_repeated = 0
        self.started = time.monotonic()
        self._render = functools.cache(self._render_anew)
        self._redraws: list[tuple[int, int]] = []
        self._lost: set[int] = set()
        self._next_index = 0
        self._n_judged = 0
        self._said_planned = 0
        self._seen_replies: dict[tuple[str, str], tuple[int, Mapping[str, Json]]] = {}

    @property
    def ordered(self) -> tuple[Sample, ...]:
        """The samples that count, in sending order."""
        return tuple(self.samples[index] for index in sorted(self.samples))

    async def run(self, services: CaseServices, functions: Mapping[str, Callable[..., Json]]) -> None:
        """Draw until nothing more is to be drawn.

        Raises:
            AgentbenchError: something of ours failed.
        """
        self._services = services
        self._functions = functions
        await self._plan(self.setting.planned)
        await self._draw_all()
        await self._plan(len(self.samples))

    @property
    def _least(self) -> int:
        """Samples before which no undecided gate can PASS, and at least those planned."""
        needed = [
            min(plan.needed, process.cap)
            for (_, plan), process in zip(self.setting.rate_gates, self.gates, strict=True)
            if process.verdict is None and plan.needed is not None and process.cap is not None
        ]
        least = max([self.setting.planned, *(self.setting.draws.full_rounds(n) for n in needed)])
        return least + len(self._lost)

    @property
    def _limit(self) -> int:
        """Samples that may be sent, as things stand."""
        if self.stopped:
            return 0
        undecided = [process for process in self.gates if process.verdict is None and not process.exhausted]
        failed = any(process.verdict == "FAIL" for process in self.gates)
        # Sensitivity compares the wordings over their first repeats: they are always drawn
        # (METRICS 4); a FAIL saves calls only where there is a single wording.
        if failed and self.setting.draws.n_variants == 1:
            return 0
        if failed or not undecided or self.setting.deterministic:
            return self.setting.planned + len(self._lost)
        return max(self.setting.planned, *(process.cap or 0 for process in undecided)) + len(self._lost)

    async def _draw_all(self) -> None:
        window = self.setting.window
        running: set[asyncio.Task[Sample]] = set()
        done: set[asyncio.Task[Sample]] = set()
        try:
            while True:
                while len(running) < window and (draw := self._next_draw()) is not None:
                    running.add(asyncio.create_task(self._draw(*draw)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._take(task)
                await self._plan(
                    max(self._next_index, self.setting.planned) if not self.stopped else self._next_index
                )
        finally:
            for task in running:
                task.cancel()
            # Those done too: when the broker is lost, many fail at once and only one is told.
            await asyncio.gather(*running, *done, return_exceptions=True)

    def _next_draw(self) -> tuple[int, int] | None:
        if self._redraws and not self.stopped:
            return self._redraws.pop(0)
        if self._next_index >= self._limit:
            return None
        # Beyond the least that a PASS takes, every sample may be the last that is needed: send on
        # only when those before are judged, and never more than are in flight on chance.
        lag = self._next_index - self._n_judged
        if self._next_index >= self._least and (self._n_judged < self._least or lag >= self.setting.window):
            return None
        self._next_index += 1
        return self._next_index - 1, 0

    async def _draw(self, index: int, redraw: int) -> Sample:
        variant, row = self.setting.draws.at(index)
        sample = await run_sample(
            self._render(variant, row),
            self.setting.case.model,
            sampling=self.setting.sampling,
            limits=self.setting.case.scenario.agent,
            sandbox=self.setting.case.scenario.sandbox,
            index=index,
            redraw=redraw,
            services=self._services,
            functions=self._functions,
            seed=self.setting.case.scenario.seed,
        )
        await self._services.record(sample)
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
        self._stop_if_hopeless(kind, message)
        if kind not in FINAL_FAULTS:
            self._redraws.append((sample.index, sample.redraw + 1))
        else:
            # This request is refused again and again (a row that a filter does not let through):
            # its place stays empty, and a further sample is drawn instead.
            self._lost.add(sample.index)
            self._feed_gates()

    def _stop_if_hopeless(self, kind: str, message: str) -> None:
        """End a case whose requests do not get through; a key that is refused once always is."""
        n_x = len(self.x_samples)
        refused = kind in FINAL_FAULTS and n_x >= REFUSED_AFTER_X
        if not self.samples and (kind == "auth" or refused or n_x >= DEAD_AFTER_X):
            self.stopped = self.stopped or f"no answer in {n_x} samples, last {message}"
        elif n_x > self.setting.draws.repeats:
            self.stopped = self.stopped or f"{n_x} samples failed in transport, last {message}"

    def _repeats(self, sample: Sample) -> bool:
        """Whether a cache answered: the same request got the same reply under the same id before.

        The id alone is not enough, since some servers give every reply the same one.
        """
        reply = sample.turns[0].reply if sample.turns else None
        if reply is None or reply.response_id is None:
            return False
        key = (sample.request_digest, reply.response_id)
        known = self._seen_replies.setdefault(key, (sample.index, reply.message))
        if known[0] == sample.index or known[1] != reply.message:
            return False
        self.n_repeated += 1
        self.stopped = self.stopped or (
            "the endpoint gives the same reply (response id) to the same request again: a cache, not a draw"
        )
        return True

    def _feed_gates(self) -> None:
        """Give the gates every sample up to the first that is still missing, in sending order."""
        while (sample := self.samples.get(self._n_judged)) is not None or self._n_judged in self._lost:
            self._n_judged += 1
            if sample is not None:
                for process in self.gates:
                    process.add(sample)

    async def _plan(self, n_samples: int) -> None:
        if n_samples != self._said_planned:
            await self._services.plan(n_samples - self._said_planned)
            self._said_planned = n_samples

    def _render_anew(self, variant: int, row: int) -> Rendering:
        scenario = self.setting.case.scenario
        return render(scenario, scenario.variants[variant], row)
