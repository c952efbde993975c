"""Fixtures for all tests."""

from __future__ import annotations

import pytest
from bench_project import BenchProject

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> BenchProject:
    """A project without scenarios yet, and an environment without keys and addresses."""
    for name in ("AGENTBENCH_BASE_URL", "AGENTBENCH_API_KEY", "DEEPSEEK_API_KEY", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return BenchProject(pytester)
