"""A server of ours in a child process on loopback: started, watched, started again, ended.

A process of its own, because what crashes there must not take pytest with it. The child is given one
argument, a JSON object; its first and only line on stdout is a JSON object, {"address": URL} or
{"error": text}; it ends when its stdin reaches end of file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_agentbench.errors import TransportError, UsageError

_LOG_LINES = 8
_END_S = 5.0


class ChildServer:
    """A server process, with at most ``max_restarts`` restarts.

    Args:
        command: What Python runs: a script, or ``-m`` and a module.
        alias: Name of the model, for messages.
        what: What the server is, for messages ("the local model's server").
        start_timeout_s: Seconds from starting the process to its address.
        max_restarts: How often ``ensure`` may start it again after it died.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        alias: str,
        what: str,
        start_timeout_s: float = 120.0,
        max_restarts: int = 3,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self.alias = alias
        self.start_timeout_s = start_timeout_s
        self.max_restarts = max_restarts
        self.n_restarts = 0
        self.base_url: str | None = None
        self._command = command
        self._what = what
        self._env = env
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._drain: asyncio.Task[None] | None = None
        self._revive: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._ready = False
        self._closed = False
        self._failure = ""

    def _options(self) -> dict[str, Any]:
        """What the child is told; ``port`` keeps the address of one that died."""
        return {"port": self._port}

    def _could_not(self, reason: str) -> str:
        """The message of a start that failed."""
        return f"{self.alias}: {self._what} did not start: {reason}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server, None when it does not run."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the server answers, as far as is known."""
        return self._ready and self._process is not None and self._process.returncode is None

    async def start(self, progress: Callable[[str], None] = lambda _: None) -> str:  # noqa: ARG002
        """Start the server; returns its base URL (ending in ``/v1``).

        ``progress`` gets one line at a time, on the event loop's thread.

        Raises:
            UsageError: it did not get ready; says what to do.
        """
        async with self._lock:
            if self.base_url is None or not self.alive:
                try:
                    await self._end()
                    await self._launch()
                except _StartError as error:
                    self._failure = self._could_not(str(error))
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
                why = self._failure or f"{self._what} is not running"
                raise TransportError("local_model", why, n_attempts=0)
            await self._end()
            if self.n_restarts >= self.max_restarts:
                raise TransportError(
                    "local_model",
                    f"{self._what} died {self.n_restarts + 1} times and is not started again: "
                    f"{self.last_words()}",
                    n_attempts=0,
                )
            self.n_restarts += 1
            try:
                await self._launch()
            except _StartError as error:
                message = f"{self._what} died and did not start again: {error}"
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
        # -P: neither the current folder nor ours on its path. A session of its own: Ctrl-C ends
        # the run in good order, with the server alive to the last; it ends with its stdin.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *self._command,
            json.dumps(self._options()),
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
