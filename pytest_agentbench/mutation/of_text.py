"""Mutants of an answer that is text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_agentbench.mutation import values
from pytest_agentbench.mutation.mutant import Mutant, place_of
from pytest_agentbench.mutation.script import Script, with_text
from pytest_agentbench.scenario import Json, Scenario

REPEATS = 40
_SENTENCE = re.compile(r"[^.!?\n]*[^\W\d_][^.!?\n]*[.!?]?")
_NUMBER = re.compile(r"(?<!\w)(?<!\d[.,:])-?\d(?:[\d.,:/-]*\d)?(?!\w)")
_PLAIN_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A stretch of an answer that looks like data; ``name`` is the row's for it, else the text itself."""

    name: str
    text: str


def looped(scenario: Scenario, script: Script) -> Mutant:
    """The first sentence of the answer, again and again."""
    text = script[-1].content or ""
    found = _SENTENCE.search(text)
    sentence = (found.group().strip() if found else "") or "And so it goes on."
    return Mutant(
        id="text.loop",
        what=f"the answer repeats one sentence {REPEATS} times",
        script=with_text(script, " ".join([sentence] * REPEATS)),
        place=place_of(scenario, "gates", "answer"),
        advice="this is a gap in the search for loops: please report it",
    )


def mutants(scenario: Scenario, script: Script, row: Mapping[str, Json], results: Json) -> Iterator[Mutant]:
    """Every mutant of the last text of ``script``, loops apart.

    ``row`` are the values of the row, ``results`` what the tools said: their parts that stand in the text
    are data, as all numbers are.
    """
    text = script[-1].content or ""
    place = place_of(scenario, "text", "answer", "code")
    has_check = any(check.name == "text" for check in scenario.checks)
    where = "make the check text stricter" if has_check else "add a check to answer"

    def mutant(name: str, what: str, new: str, advice: str) -> Mutant:
        script_ = with_text(script, new)
        return Mutant(id=f"text.{name}", what=what, script=script_, place=place, advice=advice)

    any_text = f"{where}, e.g. `text: {{contains: ...}}`"
    yield mutant("empty", "the answer is empty", "", any_text)
    yield mutant("refusal", "the model refuses", "I'm sorry, but I can't help with that.", any_text)
    for fragment in fragments(text, row, results):
        told = f'"{{{{ {fragment.name} }}}}"' if fragment.name in row else f'"{fragment.text}"'
        changed = values.bumped(fragment.text)
        yield mutant(
            f"change:{fragment.name}",
            f"the answer says {changed!r} and not {fragment.text!r}",
            _replaced(text, fragment.text, changed),
            f"{where}, e.g. `text: {{contains: {told}}}`",
        )
        if _PLAIN_NUMBER.fullmatch(fragment.text):
            grown = re.sub(r"\d", lambda first: f"1{first.group()}", fragment.text, count=1)
            number = told.strip('"') if fragment.name not in row else told
            yield mutant(
                f"grow:{fragment.name}",
                f"the answer says {grown!r} and not {fragment.text!r}",
                _replaced(text, fragment.text, grown),
                f"{where}, e.g. `text: {{number: {number}}}`, which `contains` is not",
            )


def fragments(text: str, row: Mapping[str, Json], results: Json) -> list[Fragment]:
    """The data in ``text``: values of the row, of tool results, numbers, and a text that is one word."""
    named = [*_named(row), *((said, said) for _, said in _named(results))]
    found: list[Fragment] = []
    left = text
    for name, said in sorted(named, key=lambda pair: -len(pair[1])):
        if said in {fragment.text for fragment in found}:
            continue
        rest = _replaced(left, said, "\n")
        if rest != left:
            found.append(Fragment(name=name, text=said))
            left = rest
    numbers = dict.fromkeys(match.group() for match in _NUMBER.finditer(left))
    found += [Fragment(name=number, text=number) for number in numbers]
    word = text.strip().rstrip(".!")
    if not found and word and len(word.split()) == 1:
        found.append(Fragment(name=word, text=word))
    return found


def _named(value: Json) -> Iterator[tuple[str, str]]:
    """Name and text of every part of ``value`` that can be found again in a text."""
    for path, part in values.parts(value):
        said = part if isinstance(part, str) else str(part) if type(part) in {int, float} else ""
        if len(said.strip()) > 1:
            yield ".".join(str(step) for step in path), said


def _replaced(text: str, old: str, new: str) -> str:
    """``text`` with ``old`` replaced wherever it stands as a word of its own."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)
