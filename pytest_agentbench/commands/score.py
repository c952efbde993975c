"""``agentbench score``: recorded replies judged by a scenario, without any call."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_agentbench.errors import SandboxError, UsageError

if TYPE_CHECKING:
    from pytest_agentbench.sample import Execution, ExecutionRequest
    from pytest_agentbench.sandboxes import Sandboxes
    from pytest_agentbench.scenario import Scenario
    from pytest_agentbench.scoring import Counts, Scorer

IN_FLIGHT = 8
"""Lines whose code runs at a time; without code one after another."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "score",
        help="judge recorded replies (JSON lines) by a scenario, without any call",
        description="Read one JSON object a line: id, text, and optional tool_calls, reasoning, "
        "finish_reason, completion_tokens, variant, row. Write one a line: id, json, loop, tool_calls, "
        "passed; in the order of the input, as they are judged. Exit status 1 if a line could not be judged.",
    )
    parser.add_argument("scenario", metavar="SCENARIO", help="FILE.bench.yaml, or FILE.bench.yaml::ID")
    parser.add_argument("--outputs", default="-", metavar="FILE", help="the replies; -, the default: stdin")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="the verdicts; default: stdout")
    parser.add_argument(
        "--sandbox",
        choices=["auto", "docker", "wasm"],
        default="auto",
        help="where code runs, for scenarios that check code",
    )


def run(args: argparse.Namespace) -> int:
    """Judge every line; returns 1 if one could not be judged, else 0.

    Raises:
        UsageError: no such file or scenario, or it runs code and there is no sandbox.
        ScenarioError: the scenario file has mistakes.
    """
    scenario = find_scenario(args.scenario)
    with contextlib.ExitStack() as stack:
        source = sys.stdin.buffer if args.outputs == "-" else stack.enter_context(_open(args.outputs, "rb"))
        target = sys.stdout.buffer if args.output == "-" else stack.enter_context(_open(args.output, "wb"))
        started = time.monotonic()
        try:
            counts = asyncio.run(_score(scenario, source, target, args.sandbox))
        except BrokenPipeError:  # nobody reads any more (`| head`)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    for line in _summary(counts, time.monotonic() - started, has_json=scenario.answer_json is not None):
        print(line, file=sys.stderr)
    return 1 if counts.n_errors else 0


def find_scenario(name: str) -> Scenario:
    """The scenario of a file with one, or the one that is named behind ``::``.

    Raises:
        UsageError: there is no such file or scenario, or there are several.
        ScenarioError: the file has mistakes.
    """
    from pytest_agentbench import checks
    from pytest_agentbench.commands.validate import find_files
    from pytest_agentbench.loader import load_file
    from pytest_agentbench.resources import project_root, settings

    path, _, wanted = name.partition("::")
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{path} is a folder: name one scenario file")
    (file,) = find_files([file])
    root = project_root(file, Path.cwd())
    found = load_file(
        file,
        root=root,
        defaults=settings(root).get("defaults", {}),
        check_parameters=checks.parameters,
        check_names=checks.names,
    )
    ids = ", ".join(scenario.id for scenario in found)
    chosen = [scenario for scenario in found if not wanted or scenario.id == wanted]
    if not chosen:
        raise UsageError(f"{path} has no scenario {wanted!r}; it has {ids}")
    if len(chosen) > 1:
        raise UsageError(f"{path} has several scenarios: name one as {path}::ID, of {ids}")
    return chosen[0]


def _open(name: str, mode: str) -> BinaryIO:
    try:
        return Path(name).open(mode)  # type: ignore[return-value]
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None


async def _score(scenario: Scenario, source: BinaryIO, target: BinaryIO, sandbox: Any) -> Counts:
    from pytest_agentbench.scoring import Scorer

    sandboxes = await _sandboxes(scenario, sandbox)
    scorer = Scorer(scenario, execute=sandboxes.execute if sandboxes is not None else _no_code)
    try:
        async for verdict in _verdicts(scorer, source, in_flight=IN_FLIGHT if sandboxes is not None else 1):
            target.write(_encoded(verdict))
            target.flush()
    finally:
        if sandboxes is not None:
            await sandboxes.close()
    return scorer.counts


async def _verdicts(scorer: Scorer, source: BinaryIO, *, in_flight: int) -> AsyncIterator[dict[str, Any]]:
    """In the order of the lines; never more than ``in_flight`` lines are held."""
    number = 0
    waiting: deque[asyncio.Task[dict[str, Any]]] = deque()
    try:
        # What runs goes on while the next line is waited for.
        while line := source.readline() if in_flight == 1 else await asyncio.to_thread(source.readline):
            number += 1
            if number == 1:  # it may begin with a byte order mark
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            if in_flight == 1:
                yield await scorer.score(line, number)
                continue
            waiting.append(asyncio.create_task(scorer.score(line, number)))
            if len(waiting) == in_flight:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _sandboxes(scenario: Scenario, choice: Any) -> Sandboxes | None:
    if not scenario.needs_sandbox:
        return None
    from pytest_agentbench.sandboxes import open_sandbox

    sandboxes = await open_sandbox(
        choice,
        run_id=f"score-{os.getpid()}",
        slots=max(2, os.cpu_count() or 1),
        progress=lambda text: print(text, file=sys.stderr),
    )
    reason = sandboxes.reason(scenario.sandbox.backend)
    try:
        if reason is None:
            await sandboxes.prepare(scenario.sandbox.backend)
            return sandboxes
    except SandboxError as error:
        reason = str(error)
    await sandboxes.close()
    raise UsageError(f"{scenario.id} checks code, and no sandbox can run it: {reason}")


async def _no_code(request: ExecutionRequest) -> Execution:
    raise SandboxError(f"a scenario that needs no sandbox runs code: {request.language}")


def _encoded(verdict: dict[str, Any]) -> bytes:
    try:
        return json.dumps(verdict, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair of the model's
        return json.dumps(verdict).encode() + b"\n"


def _summary(counts: Counts, seconds: float, *, has_json: bool) -> list[str]:
    from pytest_agentbench.stats.bounds import wilson_interval

    names = (["parse failure", "contract failure"] if has_json else []) + ["loop", "pass"]
    lines = [f"{counts.n} lines judged in {seconds:.1f} s, {counts.n_errors} could not be"]
    for name in names:
        n = counts.n - (counts.n_undecided if name == "pass" else 0)
        x, interval = counts.by_rate[name], wilson_interval(counts.by_rate[name], n)
        if interval is not None:
            lines.append(f"{name} rate {x / n:.1%} [{interval[0]:.1%}, {interval[1]:.1%}], {x} of {n}")
    if counts.n_undecided:
        lines.append(f"{counts.n_undecided} lines name no row: whether they pass was not judged")
    return lines
