"""What a scenario file says, as frozen data. No behaviour beyond validation of values.

``Json`` is what JSON can hold. A *template* is a ``Json`` value in which strings may hold Jinja2
expressions; it is rendered once per variant and row by :mod:`pytest_agentbench.expand`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pytest_agentbench.errors import Location

Json: TypeAlias = Any  # None | bool | int | float | str | list[Json] | dict[str, Json]

VariantClass = Literal["base", "paraphrase", "format", "noise"]
Accept = Literal["strict", "extractable", "repairable"]
Request = Literal["none", "json_object", "json_schema"]
Decide = Literal["sequential", "fixed"]
SandboxBackend = Literal["any", "docker", "wasm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of a message: ``text`` (a template) or ``image`` (a ``data:`` URL)."""

    kind: Literal["text", "image"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the prompt, not yet rendered."""

    role: Literal["system", "user", "assistant"]
    content: str | tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One wording of the prompt.

    ``messages`` is the whole message list of this wording, already merged with the base prompt by
    the loader (a variant that sets only ``user`` keeps the base's ``system``). ``transform`` is the
    name of a deterministic transform applied to the *rendered* messages, ``rate`` its strength.
    """

    id: str
    variant_class: VariantClass
    messages: tuple[Message, ...]
    transform: str | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What is asked of the model. ``None`` and ``"none"`` mean: nobody set it, do not send it."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    thinking: Literal["default", "on", "off"] = "default"
    seed: int | Literal["none", "per_sample"] = "none"
    tool_choice: Json = None
    parallel_tool_calls: bool | None = None
    stop: tuple[str, ...] = ()
    extra_body: Mapping[str, Json] = field(default_factory=dict)
    set_keys: frozenset[str] = frozenset()
    """Keys that the scenario, its ``models:`` section or the command line set, null included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer:
    """The final answer must be JSON.

    ``schema`` is resolved and self-contained (every file reference inlined under ``$defs``), or
    None: any JSON. ``expect`` is a template; the answer must equal it (mappings: the expected keys
    must be there with these values; lists and scalars exactly).
    """

    schema: Json = None
    request: Request = "none"
    accept: Accept = "strict"
    expect: Json = None
    has_expect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """A condition on a sample: the name of a check and its parameters (templates)."""

    name: str
    params: Json
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResponse:
    """What a mock tool says; exactly one of the fields ``value`` .. ``sandbox`` counts (``kind``).

    ``value`` and ``error`` are templates over the row's values plus ``args`` (the call's
    arguments) and ``n`` (how often the tool was called before in this sample).
    """

    kind: Literal["value", "template", "error", "function", "sandbox"]
    value: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """``when``: this response if ``args`` (a template) is a subset of the call's arguments."""

    args: Json
    response: ToolResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that the model may call, and the mock that answers.

    ``sequence`` holds the responses in order; after the last one comes ``then``: the ``last``
    response again, the whole sequence from its first on (``repeat``), or an ``error``.
    """

    name: str
    description: str = ""
    parameters: Json = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    rules: tuple[ToolRule, ...] = ()
    sequence: tuple[ToolResponse, ...] = ()
    then: Literal["last", "repeat", "error"] = "last"
    polling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Limits of one sample, whole agent run included."""

    max_turns: int = 8
    max_seconds: float = 120.0
    max_tokens: int | None = None
    stall_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What one code execution may use. ``files`` maps relative names to templates."""

    backend: SandboxBackend = "any"
    timeout_s: float = 10.0
    memory_mb: int = 256
    output_bytes: int = 65_536
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """A threshold on one metric of a case.

    ``threshold`` is the largest allowed value for ``direction`` ``max``, the smallest for ``min``;
    for ``prompt_sensitivity`` it is ``max_spread``. ``max_repeats`` is the cap on a case's samples
    (all variants together) while this gate is undecided; None: 30 / p0.
    """

    metric: str
    direction: Literal["max", "min"]
    threshold: float
    decide: Decide = "sequential"
    max_repeats: int | None = None
    inconclusive: Literal["hold", "pass"] = "hold"
    location: Location
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """One entry of ``models:``; ``pattern`` is an fnmatch pattern over the model's name."""

    pattern: str
    skip: str | None = None
    sampling: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalentMutant:
    """Changes of the reference that need not be noticed; ``mutant`` is a pattern over their names."""

    mutant: str
    why: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One YAML document, validated, with every file that it names already read.

    ``rows`` are the data of the scenario, at least one (an empty mapping when there is no data).
    ``row_keys`` name them (the ``key`` column, else "0", "1", ...).
    """

    id: str
    location: Location
    title: str = ""
    about: str = ""
    tags: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Json], ...] = ({},)
    row_keys: tuple[str, ...] = ("0",)
    variants: tuple[Variant, ...]
    """The base wording first."""
    then: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    models: tuple[ModelRule, ...] = ()
    answer_json: JsonAnswer | None = None
    checks: tuple[CheckSpec, ...] = ()
    """From ``answer`` (text, tool_calls, code) first, then ``checks``."""
    tools: tuple[Tool, ...] = ()
    agent: AgentLimits = AgentLimits()
    sandbox: SandboxSpec = SandboxSpec()
    gates: tuple[GateSpec, ...] = ()
    repeats: int = 50
    reference: Json = None
    equivalent_mutants: tuple[EquivalentMutant, ...] = ()
    places: Mapping[str, Location] = field(default_factory=dict)
    """Where ``answer``, ``answer.json`` and its keys, ``reference`` and ``gates`` stand, if they do."""
    seed: int = 0
    digest: str = ""
    """SHA-256 over what the scenario asks (rendered prompts, data, tools, checks, backend)."""

    @property
    def needs_sandbox(self) -> bool:
        """Whether any check or tool runs code."""
        return any(check.name == "code" for check in self.checks) or any(
            response.kind == "sandbox"
            for tool in self.tools
            for response in (*tool.sequence, *(rule.response for rule in tool.rules))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """One variant of a scenario with one row filled in: what a single sample is asked.

    ``messages`` and ``then`` are in wire form (OpenAI chat messages). ``checks`` and ``expect``
    have their templates rendered. ``tools`` keep theirs: they are rendered per call, with ``row``.
    """

    scenario: str
    variant: str
    variant_class: VariantClass
    row: int
    row_key: str
    values: Mapping[str, Json]
    messages: tuple[Mapping[str, Json], ...]
    then: tuple[str, ...] = ()
    answer_json: JsonAnswer | None = None
    checks: tuple[CheckSpec, ...] = ()
    tools: tuple[Tool, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    reference: Json = None
