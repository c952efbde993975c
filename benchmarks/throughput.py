"""Whole commands: 40 scenarios x 50 repeats with a JSON Schema against a server of fixed latency.

``python benchmarks/throughput.py [-n 0 2 16] [--latency-s 0]`` prints, per number of workers, the
samples per second between the first request and the last reply, the time of the whole command, the
time of as many trivial tests under the same ``-n``, CPU per sample and the largest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent

SCENARIO = """\
agentbench: 1
id: order-{number}
title: Extract an order
tags: [json]
prompt:
  system: You extract orders. Answer with JSON only.
  user: "Order {number}: eight lines for Lin in Graz, in euro."
sampling: {{temperature: 0.7, max_tokens: 400}}
answer:
  json:
    schema: order.schema.json
    request: none
gates:
  parse_failure_rate: {{max: 0.1, decide: fixed}}
repeats: {repeats}
"""

SCHEMA = {
    "type": "object",
    "required": ["order", "lines"],
    "additionalProperties": False,
    "properties": {
        "order": {
            "type": "object",
            "required": ["id", "customer"],
            "properties": {
                "id": {"type": "string", "pattern": "^A-[0-9]+$"},
                "customer": {
                    "type": "object",
                    "required": ["name", "address"],
                    "properties": {
                        "name": {"type": "string"},
                        "address": {
                            "type": "object",
                            "required": ["city", "zip"],
                            "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                        },
                    },
                },
            },
        },
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku", "qty", "price"],
                "properties": {
                    "sku": {"type": "string"},
                    "qty": {"type": "integer", "minimum": 0},
                    "price": {
                        "type": "object",
                        "required": ["amount", "currency"],
                        "properties": {
                            "amount": {"type": "number"},
                            "currency": {"enum": ["EUR", "USD"]},
                        },
                    },
                },
            },
        },
    },
}


def write_project(folder: Path, n_scenarios: int, repeats: int) -> None:
    scenarios = folder / "scenarios"
    scenarios.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    (scenarios / "order.schema.json").write_text(json.dumps(SCHEMA), encoding="ascii")
    for number in range(n_scenarios):
        text = SCENARIO.format(number=number, repeats=repeats)
        (scenarios / f"order_{number}.bench.yaml").write_text(text, encoding="ascii")
    trivial = folder / "trivial"
    trivial.mkdir()
    for number in range(16):
        (trivial / f"test_{number}.py").write_text("def test_it(): pass\n", encoding="ascii")


def timed(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds of the whole tree, largest resident set in MB of one process."""
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 10):
        raise SystemExit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, after.ru_maxrss / 1024


def measure(folder: Path, workers: int, latency_s: float, expected: int) -> None:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fixed_server.py"), "--latency-s", str(latency_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    base_url = server.stdout.readline().strip()
    n = ["-n", str(workers)] if workers else ["-p", "no:xdist"]
    pytest = [sys.executable, "-m", "pytest", "-q", *n]
    trivial, _, _ = timed([*pytest, "trivial"], folder)
    wall, cpu, rss = timed(
        [*pytest, "--agentbench", "--model=fixed", f"--agentbench-base-url={base_url}"], folder
    )
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
        stats = json.load(reply)
    server.communicate()
    assert stats["n"] == expected, stats
    between = expected / (stats["last"] - stats["first"])
    print(
        f"{workers:7}  {between:9.0f}  {wall:7.1f}  {trivial:9.1f}  {wall - trivial:6.1f}  "
        f"{1000 * cpu / expected:8.2f}  {rss:6.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, nargs="+", default=[0, 2, 16])
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--scenarios", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=50)
    args = parser.parse_args()
    print(
        f"{args.scenarios} scenarios x {args.repeats} repeats, latency {args.latency_s} s, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print("workers  samples/s  whole s  trivial s  over s  ms CPU/n  MB max")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, args.scenarios, args.repeats)
        for workers in args.n:
            measure(folder, workers, args.latency_s, args.scenarios * args.repeats)


if __name__ == "__main__":
    main()
