"""A language model as the session knows it: where it is, what it takes, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_agentbench.scenario import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per million tokens, with the day and the place they were read."""

    input: float
    output: float
    cached_input: float | None = None
    as_of: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRules:
    """What an endpoint does with the parameters of a request.

    Attributes:
        max_tokens_key: ``max_tokens`` or ``max_completion_tokens``.
        rejected: Parameters that are an error there; never sent.
        fixed: Parameters that take this value only (temperature 1); another value is not sent.
        ignored: Parameters that are taken and have no effect.
        ignored_when_thinking: The same, while the model thinks.
        thinks_by_default: Whether it thinks when nothing is said.
        thinking_on: ``extra_body`` that switches thinking on; None: cannot be switched.
        thinking_off: ``extra_body`` that switches it off; None: cannot be switched.
        json_request: The strongest form of ``request`` that the endpoint enforces.
        json_word: ``json_object`` needs the word "json" in the prompt.
        one_choice: ``n`` must be 1.
    """

    max_tokens_key: str = "max_tokens"
    rejected: tuple[str, ...] = ()
    fixed: Mapping[str, Json] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    ignored_when_thinking: tuple[str, ...] = ()
    thinks_by_default: bool = False
    thinking_on: Mapping[str, Json] | None = None
    thinking_off: Mapping[str, Json] | None = None
    json_request: Literal["none", "json_object", "json_schema"] = "json_schema"
    json_word: bool = False
    one_choice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of this session. Holds no key: only the name of the variable that has it.

    Attributes:
        name: As the user wrote it; slug: the same in [a-z0-9._-], used in node ids.
        model_id: What goes over the wire.
        kind: ``openai``: an endpoint; ``local``: weights that we serve ourselves; ``simulated``: a
            profile that we play.
        base_url: None for the openai client's default and, before it is started, for the other kinds.
        weights: ``bundled:smollm2-135m`` or a path, for ``local``; the profile, for ``simulated``.
        concurrency: Requests in flight over the whole session.
        sampling: Values that the preset or the team sets; the scenario's own win.
        extra_body: Always sent (e.g. a pinned host).
        warning: Said once at the start (a retirement date, ...).
    """

    name: str
    slug: str
    model_id: str
    kind: Literal["openai", "local", "simulated"] = "openai"
    base_url: str | None = None
    api_key_env: str | None = None
    weights: str | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    prices: Prices | None = None
    concurrency: int = 64
    rules: ParameterRules = ParameterRules()
    sampling: Mapping[str, Json] = field(default_factory=dict)
    extra_body: Mapping[str, Json] = field(default_factory=dict)
    source: str = ""
    warning: str = ""

    @property
    def served_here(self) -> bool:
        """Whether its server is a process of ours: no key, no cost, not there before it is started."""
        return self.kind != "openai"
