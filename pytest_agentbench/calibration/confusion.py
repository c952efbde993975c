"""Which tag is reported for which fault: a confusion matrix of everything that can be put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_agentbench.calibration.experiments import fixed_gate
from pytest_agentbench.calibration.trial import run_session
from pytest_agentbench.sample import Sample
from pytest_agentbench.simulation import call_faults, looping, schema_faults, syntax
from pytest_agentbench.simulation.profile import Behaviour, Family, Fault
from pytest_agentbench.stats.bounds import wilson_interval

CALL_LOOPS = ("same_result", "same_error", "cycle", "monologue")

_SCENARIOS: Mapping[Family, str] = {"syntax": "json", "schema": "schema", "calls": "calls", "loops": "calls"}
_OTHER_SCENARIO = {
    "monologue": "follow-ups",
    "exact": "json",
    "near": "json",
    "counter": "json",
    # Where another call is left in the sample, these are calls too few.
    "no_call": "tool",
    "call_in_content": "tool",
}

_CALLS: Mapping[str, frozenset[str]] = {
    "unknown_tool": frozenset({"unknown_tool"}),
    "no_call": frozenset({"no_call"}),
    "call_in_content": frozenset({"tool_call_in_content", "no_call"}),
    "missing_call": frozenset({"wrong_count"}),
    "extra_call": frozenset({"wrong_count"}),
    "arguments_not_string": frozenset({"arguments_not_string"}),
    # How the text is broken is told beside.
    "arguments_unparseable": frozenset({"arguments_unparseable", "truncated", "unbalanced"}),
    "missing_argument": frozenset({"missing_required"}),
    "extra_argument": frozenset({"extra_key"}),
    "argument_type": frozenset({"wrong_type", "string_for_number", "stringified_object"}),
}
"""What the reports call a fault of calls. Those left out are well-formed: only a check can see them."""
_FINDINGS: Mapping[str, str] = {
    "wrong_tool": "wrong_tool",
    "wrong_arguments": "wrong_arguments",
    "wrong_order": "wrong_order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One fault at one rate.

    Attributes:
        n: Samples; ``x`` of them were reported under the fault's own tag.
        covered: Whether the Wilson 95 % interval of x / n holds the injected rate.
        leaks: Other tags -> samples that were reported under them.
    """

    family: Family
    tag: str
    rate: float
    n: int
    x: int
    covered: bool
    leaks: Mapping[str, int]


def faults() -> Iterator[tuple[Family, str]]:
    """Everything that a profile can put in."""
    for tag in syntax.TAGS:
        yield "syntax", tag
    for tag in schema_faults.TAGS:
        yield "schema", tag
    for tag in (*looping.KINDS, *CALL_LOOPS):
        yield "loops", tag
    for tag in call_faults.TAGS:
        yield "calls", tag


def confusion(family: Family, tag: str, rate: float, *, n: int = 500, seed: int = 0) -> Confusion:
    """Put one fault in at ``rate``, and count under which tags it is reported."""
    fault = Fault(family=family, tag=tag, rate=rate)
    scenario = _OTHER_SCENARIO.get(tag, _SCENARIOS[family])
    session = run_session(
        scenario, Behaviour(faults=(fault,)), seed=seed, repeats=n, gates=(fixed_gate("pass_rate"),)
    )
    own = _own_tags(family, tag)
    seen = [frozenset(_reported(sample, family, tag)) for sample in session.samples]
    x = sum(bool(tags & own) for tags in seen)
    interval = wilson_interval(x, len(seen))
    leaks = Counter(other for tags in seen for other in tags - own)
    return Confusion(
        family=family,
        tag=tag,
        rate=rate,
        n=len(seen),
        x=x,
        covered=interval is not None and interval[0] <= rate <= interval[1],
        leaks=dict(leaks),
    )


def _own_tags(family: Family, tag: str) -> frozenset[str]:
    if family == "calls":
        return _CALLS.get(tag, frozenset({_FINDINGS.get(tag, tag)}))
    return frozenset({f"loop {tag}" if family == "loops" else tag})


def _reported(sample: Sample, family: Family, tag: str) -> Iterable[str]:
    """The tags of one sample. What a check finds counts only where nothing else can see the fault."""
    if sample.json is not None:
        yield from sample.json.tags
    if sample.loop is not None:
        yield f"loop {sample.loop.kind}"
    if family != "loops":  # a loop of calls is also too many of them
        for outcome in sample.arguments:
            yield from outcome.tags
    if tag in _FINDINGS:
        for finding in sample.findings:
            yield from finding.tags
