"""The one hook for teams and third parties: implement it in a conftest.py or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_agentbench.registry import Registry


@pytest.hookspec
def pytest_agentbench_register(registry: Registry) -> None:
    """Register tool functions, checks and metrics by name.

    Example::

        def pytest_agentbench_register(registry):
            registry.tool("lookup_order", lambda args: {"status": "shipped", **args})

    A scenario then says ``returns: {function: lookup_order}``. Called once in every process that
    runs cases, before anything is collected.
    """
