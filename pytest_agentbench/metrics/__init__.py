"""Rates over the samples of a case; one file per metric, found by its name (``*_rate.py``).

Adding a metric is adding one file with the names of :class:`~pytest_agentbench.metrics.base.RateMetric`;
a third party hands an object with them to :func:`register`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import cast

from pytest_agentbench.metrics.base import RateMetric

__all__ = ["RateMetric", "get", "names", "register"]

_registered: dict[str, RateMetric] = {}


@lru_cache(maxsize=1)
def _own_names() -> frozenset[str]:
    return frozenset(
        module.name for module in pkgutil.iter_modules(__path__) if module.name.endswith("_rate")
    )


def names() -> tuple[str, ...]:
    """All metrics that a gate may name, sorted."""
    return tuple(sorted(_own_names() | _registered.keys()))


def get(name: str) -> RateMetric:
    """The metric of this name.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    if name in _registered:
        return _registered[name]
    if name not in _own_names():
        raise KeyError(f"no metric {name!r}; there are {', '.join(names())}")
    return cast("RateMetric", importlib.import_module(f"{__name__}.{name}"))


def register(metric: RateMetric) -> None:
    """Add a metric of a third party; the same object twice is no error.

    Raises:
        ValueError: its name is taken, does not end in ``_rate``, or an attribute is missing.
    """
    if not isinstance(metric, RateMetric):
        raise ValueError(f"{metric!r} is no metric: it needs NAME, DIRECTION, LABEL, EMPTY and failure()")  # noqa: TRY004
    name = metric.NAME
    if not name.endswith("_rate"):
        raise ValueError(f"the name of a metric ends in '_rate', got {name!r}")
    if name in _own_names() or _registered.get(name, metric) is not metric:
        raise ValueError(f"a metric named {name!r} is there already")
    _registered[name] = metric
