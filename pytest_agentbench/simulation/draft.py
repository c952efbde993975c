"""What the simulated model is about to say in one turn, before it becomes bytes."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_agentbench.scenario import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftCall:
    """A tool call; ``arguments`` is its raw text as a rule, and whatever a fault makes of it."""

    name: str
    arguments: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One assistant message.

    Attributes:
        content: Its text; None: null goes over the wire.
        calls: Tool calls, in order.
        reasoning: Goes into ``reasoning_content``.
        refusal: Goes into ``refusal``.
        finish_reason: None: ``tool_calls`` where there are calls, else ``stop``.
        cut: The usage says that every allowed token was used up.
    """

    content: str | None = None
    calls: tuple[DraftCall, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    cut: bool = False
