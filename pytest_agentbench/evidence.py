"""The failed samples worth showing: one per kind of failure first, each with a short excerpt."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_agentbench.checks.measurements.limits import CHECK as LIMIT
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import Scenario
from pytest_agentbench.verdict import Failure

EXCERPT_CHARACTERS = 240
# Characters shown before the place where the parser stopped: a terminal cuts the line after 80.
BEFORE_FAULT = 30


def worst_failures(samples: Sequence[Sample], scenario: Scenario, *, limit: int = 8) -> tuple[Failure, ...]:
    """At most ``limit`` failures of ``samples``: every tag once before any tag twice."""
    failures = [
        _failure(sample, scenario) for sample in samples if sample.status == "ok" and not sample.passed
    ]
    seen: dict[str, int] = {}
    ranked = []
    for place, failure in enumerate(failures):
        seen[failure.tag] = seen.get(failure.tag, 0) + 1
        ranked.append((seen[failure.tag], place, failure))
    ranked.sort(key=lambda entry: entry[:2])
    return tuple(failure for _rank, _place, failure in ranked[:limit])


def _failure(sample: Sample, scenario: Scenario) -> Failure:
    tag, message, excerpt = _what(sample)
    return Failure(
        variant=sample.variant,
        row=scenario.row_keys[sample.row],
        index=sample.index,
        tag=tag,
        message=message,
        excerpt=excerpt,
    )


def _what(sample: Sample) -> tuple[str, str, str]:
    text = (sample.final.content if sample.final is not None else None) or ""
    if sample.loop is not None:
        loop = sample.loop
        return (
            f"loop:{loop.kind}",
            f"{loop.kind} loop in {loop.where}: period {loop.period}, {loop.repeats} times",
            _cut(loop.excerpt),
        )
    for finding in sample.findings:
        if finding.check == LIMIT and finding.status == "failed":
            return finding.tags[0], finding.message, _cut(text or _last_call(sample))
    if sample.json is not None and not sample.json.contract_holds:
        tag = sample.json.tags[0] if sample.json.tags else sample.json.parse
        if sample.json.errors and sample.json.within_accept:
            error = sample.json.errors[0]
            return error.tag, error.message, _cut(text)
        return tag, f"{sample.json.level}: {sample.json.parse}", _around(text, sample.json.offset)
    for finding in sample.findings:
        if finding.status == "failed":
            return finding.tags[0] if finding.tags else finding.check, finding.message, _cut(text)
    return sample.ended, f"ended by {sample.ended}", _cut(text)


def _last_call(sample: Sample) -> str:
    """What the model asked for last, where it said nothing."""
    calls = sample.final.tool_calls if sample.final is not None else ()
    return "" if not calls else f"{calls[-1].name}({calls[-1].arguments})"


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"


def _around(text: str, offset: int | None) -> str:
    """The part of ``text`` about ``offset``, where the parser stopped."""
    if offset is None or offset <= BEFORE_FAULT:
        return _cut(text)
    return "…" + _cut(text[offset - BEFORE_FAULT :])
