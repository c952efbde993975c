"""Scenario files as pytest nodes: file > scenario > case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_agentbench.errors import AgentbenchError, ScenarioError
from pytest_agentbench.loader import load_file
from pytest_agentbench.resources import project_root
from pytest_agentbench.runner import Case
from pytest_agentbench.verdict import CaseResult
from pytest_agentbench.wire import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_agentbench.model import Model
    from pytest_agentbench.scenario import Scenario


class Bench(Protocol):
    """What the nodes need of the session: kept in ``config.stash[BENCH]``."""

    models: Sequence[Model]
    missing_keys: Mapping[str, str]
    """Model name -> why its cases cannot run (``--agentbench-missing-key=skip``)."""
    defaults: Mapping[str, Any]
    cache: Path | None
    """Where loaded files are kept for the other workers; None: nowhere."""
    scenario_files: dict[str, str]
    """Scenario id -> the file it was collected from."""

    def run(self, case: Case) -> CaseResult:
        """Draw and judge one case."""


BENCH = pytest.StashKey[Bench]()


class CaseFailedError(AgentbenchError):
    """A gate of the case says FAIL."""

    def __init__(self, result: CaseResult) -> None:
        super().__init__(result.reason)
        self.result = result


class ScenarioFile(pytest.File):
    """A file of scenarios."""

    def collect(self) -> Iterator[pytest.Collector]:
        """One node per scenario; every mistake of the file is one collection error."""
        from pytest_agentbench import checks

        bench = self.config.stash[BENCH]
        try:
            scenarios = load_file(
                self.path,
                root=project_root(self.path, self.config.rootpath),
                defaults=bench.defaults,
                check_parameters=checks.parameters,
                check_names=checks.names,
                cache=bench.cache,
            )
        except ScenarioError as error:
            raise self.CollectError(str(error)) from error
        for scenario in scenarios:
            here = str(scenario.location)
            elsewhere = bench.scenario_files.setdefault(scenario.id, here)
            if elsewhere != here:
                raise self.CollectError(
                    f"{here}: the scenario id {scenario.id!r} is taken by {elsewhere}; ids are unique "
                    "in a session, because baselines are keyed on them: choose another"
                )
            yield ScenarioNode.from_parent(self, name=scenario.id, scenario=scenario)


class ScenarioNode(pytest.Collector):
    """A scenario; its tags are markers of its cases."""

    def __init__(self, *, scenario: Scenario, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario

    def collect(self) -> Iterator[pytest.Item]:
        """One case per model."""
        for tag in self.scenario.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
            self.add_marker(tag)
        for model in self.config.stash[BENCH].models:
            yield CaseItem.from_parent(self, name=model.slug, case=Case(scenario=self.scenario, model=model))


class CaseItem(pytest.Item):
    """A case: passes, fails or is undecided as a whole."""

    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case
        self.result: CaseResult | None = None

    def runtest(self) -> None:
        """Draw the samples and judge them."""
        from pytest_agentbench.reports.junit import properties

        self.result = result = self.config.stash[BENCH].run(self.case)
        self.user_properties.extend(properties(result))
        if result.outcome == "fail":
            raise CaseFailedError(result)
        if result.outcome != "pass":
            raise pytest.skip.Exception(result.reason, _use_item_location=True)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for a verdict; a traceback for a bug of ours."""
        if isinstance(excinfo.value, CaseFailedError):
            location = self.case.scenario.location
            return f"{location.file}:{location.line}: {excinfo.value.result.reason}"
        if isinstance(excinfo.value, AgentbenchError):
            return f"{type(excinfo.value).__name__}: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The scenario's place in its file."""
        return self.path, self.case.scenario.location.line - 1, f"{self.case.scenario.id} {self.name}"


def attach_result(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put a case's result on its report, in builtins: it must cross a process boundary."""
    if isinstance(item, CaseItem) and report.when == "call" and item.result is not None:
        report.agentbench = to_wire(item.result)  # type: ignore[attr-defined]
        if item.result.outcome == "fail":
            report.sections.append(("agentbench", _body(item.result)))


def _body(result: CaseResult) -> str:
    """The gates and the worst failures, one a line; what a model wrote cannot steer the terminal."""
    from pytest_agentbench.reports.plain import neutralise

    lines = [f"{gate.verdict}: {gate.explanation}" for gate in result.gates]
    for failure in result.failures:
        lines.append(f"[{failure.tag}] {failure.variant}, row {failure.row}: {failure.message}")
        lines.append(f"    {failure.excerpt}")
    return "\n".join(neutralise(line) for line in lines)


def identity(item: CaseItem) -> dict[str, Any]:
    """What the controller must know of a case whose worker dies."""
    scenario = item.case.scenario
    return {
        "nodeid": item.nodeid,
        "scenario": scenario.id,
        "title": scenario.title,
        "file": scenario.location.file,
        "model": item.case.model.name,
        "tags": list(scenario.tags),
        "json_asked": scenario.answer_json is not None,
    }
