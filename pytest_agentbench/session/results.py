"""Results as they arrive on the controller, and what the run comes to."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.metrics.tally import tally
from pytest_agentbench.reports import json_document, markdown, terminal
from pytest_agentbench.storage import new_run_id
from pytest_agentbench.verdict import CaseResult, RunInfo, RunResult
from pytest_agentbench.wire import from_wire

if TYPE_CHECKING:
    from pytest_agentbench.broker.hub import Broker
    from pytest_agentbench.session.controller import Controller

EXIT_FAIL = 1
EXIT_UNDECIDED = 10
PACKAGES = ("pytest-agentbench", "pytest", "pytest-xdist", "openai", "docker", "jsonschema", "faker")


class Results:
    """One run: cases by node id, in the order in which they were collected."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._started = dt.datetime.now(dt.UTC)
        self._clock = time.monotonic()
        self.run_id = new_run_id(self._started)
        self._expected: dict[str, Mapping[str, Any]] = {}
        self._cases: dict[str, CaseResult] = {}
        self._run: RunResult | None = None
        self._problems: list[str] = []

    def expect(self, cases: Sequence[Mapping[str, Any]]) -> None:
        """The cases that were collected (``collection.identity``)."""
        self._expected = {case["nodeid"]: case for case in cases}

    def take(self, report: pytest.TestReport) -> CaseResult | None:
        """The result on ``report``, if it is one of a case."""
        data = getattr(report, "agentbench", None)
        if isinstance(data, dict):
            result = from_wire(CaseResult, data)
        elif report.failed and report.nodeid in self._expected:
            result = self._no_data(self._expected[report.nodeid], report)
        else:
            return None
        self._cases[report.nodeid] = result
        return result

    def exit_status(self, pytest_status: int) -> int:
        """The status by DESIGN's table: 1 for a FAIL or no data, 10 for undecided or not measured."""
        outcomes = {case.outcome for case in self._cases.values()}
        if pytest_status == 1 or outcomes & {"fail", "no_data"}:
            return EXIT_FAIL
        if self._unmeasured():
            return EXIT_UNDECIDED
        may_pass = self._controller.config.option.agentbench_inconclusive == "pass"
        if "inconclusive" in outcomes and not may_pass:
            return EXIT_UNDECIDED
        return pytest_status

    def _unmeasured(self) -> bool:
        """Whether a case could not be measured for a reason other than a key left out on purpose."""
        return any(
            case.outcome == "not_measured" and case.model not in self._controller.missing_keys
            for case in self._cases.values()
        )

    def header(self) -> dict[str, Any]:
        """The first line of the journal."""
        return {
            "run": {
                "id": self.run_id,
                "started": _iso(self._started),
                "versions": _versions(),
                "options": self._options(),
            }
        }

    def finish(self, exit_status: int, broker: Broker) -> list[str]:
        """Make the run's result and write the files that were asked for; returns what went wrong."""
        controller = self._controller
        order = {nodeid: place for place, nodeid in enumerate(self._expected)}
        cases = sorted(self._cases.items(), key=lambda entry: order.get(entry[0], len(order)))
        finished = dt.datetime.now(dt.UTC)
        journal = controller.journal.path if controller.journal is not None else Path()
        self._run = RunResult(
            run=RunInfo(
                id=self.run_id,
                started=_iso(self._started),
                finished=_iso(finished),
                duration_s=round(time.monotonic() - self._clock, 3),
                root=str(controller.root),
                versions=_versions(),
                options=self._options(),
                sandbox_backend=broker.sandbox_backend,
                journal=str(journal),
                n_workers=int(controller.config.getoption("numprocesses", 0) or 0),
                n_calls=broker.progress.n_calls,
                stopped=broker.stopped,
            ),
            models=tuple(
                {
                    "name": model.name,
                    "model_id": model.model_id,
                    "base_url": model.base_url,
                    "prices": None
                    if model.prices is None
                    else {
                        "input": model.prices.input,
                        "output": model.prices.output,
                        "cached_input": model.prices.cached_input,
                        "as_of": model.prices.as_of,
                        "source": model.prices.source,
                    },
                    "warning": model.warning,
                }
                for model in controller.models
            ),
            cases=tuple(result for _nodeid, result in cases),
            exit_status=exit_status,
        )
        self._write()
        return self._problems

    def print_summary(self, terminalreporter: Any) -> None:
        """The tables, by pytest's own writer."""
        if self._run is None:
            return
        began = self._run.exit_status != pytest.ExitCode.USAGE_ERROR
        unfinished = len(self._expected.keys() - self._cases.keys()) if began else 0
        if not self._run.cases and not unfinished and not self._problems:
            return
        terminalreporter.section("agentbench", sep="=")
        if self._run.cases:
            width = terminalreporter._tw.fullwidth  # noqa: SLF001  pytest has no public name for it
            verbosity = self._controller.config.get_verbosity()
            for text, markup in terminal.lines(self._run, width=width, verbosity=verbosity):
                terminalreporter.write_line(text, **markup)
        if unfinished:
            terminalreporter.write_line(
                f"{unfinished} of {len(self._expected)} cases did not finish; what was drawn of them is in "
                f"{self._run.run.journal}",
                yellow=True,
            )
        recording = self._controller.recording
        if recording is not None and recording.n_changed:
            terminalreporter.write_line(
                f"{recording.n_changed} of {recording.n_samples} replies were given to another request: "
                "prompt, tools, sampling or schema have changed since",
                yellow=True,
            )
        for problem in self._problems:
            terminalreporter.write_line(problem, red=True)

    def _write(self) -> None:
        assert self._run is not None
        document = json_document.document(self._run)
        targets = []
        if self._controller.journal is not None:
            targets.append(self._controller.journal.folder / "results.json")
        asked = self._controller.config.option.agentbench_json
        if asked:
            targets.append(self._controller.config.invocation_params.dir / asked)
        for path in targets:
            try:
                json_document.write(path, document)
            except (OSError, AgentbenchError) as error:
                self._problems.append(f"agentbench: cannot write {path}: {error}")
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            try:
                markdown.append_step_summary(Path(summary), markdown.text(self._run))
            except (OSError, AgentbenchError) as error:
                self._problems.append(f"agentbench: cannot write the step summary: {error}")

    def _no_data(self, case: Mapping[str, Any], report: pytest.TestReport) -> CaseResult:
        return CaseResult(
            scenario=case["scenario"],
            title=case["title"],
            file=case["file"],
            model=case["model"],
            tags=tuple(case["tags"]),
            outcome="no_data",
            reason=str(report.longrepr).strip().splitlines()[-1][:500] if report.longrepr else "no report",
            tally=tally([], prices=None, json_asked=case["json_asked"]),
            variants=(),
            gates=(),
            sensitivity=(),
            failures=(),
            faults={},
        )

    def _options(self) -> dict[str, Any]:
        options = vars(self._controller.config.option)
        return {name: value for name, value in sorted(options.items()) if name.startswith("agentbench")}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
