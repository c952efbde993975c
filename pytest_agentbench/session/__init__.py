"""The session on the pytest side: the controller with its broker, and the workers."""

from __future__ import annotations

import pytest

from pytest_agentbench.collection import BENCH
from pytest_agentbench.resources import bundled


def switch_on(config: pytest.Config) -> None:
    """Register what this process is: an xdist worker, or the controller (also without xdist).

    Raises:
        pytest.UsageError: what the command line asks for cannot be done.
    """
    for redraws, plugin in (("reruns", "pytest-rerunfailures"), ("count", "pytest-repeat")):
        if config.getoption(redraws, None) not in (None, 0, 1):
            raise pytest.UsageError(
                f"--{redraws} ({plugin}) draws again until a test is green; with --agentbench the number "
                "of samples is --agentbench-repeats, and gates decide: leave it out"
            )
    if config.getoption("dist", "no") == "each":
        raise pytest.UsageError(
            "--dist=each runs every case once in each worker; with --agentbench a case is drawn once, with "
            "--agentbench-repeats samples: leave it out"
        )
    _choose_paths(config)
    bench: Worker | Controller
    if hasattr(config, "workerinput"):
        from pytest_agentbench.session.worker import Worker

        bench = Worker(config)
    else:
        from pytest_agentbench.session.controller import Controller

        bench = Controller(config)
    config.stash[BENCH] = bench
    config.pluginmanager.register(bench, "agentbench-session")


def _choose_paths(config: pytest.Config) -> None:
    """Without paths on the command line run the scenario files, not the Python tests.

    A project without any runs the scenarios that come with the package.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        paths = [config.rootpath / path for path in config.getini("agentbench_paths")]
        found = [str(path) for path in paths if path.exists()]
        config.args = found or [str(bundled("scenarios"))]
        config.pluginmanager.register(_ScenarioFilesOnly(), "agentbench-paths")


class _ScenarioFilesOnly:
    @pytest.hookimpl
    def pytest_ignore_collect(self, collection_path: object) -> bool | None:
        """Python tests beside the scenarios are not ours."""
        name = str(collection_path)
        return True if name.endswith(".py") and not name.endswith("conftest.py") else None
