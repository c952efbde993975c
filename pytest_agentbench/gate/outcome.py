"""From the gates of a case to its outcome."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_agentbench.verdict import GateResult, Outcome


def outcome_of(gates: Sequence[GateResult]) -> tuple[Outcome, str]:
    """The outcome of a case and its headline, one line.

    ``fail`` if any gate FAILs; else ``inconclusive`` if any undecided gate holds the case; else
    ``pass`` with an empty headline. More than one bad gate: the first, and how many more. Without
    gates nothing was judged: ``inconclusive``.
    """
    if not gates:
        return "inconclusive", "no gate was judged"
    failed = [gate.explanation for gate in gates if gate.verdict == "FAIL"]
    if failed:
        return "fail", _headline(failed)
    undecided = [gate.explanation for gate in gates if gate.verdict == "INCONCLUSIVE" and gate.holds]
    if undecided:
        return "inconclusive", _headline(undecided)
    return "pass", ""


def _headline(explanations: Sequence[str]) -> str:
    more = len(explanations) - 1
    return explanations[0] + (f" (and {more} more gate{'s' if more > 1 else ''})" if more else "")
