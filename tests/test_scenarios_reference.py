"""The reference answer of every shipped scenario passes its own checks, played through the agent loop."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from shipped import IDS, shipped

from pytest_agentbench.agent import merge_sampling, run_sample
from pytest_agentbench.errors import LimitReachedError
from pytest_agentbench.expand import render
from pytest_agentbench.model import Model
from pytest_agentbench.providers.reply import reply_from_json
from pytest_agentbench.sample import CallRequest, Execution, ExecutionRequest, Reply, Sample
from pytest_agentbench.scenario import Json, Rendering, Scenario

MODEL = Model(
    name="reference", slug="reference", model_id="reference", kind="openai", base_url="http://127.0.0.1:9/v1"
)


class Player:
    """Answers every call with the next turn of the reference, and runs code in a plain process.

    The code is our own reference: it needs no sandbox, and a sandbox need not be here.
    """

    def __init__(self, rendering: Rendering, folder: Path, *, spoil: bool = False) -> None:
        self.turns = list(rendering.reference)
        self.folder = folder
        self.spoil = spoil

    async def call(self, request: CallRequest) -> Reply:
        if not self.turns:
            raise LimitReachedError("the reference has ended, but the agent asks on")
        turn = self.turns.pop(0)["assistant"]
        message: dict[str, Json] = {
            "role": "assistant",
            "content": turn if isinstance(turn, str) else turn.get("text"),
        }
        if not isinstance(turn, str) and turn.get("tool_calls"):
            message["tool_calls"] = [wire_call(call, place) for place, call in enumerate(turn["tool_calls"])]
        if self.spoil:
            message = {"role": "assistant", "content": "I am sorry, I cannot do that."}
        return reply_from_json(
            json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        )

    async def execute(self, request: ExecutionRequest) -> Execution:
        for name, text in request.files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        started = time.monotonic()
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-I", "-c", request.code],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Execution(
            outcome="ok" if done.returncode == 0 else "failed",
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            duration_s=time.monotonic() - started,
            backend="process",
        )

    async def record(self, sample: Sample) -> None:
        """Nothing is kept."""


def wire_call(call: Mapping[str, Json], place: int) -> dict[str, Json]:
    return {
        "id": f"call_{place}",
        "type": "function",
        "function": {"name": call["name"], "arguments": json.dumps(call.get("args", {}), ensure_ascii=False)},
    }


def play(scenario: Scenario, *, variant: int, row: int, folder: Path, spoil: bool = False) -> Sample:
    rendering = render(scenario, scenario.variants[variant], row)
    return asyncio.run(
        run_sample(
            rendering,
            MODEL,
            sampling=merge_sampling(scenario.sampling, scenario.models, MODEL, {}),
            limits=scenario.agent,
            sandbox=scenario.sandbox,
            index=0,
            redraw=0,
            services=Player(rendering, folder, spoil=spoil),
            functions={},
            seed=scenario.seed,
        )
    )


@pytest.mark.parametrize("identifier", IDS)
def test_the_reference_passes_in_every_row_and_wording(identifier: str, tmp_path: Path) -> None:
    scenario = shipped()[identifier]
    last = len(scenario.variants) - 1
    draws = {(0, row) for row in range(len(scenario.rows))} | {(v, 0) for v in range(last + 1)}
    for variant, row in sorted(draws):
        sample = play(scenario, variant=variant, row=row, folder=tmp_path)
        told = [finding.message for finding in sample.findings if finding.status == "failed"]
        assert sample.passed, (
            f"{scenario.variants[variant].id}, row {row}: {told} {sample.json} {sample.loop}"
        )


@pytest.mark.parametrize("identifier", IDS)
def test_a_refusal_passes_nowhere_but_where_only_loops_are_asked(identifier: str, tmp_path: Path) -> None:
    scenario = shipped()[identifier]
    sample = play(scenario, variant=0, row=0, folder=tmp_path, spoil=True)
    only_loops = {spec.metric for spec in scenario.gates} == {"loop_rate"}
    assert sample.passed is only_loops
