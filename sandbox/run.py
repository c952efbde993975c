"""Process 1 of a sandbox container: runs ONE program that arrives on its standard input.

It is process 1 itself (no init in front of it), because process 1 cannot be killed or stopped
from inside the container: its deadline holds whatever the program does. The container ends when the first of
these happens: the program ends, standard input closes (the process that made the container is
gone, also by kill -9), the deadline passes.

Input: a line ``DEADLINE_S N_FILES STDIN_BYTES``; N_FILES times a line ``PATH_BYTES CONTENT_BYTES``
followed by path and content (the first file is the program); then the program's standard input.
Output on standard output: ``READY`` once it listens, ``START`` just before the program starts,
then the program's own output, and when every process of the program is gone the report: REPORT_BYTES
bytes, always the last ones. A line ``REFUSED ...`` in place of ``START`` says why it cannot start.

Only the standard library of any Python 3.8 or later, and as few imports as possible: it is
started for every execution.
"""

# pathlib costs a third of the start-up time.
# ruff: noqa: PTH103, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import select
import signal
import sys
import time

READY = b"agentbench-ready\n"
START = b"agentbench-start\n"
REFUSED = b"agentbench-refused "
REPORT_BYTES = 64

WORK = "/work"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": WORK,
    "TMPDIR": "/tmp",  # noqa: S108 - a file system of this container alone
    "LANG": "C.UTF-8",
    # The order of sets must not change between two executions of the same answer.
    "PYTHONHASHSEED": "0",
}
OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


class _Closed(Exception):  # noqa: N818 - the way that an orphan ends, not an error
    """Standard input ended before the whole program was there."""


class _Input:
    """Buffered reads from standard input."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def _more(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            raise _Closed
        self.buffer += data

    def line(self) -> str:
        while b"\n" not in self.buffer:
            self._more()
        line, _, rest = self.buffer.partition(b"\n")
        self.buffer = rest
        return line.decode("ascii")

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _put(path: str, content: bytes) -> str:
    target = os.path.join(WORK, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(content)
    return target


def _oom_kills() -> int:
    """Processes of this container that the kernel killed for memory; -1 where it does not say."""
    for path in OOM_COUNTERS:
        try:
            with open(path) as file:
                for line in file:
                    name, _, value = line.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        except (OSError, ValueError):
            continue
    return -1


def _start(program: str, stdin: bytes) -> int:
    """Start the program as a child in its own session; returns its process id."""
    source = os.memfd_create("stdin")
    _write(source, stdin)
    os.lseek(source, 0, os.SEEK_SET)
    child = os.fork()
    if child:
        os.close(source)
        return child
    try:
        os.setsid()
        # Out of memory kills the program, never process 1.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        os.dup2(source, 0)
        os.closerange(3, 256)
        for name in ("SIGINT", "SIGPIPE", "SIGXFSZ"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.chdir(WORK)
        # -u: what was printed before a time-out is evidence.
        os.execvpe("python3", ["python3", "-u", "-B", program], ENVIRONMENT)  # noqa: S606, S607 - by PATH
    except BaseException as error:  # noqa: BLE001 - this copy of the runner must never run on
        _write(2, f"cannot start the program: {error}\n".encode())
    os._exit(127)


def _reap(program: int) -> int | None:
    """Status of ``program`` if it has ended, else None; collects every other ended process."""
    ended = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == program:
            ended = status


def _wait(program: int, wake: int, deadline_s: float) -> int | None:
    """Wait status of ``program``; None when the deadline passed or nobody listens any more."""
    end = time.monotonic() + deadline_s
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(0, select.POLLIN)
    while True:
        status = _reap(program)
        if status is not None:
            return status
        left = end - time.monotonic()
        if left <= 0:
            return None
        for fd, _ in poll.poll(left * 1000):
            if fd == 0:
                if not os.read(0, 4096):
                    return None
            else:
                os.read(wake, 4096)


def _end_all() -> None:
    """Kill and collect every process of the container but this one."""
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def main() -> int:
    """Run the program of one execution; returns the exit status of the container."""
    if os.getpid() != 1:
        # At its end it kills every process that it can see.
        _write(2, b"run.py works only as process 1 of a container\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _write(1, READY)
    reader = _Input()
    try:
        deadline, n_files, stdin_bytes = reader.line().split()
        files = []
        for _ in range(int(n_files)):
            path_bytes, content_bytes = reader.line().split()
            path = reader.take(int(path_bytes)).decode("utf-8", "surrogateescape")
            files.append((path, reader.take(int(content_bytes))))
        stdin = reader.take(int(stdin_bytes))
    except _Closed:
        return 0
    try:
        program, *_ = [_put(path, content) for path, content in files]
    except OSError as error:
        _write(1, REFUSED + str(error).encode("utf-8", "replace") + b"\n")
        return 1
    del files
    wake, ended = os.pipe()
    for fd in (wake, ended):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ended, warn_on_full_buffer=False)
    _write(1, START)
    child = _start(program, stdin)
    status = _wait(child, wake, float(deadline))
    _end_all()
    if status is None:
        return 124
    signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    exit_code = 128 + signalled if signalled else os.WEXITSTATUS(status)
    report = f"agentbench-report {exit_code} {signalled} {_oom_kills()}"
    _write(1, report.ljust(REPORT_BYTES).encode("ascii"))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
