"""Places in a JSON value."""

from __future__ import annotations

from typing import TypeAlias

from pytest_agentbench.scenario import Json

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root."""


def replaced(whole: Json, at: Path, value: Json) -> Json:
    """``whole`` with ``value`` at the place ``at``; what is untouched is shared."""
    if not at:
        return value
    copy = whole.copy()
    copy[at[0]] = replaced(whole[at[0]], at[1:], value)
    return copy
