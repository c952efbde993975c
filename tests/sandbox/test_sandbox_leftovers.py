"""What a killed run leaves behind is removed, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from open_backend import OpenBackend, until

from pytest_agentbench.sandboxes import engine, image, labels, open_sandbox, sweep

KILLED = f"tests-killed-{uuid.uuid4()}"

RUN = """
import asyncio, sys
from pytest_agentbench.sample import ExecutionRequest
from pytest_agentbench.sandboxes import open_sandbox

async def main():
    sandboxes = await open_sandbox("docker", run_id=sys.argv[1], slots=3, progress=print)
    await asyncio.gather(*(
        sandboxes.execute(ExecutionRequest(code="while True: pass", timeout_s=300)) for _ in range(3)
    ))

asyncio.run(main())
"""


@pytest.fixture
def api(docker_backend: OpenBackend) -> Iterator[Any]:
    client = engine.connect()
    yield client
    client.close()


@pytest.fixture
def foreign(api: Any) -> Iterator[Callable[[dict[str, str]], str]]:
    """Makes containers that are not this session's; removes them in the end."""
    made: list[str] = []

    def make(marks: dict[str, str]) -> str:
        made.append(api.create_container(image.tag(), labels=marks)["Id"])
        return made[-1]

    yield make
    for name in made:
        sweep.remove(api, name)


def states(api: Any, run_id: str) -> list[str]:
    found = api.containers(all=True, filters={"label": f"{labels.RUN}={run_id}"})
    return [entry["State"] for entry in found]


def test_a_run_killed_with_kill_9_leaves_nothing_running_and_nothing_after_the_next_start(api: Any) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, KILLED]) as process:
        until(lambda: states(api, KILLED) == ["running"] * 3)
        assert sweep.sweep(api) == 0, "its process lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Their standard input is closed: they end by themselves, long before their time limit.
    until(lambda: "running" not in states(api, KILLED))

    async def next_run() -> None:
        sandboxes = await open_sandbox("docker", run_id=f"{KILLED}-next", slots=1, progress=print)
        await sandboxes.prepare()
        await sandboxes.close()

    asyncio.run(next_run())
    assert states(api, KILLED) == []


def test_what_was_swept_is_told(docker_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "sweep", lambda _: 2)
    said: list[str] = []

    async def start() -> None:
        sandboxes = await open_sandbox("docker", run_id="tests-told", slots=1, progress=said.append)
        await sandboxes.prepare()
        await sandboxes.prepare()
        await sandboxes.close()

    asyncio.run(start())
    assert said == ["sandbox: removed 2 container(s) that a dead run had left"]


def test_prune_removes_containers_of_dead_runs_only(
    api: Any, foreign: Callable[[dict[str, str]], str]
) -> None:
    here = labels.Owner.current()
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    later, long_ago = time.time() + 100, time.time() - labels.OVERDUE_S - 10
    kept = [
        foreign({}),
        foreign({"somebody": "else"}),
        foreign({labels.RUN: "r"}),
        foreign(here.labels("r", deadline=later)),
        foreign({**here.labels("r", deadline=later), labels.PID: str(process.pid), labels.HOST: "elsewhere"}),
        foreign({**here.labels("r", deadline=later), labels.PID: str(process.pid), labels.BOOT: "another"}),
        foreign({**here.labels("r", deadline=later), labels.PID: "no number"}),
    ]
    gone = [
        foreign({**here.labels("r", deadline=later), labels.PID: str(process.pid)}),
        foreign({**here.labels("r", deadline=later), labels.STARTED: "1"}),
        foreign({**here.labels("r", deadline=long_ago), labels.HOST: "elsewhere"}),
    ]
    script = Path(sys.executable).with_name("agentbench")
    done = subprocess.run([script, "sandbox", "prune"], capture_output=True, text=True, check=True)
    left = {entry["Id"] for entry in api.containers(all=True)}
    assert left >= set(kept)
    assert not left & set(gone)
    assert "of dead runs" in done.stdout


def test_this_process_and_one_of_another_user_live() -> None:
    here = labels.Owner.current()
    assert here.pid == os.getpid()
    assert not labels.abandoned(here.labels("r", deadline=time.time()), here=here)
    init = {**here.labels("r", deadline=time.time()), labels.PID: "1", labels.STARTED: ""}
    assert not labels.abandoned(init, here=here)


def test_where_the_system_names_no_boot_only_the_deadline_counts() -> None:
    here = labels.Owner(pid=1, started="", boot="", host="h")
    marks = {**here.labels("r", deadline=1000.0), labels.PID: "4194305"}
    assert not labels.abandoned(marks, here=here, now=1000.0 + labels.OVERDUE_S)
    assert labels.abandoned(marks, here=here, now=1001.0 + labels.OVERDUE_S)
