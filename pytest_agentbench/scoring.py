"""Recorded replies judged by a scenario: one JSON line in, one JSON line out.

A line is a whole sample: its ``tool_calls`` are all calls of the sample, its ``text`` the answer that
followed them. What the tools said is not part of it, so loops among calls cannot be seen.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_agentbench import checks
from pytest_agentbench.expand import render
from pytest_agentbench.sample import Execute, Finding, JsonOutcome, Loop, Reply, ToolCall, Turn, Usage
from pytest_agentbench.scenario import Json, Rendering, Scenario

_KEPT = 4096
"""Rendered wordings and rows that are kept."""
_CALLS = "tool_calls"
_FIELDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "text": ((str, type(None)), "text or null"),
    "reasoning": ((str, type(None)), "text or null"),
    "finish_reason": ((str, type(None)), "text or null"),
    "completion_tokens": ((int, type(None)), "a whole number or null"),
    "variant": ((str, type(None)), "the id of a variant"),
    _CALLS: ((list, type(None)), "a list or null"),
}


class LineError(Exception):
    """A line that cannot be judged; the text says why."""


@dataclass(slots=True)
class Counts:
    """What the lines came to."""

    n: int = 0
    n_errors: int = 0
    n_undecided: int = 0
    """Lines whose ``passed`` is null."""
    by_rate: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A line, read."""

    variant: int
    row: int | None
    turns: tuple[Turn, ...]
    ended: str


