"""The real local model of the tests: there, or a skip with the reason."""

from __future__ import annotations

import functools
import importlib.util

from requirements import need

from pytest_agentbench.errors import UsageError
from pytest_agentbench.providers import weights

SMOLLM2 = "bundled:smollm2-135m"


def need_local_model() -> None:
    """Skip (or fail, see ``need``) where llama.cpp or the bundled weights cannot be had."""
    reason = _missing()
    need("local", not reason, reason)


@functools.cache
def _missing() -> str:
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed (extra: local)"
    try:
        weights.find(SMOLLM2)
    except UsageError as error:
        return str(error)
    return ""
