"""A limit of the sample that ended it before the model had answered (METRICS 1)."""

from __future__ import annotations

from pytest_agentbench.sample import Finding

CHECK = "limit"
_WHAT = {
    "deadline": "the time for the sample (agent.max_seconds) ran out before the model had answered",
    "max_turns": "the turns of the sample (agent.max_turns) ran out before the model had answered",
}


def measure(ended: str) -> Finding | None:
    """A failed finding where time or turns ran out: nobody got an answer, whatever else is checked.

    None for an answer, and for one cut at its token limit: that text is there, and JSON and checks judge
    it.
    """
    if ended not in _WHAT:
        return None
    return Finding(check=CHECK, status="failed", message=_WHAT[ended], tags=(ended,))
