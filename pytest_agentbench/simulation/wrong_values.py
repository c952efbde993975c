"""Answers that look right and are wrong: another value in one leaf, other prose, code with a mistake."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.conforming import drawn as drawn_part
from pytest_agentbench.simulation.merging import Node
from pytest_agentbench.simulation.places import Path, replaced
from pytest_agentbench.simulation.plausible import text_for
from pytest_agentbench.simulation.spread import Plan, plan_of

_EXACT = frozenset({"$equals", "$optional"})
_LOOSE = frozenset({"$any", "$regex", "$fold", "$number", "$schema", "$one_of"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """A scalar in the value: where, and what its schema and the expectation say about it."""

    at: Path
    value: Json
    one: Node | None = None
    expected: Json = None

    @property
    def name(self) -> str:
        """The nearest key above."""
        return next((step for step in reversed(self.at) if isinstance(step, str)), "")


def wrong_value(
    value: Json, schema: Json | None, rng: random.Random, *, expect: Json = None
) -> tuple[Json] | None:
    """``value`` with one leaf changed to another plausible one, in a tuple of one; it still fits ``schema``.

    ``expect``: what it will be compared with; only a leaf that it names is changed, one under a matcher
    (``{"$regex": ...}``) only if there is no other, and then so that the matcher refuses it. None: nothing
    can be changed. The result shares its untouched parts with ``value``.

    Raises:
        NotPossibleError: the schema allows no value.
    """
    plan = None if schema is None else plan_of(schema)
    exact, loose = _named(value, expect, ()) if expect is not None else (list(_leaves(value, ())), [])
    for leaves in (exact, loose):
        rng.shuffle(leaves)
        for leaf in leaves:
            for other in _others(leaf, plan, value, rng):
                changed = replaced(value, leaf.at, other)
                if plan is None or plan.problem(changed) is None:
                    return (changed,)
    return None


def _leaves(value: Json, at: Path) -> Iterator[_Leaf]:
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*at, step))
    else:
        yield _Leaf(at=at, value=value, expected=value)


def _named(value: Json, expect: Json, at: Path) -> tuple[list[_Leaf], list[_Leaf]]:
    """Leaves that ``expect`` names: those that it wants exactly, and those that only a matcher looks at."""
    matcher = _matcher(expect)
    if matcher is not None and matcher[0] in _EXACT:
        return _named(value, matcher[1], at)
    if matcher is not None:
        scalar = not isinstance(value, dict | list)
        return [], [_Leaf(at=at, value=value, expected=expect)] if scalar else []
    pairs: list[tuple[str | int, Json, Json]] = []
    if isinstance(value, dict) and isinstance(expect, Mapping):
        pairs = [(key, value[key], wanted) for key, wanted in expect.items() if key in value]
    elif isinstance(value, list) and isinstance(expect, list | tuple):
        pairs = [(index, *pair) for index, pair in enumerate(zip(value, expect, strict=False))]
    elif not isinstance(value, dict | list):
        return [_Leaf(at=at, value=value, expected=expect)], []
    found = [_named(inner, wanted, (*at, step)) for step, inner, wanted in pairs]
    return [leaf for exact, _ in found for leaf in exact], [leaf for _, loose in found for leaf in loose]


def _matcher(expect: Json) -> tuple[str, Json] | None:
    if isinstance(expect, Mapping) and len(expect) == 1:
        ((name, argument),) = expect.items()
        if name in _EXACT | _LOOSE:
            return name, argument
    return None


def _others(leaf: _Leaf, plan: Plan | None, whole: Json, rng: random.Random) -> Iterator[Json]:
    """Other values for the leaf, the more plausible ones first."""
    one = None if plan is None else _part(plan, plan.schema, whole, leaf.at)
    if plan is not None and one is not None:
        members = [member for member in plan.members(one) or () if not isinstance(member, dict | list)]
        drawn = (drawn_part(plan, one, leaf.name, rng) for _ in range(4 if "pattern" in one else 0))
        candidates = itertools.chain(rng.sample(members, len(members)), _alike(leaf, rng), drawn)
    else:
        candidates = itertools.chain(_alike(leaf, rng))
    for other in candidates:
        if not _same(other, leaf.value) and not _accepts(leaf.expected, other):
            yield other


def _part(plan: Plan, node: Json, value: Json, at: Path) -> Node | None:
    """What the schema says about the part of ``value`` at ``at``."""
    one = plan.meant(node, value)
    if one is None or not at:
        return one
    step = at[0]
    inner = plan.property(one, step) if isinstance(step, str) else plan.item(one, step)
    return _part(plan, inner, value[step], at[1:])


def _alike(leaf: _Leaf, rng: random.Random) -> Iterator[Json]:
    """Values of the same look, whatever the schema says."""
    value = leaf.value
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from rng.sample([value + 1, value - 1, value + 10, value + 2, value * 10], 5)
        yield from (value * 2 + 100, -value)
    elif isinstance(value, float):
        yield from rng.sample([round(value * 1.1, 2), round(value + 1, 2), value / 2, value * 10], 4)
        yield value * 100 + 100
    elif isinstance(value, str):
        yield from _texts_alike(value, leaf.name, rng)
    else:
        yield from ("unknown", 1, True)


def _texts_alike(text: str, name: str, rng: random.Random) -> Iterator[str]:
    digits = [index for index, character in enumerate(text) if character.isdecimal()]
    for index in rng.sample(digits, min(3, len(digits))):
        yield text[:index] + rng.choice([d for d in "123456789" if d != text[index]]) + text[index + 1 :]
    if re.fullmatch("[A-Z]{2,4}", text):
        yield from (text_for("currency", rng) for _ in range(3))
    elif text.istitle() and text_for(name, rng).islower():
        yield from (text_for("city", rng) for _ in range(2))
    else:
        yield from (text_for(name, rng) for _ in range(3))
    if len(text.split()) > 1:
        yield " ".join(text.split()[:-1])
    yield f"{text} 2"
    yield text[::-1]


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _accepts(expect: Json, value: Json) -> bool:
    """Whether the expectation of a leaf holds for ``value``."""
    matcher = _matcher(expect)
    if matcher is None:
        return _same(expect, value)
    name, argument = matcher
    return _ACCEPTS[name](argument, value)


def _is_near(argument: Any, value: Json) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    far = max(abs(argument.get("tolerance", 0)), abs(argument["value"]) * argument.get("relative", 0))
    return math.isclose(value, argument["value"], abs_tol=far)


_ACCEPTS: Mapping[str, Callable[[Any, Json], bool]] = {
    "$any": lambda _argument, _value: True,
    "$regex": lambda pattern, value: isinstance(value, str) and re.search(pattern, value) is not None,
    "$fold": _same,
    "$number": _is_near,
    "$schema": lambda schema, value: plan_of(schema).problem(value) is None,
    "$one_of": lambda options, value: any(_accepts(option, value) for option in options),
    "$optional": _accepts,
    "$equals": _same,
}


_PROSE = (
    "I am not sure about that.",
    "Sorry, this cannot be determined from what was given.",
    "It depends on several things; please check with the people in charge.",
    "Unfortunately nothing came back, so there is no result to report.",
    "Everything went fine and has been taken care of.",
    "That would be ours, as far as anyone can tell.",
    "My best guess: roughly half of them.",
    "I do not see it.",
    "No.",
)


def wrong_text(text: str, rng: random.Random) -> str:
    """A plausible answer in prose that has no number and no word of more than three letters of ``text``."""
    right = _telling(text)
    return next(
        (one for one in rng.sample(_PROSE[:-2], len(_PROSE) - 2) if not _telling(one) & right), _PROSE[-2]
    )


def _telling(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3 or not word.isalpha()}
