"""Which real parts a test needs, and what happens where one is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def need(part: str, available: bool, reason: str) -> None:
    """Skip the calling test with ``reason``, or fail it where AGENTBENCH_REQUIRE names ``part``."""
    if available:
        return
    required = {name.strip() for name in os.environ.get("AGENTBENCH_REQUIRE", "").split(",")}
    if part in required:
        pytest.fail(f"{part} must run here (AGENTBENCH_REQUIRE), but: {reason}")
    pytest.skip(f"{part}: {reason}")


def shared_data(*parts: str) -> Path:
    """A folder of the public test suites; skips where they are not beside the project."""
    base = Path(os.environ.get("AGENTBENCH_SHARED", ROOT.parent / "shared"))
    path = base.joinpath("data", *parts)
    need("shared", path.exists(), f"{path} is not there (set AGENTBENCH_SHARED to the folder that has data/)")
    return path
