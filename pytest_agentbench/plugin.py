"""Hooks of the plugin; no logic.

Installed and not switched on, this module adds options and nothing else: it imports only pytest
and the standard library, and registers no other plugin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SUFFIX = ".bench.yaml"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our hook known also while we are off: conftest files may implement it."""
    from pytest_agentbench import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """All options begin with ``--agentbench``; ``--model`` is added later, only when we are on."""
    group = parser.getgroup("agentbench", "language models against YAML scenarios")
    group.addoption(
        "--agentbench", action="store_true", help="run scenario files (*.bench.yaml) against models"
    )
    group.addoption(
        "--agentbench-model",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help="model to run, repeatable; with --agentbench also --model. `agentbench models` lists them",
    )
    group.addoption(
        "--agentbench-base-url",
        metavar="URL",
        help="OpenAI-compatible endpoint to use for all models (a gateway); its key: AGENTBENCH_API_KEY",
    )
    group.addoption(
        "--agentbench-repeats", type=int, metavar="N", help="samples per variant, over the scenarios' own"
    )
    group.addoption(
        "--agentbench-concurrency",
        type=int,
        metavar="N",
        help="requests in flight per model over the whole session (default 64, lower by preset)",
    )
    group.addoption(
        "--agentbench-max-calls",
        type=int,
        metavar="N",
        help="send at most N requests in the session; what is undecided then is inconclusive",
    )
    group.addoption(
        "--agentbench-temperature", type=float, metavar="T", help="temperature, over the scenarios' own"
    )
    group.addoption(
        "--agentbench-sandbox",
        choices=["auto", "docker", "wasm", "none"],
        default="auto",
        help="where generated code runs; auto: Docker when an engine answers, else wasm",
    )
    group.addoption(
        "--agentbench-replay",
        metavar="RUN",
        help="judge the recorded replies of a run again, without any call: its id, `last`, or a path",
    )
    group.addoption("--agentbench-json", metavar="PATH", help="write all results as JSON")
    group.addoption(
        "--agentbench-inconclusive",
        choices=["fail", "pass"],
        default="fail",
        help="exit status 10 (fail) or 0 (pass) when cases stay undecided",
    )
    group.addoption(
        "--agentbench-missing-key",
        choices=["error", "skip"],
        default="error",
        help="a model without its API key: usage error, or its cases are not measured",
    )
    parser.addini(
        "agentbench_paths",
        "folders and files that `pytest --agentbench` runs when no path is given (default: scenarios)",
        type="args",
        default=["scenarios"],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Add ``--model`` when we are on and somebody uses it: a conftest may have its own otherwise."""
    if early_config.known_args_namespace.agentbench and any(
        arg == "--model" or arg.startswith("--model=") for arg in args
    ):
        group = parser.getgroup("agentbench")
        group.addoption("--model", dest="agentbench_model", action="append", help="see --agentbench-model")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let idle workers take waiting cases (``loadgroup`` does nothing on pytest 9.2.0)."""
    if (
        config.option.agentbench
        and config.getoption("numprocesses", None)
        and config.getoption("dist", "no") == "no"
    ):
        config.option.dist = "worksteal"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Switch on."""
    if config.option.agentbench:
        from pytest_agentbench.session import switch_on

        switch_on(config)
    else:
        for option in ("model", "base_url", "json", "repeats", "max_calls", "replay"):
            if config.getoption(f"agentbench_{option}"):
                raise pytest.UsageError(
                    f"--agentbench-{option.replace('_', '-')} does nothing without --agentbench: add it"
                )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Scenario files are ours when we are on, and nobody's otherwise."""
    if not parent.config.option.agentbench or not file_path.name.endswith(SUFFIX):
        return None
    from pytest_agentbench.collection import ScenarioFile

    file: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return file
