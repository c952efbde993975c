"""Lines per second and peak memory of ``agentbench score``.

``python benchmarks/score.py [--lines 1000000]``: that many replies, small JSON objects of which one in ten
is broken, judged by the shipped scenario ``support-tickets`` in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = (
    "import resource, sys\nfrom pytest_agentbench.cli import main\nstatus = main(sys.argv[1:])\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\nraise SystemExit(status)"
)
ANSWERS = ['{"category": "billing", "urgent": false}'] * 9 + ['{"category": "billing", "urgent": no}']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    n = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        replies = Path(folder) / "replies.jsonl"
        with replies.open("w") as file:
            for number in range(n):
                row = f"T-{number % 50 + 1:03}"
                file.write(json.dumps({"id": number, "text": ANSWERS[number % 10], "row": row}) + "\n")
        command = [sys.executable, "-c", CODE, "score", str(ROOT / "scenarios" / "tickets.bench.yaml")]
        command += ["--outputs", str(replies), "-o", str(Path(folder) / "verdicts.jsonl")]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - started
    print(done.stderr.strip())
    peak_mb = int(done.stdout.split()[-1]) / 1024
    print(f"{n:,} lines in {seconds:.1f} s: {n / seconds:,.0f} lines/s, at most {peak_mb:.0f} MB")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
