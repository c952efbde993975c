"""What controller and workers have in common: options, settings, registered functions."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_agentbench.collection import CaseItem, attach_result
from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.model import Model
from pytest_agentbench.registry import Registry
from pytest_agentbench.resources import project_root, settings
from pytest_agentbench.runner import Case, RunOptions, unmeasured
from pytest_agentbench.storage import FOLDER
from pytest_agentbench.verdict import CaseResult

NO_RUN = ("collectonly", "setuponly", "setupplan")
"""Options of pytest with which no case runs: nothing is opened, said or written then."""


class BenchBase:
    """The parts of a session that both kinds of process need."""

    models: Sequence[Model]
    missing_keys: Mapping[str, str]

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        try:
            self.root: Path = project_root(config.invocation_params.dir, config.rootpath)
            self.settings: Mapping[str, Any] = settings(self.root)
        except AgentbenchError as error:
            raise pytest.UsageError(str(error)) from error
        self.defaults: Mapping[str, Any] = self.settings.get("defaults", {})
        self.runs = not any(getattr(config.option, name, False) for name in NO_RUN)
        self.cache: Path | None = self.root / FOLDER / "cache" if self.runs else None
        self.scenario_files: dict[str, str] = {}
        self.registry = Registry()
        option = config.option
        for name in ("repeats", "concurrency", "max_calls"):
            value = getattr(option, f"agentbench_{name}")
            if value is not None and value < 1:
                raise pytest.UsageError(f"--agentbench-{name.replace('_', '-')}={value}: must be at least 1")
        sampling = {}
        if option.agentbench_temperature is not None:
            sampling["temperature"] = option.agentbench_temperature
        self.options = RunOptions(
            repeats=option.agentbench_repeats, sampling=sampling, concurrency=option.agentbench_concurrency
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Ask conftest files and plugins for their functions, before anything is collected."""
        self.config.hook.pytest_agentbench_register(registry=self.registry)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the case's result on the report, whatever process it was made in."""
        report = yield
        attach_result(item, report)
        return report

    def without_key(self, case: Case) -> CaseResult:
        """The result of a case whose model has no key (``--agentbench-missing-key=skip``)."""
        return unmeasured(case, self.options, self.missing_keys[case.model.name])

    @staticmethod
    def cases(session: pytest.Session) -> list[CaseItem]:
        """The cases selected to run, in order."""
        return [item for item in session.items if isinstance(item, CaseItem)]
