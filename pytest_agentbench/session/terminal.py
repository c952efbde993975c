"""Progress while a session runs: in place on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import pytest

from pytest_agentbench.broker.hub import Progress
from pytest_agentbench.reports import progress as wording

TERMINAL_INTERVAL_S = 0.5
PLAIN_INTERVAL_S = 10.0
PLAIN_WIDTH = 120


class ProgressReporter:
    """Writes to the terminal from any thread, also while pytest captures a running case's output.

    Make it in ``pytest_configure``, where pytest's capture is suspended: it keeps a descriptor of
    the real standard output. Whatever pytest writes takes the progress line away first. Quiet
    (``-q``) means no progress and no forecast; without pytest's terminal reporter nothing is said.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._quiet = config.get_verbosity() < 0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._shown = False
        self._progress: Progress | None = None
        self._thread: threading.Thread | None = None
        try:
            self._out: TextIO | None = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        except (OSError, ValueError, AttributeError):
            self._out = None  # standard output is no file (a test, an IDE): pytest's writer does it
        self._in_place = (
            self._out is not None and self._out.isatty() and os.environ.get("TERM") not in {None, "", "dumb"}
        )

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        with self._lock:
            if self._reporter is None:
                return
            self.clear()
            self._new_line()
            self._put(f"agentbench: {text}\n")

    def announce(self, plan: Mapping[str, Any]) -> None:
        """What is about to run, before the first call."""
        if not self._quiet:
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
        if not self._quiet and self._reporter is not None:
            if self._in_place:
                self._step_aside(self._reporter._tw)  # noqa: SLF001  no public name
            self._thread = threading.Thread(target=self._main, name="agentbench-progress", daemon=True)
            self._thread.start()

    def clear(self) -> None:
        """Take the line in place away."""
        with self._lock:
            if self._shown:
                self._shown = False
                self._put("\r\x1b[K")

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
            text = wording.line(self._state(self._progress, self._progress.started), self._width())
            if self._in_place:
                self._show(text)
            elif text != last:
                self.say(text.removeprefix("agentbench "))
            last = text

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

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def _width(self) -> int:
        if not self._in_place or self._out is None:
            return PLAIN_WIDTH
        try:
            # Asked of the real terminal: fd 1 is a file while pytest captures. One column is left
            # free, for terminals that wrap as soon as the last one is written.
            return (os.get_terminal_size(self._out.fileno()).columns or PLAIN_WIDTH) - 1
        except OSError:
            return PLAIN_WIDTH

    def _step_aside(self, writer: Any) -> None:
        """Make pytest's terminal writer take our line away before it writes.

        Its hooks do not tell all: with ``-v`` xdist's workers report the start of a case at any time.
        """
        write = writer.write

        def write_alone(*args: Any, **markup: Any) -> None:
            with self._lock:
                self.clear()
                write(*args, **markup)

        writer.write = write_alone

    def _show(self, text: str) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            if not self._shown:
                self._new_line()
            self._put(f"\r\x1b[K{text}")
            self._shown = True

    def _new_line(self) -> None:
        """End the line that pytest has begun, in pytest's own books too."""
        reporter = self._reporter
        if reporter is not None and reporter._tw.width_of_current_line:  # noqa: SLF001  no public name
            if self._out is None:
                reporter.ensure_newline()
            else:
                self._put("\n")
            reporter.currentfspath = None
            reporter._tw._current_line = ""  # noqa: SLF001

    def _put(self, text: str) -> None:
        if self._out is None:
            if self._reporter is not None:
                self._reporter.write(text, flush=True)
            return
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:  # nobody reads any more (`| head`): the run goes on, its files are written
            self._out = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  kept as the one before
            self._in_place = False
