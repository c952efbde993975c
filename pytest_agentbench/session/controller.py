"""The controller: resolves models, owns the broker, collects results, gives the exit status."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_agentbench.broker.clients import Plays
from pytest_agentbench.broker.hub import Broker, BrokerSettings
from pytest_agentbench.broker.loop_thread import LoopThread
from pytest_agentbench.broker.server import BrokerServer
from pytest_agentbench.errors import AgentbenchError, StorageError, UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.catalogue import key_of, missing_key, resolve
from pytest_agentbench.recording import Recording
from pytest_agentbench.runner import Case, run_case
from pytest_agentbench.session.announcement import announcement
from pytest_agentbench.session.base import BenchBase
from pytest_agentbench.session.results import Results
from pytest_agentbench.session.terminal import ProgressReporter
from pytest_agentbench.simulation.process import check_profile
from pytest_agentbench.storage import Journal
from pytest_agentbench.verdict import CaseResult
from pytest_agentbench.wire import to_wire

_NOWHERE = "http://127.0.0.1:9/v1"
"""Where nothing is ever sent: a replay makes no call."""


class Controller(BenchBase):
    """The process that the user started; without xdist it also runs the cases."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        option = config.option
        try:
            replay = option.agentbench_replay if self.runs else None
            self.recording = Recording(replay, self.root) if replay else None
            self.models = self._resolved()
        except AgentbenchError as error:
            raise pytest.UsageError(str(error)) from error
        self.missing_keys = {
            model.name: problem
            for model in self.models
            if self.recording is None and (problem := missing_key(model, os.environ))
        }
        self.results = Results(self)
        self.broker: Broker | None = None
        self.journal: Journal | None = None
        self._thread: LoopThread | None = None
        self._server: BrokerServer | None = None
        self._address: tuple[str, int] | None = None
        self._progress = ProgressReporter(config)
        self._unprepared: tuple[str, ...] = ()
        self._plays = Plays()
        self._n_failed = 0

    def _resolved(self) -> tuple[Model, ...]:
        """The models of the command line; those of the recorded run where none is named."""
        option = self.config.option
        names: list[str] = option.agentbench_model
        if self.recording is not None:
            return self._recorded_models(self.recording)
        if not names:
            raise UsageError(
                "--agentbench needs a model: --model=NAME (`agentbench models` lists the names; "
                "smollm2-135m and simulated run here without a key)"
            )
        may_lack_keys = not self.runs or option.agentbench_missing_key == "skip"
        models = resolve(
            names,
            settings=self.settings,
            base_url=option.agentbench_base_url,
            env=os.environ,
            require_keys=not may_lack_keys,
        )
        for model in models:
            if model.kind == "simulated":
                check_profile(model.name, str(model.weights), model.model_id)
        return models

    def _recorded_models(self, recording: Recording) -> tuple[Model, ...]:
        """As they are known here; one that was known by its address alone is taken as it was named."""
        option, recorded = self.config.option, recording.options
        names = option.agentbench_model or recorded.get("agentbench_model") or []
        base_url = option.agentbench_base_url or recorded.get("agentbench_base_url")
        find = functools.partial(resolve, names, settings=self.settings, env=os.environ, require_keys=False)
        try:
            return find(base_url=base_url)
        except UsageError:
            return find(base_url=_NOWHERE)

    # ---- starting ----------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand over what a worker must not look up for itself (a hook of pytest-xdist)."""
        broker = None
        if self.runs:
            self._open()
            assert self._server is not None
            assert self._address is not None
            broker = [*self._address, self._server.secret]
        node.workerinput["agentbench"] = {
            "models": to_wire(self.models),
            "missing_keys": dict(self.missing_keys),
            "broker": broker,
        }

    def pytest_report_header(self) -> list[str]:
        """The models, and what must be known about them."""
        lines = ["agentbench: " + ", ".join(model.name for model in self.models)]
        if self.recording is not None:
            lines.append(f"agentbench: replay of {self.recording.run_id}, no calls")
        lines += [f"agentbench: {model.name}: {model.warning}" for model in self.models if model.warning]
        lines += [f"agentbench: {name} is NOT MEASURED: {why}" for name, why in self.missing_keys.items()]
        return lines

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist the announcement is ours; with it the first worker's."""
        cases = self.cases(session)
        if cases and not session.testsfailed and self.runs:
            self.broker_thread().run(self.open_broker().announce(announcement(cases, self.options)))
            self._prepare()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """A worker has collected, and said so here before: nothing runs until all have."""
        self._prepare()

    def _prepare(self) -> None:
        """Start local models with the terminal free for their progress; what cannot run ends the session."""
        models, self._unprepared = self._unprepared, ()
        if models:
            try:
                self.broker_thread().run(self.open_broker().prepare(models, self._plays))
            except AgentbenchError as error:
                raise pytest.UsageError(str(error)) from error

    def run(self, case: Case) -> CaseResult:
        """Draw and judge one case in this process."""
        if case.model.name in self.missing_keys:
            return self.without_key(case)
        return self.broker_thread().run(
            run_case(
                case, services=self.open_broker(), options=self.options, functions=self.registry.functions
            )
        )

    def broker_thread(self) -> LoopThread:
        """The thread of the broker's event loop."""
        self._open()
        assert self._thread is not None
        return self._thread

    def open_broker(self) -> Broker:
        """The broker, opened with the first need of it."""
        self._open()
        assert self.broker is not None
        return self.broker

    def _open(self) -> None:
        if self.broker is not None:
            return
        try:
            self.journal = Journal(self.root, self.results.run_id)
            self.journal.append("run", self.results.header())
        except StorageError as error:
            raise pytest.UsageError(str(error)) from error
        option = self.config.option
        self._thread = LoopThread("agentbench-broker")
        self.broker = Broker(
            BrokerSettings(
                run_id=self.results.run_id,
                models=self.models,
                keys={model.name: key_of(model, os.environ) for model in self.models},
                sandbox=option.agentbench_sandbox,
                concurrency=option.agentbench_concurrency,
                max_calls=option.agentbench_max_calls,
                recording=self.recording,
            ),
            journal=self.journal,
            say=self._progress.say,
        )
        self.broker.announcement = self._announced
        self._progress.watch(self.broker.progress)
        self._server = BrokerServer(self.broker)
        self._address = self._thread.run(self._server.start())

    def _announced(self, plan: Mapping[str, Any]) -> None:
        self.results.expect(plan["cases"])
        self._unprepared = tuple(name for name in plan["models"] if name not in self.missing_keys)
        files = tuple((path, root) for path, root in plan["scenario_files"])
        self._plays = Plays(files=files, defaults=self.defaults)
        self._progress.announce(plan)

    # ---- results -----------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a case's result from its report; a failed one without result is no data."""
        self._progress.clear()
        result = self.results.take(report)
        if result is not None and self.broker is not None and self._thread is not None:
            # A journal that cannot be written has ended its cases already, with the reason.
            with contextlib.suppress(StorageError):
                self._thread.run(self.broker.conclude(to_wire(result)))
        self._stop_at_maxfail(report)

    def _stop_at_maxfail(self, report: pytest.TestReport) -> None:
        """With ``-x`` xdist lets the other workers finish their cases: they are not to send more."""
        self._n_failed += report.failed
        limit = self.config.option.maxfail
        if limit and self._n_failed >= limit and self.broker is not None:
            self.broker.stop(f"{self._n_failed} failed, and --maxfail={limit} (-x) ends the run there")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, Any] | None:
        """Undecided and not measured cases are shown as ``?``."""
        data = getattr(report, "agentbench", None)
        if not isinstance(data, dict) or not report.skipped:
            return None
        outcome = str(data["outcome"])
        if outcome == "not_applicable":
            return None
        return outcome.replace("_", " "), "?", (outcome.replace("_", " ").upper(), {"yellow": True})

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, or a stop of pytest's own: nothing more is sent."""
        if self.broker is not None:
            self.broker.stop(str(excinfo.value) or "interrupted")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Close the broker, write what was asked for, and gate by the exit status."""
        self._progress.close()
        if self.broker is None or self._thread is None:
            return
        self._close()
        status = self.results.exit_status(int(session.exitstatus))
        if int(session.exitstatus) in (0, 1):
            session.exitstatus = status
        problems = self.results.finish(int(session.exitstatus), self.broker)
        if problems and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the tables."""
        self.results.print_summary(terminalreporter)

    def pytest_unconfigure(self) -> None:
        """Close what an early end left open."""
        self._progress.close()
        self._close()

    def _close(self) -> None:
        if self._thread is None or self.broker is None:
            return
        thread, self._thread = self._thread, None
        with _ctrl_c_hurries(thread, self.broker):
            try:
                if self._server is not None:
                    thread.run(self._server.close())
                thread.run(self.broker.close())
            finally:
                thread.close()
                if self.journal is not None:
                    self.journal.close()


@contextlib.contextmanager
def _ctrl_c_hurries(thread: LoopThread, broker: Broker) -> Iterator[None]:
    """While the broker closes, Ctrl-C shortens the waiting and breaks off nothing else."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: thread.soon(broker.hurry))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
