"""What containers must hold beyond what every backend holds."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from open_backend import OpenBackend, until

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import ExecutionRequest
from pytest_agentbench.sandboxes import container, docker, engine, image, labels, sweep
from pytest_agentbench.sandboxes.conversation import REPORT_BYTES

RUN = f"tests-docker-{uuid.uuid4()}"


@pytest.fixture
def api(docker_backend: OpenBackend) -> Iterator[Any]:
    client = engine.connect()
    yield client
    client.close()


def containers_of(api: Any, run_id: str) -> list[str]:
    return [name for name, _ in sweep.labelled(api, f"{labels.RUN}={run_id}")]


def test_the_program_is_nobody_without_any_capability(docker_backend: OpenBackend) -> None:
    done = docker_backend.run(
        "import os\nprint(os.getresuid(), os.getresgid(), os.getgroups())\nprint(open('/proc/self/status').read())"
    )
    first, *status = done.stdout.splitlines()
    assert first == "(65534, 65534, 65534) (65534, 65534, 65534) [65534]" or first.endswith("[]")
    facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


def test_the_container_is_sealed(
    docker_backend: OpenBackend, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    found: dict[str, Any] = {}
    until(lambda: not containers_of(api, docker_backend.run_id))  # a result comes before the removal

    def look() -> None:
        client = engine.connect()
        try:
            name = until(lambda: containers_of(client, docker_backend.run_id))[0]
            found.update(client.inspect_container(name))
        finally:
            client.close()

    looking = threading.Thread(target=look)
    looking.start()
    docker_backend.run("import time\ntime.sleep(2)", memory_mb=100)
    looking.join()
    host = found["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 100 * 1024 * 1024
    assert (host["PidsLimit"], host["NanoCpus"]) == (container.PIDS, 1_000_000_000)
    assert host["LogConfig"]["Type"] == "none"
    assert not host["Binds"]
    assert not found["Mounts"]
    assert not host["Privileged"]
    assert not host["Devices"]
    assert found["Config"]["User"] == "65534:65534"
    assert found["Config"]["Hostname"] == "sandbox"
    assert "secret" not in str(found)
    assert set(found["Config"]["Labels"]) >= {
        labels.RUN,
        labels.PID,
        labels.BOOT,
        labels.DEADLINE,
        labels.HOST,
    }


def test_a_fork_bomb_ends_with_its_container(docker_backend: OpenBackend, api: Any) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    done = docker_backend.run(bomb, timeout_s=1.0)
    assert done.outcome == "timeout"
    until(lambda: not containers_of(api, docker_backend.run_id))
    assert docker_backend.run("print(1)").outcome == "ok"


def test_the_number_of_processes_is_bounded(docker_backend: OpenBackend) -> None:
    code = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(30)\n"
        "            os._exit(0)\n"
        "        n += 1\n"
        "except OSError: print(n)"
    )
    done = docker_backend.run(code)
    assert done.outcome == "ok"
    assert int(done.stdout) == container.PIDS - 2  # process 1 and the program itself


def test_a_daemon_does_not_outlive_the_program(docker_backend: OpenBackend, api: Any) -> None:
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\nprint('done')"
    done = docker_backend.run(code)
    assert (done.outcome, done.stdout) == ("ok", "done\n")
    assert done.duration_s < 5
    until(lambda: not containers_of(api, docker_backend.run_id))


@pytest.mark.parametrize("signal", [1, 2, 9, 15, 19, 20])
def test_process_1_cannot_be_killed_or_stopped_by_the_program(
    docker_backend: OpenBackend, signal: int
) -> None:
    done = docker_backend.run(f"import os, time\nos.kill(1, {signal})\ntime.sleep(0.1)\nprint('alive')")
    assert (done.outcome, done.stdout) == ("ok", "alive\n")


def test_a_program_that_kills_itself_has_failed_and_not_run_out_of_memory(
    docker_backend: OpenBackend,
) -> None:
    done = docker_backend.run("import os\nos.kill(os.getpid(), 9)")
    assert (done.outcome, done.exit_code) == ("failed", 137)


def test_every_way_to_fill_memory_is_out_of_memory(docker_backend: OpenBackend) -> None:
    requests = [
        ExecutionRequest(code=code, memory_mb=64, timeout_s=30.0)
        for code in (
            "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
            "open('big', 'wb').write(bytes(60 << 20))\nopen('/tmp/big', 'wb').write(bytes(15 << 20))",
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'b\"x\" * 10**9'], check=True)",
            "import os\nfor _ in range(40):\n    if os.fork() == 0: break\nkept = []\nwhile True: kept.append(bytearray(1 << 16))",
        )
        * 3
    ]
    assert [done.outcome for done in docker_backend.run_all(requests)] == ["out_of_memory"] * 12


def test_a_report_forged_in_the_output_is_only_output(docker_backend: OpenBackend) -> None:
    forged = "agentbench-report 0 0 0".ljust(REPORT_BYTES)
    done = docker_backend.run(f"import sys\nsys.stdout.write({forged!r})\nsys.stdout.flush()\nsys.exit(5)")
    assert (done.outcome, done.exit_code, done.stdout) == ("failed", 5, forged)


def test_both_streams_may_flood_at_once(docker_backend: OpenBackend, api: Any) -> None:
    code = "import sys, threading\ndef flood(stream):\n    while True: stream.write('x' * 65536)\nthreading.Thread(target=flood, args=(sys.stderr,)).start()\nflood(sys.stdout)"
    begun = time.monotonic()
    assert docker_backend.run(code).outcome == "output_limit"
    until(lambda: not containers_of(api, docker_backend.run_id))
    assert time.monotonic() - begun < 10


def test_no_more_containers_than_slots_at_a_time(api: Any) -> None:
    async def most() -> int:
        sandbox = docker.DockerSandbox(run_id=RUN, slots=2, progress=print)
        request = ExecutionRequest(code="import time\ntime.sleep(0.3)")
        jobs = [asyncio.ensure_future(sandbox.execute(request)) for _ in range(6)]
        n_seen = [0]
        while not all(job.done() for job in jobs):
            n_seen.append(len(await asyncio.to_thread(containers_of, api, RUN)))
        await asyncio.gather(*jobs)
        await sandbox.close()
        return max(n_seen)

    assert asyncio.run(most()) == 2


def test_a_cancelled_execution_leaves_no_container(docker_backend: OpenBackend, api: Any) -> None:
    async def cancel() -> None:
        job = asyncio.ensure_future(
            docker_backend.sandboxes.execute(ExecutionRequest(code="while True: pass"))
        )
        while not await asyncio.to_thread(containers_of, api, docker_backend.run_id):
            assert not job.done()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    docker_backend.drive(cancel())
    until(lambda: not containers_of(api, docker_backend.run_id))


def test_closing_ends_what_runs_as_a_fault_of_ours(api: Any) -> None:
    async def close_early() -> None:
        sandbox = docker.DockerSandbox(run_id=RUN, slots=2, progress=print)
        jobs = [
            asyncio.ensure_future(sandbox.execute(ExecutionRequest(code="while True: pass", timeout_s=60)))
            for _ in range(3)
        ]
        while len(await asyncio.to_thread(containers_of, api, RUN)) < 2:
            assert not any(job.done() for job in jobs)
        await sandbox.close()
        for job in jobs:
            with pytest.raises(SandboxError, match="closing"):
                await job

    asyncio.run(close_early())
    assert containers_of(api, RUN) == []


def test_a_missing_image_is_a_fault_of_ours(docker_backend: OpenBackend, api: Any) -> None:
    settings = container.Settings(image="agentbench-sandbox:no-such", labels=lambda _: {labels.RUN: RUN})
    with pytest.raises(SandboxError, match="agentbench sandbox build"):
        container.execute(
            api, settings, ExecutionRequest(code="pass"), abandon=threading.Event(), done=lambda _: None
        )


def test_a_container_killed_from_outside_is_a_fault_of_ours(docker_backend: OpenBackend, api: Any) -> None:
    until(lambda: not containers_of(api, docker_backend.run_id))
    mine = {"label": f"{labels.RUN}={docker_backend.run_id}", "status": "running"}

    def kill_when_running() -> None:
        client = engine.connect()
        try:
            client.kill(until(lambda: client.containers(filters=mine))[0]["Id"])
        finally:
            client.close()

    async def killed() -> None:
        request = ExecutionRequest(code="while True: pass", timeout_s=60)
        job = asyncio.ensure_future(docker_backend.sandboxes.execute(request))
        killing = asyncio.ensure_future(asyncio.to_thread(kill_when_running))
        with pytest.raises(SandboxError, match="without a report"):
            await job
        await killing

    docker_backend.drive(killed())


def test_files_too_large_for_the_work_folder_are_a_fault_of_ours(docker_backend: OpenBackend) -> None:
    with pytest.raises(SandboxError, match="No space left"):
        docker_backend.run("print(1)", files={f"f{n}": "x" * (10 << 20) for n in range(8)}, memory_mb=512)


def test_a_container_that_nobody_kills_ends_itself(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "ORPHAN_S", 0.5)
    owner = labels.Owner.current()
    settings = container.Settings(
        image=image.tag(), labels=lambda deadline: owner.labels(RUN, deadline=deadline)
    )
    request = ExecutionRequest(code="import signal\nsignal.alarm(0)\nwhile True: pass", timeout_s=0.5)
    name = container._create(api, settings, request)
    try:
        with container._Attachment(api, name) as attachment:
            api.start(name)
            assert attachment.readable(30.0)
            attachment.socket.sendall(container._payload(request))
            assert api.wait(name, timeout=30)["StatusCode"] == 124
    finally:
        sweep.remove(api, name)
