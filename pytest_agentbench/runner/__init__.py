"""One case: its samples are drawn until every gate is decided, and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_agentbench.agent import skip_reason
from pytest_agentbench.runner.case import Case, CaseServices, RunOptions
from pytest_agentbench.runner.conclusion import case_result, conclude
from pytest_agentbench.runner.drawing import Drawing
from pytest_agentbench.runner.setting import settle
from pytest_agentbench.scenario import Json
from pytest_agentbench.verdict import CaseResult

__all__ = ["Case", "CaseServices", "RunOptions", "run_case", "settle", "unmeasured"]


async def run_case(
    case: Case,
    *,
    services: CaseServices,
    options: RunOptions,
    functions: Mapping[str, Callable[..., Json]],
) -> CaseResult:
    """Draw and judge one case.

    Raises:
        AgentbenchError: where something of ours failed; then there is no result.
    """
    drawing = Drawing(settle(case, options))
    reason = skip_reason(case.scenario, case.model)
    if reason is not None:
        return case_result(drawing, "not_applicable", reason)
    backend = None
    if case.scenario.needs_sandbox:
        backend, problem = await services.sandbox_for(case.scenario.sandbox.backend)
        if backend is None:
            return case_result(drawing, "not_measured", f"no sandbox: {problem}")
    await drawing.run(services, functions)
    return conclude(drawing, sandbox_backend=backend)


def unmeasured(case: Case, options: RunOptions, reason: str) -> CaseResult:
    """The result of a case that is not run at all, e.g. for want of a key."""
    return case_result(Drawing(settle(case, options)), "not_measured", reason)
