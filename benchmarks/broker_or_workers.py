"""One broker for all workers, or a client in every worker? Time from start to the first and last call.

Both designs make the same calls with the same client against a server of fixed latency on loopback:

- ``each``: N processes, each imports openai and calls for itself;
- ``broker``: N processes that only have a socket to one process that imports openai and calls.

Run it with ``python benchmarks/broker_or_workers.py``; the figures are quoted in ARCHITECTURE.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent

BODY = {"model": "fixed", "messages": [{"role": "user", "content": "Extract the order as JSON. " * 8}]}


def model(base_url: str) -> object:
    from pytest_agentbench.model import Model

    return Model(name="fixed", slug="fixed", model_id="fixed", base_url=base_url)


async def calls(services: object, n_calls: int, in_flight: int) -> None:
    from pytest_agentbench.sample import CallRequest

    request = CallRequest(model="fixed", body=BODY, deadline_s=60)
    left = iter(range(n_calls))

    async def lane() -> None:
        for _ in left:
            await services.call(request)  # type: ignore[attr-defined]

    await asyncio.gather(*(lane() for _ in range(in_flight)))


async def each(base_url: str, n_calls: int, in_flight: int) -> None:
    from pytest_agentbench.providers.client import ChatClient

    client = ChatClient(model(base_url), None)  # type: ignore[arg-type]
    await calls(client, n_calls, in_flight)
    await client.close()


async def through_broker(address: str, n_calls: int, in_flight: int) -> None:
    from pytest_agentbench.broker.client import BrokerClient

    host, port, secret = address.split(",")
    client = await BrokerClient.connect(host, int(port), secret)
    await calls(client, n_calls, in_flight)
    await client.close()


async def broker_main(base_url: str) -> None:
    from pytest_agentbench.broker.hub import Broker, BrokerSettings
    from pytest_agentbench.broker.server import BrokerServer

    settings = BrokerSettings(run_id="benchmark", models=[model(base_url)], keys={})  # type: ignore[list-item]
    broker = Broker(settings)
    server = BrokerServer(broker)
    host, port = await server.start()
    print(f"{host},{port},{server.secret}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.close()
    await broker.close()


def spawn(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def measure(design: str, n_workers: int, n_calls: int, latency_s: float) -> tuple[float, float]:
    server = spawn(str(HERE / "fixed_server.py"), "--latency-s", str(latency_s))
    base_url = first_line(server)
    in_flight = max(1, 64 // n_workers)
    started = time.monotonic()
    broker = None
    target = base_url
    if design == "broker":
        broker = spawn(__file__, "--role", "broker", "--target", base_url)
        target = first_line(broker)
    workers = [
        spawn(
            __file__,
            "--role",
            design,
            "--target",
            target,
            "--calls",
            str(n_calls // n_workers),
            "--in-flight",
            str(in_flight),
        )
        for _ in range(n_workers)
    ]
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0, design
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
        stats = json.load(reply)
    assert stats["n"] == n_calls // n_workers * n_workers, stats
    for process in (broker, server):
        if process is not None:
            process.communicate()
    return stats["first"] - started, stats["last"] - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--role", choices=["all", "each", "broker", "broker-worker"], default="all")
    parser.add_argument("--target", default="")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency-s", type=float, default=0.0)
    args = parser.parse_args()
    if args.role == "each":
        asyncio.run(each(args.target, args.calls, args.in_flight))
    elif args.role == "broker" and args.target.startswith("http"):
        asyncio.run(broker_main(args.target))
    elif args.role == "broker":
        asyncio.run(through_broker(args.target, args.calls, args.in_flight))
    else:
        print(f"{args.calls} calls, server latency {args.latency_s} s, {os.cpu_count()} cores")
        print("workers  design   first call s   last call s")
        for n_workers in (1, 2, 16):
            for design in ("each", "broker"):
                first, last = measure(design, n_workers, args.calls, args.latency_s)
                print(f"{n_workers:7}  {design:7}  {first:12.2f}  {last:12.2f}", flush=True)


if __name__ == "__main__":
    main()
