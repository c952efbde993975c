"""The agent loop: turns of one sample until it is answered, or a limit or a fault ends it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pytest_agentbench.agent.mock_tools import MockTools, ToolFunctionError
from pytest_agentbench.agent.sampling import sample_seed
from pytest_agentbench.checks import evaluate
from pytest_agentbench.errors import QuotaExhaustedError, SandboxError, TransportError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.request import build
from pytest_agentbench.sample import CallRequest, Reply, Sample, Services, Turn
from pytest_agentbench.scenario import AgentLimits, Json, Rendering, Sampling, SandboxSpec

Ended: TypeAlias = Literal["answer", "truncated", "deadline", "max_turns"]


async def run_sample(
    rendering: Rendering,
    model: Model,
    *,
    sampling: Sampling,
    limits: AgentLimits,
    sandbox: SandboxSpec,
    index: int,
    redraw: int,
    services: Services,
    functions: Mapping[str, Callable[..., Json]],
    seed: int,
) -> Sample:
    """One draw: the whole agent run, then its checks. Faults of ours make it an X.

    ``sampling`` is as ``merge_sampling`` made it. ``index`` is the sample's place in the sending
    order of the case, ``redraw`` how many draws of this place came before. ``functions`` are the
    registered tool functions by name; each gets the call's arguments (a dict) and, where it takes
    two, a ``ToolContext``. ``seed`` (the scenario's) enters requests with ``seed: per_sample`` only.

    Raises:
        QuotaExhaustedError, LimitReachedError: the session has to stop or hold.
        UsageError: a tool names a function that nobody registered.
    """
    run = _Run(
        rendering=rendering,
        model=model,
        sampling=sampling,
        limits=limits,
        index=index,
        services=services,
        tools=MockTools(rendering=rendering, sandbox=sandbox, execute=services.execute, functions=functions),
        request_seed=sample_seed(
            sampling, seed=seed, scenario=rendering.scenario, variant=rendering.variant, index=index
        ),
        messages=list(rendering.messages),
    )
    sample = Sample(
        scenario=rendering.scenario,
        model=model.name,
        variant=rendering.variant,
        row=rendering.row,
        index=index,
        redraw=redraw,
    )
    try:
        ended = await run.converse()
        evaluation = await evaluate(rendering, tuple(run.turns), ended, services.execute, sandbox=sandbox)
    except QuotaExhaustedError:
        raise
    except TransportError as error:
        run.n_attempts += error.n_attempts
        run.n_transport_errors += error.n_transport_errors
        return run.fill(sample, status="x", fault={"kind": error.kind, "message": error.message})
    except SandboxError as error:
        return run.fill(sample, status="x", fault={"kind": "sandbox", "message": str(error)})
    except ToolFunctionError as error:
        return run.fill(sample, status="x", fault={"kind": "tool_function", "message": str(error)})
    return run.fill(
        sample,
        ended=ended,
        json=evaluation.json,
        arguments=evaluation.arguments,
        loop=evaluation.loop,
        findings=evaluation.findings,
        passed=evaluation.passed,
    )


@dataclass(slots=True, kw_only=True)
class _Run:
    """What one sample has said and used so far."""

    rendering: Rendering
    model: Model
    sampling: Sampling
    limits: AgentLimits
    index: int
    services: Services
    tools: MockTools
    request_seed: int | None
    messages: list[Mapping[str, Json]]
    turns: list[Turn] = field(default_factory=list)
    seconds: float = 0.0
    n_tokens: int = 0
    n_attempts: int = 0
    n_transport_errors: int = 0
    request_digest: str = ""

    def fill(self, sample: Sample, **fields: Json) -> Sample:
        """``sample`` with what has happened so far and ``fields``."""
        return dataclasses.replace(
            sample,
            turns=tuple(self.turns),
            messages=tuple(self.messages),
            n_attempts=self.n_attempts,
            n_transport_errors=self.n_transport_errors,
            request_digest=self.request_digest,
            **fields,
        )

    async def converse(self) -> Ended:
        """Take turns until the sample ends; says how."""
        follow_ups = iter(self.rendering.then)
        while True:
            limit = self._limit_reached()
            if limit is not None:
                return limit
            reply, truncated = await self._ask()
            # As it came, unknown fields included: providers refuse or misread a rebuilt message
            # (reasoning_content, thought signatures).
            self.messages.append(reply.message)
            self.turns.append(Turn(reply=reply, truncated=truncated))
            if reply.deadline:
                return "deadline"
            if truncated:
                return "truncated"
            if reply.tool_calls:
                await self._answer_tools(reply)
                continue
            follow_up = next(follow_ups, None)
            if follow_up is None:
                return "answer"
            self.messages.append({"role": "user", "content": follow_up})

    def _limit_reached(self) -> Ended | None:
        if len(self.turns) >= self.limits.max_turns:
            return "max_turns"
        if self.seconds >= self.limits.max_seconds:
            return "deadline"
        if self._tokens_left() == 0:
            return "truncated"
        return None

    def _tokens_left(self) -> int | None:
        allowed = self.limits.max_tokens
        return None if allowed is None else max(0, allowed - self.n_tokens)

    async def _ask(self) -> tuple[Reply, bool]:
        sampling, left = self.sampling, self._tokens_left()
        if left is not None:
            asked = sampling.max_tokens
            sampling = dataclasses.replace(
                sampling,
                max_tokens=left if asked is None else min(asked, left),
                set_keys=sampling.set_keys | {"max_tokens"},
            )
        body, _ = build(
            self.model,
            messages=tuple(self.messages),
            tools=self.rendering.tools,
            sampling=sampling,
            answer_json=self.rendering.answer_json,
            request_seed=self.request_seed,
        )
        if not self.turns:
            self.request_digest = _digest(body)
        reply = await self.services.call(
            CallRequest(
                model=self.model.name,
                body=body,
                deadline_s=self.limits.max_seconds - self.seconds,
                stall_s=self.limits.stall_s,
                sample={
                    "scenario": self.rendering.scenario,
                    "model": self.model.name,
                    "variant": self.rendering.variant,
                    "row": self.rendering.row,
                    "index": self.index,
                    "turn": len(self.turns),
                    "request": self.request_digest,
                },
            )
        )
        self.n_attempts += reply.n_attempts
        self.n_transport_errors += reply.n_transport_errors
        self.seconds += reply.latency_s
        n_tokens = reply.usage.completion_tokens
        self.n_tokens += n_tokens or 0
        n_allowed = body.get(self.model.rules.max_tokens_key)
        # Providers were seen to label a cut reply "stop" or "tool_calls" (METRICS 1).
        all_used = n_tokens is not None and isinstance(n_allowed, int) and n_tokens >= n_allowed
        return reply, not reply.deadline and (reply.finish_reason == "length" or all_used)

    async def _answer_tools(self, reply: Reply) -> None:
        # A function may use what is left, and a second where nothing is: it must be able to answer.
        left = max(1.0, self.limits.max_seconds - self.seconds)
        answers = await self.tools.answer_all(reply.tool_calls, timeout_s=left)
        results = tuple(answer.result for answer in answers)
        self.seconds += max(answer.seconds for answer in answers)
        self.turns[-1] = dataclasses.replace(self.turns[-1], results=results)
        self.messages.extend(
            {"role": "tool", "tool_call_id": result.call.id, "content": result.content} for result in results
        )


def _digest(body: Mapping[str, Json]) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
