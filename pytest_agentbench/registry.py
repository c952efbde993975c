"""What a team adds by the hook ``pytest_agentbench_register``: tool functions, checks, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_agentbench.errors import UsageError
from pytest_agentbench.scenario import Json

if TYPE_CHECKING:
    from pytest_agentbench.checks.base import Check
    from pytest_agentbench.metrics.base import RateMetric


class Registry:
    """Names that scenarios may use beside the built-in ones."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Json]] = {}

    def tool(self, name: str, function: Callable[..., Json]) -> None:
        """Let tools answer by ``function(args)``; what it returns goes to the model as JSON.

        An exception of the function is a fault of the scenario, never of the model.

        Raises:
            UsageError: the name is taken by another function.
        """
        if self.functions.get(name, function) is not function:
            raise UsageError(f"two tool functions are registered as {name!r}: give one another name")
        self.functions[name] = function

    def check(self, check: Check) -> None:
        """Add a check, used as ``checks: [{name: params}]``."""
        from pytest_agentbench import checks

        checks.register(check)

    def metric(self, metric: RateMetric) -> None:
        """Add a rate metric, used as a gate by its name."""
        from pytest_agentbench import metrics

        metrics.register(metric)
