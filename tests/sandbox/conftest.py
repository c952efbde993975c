"""Real sandboxes, opened once for all tests that use them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from open_backend import OpenBackend
from requirements import need

from pytest_agentbench.sandboxes import docker, wasm


@pytest.fixture(scope="session")
def docker_backend() -> Iterator[OpenBackend]:
    reason = docker.unavailable()
    need("docker", reason is None, reason or "")
    yield from _opened("docker")


@pytest.fixture(scope="session")
def wasm_backend() -> Iterator[OpenBackend]:
    reason = wasm.unavailable()
    need("wasm", reason is None, reason or "")
    yield from _opened("wasm")


@pytest.fixture(params=["docker", "wasm"])
def backend(request: pytest.FixtureRequest) -> OpenBackend:
    """Each backend in turn: what a test says of this fixture holds for all."""
    opened: OpenBackend = request.getfixturevalue(f"{request.param}_backend")
    return opened


def _opened(name: str) -> Iterator[OpenBackend]:
    with asyncio.Runner() as runner:
        backend = OpenBackend(name, runner)
        yield backend
        backend.close()
