"""Texts that match a regular expression, as far as it is an ordinary one."""

from __future__ import annotations

import functools
import random
import re
import string
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

_Maker: TypeAlias = Callable[[random.Random, int, dict[int, str]], str]
"""Takes the span (negative: in full) and the groups made so far."""
_LETTERS = string.ascii_letters + string.digits
_PRINTABLE = "".join(map(chr, range(32, 127))) + "\n\téß漢"
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": _LETTERS,
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": string.ascii_letters,
    "CATEGORY_NOT_WORD": " -.,;",
    "CATEGORY_NOT_SPACE": _LETTERS,
}


def text_matching(pattern: str, rng: random.Random, span: int, *, full: bool = False) -> str | None:
    """A text in which ``pattern`` is found; None when none was made (look-around, an invalid pattern).

    ``span``: a repetition comes at most this many times more than it must; ``full``: just as many.
    """
    maker = _pattern_maker(pattern)
    for _ in range(10 if maker is not None else 0):
        text = cast("_Maker", maker)(rng, -span if full else span, {})
        if re.search(pattern, text) is not None:
            return text
    return None


@functools.lru_cache(maxsize=512)
def _pattern_maker(pattern: str) -> _Maker | None:
    # No library that turns a pattern into a text is among our dependencies; re's own parser is stable.
    from re import _parser  # type: ignore[attr-defined]

    try:
        return _sequence(_parser.parse(pattern))
    except (re.error, KeyError, OverflowError, RecursionError):
        return None


def _sequence(steps: Any) -> _Maker:
    makers = [_STEPS[op.name](argument) for op, argument in steps]
    if len(makers) == 1:
        return makers[0]
    return lambda rng, span, groups: "".join([maker(rng, span, groups) for maker in makers])


def _one_of(characters: str) -> _Maker:
    return lambda rng, span, groups: rng.choice(characters)  # noqa: ARG005


def _in(items: Any) -> _Maker:
    characters = ""
    negated = False
    for op, argument in items:
        if op.name == "NEGATE":
            negated = True
        elif op.name == "LITERAL":
            characters += chr(argument)
        elif op.name == "RANGE":
            characters += "".join(map(chr, range(argument[0], min(argument[1], argument[0] + 255) + 1)))
        else:
            characters += _CATEGORIES[argument.name]
    if negated:
        characters = "".join(c for c in _LETTERS if c not in characters) or "".join(
            c for c in _PRINTABLE if c not in characters
        )
    return _one_of(characters)


def _repeat(argument: Any) -> _Maker:
    least, most, steps = argument
    maker = _sequence(steps)

    def make(rng: random.Random, span: int, groups: dict[int, str]) -> str:
        longest = min(int(most), least + abs(span))
        n = longest if span < 0 else rng.randint(least, longest)
        return "".join([maker(rng, span, groups) for _ in range(n)])

    return make


def _branch(argument: Any) -> _Maker:
    makers = [_sequence(steps) for steps in argument[1]]
    return lambda rng, span, groups: rng.choice(makers)(rng, span, groups)


def _group(argument: Any) -> _Maker:
    number, _, _, steps = argument
    maker = _sequence(steps)

    def make(rng: random.Random, span: int, groups: dict[int, str]) -> str:
        text = groups[number] = maker(rng, span, groups)
        return text

    return make


def _nothing(_argument: Any) -> _Maker:
    """Anchors and look-around: the finished text is searched, so they need not be made."""
    return lambda rng, span, groups: ""  # noqa: ARG005


_STEPS: Mapping[str, Callable[[Any], _Maker]] = {
    "LITERAL": lambda code: _one_of(chr(code)),
    "NOT_LITERAL": lambda code: _one_of(_LETTERS.replace(chr(code), "")),
    "ANY": lambda _: _one_of(_LETTERS),
    "IN": _in,
    "BRANCH": _branch,
    "SUBPATTERN": _group,
    "ATOMIC_GROUP": _sequence,
    "GROUPREF": lambda number: lambda rng, span, groups: groups.get(number, ""),  # noqa: ARG005
    **dict.fromkeys(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"), _repeat),
    **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT", "GROUPREF_EXISTS"), _nothing),
}
