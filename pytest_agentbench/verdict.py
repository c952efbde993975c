"""What is concluded from samples: estimates, gate results, case results. Frozen data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_agentbench.scenario import Json, VariantClass

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Outcome = Literal["pass", "fail", "inconclusive", "no_data", "not_measured", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number measured on samples.

    ``value``, ``low`` and ``high`` are None when it could not be measured; ``reason`` says why.
    ``x`` and ``n`` are the counts behind a rate (events, denominator).
    """

    value: float | None
    n: int
    x: int | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """An estimate against a threshold.

    Attributes:
        n_used: Samples the decision rests on (the prefix of the sending order), 0 if undecided.
        evidence: For ``sequential`` {e_pass, e_fail, needed}; for ``fixed`` the two bounds.
        explanation: One sentence for a person, numbers included.
        holds: Whether an INCONCLUSIVE verdict makes the case inconclusive.
    """

    metric: str
    direction: Literal["max", "min"]
    threshold: float
    decide: str
    verdict: Verdict
    estimate: Estimate
    n_used: int = 0
    evidence: Mapping[str, Json] = field(default_factory=dict)
    explanation: str = ""
    holds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Prompt sensitivity of one case over one class of variants (METRICS 4)."""

    variant_class: str
    k: int
    m: int
    """Samples per variant used (the smallest when unequal)."""
    success_rates: Mapping[str, float]
    tau_squared: float | None
    tau: float | None
    tau_low: float | None
    tau_high: float | None
    icc: float | None
    raw_spread: float | None
    shrunk_spread: float | None
    p_value: float | None
    spread_upper: float | None
    """One-sided 95 % Newcombe upper bound of best minus worst wording."""
    best: str | None
    worst: str | None
    verdict: Literal["SENSITIVE", "INSENSITIVE", "INCONCLUSIVE"] | None
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonTally:
    """Counts of METRICS 1 over samples with a JSON answer. ``interval``: of parse_failure_rate."""

    n: int
    levels: Mapping[str, int]
    parse: Mapping[str, int]
    parse_failures: int
    parse_failure_rate: float | None
    unrecoverable: int
    """Samples that no repair makes parse (unparseable or none)."""
    unrecoverable_rate: float | None
    schema_failures: int
    schema_failure_rate: float | None
    contract_failures: int
    contract_failure_rate: float | None
    interval: tuple[float, float] | None
    tags: Mapping[str, int]
    depths: Mapping[str, int]
    """Schema errors by depth (keys are numbers as text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsTally:
    """Tool-call arguments: ``n`` samples with calls, ``failures`` samples with any bad call."""

    n: int
    n_calls: int
    failures: int
    tool_argument_failure_rate: float | None
    interval: tuple[float, float] | None
    tags: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTally:
    """Samples in which a loop was found."""

    n: int
    looped: int
    rate: float | None
    interval: tuple[float, float] | None
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassTally:
    """Samples that passed (contract, checks, no loop)."""

    n: int
    passed: int
    rate: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The measurements over one set of samples (a case, or one variant of it).

    ``latency_s``: {mean, p50, p95, max} of whole samples, None without samples. ``tokens``:
    {prompt, completion, reasoning, per_s}. ``cost_usd`` None when a price or usage is unknown.
    """

    n_samples: int
    n_x: int
    n_attempts: int
    n_transport_errors: int
    json: JsonTally
    arguments: ArgumentsTally
    loops: LoopTally
    passes: PassTally
    latency_s: Mapping[str, float] | None
    tokens: Mapping[str, Json]
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTally:
    """The measurements of one variant."""

    id: str
    variant_class: VariantClass
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed sample worth showing: the tag and a short excerpt of what the model wrote."""

    variant: str
    row: str
    index: int
    tag: str
    message: str
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """Everything concluded about one case (scenario x model)."""

    scenario: str
    title: str
    file: str
    model: str
    tags: tuple[str, ...]
    outcome: Outcome
    reason: str
    """Why not measured / inconclusive / no data; else the headline of the failed gate, or ''."""
    tally: Tally
    variants: tuple[VariantTally, ...]
    gates: tuple[GateResult, ...]
    sensitivity: tuple[Sensitivity, ...]
    failures: tuple[Failure, ...]
    faults: Mapping[str, int]
    """Transport and sandbox faults by kind."""
    honoured: tuple[Mapping[str, Json], ...] = ()
    """What the model cannot honour: {key, asked, sent, note}."""
    answered_by: Mapping[str, int] = field(default_factory=dict)
    """``response.model @ host`` -> replies."""
    sandbox_backend: str | None = None
    repeats: int = 0
    digest: str = ""
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What is needed to know, and to repeat, one run.

    ``versions``: {pytest_agentbench, python, pytest, openai, ...}. ``options``: our command-line
    options as given, secrets never among them. Times are ISO 8601 in UTC.
    """

    id: str
    started: str
    finished: str
    duration_s: float
    root: str
    versions: Mapping[str, str]
    options: Mapping[str, Json]
    sandbox_backend: str | None
    journal: str
    n_workers: int
    n_calls: int
    """Requests sent, failed attempts included."""
    stopped: str = ""
    """Why the run ended early (quota, call limit, interrupt), else ''."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One whole run, as reports and the store take it. ``cases`` are in collection order."""

    run: RunInfo
    models: tuple[Mapping[str, Json], ...]
    """Per model {name, model_id, base_url, host, prices, warning}."""
    cases: tuple[CaseResult, ...]
    exit_status: int
