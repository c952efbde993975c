"""What the installed plugin costs a session that does not use it.

``python benchmarks/plugin_off.py`` times `pytest` on one trivial test with the plugin and with
``-p no:agentbench``, in turn, and prints the medians and the median difference.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 40


def session(folder: Path, *args: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text("def test_it(): pass\n", encoding="ascii")
        for args in ((), ("-p", "no:agentbench")):
            session(folder, *args)
        pairs = [(session(folder), session(folder, "-p", "no:agentbench")) for _ in range(PAIRS)]
    with_plugin = statistics.median(a for a, _ in pairs)
    without = statistics.median(b for _, b in pairs)
    difference = statistics.median(a - b for a, b in pairs)
    print(f"{PAIRS} pairs, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"with the plugin {1000 * with_plugin:.0f} ms, without {1000 * without:.0f} ms")
    print(f"median difference of a pair {1000 * difference:+.1f} ms")


if __name__ == "__main__":
    main()
