"""What a case is, and what it needs from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pytest_agentbench.model import Model
from pytest_agentbench.sample import Services
from pytest_agentbench.scenario import Json, Scenario


class CaseServices(Services, Protocol):
    """What a case needs from the broker beside what its samples need."""

    async def plan(self, n_samples: int) -> None:
        """Expect so many more samples (fewer when negative)."""

    async def sandbox_for(self, backend: str) -> tuple[str | None, str]:
        """The backend that would run code, or None and why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario with a model: one pytest item."""

    scenario: Scenario
    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says about every case.

    Attributes:
        repeats: Per variant; None: the scenario's own.
        sampling: Values that win over everybody else's.
        concurrency: Samples in flight per case; None: the model's own.
        max_transport_share: Above this share of X samples a case is INCONCLUSIVE.
    """

    repeats: int | None = None
    sampling: Mapping[str, Json] = field(default_factory=dict)
    concurrency: int | None = None
    max_transport_share: float = 0.05