class Scorer:
    """Judges lines by ``scenario``; ``execute`` runs code where its checks need it."""

    def __init__(self, scenario: Scenario, *, execute: Execute) -> None:
        self.counts = Counts()
        self._scenario = scenario
        self._execute = execute
        self._variants = {variant.id: number for number, variant in enumerate(scenario.variants)}
        self._rows = {key: number for number, key in enumerate(scenario.row_keys)}
        self._render = functools.lru_cache(_KEPT)(self._render_anew)
        self._fixed = functools.cache(self._independent_of_rows)

    async def score(self, line: bytes, number: int) -> dict[str, Json]:
        """The verdict on one line; total: what cannot be judged is an ``error`` with its line number."""
        identity: Json = None
        try:
            document = _document(line)
            identity = _identity(document)
            return await self._judge(identity, self._read(document))
        except LineError as error:
            self.counts.n_errors += 1
            return {"id": identity, "error": f"line {number}: {error}"}

    async def _judge(self, identity: Json, sample: _Sample) -> dict[str, Json]:
        rendering, left_out = self._asked(sample)
        found = await checks.evaluate(
            rendering, sample.turns, sample.ended, self._execute, sandbox=self._scenario.sandbox
        )
        calls = None
        if self._scenario.tools or any(check.name == _CALLS for check in self._scenario.checks):
            calls = _calls(found.findings, found.arguments, undecided=_CALLS in left_out)
        passed = None if left_out and found.passed else found.passed
        verdict: dict[str, Json] = {
            "id": identity,
            "json": _json(found.json),
            "loop": _loop(found.loop),
            "tool_calls": calls,
            "passed": passed,
        }
        if passed is None:
            names = ", ".join(sorted(left_out))
            verdict["problems"] = [f"no `row`, and what is expected differs by row: {names} not judged"]
        self._count(found.json, found.loop, passed=passed)
        return verdict

    def _count(self, outcome: JsonOutcome | None, loop: Loop | None, *, passed: bool | None) -> None:
        counts = self.counts
        counts.n += 1
        counts.n_undecided += passed is None
        counts.by_rate["loop"] += loop is not None
        counts.by_rate["pass"] += passed is True
        if outcome is not None:
            counts.by_rate["parse failure"] += not outcome.within_accept
            counts.by_rate["contract failure"] += not outcome.contract_holds

    def _read(self, document: Mapping[str, Json]) -> _Sample:
        for name, (kinds, wanted) in _FIELDS.items():
            value = document.get(name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise LineError(f"`{name}` must be {wanted}, got {_shown(value)}")
        variant = document.get("variant") or self._scenario.variants[0].id
        if variant not in self._variants:
            raise LineError(f"there is no variant {_shown(variant)}; there are {_some(self._variants)}")
        row = document.get("row")
        if row is not None and str(row) not in self._rows:
            raise LineError(f"there is no row {_shown(row)}; there are {_some(self._rows)}")
        if row is None and len(self._rows) == 1:
            row = self._scenario.row_keys[0]
        turns = _turns(document, self._scenario.sampling.max_tokens)
        return _Sample(
            variant=self._variants[variant],
            row=None if row is None else self._rows[str(row)],
            turns=turns,
            ended="truncated" if turns[-1].truncated else "answer",
        )

    def _asked(self, sample: _Sample) -> tuple[Rendering, frozenset[str]]:
        """What the sample was asked, and the names of the checks that need a row it does not name."""
        if sample.row is not None:
            return self._render(sample.variant, sample.row), frozenset()
        return self._fixed(sample.variant)

    def _independent_of_rows(self, variant: int) -> tuple[Rendering, frozenset[str]]:
        """The wording with only those expectations that are the same in every row."""
        first, *others = (self._render_anew(variant, row) for row in range(len(self._scenario.rows)))
        kept = tuple(
            check
            for place, check in enumerate(first.checks)
            if all(other.checks[place].params == check.params for other in others)
        )
        left_out = {check.name for check in first.checks} - {check.name for check in kept}
        answer = first.answer_json
        if answer is not None and any(
            other.answer_json is not None and other.answer_json.expect != answer.expect for other in others
        ):
            answer = dataclasses.replace(answer, expect=None, has_expect=False)
            left_out.add("expect")
        return dataclasses.replace(first, checks=kept, answer_json=answer), frozenset(left_out)

    def _render_anew(self, variant: int, row: int) -> Rendering:
        return render(self._scenario, self._scenario.variants[variant], row)


def _document(line: bytes) -> Mapping[str, Json]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise LineError(f"no JSON: {why}") from None
    if not isinstance(document, dict):
        raise LineError(f"an object was expected, got {_shown(document)}")
    return document


def _identity(document: Mapping[str, Json]) -> Json:
    if "id" not in document or isinstance(document["id"], list | dict):
        raise LineError("it needs an `id`: text, a number, true, false or null")
    return document["id"]


def _turns(document: Mapping[str, Json], max_tokens: int | None) -> tuple[Turn, ...]:
    """The calls in a turn of their own before the answer: that is where a sample ends."""
    text, reason, used = (document.get(key) for key in ("text", "finish_reason", "completion_tokens"))
    calls = tuple(_call(call, place) for place, call in enumerate(document.get(_CALLS) or ()))
    cut = reason == "length" or (used is not None and max_tokens is not None and used >= max_tokens)
    first = Reply(
        message={},
        content=None if calls else text,
        reasoning=document.get("reasoning"),
        tool_calls=calls,
        finish_reason=reason,
        usage=Usage(completion_tokens=used),
    )
    if not calls or text is None:
        return (Turn(reply=first, truncated=cut),)
    answer = Reply(message={}, content=text, finish_reason=reason)
    return (Turn(reply=first), Turn(reply=answer, truncated=cut))


def _call(call: Json, place: int) -> ToolCall:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise LineError(f"`{_CALLS}[{place}]` needs the `name` of a function, got {_shown(call)}")
    arguments = function.get("arguments", "{}")
    if function is call and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=str(call.get("id", f"call_{place}")), name=function["name"], arguments=arguments)


def _json(outcome: JsonOutcome | None) -> Json:
    if outcome is None:
        return None
    errors = [{"tag": one.tag, "path": list(one.path), "depth": one.depth} for one in outcome.errors]
    return {
        "level": outcome.level,
        "parse": outcome.parse,
        "schema_valid": outcome.schema_valid,
        "tags": list(outcome.tags),
        "errors": errors,
    }


def _loop(loop: Loop | None) -> Json:
    if loop is None:
        return None
    return {
        "kind": loop.kind,
        "period": loop.period,
        "repeats": loop.repeats,
        "start": loop.start,
        "unterminated": loop.unterminated,
    }


def _calls(findings: Iterable[Finding], arguments: Iterable[JsonOutcome], *, undecided: bool) -> Json:
    """The check on calls and the arguments of each call, in one verdict."""
    failed = [one for one in findings if one.check == _CALLS and one.status == "failed"]
    problems = [one.message or ", ".join(one.tags) for one in failed]
    problems += [
        f"call {place}: {', '.join(outcome.tags)}"
        for place, outcome in enumerate(arguments, start=1)
        if outcome.level != "L0" and outcome.parse != "none"
    ]
    return {"passed": None if undecided and not problems else not problems, "problems": problems}


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:8]) + (f" and {len(every) - 8} more" if len(every) > 8 else "")
