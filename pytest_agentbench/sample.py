"""What one draw is made of: calls, replies, tool results, findings. Frozen data only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from pytest_agentbench.scenario import Json

Parse = Literal["strict", "extractable", "repairable", "unparseable", "none"]
Level = Literal["L0", "L1", "L2", "L3", "L4", "L5"]
FindingStatus = Literal["passed", "failed", "not_applicable"]
ExecutionOutcome = Literal["ok", "failed", "timeout", "out_of_memory", "output_limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """One chat completion to be sent.

    Attributes:
        model: Name of the model as the user gave it (key of the session's models).
        body: The JSON body as it goes over the wire, ``stream`` excluded.
        deadline_s: Seconds that the model may take for this call, waiting for a free slot and
            for retries excluded.
        stall_s: A stream without any byte for this long is a transport fault.
        stream: Ask for a stream from the start.
        sample: Identity for the journal: ``{scenario, model, variant, row, index, turn, request}``;
            ``request`` is the digest of the sample's first request.
    """

    model: str
    body: Mapping[str, Json]
    deadline_s: float
    stall_s: float = 60.0
    stream: bool = False
    sample: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that the model made; ``arguments`` is the raw text, whatever it is."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One usable answer of the model.

    Attributes:
        message: The assistant message verbatim, unknown fields included: it is sent back as is.
        content: Its text; None when absent or null.
        reasoning: Text of ``reasoning_content``, ``reasoning`` or ``reasoning_details``.
        tool_calls: As sent by the model.
        refusal: Text of ``refusal``, or None.
        finish_reason: As sent; None when the reply was cut by our deadline.
        model: ``response.model``; host: the host that answered (OpenRouter's ``provider``).
        deadline: The call's time limit ran out while the model was producing; ``content`` is
            what had come until then.
        latency_s: Seconds from sending the successful attempt to its last byte.
        ttft_s: Seconds to the first token, None when not streamed.
        n_attempts: Requests sent for this reply, failed ones included.
        n_transport_errors: How many of them failed in transport.
    """

    message: Mapping[str, Json]
    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    model: str | None = None
    host: str | None = None
    response_id: str | None = None
    usage: Usage = Usage()
    deadline: bool = False
    latency_s: float = 0.0
    ttft_s: float | None = None
    n_attempts: int = 1
    n_transport_errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a mock tool answered to one call."""

    call: ToolCall
    content: str
    error: bool = False
    polling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A reply and the results of the tool calls in it (in the order of the calls)."""

    reply: Reply
    results: tuple[ToolResult, ...] = ()
    truncated: bool = False
    """The reply ran into its token limit (finish_reason ``length``, or all allowed tokens used)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRequest:
    """Code to run in a sandbox. ``files`` maps relative names to text, put beside the code."""

    language: Literal["python"] = "python"
    code: str
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    timeout_s: float = 10.0
    memory_mb: int = 256
    output_bytes: int = 65_536
    backend: Literal["any", "docker", "wasm"] = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How an execution ended. A sandbox that failed at its own work raises SandboxError."""

    outcome: ExecutionOutcome
    exit_code: int | None
    stdout: str
    stderr: str
    duration_s: float
    backend: str
    """``docker`` or ``wasm``."""


Execute: TypeAlias = Callable[[ExecutionRequest], Awaitable[Execution]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaError:
    """One violation of a JSON Schema; ``depth`` = len(path)."""

    tag: str
    path: tuple[str | int, ...]
    depth: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOutcome:
    """How an answer (or one call's arguments) parses and whether it fits its schema.

    Attributes:
        level: L0 .. L5 of METRICS 1.
        parse: How it parses.
        schema_valid: None when it does not parse at all.
        within_accept: ``parse`` is at least as good as the scenario's ``accept``.
        tags: Syntax tags, and one per schema error, in order found.
        errors: Every schema error.
        value: The value, when it parses.
        offset: Characters before the first syntax error, None when there is none.
    """

    level: Level
    parse: Parse
    schema_valid: bool | None
    within_accept: bool
    tags: tuple[str, ...] = ()
    errors: tuple[SchemaError, ...] = ()
    value: Json = None
    offset: int | None = None

    @property
    def contract_holds(self) -> bool:
        """Parses as well as the team's parser needs, and fits the schema."""
        return self.within_accept and self.schema_valid is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A repetition loop (METRICS 5).

    ``where`` is ``answer``, ``reasoning``, ``arguments`` or ``agent``. For loops in text, ``period``
    and ``start`` count tokens of METRICS 5; for loops of an agent, tool calls or turns.
    """

    kind: str
    where: str
    period: int
    repeats: int
    start: int
    unterminated: bool
    wasted_tokens: int
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found in one sample."""

    check: str
    status: FindingStatus
    message: str = ""
    """One line: what was expected and what came; empty when passed."""
    tags: tuple[str, ...] = ()
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One draw: case x variant x row, a whole agent run.

    ``status`` ``x``: all attempts of a call failed in transport, or the sandbox failed; such a
    sample is in no denominator and is drawn again under the same ``index``.

    Attributes:
        index: Place in the sending order of the case, from 0; an X and its redraw share it.
        redraw: 0 for the first draw of this index, 1 for the draw after an X, ...
        ended: ``answer`` (the model stopped by itself), ``truncated`` (token limit), ``deadline``,
            ``max_turns``.
        json: The final answer against ``answer.json``; None when no JSON was asked.
        arguments: One outcome per tool call with its tags, in order.
        passed: contract holds, all checks pass, no loop. False for an X (never counted).
        messages: The whole conversation in wire form.
    """

    scenario: str
    model: str
    variant: str
    row: int
    index: int
    redraw: int = 0
    status: Literal["ok", "x"] = "ok"
    fault: Mapping[str, Json] | None = None
    """For an X: {kind, message}."""
    ended: Literal["answer", "truncated", "deadline", "max_turns"] = "answer"
    turns: tuple[Turn, ...] = ()
    messages: tuple[Mapping[str, Json], ...] = ()
    json: JsonOutcome | None = None
    arguments: tuple[JsonOutcome, ...] = ()
    loop: Loop | None = None
    findings: tuple[Finding, ...] = ()
    passed: bool = False
    n_attempts: int = 0
    n_transport_errors: int = 0
    request_digest: str = ""
    """SHA-256 of the first request body: equal requests at temperature 0 are one draw."""

    @property
    def final(self) -> Reply | None:
        """The last reply, None when there is none."""
        return self.turns[-1].reply if self.turns else None

    @property
    def latency_s(self) -> float:
        """Seconds that the model took, all turns."""
        return sum(turn.reply.latency_s for turn in self.turns)


class Services(Protocol):
    """What a sample needs from outside: calls, code execution, a journal. The broker has them."""

    async def call(self, request: CallRequest) -> Reply:
        """Send one request; raises TransportError after all attempts, LimitReachedError."""

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run code; raises SandboxError."""

    async def record(self, sample: Sample) -> None:
        """Put a finished sample into the journal; durable when this returns."""
