"""Labels by which a container of ours is known, and whether the process that made it still lives."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "pytest-agentbench"
RUN = f"{PREFIX}.run"
PID = f"{PREFIX}.pid"
STARTED = f"{PREFIX}.started"
BOOT = f"{PREFIX}.boot"
HOST = f"{PREFIX}.host"
DEADLINE = f"{PREFIX}.deadline"

OVERDUE_S = 600.0
"""A container this long past its deadline is nobody's, whoever made it (clocks differ)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that makes containers.

    Attributes:
        pid: Its process id.
        started: When it started, in clock ticks since boot; empty where the system does not say.
        boot: Id of this boot of the machine; empty where the system does not say.
        host: Digest of host name and process-id namespace: process ids of two containers, or of
            two machines that share an engine, are not compared.
    """

    pid: int
    started: str
    boot: str
    host: str

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        return cls(pid=os.getpid(), started=_started(os.getpid()) or "", boot=_boot(), host=_host())

    def labels(self, run_id: str, *, deadline: float) -> dict[str, str]:
        """Labels of a container of this process that must be gone at ``deadline`` (Unix time)."""
        return {
            RUN: run_id,
            PID: str(self.pid),
            STARTED: self.started,
            BOOT: self.boot,
            HOST: self.host,
            DEADLINE: f"{deadline:.0f}",
        }


def abandoned(labels: Mapping[str, str], *, here: Owner, now: float | None = None) -> bool:
    """Whether a container with these labels is ours and belongs to nobody that lives.

    True if its process ran on this host, in this boot, and is dead (a process id that was given
    away again has another start time), or if its deadline is :data:`OVERDUE_S` past. A container
    without our labels is never abandoned.
    """
    if RUN not in labels or DEADLINE not in labels:
        return False
    try:
        deadline, pid = float(labels[DEADLINE]), int(labels.get(PID, ""))
    except ValueError:
        return False
    if (time.time() if now is None else now) > deadline + OVERDUE_S:
        return True
    same_place = labels.get(HOST) == here.host and labels.get(BOOT) == here.boot != ""
    return same_place and not _lives(pid, labels.get(STARTED, ""))


def _lives(pid: int, started: str) -> bool:
    if sys.platform == "win32":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _started(pid)
    return not (started and found) or started == found


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything; the start time is field 22 of proc(5).
    fields = stat.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return "dead" if state in "ZX" else start


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _host() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:16]
