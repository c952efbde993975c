"""Checks: a function of one sample each, found by name.

Adding a check is adding one file beside :mod:`.text`, with the names of
:class:`~pytest_agentbench.checks.base.Check`; a third party hands an object with them to
:func:`register`. JSON, tool arguments and loops are measured for every sample
(:mod:`.measurements`), whatever a scenario checks.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from pytest_agentbench.checks.base import Check, ParametersError, Subject
from pytest_agentbench.errors import Problem, ScenarioError
from pytest_agentbench.sample import Execute, Finding, JsonOutcome, Loop, Turn
from pytest_agentbench.scenario import Json, Rendering, SandboxSpec

__all__ = [
    "Check",
    "Evaluation",
    "ParametersError",
    "Subject",
    "evaluate",
    "get",
    "names",
    "parameters",
    "register",
]

_registered: dict[str, Check] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that is found in one sample; the fields are those of Sample."""

    json: JsonOutcome | None
    arguments: tuple[JsonOutcome, ...]
    loop: Loop | None
    findings: tuple[Finding, ...]
    passed: bool


@lru_cache(maxsize=1)
def _own_names() -> frozenset[str]:
    return frozenset(
        module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg and module.name != "base"
    )


def names() -> tuple[str, ...]:
    """All checks that a scenario may name, sorted."""
    return tuple(sorted(_own_names() | _registered.keys()))


def get(name: str) -> Check:
    """The check of this name.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    if name in _registered:
        return _registered[name]
    if name not in _own_names():
        raise KeyError(f"no check {name!r}; there are {', '.join(names())}")
    return cast("Check", importlib.import_module(f"{__name__}.{name}"))


def parameters(name: str) -> Json | None:
    """JSON Schema of a check's parameters; None when there is no such check."""
    return dict(get(name).PARAMETERS) if name in names() else None


def register(check: Check) -> None:
    """Add a check of a third party; the same object twice is no error.

    Raises:
        ValueError: its name is taken, or an attribute is missing.
    """
    if not isinstance(check, Check):
        raise ValueError(f"{check!r} is no check: it needs NAME, PARAMETERS and async check(params, subject)")  # noqa: TRY004
    if check.NAME in _own_names() or _registered.get(check.NAME, check) is not check:
        raise ValueError(f"a check named {check.NAME!r} is there already: give this one another name")
    _registered[check.NAME] = check


async def evaluate(
    rendering: Rendering,
    turns: tuple[Turn, ...],
    ended: str,
    execute: Execute,
    *,
    sandbox: SandboxSpec | None = None,
) -> Evaluation:
    """Measure and check one sample whose replies are ``turns``.

    ``ended`` as in Sample; ``sandbox`` are the scenario's limits for code (default: those of
    SandboxSpec). A sample passes iff its JSON contract holds, no check failed, it has no loop and neither
    its time nor its turns ran out.

    Raises:
        SandboxError: code could not be run: the sample is X.
        ScenarioError: rendered parameters of a check make no sense.
    """
    from pytest_agentbench.checks.measurements import answer, arguments, limits, repetition

    asked = rendering.answer_json
    outcome = None if asked is None else answer.measure(asked, turns, ended)
    loop = repetition.measure(turns, ended, structured=asked is not None)
    subject = Subject(
        rendering=rendering,
        turns=turns,
        ended=ended,
        json=outcome,
        execute=execute,
        sandbox=SandboxSpec() if sandbox is None else sandbox,
    )
    findings = []
    if (out_of := limits.measure(ended)) is not None:
        findings.append(out_of)
    if asked is not None and asked.has_expect and outcome is not None:
        findings.append(await answer.compare(asked.expect, outcome))
    for spec in rendering.checks:
        try:
            findings.append(await get(spec.name).check(spec.params, subject))
        except ParametersError as error:
            problem = Problem(location=spec.location, message=f"check {spec.name!r}: {error}")
            raise ScenarioError((problem,)) from error
    return Evaluation(
        json=outcome,
        arguments=arguments.measure(subject),
        loop=loop,
        findings=tuple(findings),
        passed=(outcome is None or outcome.contract_holds)
        and loop is None
        and all(finding.status != "failed" for finding in findings),
    )
