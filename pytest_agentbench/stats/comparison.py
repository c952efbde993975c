"""Two rates side by side: the cells of the table scenario x model (METRICS 3)."""

from __future__ import annotations

from pytest_agentbench.stats.bounds import newcombe_interval
from pytest_agentbench.verdict import Estimate


def rate_difference(x1: int, n1: int, x2: int, n2: int, *, confidence: float = 0.95) -> Estimate:
    """x1/n1 - x2/n2 of two independent sets of samples, with Newcombe's two-sided interval.

    ``n`` is n1 + n2; ``x`` is None (a difference counts nothing). Where either set is empty there is
    no value and ``reason`` says which.

    Raises:
        ValueError: not 0 <= x <= n in one of the sets.
    """
    interval = newcombe_interval(x1, n1, x2, n2, confidence=confidence)
    if interval is None:
        missing = " and ".join(name for name, n in (("first", n1), ("second", n2)) if not n)
        return Estimate(value=None, n=n1 + n2, reason=f"no samples of the {missing}")
    return Estimate(
        value=x1 / n1 - x2 / n2,
        n=n1 + n2,
        low=interval[0],
        high=interval[1],
        method=f"Newcombe {100 * confidence:g} %",
    )
