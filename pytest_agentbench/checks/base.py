"""What a check is: a function of one sample that gives a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pytest_agentbench.sample import Execute, Finding, JsonOutcome, Reply, ToolCall, Turn
from pytest_agentbench.scenario import Json, Rendering, SandboxSpec

TEMPLATE: Json = {"type": "string", "pattern": r"\{\{"}
"""In PARAMETERS: a template that becomes a value of another type when it is rendered."""


class ParametersError(ValueError):
    """The rendered parameters of a check cannot be used: the scenario is wrong, not the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One sample, as a check sees it.

    Attributes:
        json: The final answer against ``answer.json``, None when no JSON was asked.
        execute: Runs code; raises SandboxError.
        sandbox: Limits for what is run.
    """

    rendering: Rendering
    turns: tuple[Turn, ...]
    ended: str
    json: JsonOutcome | None
    execute: Execute
    sandbox: SandboxSpec = field(default_factory=SandboxSpec)

    @property
    def final(self) -> Reply | None:
        """The last reply, None when there is none."""
        return self.turns[-1].reply if self.turns else None

    @property
    def text(self) -> str:
        """Text of the last reply; empty when it has none."""
        return (self.final.content if self.final is not None else None) or ""

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Every tool call of the sample, in order."""
        return tuple(call for turn in self.turns for call in turn.reply.tool_calls)


@runtime_checkable
class Check(Protocol):
    """A condition on a sample. A module with these names, or an object of a third party.

    Attributes:
        NAME: As written in a scenario under ``checks``.
        PARAMETERS: JSON Schema of its parameters; allow :data:`TEMPLATE` where a value of another type
            than string may come out of a template.
    """

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """The name."""

    @property
    def PARAMETERS(self) -> Mapping[str, Any]:  # noqa: N802
        """JSON Schema of the parameters."""

    async def check(self, params: Json, subject: Subject) -> Finding:
        """Look at one sample; ``params`` are rendered.

        Raises:
            ParametersError: the parameters make no sense once rendered.
            SandboxError: code could not be run.
        """
