"""A chat-completions server of fixed latency and fixed answer, never the bottleneck.

``python benchmarks/fixed_server.py [--latency-s 0.2]`` prints its base URL and serves until its
standard input closes. ``GET /stats`` answers {n, first, last}: requests, and the times (monotonic
seconds) of the first request and the last reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

ANSWER = json.dumps(
    {
        "order": {"id": "A-1001", "customer": {"name": "Lin", "address": {"city": "Graz", "zip": "8010"}}},
        "lines": [
            {"sku": f"S-{n}", "qty": n, "price": {"amount": n * 1.5, "currency": "EUR"}} for n in range(8)
        ],
    }
)


class Stats:
    """Counts over all connections."""

    n = 0
    first: float | None = None
    last: float | None = None


class ChatProtocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive; reads Content-Length bodies only."""

    def __init__(self, latency_s: float, answer: str) -> None:
        self.latency_s = latency_s
        self.answer = answer
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            length = 0
            at = head.find(b"content-length:")
            if at >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            if head.startswith(b"get /stats"):
                self.send({"n": Stats.n, "first": Stats.first, "last": Stats.last})
                continue
            Stats.n += 1
            Stats.first = Stats.first or time.monotonic()
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self.complete)
            else:
                self.complete()

    def complete(self) -> None:
        Stats.last = time.monotonic()
        message = {"role": "assistant", "content": self.answer}
        self.send(
            {
                "id": f"chatcmpl-{Stats.n}",
                "object": "chat.completion",
                "created": 0,
                "model": "fixed",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 40, "completion_tokens": 150, "total_tokens": 190},
            }
        )

    def send(self, value: Any) -> None:
        body = json.dumps(value).encode()
        assert self.transport is not None
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )


async def serve(latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ChatProtocol(latency_s, ANSWER), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-s", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().latency_s))


if __name__ == "__main__":
    main()
