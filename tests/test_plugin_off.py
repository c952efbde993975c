"""Installed and not switched on, the plugin changes nothing and costs next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("openai", "yaml", "docker", "jsonschema", "jinja2", "faker", "aiohttp", "asyncio", "httpx2")
PROBE = """
import json, sys
import pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[2:]])
loaded = sorted(set(sys.modules) & set(json.loads(sys.argv[1])))
print("LOADED", json.dumps({"status": int(status), "loaded": loaded,
    "ours": sorted(name for name in sys.modules if name.startswith("pytest_agentbench"))}))
"""


def run_pytest(folder: Path, *args: str) -> dict[str, object]:
    """A pytest session in a fresh process; which modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(HEAVY), *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    result: dict[str, object] = json.loads(line.removeprefix("LOADED "))
    return result


def test_a_session_without_the_switch_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "x.bench.yaml").write_text("this: is: no: yaml: [")
    # faker and anyio bring pytest plugins of their own, which load them in every session.
    others = ["-p", "no:faker", "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:xdist"]
    result = run_pytest(tmp_path, *others)
    assert result["status"] == 0
    assert result["loaded"] == []
    assert result["ours"] == ["pytest_agentbench", "pytest_agentbench.hookspecs", "pytest_agentbench.plugin"]


def test_scenario_files_are_ignored_without_the_switch(pytester: pytest.Pytester) -> None:
    pytester.makefile(".bench.yaml", x="this: is: no: yaml: [")
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_conftest_with_a_model_option_of_its_own_keeps_working(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_addoption(parser):
            parser.addoption("--model", default="resnet")
        """
    )
    pytester.makepyfile("def test_it(pytestconfig): assert pytestconfig.option.model == 'vgg'")
    pytester.runpytest("--model=vgg").assert_outcomes(passed=1)


def test_our_options_without_the_switch_are_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--agentbench-model=deepseek-v4-pro")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--agentbench-model does nothing without --agentbench: add it*"])


def test_model_is_unknown_without_the_switch(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--model=x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --model=x*"])
