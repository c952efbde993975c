"""Progress while a session runs: in place on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_agentbench.broker.hub import Progress
from pytest_agentbench.reports import progress as wording

TERMINAL_INTERVAL_S = 0.5
PLAIN_INTERVAL_S = 10.0


class ProgressReporter:
    """Writes by pytest's terminal writer, from a thread of its own.

    Everything else that is written meanwhile comes from pytest's main thread; :meth:`clear` takes
    the progress line away before pytest writes.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        quiet = config.get_verbosity() < 0
        self._in_place = bool(self._reporter is not None and self._reporter.isatty and not quiet)
        self._silent = self._reporter is None or quiet
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._shown = False
        self._progress: Progress | None = None
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        if self._reporter is None:
            return
        with self._lock:
            self.clear()
            self._reporter.ensure_newline()
            self._reporter.write_line(f"agentbench: {text}")
            self._reporter.flush()

    def announce(self, plan: Mapping[str, Any]) -> None:
        """What is about to run, before the first call."""
        self.say(
            wording.announcement(
                wording.Announcement(
                    n_calls=plan["n_calls_min"],
                    n_calls_most=plan["n_calls_max"],
                    cost_usd=plan["cost_usd_max"],
                    unpriced=plan["unpriced"],
                    about_s=plan["duration_s"],
                )
            )
        )
        for warning in plan["warnings"]:
            self.say(warning)

    def watch(self, progress: Progress) -> None:
        """Show ``progress`` until :meth:`close`."""
        self._progress = progress
        if not self._silent:
            self._thread = threading.Thread(target=self._main, name="agentbench-progress", daemon=True)
            self._thread.start()

    def clear(self) -> None:
        """Take the line in place away."""
        with self._lock:
            if self._shown:
                self._shown = False
                self._reporter.write("\r\x1b[K", flush=True)

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None
        self.clear()

    def _main(self) -> None:
        interval = TERMINAL_INTERVAL_S if self._in_place else PLAIN_INTERVAL_S
        last = ""
        while not self._ended.wait(interval):
            if self._progress is None or self._progress.started is None:
                continue
            text = wording.line(
                self._state(self._progress, self._progress.started),
                self._reporter._tw.fullwidth,  # noqa: SLF001  no public name
            )
            if text == last and not self._in_place:
                continue
            last = text
            self._write(text)

    @staticmethod
    def _state(progress: Progress, started: float) -> wording.Progress:
        elapsed = time.monotonic() - started
        per_s = progress.done / elapsed if elapsed > 0 and progress.done else None
        left = None if per_s is None else max(0, progress.planned - progress.done) / per_s
        return wording.Progress(
            n_done=progress.done,
            n_planned=progress.planned,
            per_s=per_s,
            n_failed=progress.failed,
            n_x=progress.n_x,
            left_s=left,
        )

    def _write(self, text: str) -> None:
        with self._lock:
            if not self._in_place:
                self.say(text.removeprefix("agentbench: "))
                return
            if not self._shown:
                self._reporter.ensure_newline()
            self._reporter.write(f"\r\x1b[K{text}", flush=True)
            self._shown = True
