"""Mutants of an answer that is JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_agentbench.mutation import declared, values
from pytest_agentbench.mutation.mutant import JsonPath, Mutant, place_of, pointer, shown
from pytest_agentbench.mutation.script import Script, text_of, with_text
from pytest_agentbench.scenario import Json, JsonAnswer, Scenario

ABOUT_FORM = frozenset({
    "parse_failure_rate", "schema_failure_rate", "contract_failure_rate", "loop_rate",
    "tool_argument_failure_rate",
})  # fmt: skip
"""Gates to which it is all the same what an answer says."""


def mutants(scenario: Scenario, asked: JsonAnswer, script: Script, value: Json) -> Iterator[Mutant]:
    """Every mutant of the answer ``value``, which the last turn of ``script`` gave.

    ``asked`` is rendered. What the scenario itself lets pass is left out: a fence with ``accept:
    extractable``, a key that may be absent, further keys where the schema is open, other values where only
    the form has gates.
    """
    answer = _Answer(scenario=scenario, asked=asked, script=script, value=value)
    yield from _of_syntax(answer)
    for path, part in values.parts(value):
        if asked.schema is not None or answer.content_counts:
            yield from _of_structure(answer, path, part)
        if answer.content_counts:
            yield from _of_content(answer, path, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    scenario: Scenario
    asked: JsonAnswer
    script: Script
    value: Json

    @property
    def content_counts(self) -> bool:
        asked_about = bool(self.asked.has_expect or self.scenario.checks)
        return asked_about or any(gate.metric not in ABOUT_FORM for gate in self.scenario.gates)

    def expected(self, path: JsonPath) -> declared.Expected:
        return declared.expected_at(self.asked.expect, path) if self.asked.has_expect else "nothing"

    def schema(self, path: JsonPath) -> Json:
        return declared.schema_at(self.asked.schema, path)

    def text(self, name: str, what: str, text: str) -> Mutant:
        """A mutant of the text as a whole."""
        return Mutant(
            id=f"answer.{name}",
            what=what,
            script=with_text(self.script, text),
            place=place_of(self.scenario, "answer.json.accept", "answer.json"),
            advice="set `accept: strict`",
        )

    def part(self, name: str, path: JsonPath, what: str, new: Json, *, by_schema: str = "") -> Mutant:
        """A mutant of the value at ``path``; ``by_schema``: how a schema could notice it."""
        schema = place_of(self.scenario, "answer.json.schema", "answer.json")
        if by_schema and self.asked.schema is not None:
            place, advice = schema, by_schema
            if not (name == "extra" or self.asked.has_expect):
                advice += ", or add `expect:` to answer.json"
        elif self.asked.has_expect:
            place = place_of(self.scenario, "answer.json.expect")
            advice = f"say in `expect:` what {pointer(path)} must be"
        else:
            place, advice = place_of(self.scenario, "answer.json"), "add `expect:` to answer.json"
        return Mutant(
            id=f"answer.{name}:{pointer(path)}",
            what=what,
            script=with_text(self.script, text_of(new)),
            place=place,
            advice=advice,
        )


def _of_syntax(answer: _Answer) -> Iterator[Mutant]:
    text, accept = text_of(answer.value), answer.asked.accept
    if accept == "strict":
        yield answer.text("fence", "the answer stands in a code fence", f"```json\n{text}\n```")
        yield answer.text(
            "prose", "there is prose around the answer", f"Here it is:\n\n{text}\n\nAnything else?"
        )
    if accept != "repairable" and text[-1] in "]}" and len(text) > 2:
        yield answer.text("comma", "there is a trailing comma", f"{text[:-1]},{text[-1]}")
    if text[-1] in ']}"':
        yield answer.text("cut", "the answer is cut in the middle", text[: max(1, len(text) // 2)])
    yield answer.text("empty", "the answer is empty", "")
    yield answer.text("refusal", "the model refuses in prose", "I'm sorry, but I can't help with that.")


def _of_structure(answer: _Answer, path: JsonPath, part: Json) -> Iterator[Mutant]:
    where, schema, expected = pointer(path), answer.schema(path), answer.expected(path)
    if isinstance(part, dict) and answer.asked.schema is not None and not declared.is_open(schema):
        yield answer.part(
            "extra",
            path,
            f"{where} has an extra field",
            values.with_value(answer.value, path, {**part, "agentbench_extra": "x"}),
            by_schema=f"say `additionalProperties: false` in the schema at {where}",
        )
    if expected == "any":
        return
    if path and isinstance(path[-1], str):
        yield from _dropped(answer, path, expected)
    retyped = _of_other_type(part)
    if retyped is not None and not (expected == "nothing" and declared.allows_type(schema, "string")):
        yield answer.part(
            "type",
            path,
            f"{where} is text, {shown(retyped)}",
            values.with_value(answer.value, path, retyped),
            by_schema=f"give {where} a `type` in the schema",
        )
    if part is not None and not (expected == "nothing" and declared.allows_type(schema, "null")):
        yield answer.part(
            "null",
            path,
            f"{where} is null",
            values.with_value(answer.value, path, None),
            by_schema=f"give {where} a `type` in the schema",
        )


def _dropped(answer: _Answer, path: JsonPath, expected: declared.Expected) -> Iterator[Mutant]:
    if expected == "nothing":
        if declared.is_optional(answer.schema(path[:-1]), path[-1]):
            return
    elif declared.may_be_absent(answer.asked.expect, path):
        return
    yield answer.part(
        "drop",
        path,
        f"{pointer(path)} is missing",
        values.edited(answer.value, path, lambda holder, step: holder.pop(step)),
        by_schema=f"list {path[-1]} under `required` in the schema",
    )


def _of_other_type(part: Json) -> Json:
    """Numbers, booleans and whole objects and lists as text, as models write them; None for the rest."""
    return None if part is None or isinstance(part, str) else text_of(part)


def _of_content(answer: _Answer, path: JsonPath, part: Json) -> Iterator[Mutant]:
    if answer.expected(path) == "any":
        return
    if values.is_leaf(part) and part is not None:
        new = values.other(part, answer.schema(path))
        whole = values.with_value(answer.value, path, new)
        yield answer.part("change", path, f"{pointer(path)} is {shown(new)} and not {shown(part)}", whole)
    if isinstance(part, list):
        yield from _of_list(answer, path, part)


def _of_list(answer: _Answer, path: JsonPath, part: list[Json]) -> Iterator[Mutant]:
    for index in range(len(part)):
        at = (*path, index)
        without = [*part[:index], *part[index + 1 :]]
        doubled = [*part[: index + 1], *part[index:]]
        where = pointer(at)
        yield answer.part("drop", at, f"{where} is missing", values.with_value(answer.value, path, without))
        yield answer.part(
            "double", at, f"{where} comes twice", values.with_value(answer.value, path, doubled)
        )
        if index + 1 < len(part):
            swapped = [*part[:index], part[index + 1], part[index], *part[index + 2 :]]
            yield answer.part(
                "swap",
                at,
                f"{where} and the next have changed places",
                values.with_value(answer.value, path, swapped),
            )
