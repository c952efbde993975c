"""What a metric is: a yes-or-no fact of one sample, counted over a case's samples."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from pytest_agentbench.sample import Sample


@runtime_checkable
class RateMetric(Protocol):
    """A rate over samples. A module with these names, or an object of a third party.

    Attributes:
        NAME: Of the gate and of the JSON field; ends in ``_rate``.
        DIRECTION: ``max``: the rate of failures, less is better. ``min``: the rate of samples
            that do not fail, more is better.
        LABEL: What is counted, in the plural, for sentences: "parse failures".
        EMPTY: Why there is no denominator when no sample counts.
    """

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """Name of the gate."""

    @property
    def DIRECTION(self) -> Literal["max", "min"]:  # noqa: N802
        """Which way is better."""

    @property
    def LABEL(self) -> str:  # noqa: N802
        """What is counted."""

    @property
    def EMPTY(self) -> str:  # noqa: N802
        """Why nothing could be counted."""

    def failure(self, sample: Sample) -> bool | None:
        """Whether this sample is a failure; None: it is not in the denominator."""
