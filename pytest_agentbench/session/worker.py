"""An xdist worker: runs cases; calls, sandboxes and the journal are the controller's broker's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_agentbench.broker.client import BrokerClient
from pytest_agentbench.broker.loop_thread import LoopThread
from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.model import Model
from pytest_agentbench.runner import Case, run_case
from pytest_agentbench.session.announcement import announcement
from pytest_agentbench.session.base import BenchBase
from pytest_agentbench.verdict import CaseResult
from pytest_agentbench.wire import from_wire


class Worker(BenchBase):
    """One xdist worker. It connects to the broker when its first case starts."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        handed: Mapping[str, Any] = config.workerinput["agentbench"]  # type: ignore[attr-defined]
        self.models = tuple(from_wire(Model, model) for model in handed["models"])
        self.missing_keys: Mapping[str, str] = handed["missing_keys"]
        self._broker: tuple[str, int, str] | None = handed["broker"] and tuple(handed["broker"])
        self._thread: LoopThread | None = None
        self._client: BrokerClient | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what is about to run, before xdist hears that we have collected."""
        cases = self.cases(session)
        if self._broker is not None and cases and self.runs:
            thread, client = self._connected()
            thread.run(client.announce(announcement(cases, self.options)))

    def run(self, case: Case) -> CaseResult:
        """Draw and judge one case."""
        if case.model.name in self.missing_keys:
            return self.without_key(case)
        thread, client = self._connected()
        return thread.run(
            run_case(case, services=client, options=self.options, functions=self.registry.functions)
        )

    def _connected(self) -> tuple[LoopThread, BrokerClient]:
        if self._thread is None:
            self._thread = LoopThread("agentbench-worker")
        if self._client is None:
            if self._broker is None:
                raise AgentbenchError("this worker was started without a broker")
            host, port, secret = self._broker
            try:
                self._client = self._thread.run(BrokerClient.connect(host, port, secret))
            except OSError as error:
                raise AgentbenchError(
                    f"the session's broker at {host}:{port} does not answer ({error}): the session ends, "
                    "or this worker runs on another machine"
                ) from error
        return self._thread, self._client

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Hang up."""
        if self._thread is not None:
            if self._client is not None:
                self._thread.run(self._client.close())
            self._thread.close()
