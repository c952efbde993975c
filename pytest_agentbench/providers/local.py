"""A language model on this machine: llama.cpp's server in a child process, on loopback.

One server serves a whole session. It is a process of its own because llama.cpp is native code: what
crashes there must not take pytest with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import TransportError, UsageError
from pytest_agentbench.providers import weights as weights_files

SLOTS = 4
"""Requests that the server works on at a time. Tokens/s of smollm2-135m on one thread, prompts
evaluated along: 72 with one slot, 79 with two, 87 with four, 84 with eight."""

CONTEXT_TOKENS = 16_384
"""Tokens of context, shared equally by the slots."""

_LOG_LINES = 8
_END_S = 5.0


class LocalServer:
    """llama.cpp serving one GGUF file at ``base_url``, with at most ``max_restarts`` restarts.

    Args:
        weights: ``bundled:NAME``, ``gguf:PATH`` or a path.
        alias: What the server calls itself in ``response.model``.
        n_parallel: Requests worked on at a time (one thread for all of them).
        n_ctx: Tokens of context for all slots together.
        start_timeout_s: Seconds from starting the process to being ready (the weights are read).
        max_restarts: How often ``ensure`` may start it again after it died.
    """

    def __init__(
        self,
        weights: str,
        *,
        alias: str = "local",
        n_parallel: int = SLOTS,
        n_ctx: int = CONTEXT_TOKENS,
        start_timeout_s: float = 120.0,
        max_restarts: int = 3,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        if n_parallel < 1 or n_ctx < n_parallel:
            raise ValueError(f"n_parallel {n_parallel} and n_ctx {n_ctx}: each slot needs a context")
        self.weights = weights
        self.alias = alias
        self.n_parallel = n_parallel
        self.n_ctx = n_ctx
        self.start_timeout_s = start_timeout_s
        self.max_restarts = max_restarts
        self.n_restarts = 0
        self.base_url: str | None = None
        self._env = env
        self._path: Path | None = None
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._drain: asyncio.Task[None] | None = None
        self._revive: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._ready = False
        self._closed = False
        self._failure = ""

    @property
    def pid(self) -> int | None:
        """Process id of the running server, None when it does not run."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the server answers, as far as is known."""
        return self._ready and self._process is not None and self._process.returncode is None

    async def start(self, progress: Callable[[str], None] = lambda _: None) -> str:
        """Find or fetch the weights, start the server, return its base URL (ending in ``/v1``).

        ``progress`` gets one line at a time, on the event loop's thread.

        Raises:
            UsageError: no xllamacpp, no weights, or the server did not get ready; says what to do.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise UsageError(
                f"{self.alias}: serving a model here needs llama.cpp from the package xllamacpp; "
                "run `pip install 'pytest-agentbench[local]'`"
            )
        loop = asyncio.get_running_loop()
        self._path = await asyncio.to_thread(
            weights_files.find,
            self.weights,
            env=self._env,
            progress=lambda line: _call_on(loop, progress, line),
        )
        async with self._lock:
            if self.base_url is None or not self.alive:
                try:
                    await self._end()
                    await self._launch()
                except _StartError as error:
                    self._failure = f"{self.alias}: llama.cpp could not serve {self._path}: {error}"
                    raise UsageError(self._failure) from error
            assert self.base_url is not None
            return self.base_url

    async def ensure(self) -> str:
        """The base URL of a running server; starts it again, on the same port, where it has died.

        Raises:
            TransportError: kind ``local_model``: it died and may not, or cannot, be started again.
        """
        if self.base_url is not None and self.alive:
            return self.base_url
        async with self._lock:
            if self.base_url is not None and self.alive:
                return self.base_url
            if self._closed or self.base_url is None:
                why = self._failure or "the local model's server is not running"
                raise TransportError("local_model", why, n_attempts=0)
            await self._end()
            if self.n_restarts >= self.max_restarts:
                raise TransportError(
                    "local_model",
                    f"the local model's server died {self.n_restarts + 1} times and is not started again: "
                    f"{self.last_words()}",
                    n_attempts=0,
                )
            self.n_restarts += 1
            try:
                await self._launch()
            except _StartError as error:
                message = f"the local model's server died and did not start again: {error}"
                raise TransportError("local_model", message, n_attempts=0) from error
            return self.base_url

    async def close(self) -> None:
        """End the server; returns when its process is gone. May be called again."""
        self._closed = True
        async with self._lock:
            await self._end()
        if self._revive is not None:
            await self._revive

    async def ended(self) -> None:
        """Return when the process runs no more; a broken call is seen some milliseconds before."""
        if self._process is not None:
            await self._process.wait()

    def last_words(self) -> str:
        """How the process ended, and the last lines of its log, in one line."""
        code = self._process.returncode if self._process is not None else None
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        said = f"its last lines: {' | '.join(self._log)}" if self._log else "it logged nothing"
        return f"the process {'is running' if code is None else how}; {said}"

    async def _launch(self) -> None:
        self._ready = False
        self._log.clear()
        options = {
            "weights": str(self._path),
            "alias": self.alias,
            "port": self._port,
            "n_ctx": self.n_ctx,
            "n_parallel": self.n_parallel,
        }
        script = Path(__file__).with_name("llama_child.py")
        # -P: neither the current folder nor ours on its path. A session of its own: Ctrl-C ends
        # the run in good order, with the server alive to the last; it ends with its stdin.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(script),
            json.dumps(options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={key: value for key, value in self._env.items() if not key.endswith("_API_KEY")},
        )
        assert self._process.stderr is not None
        self._drain = asyncio.create_task(_keep_lines(self._process.stderr, self._log))
        try:
            said = await asyncio.wait_for(self._read_address(), self.start_timeout_s)
        except TimeoutError:
            await self._end(kill=True)
            late = f"it was not ready after {self.start_timeout_s:g} s; {self.last_words()}"
            raise _StartError(late) from None
        except BaseException:
            await self._end(kill=True)
            raise
        if "address" not in said:
            await self._end()
            reason = said.get("error")
            raise _StartError(f"{reason}; {self.last_words()}" if reason else self.last_words())
        address = str(said["address"])
        self._port = int(address.rpartition(":")[2])
        self.base_url = f"{address}/v1"
        self._ready = True
        self._revive = asyncio.create_task(self._come_back(self._process))

    async def _come_back(self, process: asyncio.subprocess.Process) -> None:
        """Start again what died by itself: the calls that it broke are being tried again already."""
        await process.wait()
        if not self._closed and self._process is process:
            with contextlib.suppress(TransportError):  # ensure() tells it to whoever calls next
                await self.ensure()

    async def _read_address(self) -> Mapping[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            return {}
        said: Mapping[str, Any] = json.loads(line)
        return said

    async def _end(self, *, kill: bool = False) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(ConnectionError):  # it died before us
                await process.stdin.wait_closed()
        if process.returncode is None and not kill:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        if self._drain is not None:
            await self._drain


async def _keep_lines(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await stream.read(65_536):
            text = chunk.decode("utf-8", errors="replace")
            lines.extend(line.strip() for line in text.splitlines() if line.strip())


class _StartError(Exception):
    """The child process did not get ready."""


def _call_on(loop: asyncio.AbstractEventLoop, progress: Callable[[str], None], line: str) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while weights were fetched
        loop.call_soon_threadsafe(progress, line)
