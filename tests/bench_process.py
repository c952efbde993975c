"""A session in a process group of its own, to be watched, interrupted and killed, also on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import psutil
from bench_project import BenchProject
from open_backend import until

from pytest_agentbench.storage import read_journal

DEADLINE_S = 120.0
CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
"""The user's own, where weights and the compiled interpreter are: pytester changes HOME later."""

# So that Ctrl-C on the terminal reaches the whole process group.
TAKE_TERMINAL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class BenchProcess:
    """``pytest --agentbench`` in ``project``; what it started is gone when the ``with`` block ends.

    Args:
        columns: Width of a terminal of its own, where ``interrupt`` is Ctrl-C; None: no terminal.
        shell: A shell command that runs first in the same process, e.g. ``ulimit``.
    """

    def __init__(
        self,
        project: BenchProject,
        *args: str,
        base_url: str | None = None,
        model: str = "test-model",
        columns: int | None = None,
        shell: str = "",
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        command = [sys.executable, "-m", "pytest", "--agentbench", f"--model={model}"]
        if base_url is not None:
            command.append(f"--agentbench-base-url={base_url}")
        command += ["--agentbench-json=out.json", *args]
        if shell:
            command = ["bash", "-c", f'{shell}; exec "$@"', "_", *command]
        environment = {
            key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR", "COLUMNS"}
        }
        self._project = project
        self._said: list[bytes] = []
        reading, writing = os.pipe() if columns is None else pty.openpty()
        if columns is not None:
            command = [sys.executable, "-c", TAKE_TERMINAL, *command]
            fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._terminal = reading if columns is not None else None
        self.process = subprocess.Popen(
            command,
            cwd=project.path,
            stdin=writing if columns is not None else subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            env={**environment, "TERM": "xterm", "XDG_CACHE_HOME": CACHE, **env},
        )
        os.close(writing)
        self._reader = threading.Thread(target=self._read, args=[reading], daemon=True)
        self._reader.start()
        self._children: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.children()
        self.kill()
        for child in self._children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._reader.join(DEADLINE_S)

    @property
    def text(self) -> str:
        """Everything it said so far, escape codes included."""
        return b"".join(self._said).decode("utf-8", "replace")

    @property
    def folder(self) -> Path | None:
        """The folder of its run, the newest of the project."""
        return max((self._project.path / ".agentbench" / "runs").glob("*"), default=None)

    def journal(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind in its journal."""
        path = self.folder / "journal.jsonl" if self.folder is not None else None
        if path is None or not path.exists():
            return []
        return [line[kind] for line in read_journal(path) if line["kind"] == kind]

    def children(self) -> list[psutil.Process]:
        """Every process that it started and that runs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
            self._children.update(found)
        return [child for child in self._children if child.is_running()]

    def workers(self) -> list[psutil.Process]:
        """Its xdist workers: children in its own process group."""
        return [
            child
            for child in self.children()
            if child.ppid() == self.process.pid and os.getpgid(child.pid) == self.process.pid
        ]

    def until(self, condition: Any, within_s: float = DEADLINE_S) -> Any:
        """Wait for ``condition``; what was said is shown where it does not come true."""
        try:
            return until(condition, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from error

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.children()
        if self._terminal is not None:
            os.write(self._terminal, b"\x03")
        else:
            os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill -9 the controller and its workers, but not what leads a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def wait(self, within_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        self.until(lambda: self.process.poll() is not None, within_s)
        if self._terminal is None:
            self._reader.join(DEADLINE_S)
        return int(self.process.returncode)

    def assert_nothing_is_left(self) -> None:
        """All that it had started ends."""
        _gone, alive = psutil.wait_procs(self._children, timeout=20)
        assert not alive, alive

    def _read(self, descriptor: int) -> None:
        # A terminal ends with an error, a pipe with nothing.
        with contextlib.suppress(OSError):
            while data := os.read(descriptor, 65_536):
                self._said.append(data)
        os.close(descriptor)
