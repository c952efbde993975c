"""A language model on this machine: llama.cpp's server in a child process, on loopback.

One server serves a whole session. It is a process of its own because llama.cpp is native code: what
crashes there must not take pytest with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import UsageError
from pytest_agentbench.providers import weights as weights_files
from pytest_agentbench.providers.child_server import ChildServer

SLOTS = 4
"""Requests that the server works on at a time. Tokens/s of smollm2-135m on one thread, prompts
evaluated along: 72 with one slot, 79 with two, 87 with four, 84 with eight."""

CONTEXT_TOKENS = 16_384
"""Tokens of context, shared equally by the slots."""


class LocalServer(ChildServer):
    """llama.cpp serving one GGUF file at ``base_url``, with at most ``max_restarts`` restarts.

    Args:
        weights: ``bundled:NAME``, ``gguf:PATH`` or a path.
        alias: What the server calls itself in ``response.model``.
        n_parallel: Requests worked on at a time (one thread for all of them).
        n_ctx: Tokens of context for all slots together.
        start_timeout_s: Seconds from starting the process to being ready (the weights are read).
        max_restarts: How often ``ensure`` may start it again after it died.
    """

    def __init__(
        self,
        weights: str,
        *,
        alias: str = "local",
        n_parallel: int = SLOTS,
        n_ctx: int = CONTEXT_TOKENS,
        start_timeout_s: float = 120.0,
        max_restarts: int = 3,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        if n_parallel < 1 or n_ctx < n_parallel:
            raise ValueError(f"n_parallel {n_parallel} and n_ctx {n_ctx}: each slot needs a context")
        super().__init__(
            [str(Path(__file__).with_name("llama_child.py"))],
            alias=alias,
            what="the local model's server",
            start_timeout_s=start_timeout_s,
            max_restarts=max_restarts,
            env=env,
        )
        self.weights = weights
        self.n_parallel = n_parallel
        self.n_ctx = n_ctx
        self._path: Path | None = None

    def _options(self) -> dict[str, Any]:
        return {
            **super()._options(),
            "weights": str(self._path),
            "alias": self.alias,
            "n_ctx": self.n_ctx,
            "n_parallel": self.n_parallel,
        }

    def _could_not(self, reason: str) -> str:
        return f"{self.alias}: llama.cpp could not serve {self._path}: {reason}"

    async def start(self, progress: Callable[[str], None] = lambda _: None) -> str:
        """Find or fetch the weights, start the server, return its base URL (ending in ``/v1``).

        ``progress`` gets one line at a time, on the event loop's thread.

        Raises:
            UsageError: no xllamacpp, no weights, or the server did not get ready; says what to do.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise UsageError(
                f"{self.alias}: serving a model here needs llama.cpp from the package xllamacpp; "
                "run `pip install 'pytest-agentbench[local]'`"
            )
        loop = asyncio.get_running_loop()
        self._path = await asyncio.to_thread(
            weights_files.find,
            self.weights,
            env=self._env,
            progress=lambda line: _call_on(loop, progress, line),
        )
        return await super().start(progress)


def _call_on(loop: asyncio.AbstractEventLoop, progress: Callable[[str], None], line: str) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while weights were fetched
        loop.call_soon_threadsafe(progress, line)
