"""Requests per second that a simulated model answers on one core.

``python benchmarks/simulated_server.py [--seconds 5] [--profile production-2pct]``: one server process,
pinned to one core where the system can, and two processes of raw keep-alive connections that send the
prompts of the shipped invoice and tool scenarios without a pause. Waiting times of the profile are left
out: what is measured is what an answer costs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import platform
import socket
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from pytest_agentbench.expand import render
from pytest_agentbench.loader import load_file
from pytest_agentbench.providers.client import SAMPLE_HEADER
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import load_profile
from pytest_agentbench.simulation.server import SimulatedServer

ROOT = Path(__file__).resolve().parent.parent
FILES = {"invoice.bench.yaml": "invoice", "tool-calls.bench.yaml": "one-tool-call"}
IN_FLIGHT = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--profile", default="production-2pct")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for with_header in (True, False):
        for name, scenario in FILES.items():
            port: Any = context.Queue()
            stop = context.Event()
            server = context.Process(target=serve, args=(args.profile, name, port, stop))
            server.start()
            address = port.get(timeout=60)
            counts: Any = context.Queue()
            clients = [
                context.Process(
                    target=ask, args=(address, name, scenario, args.seconds, with_header, n, counts)
                )
                for n in range(2)
            ]
            for client in clients:
                client.start()
            total = sum(counts.get(timeout=60 + args.seconds) for _ in clients)
            for client in clients:
                client.join()
            stop.set()
            cpu_s = port.get(timeout=60)
            server.join()
            way = "told by the header" if with_header else "recognised by its prompt"
            print(
                f"{scenario} ({way}): {total / args.seconds:,.0f} requests/s beside the clients, "
                f"{total / cpu_s:,.0f} per second of the server's CPU"
            )
    print(f"{args.profile}, {os.cpu_count()} cores, Python {platform.python_version()}")


def serve(profile: str, name: str, port: Any, stop: Event) -> None:
    import asyncio

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    loaded = load_profile(profile)
    quick = dataclasses.replace(loaded, behaviour=dataclasses.replace(loaded.behaviour, paces=()))
    simulation = Simulation([quick], load_file(ROOT / "scenarios" / name, root=ROOT))

    async def run() -> float:
        server = SimulatedServer(simulation.answer)
        await server.start()
        started = time.process_time()
        port.put(server.port)
        await asyncio.to_thread(stop.wait)
        used = time.process_time() - started
        await server.close()
        return used

    port.put(asyncio.run(run()))


def ask(
    port: int, name: str, scenario: str, seconds: float, with_header: bool, number: int, counts: Any
) -> None:
    found = {one.id: one for one in load_file(ROOT / "scenarios" / name, root=ROOT)}[scenario]
    requests = []
    for index in range(200):
        rendering = render(found, found.variants[index % len(found.variants)], index % len(found.rows))
        told = {"scenario": scenario, "variant": rendering.variant, "row": rendering.row}
        told |= {"index": index + 200 * number, "turn": 0}
        line = f"{SAMPLE_HEADER}: {json.dumps(told)}\r\n" if with_header else ""
        body = json.dumps({"model": "m", "messages": rendering.messages, "max_tokens": 1200}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{line}Content-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(IN_FLIGHT)]
    n, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        for place, connection in enumerate(connections):
            connection.sendall(requests[(n + place) % len(requests)])
        for connection in connections:
            read_response(connection)
            n += 1
    counts.put(n)


def read_response(connection: socket.socket) -> None:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += connection.recv(65536)
    head = data[:end].lower()
    assert b" 200 " in head[:20], head
    length = int(head.split(b"content-length:")[1].split(b"\r\n", 1)[0])
    while len(data) < end + 4 + length:
        data += connection.recv(65536)


if __name__ == "__main__":
    main()
