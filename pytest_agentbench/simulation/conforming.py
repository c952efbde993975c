"""Values that fit a JSON Schema, with plausible data: names, cities, mails, dates.

A schema becomes a :class:`~pytest_agentbench.simulation.spread.Plan` once, from whose alternatives values
are drawn. What that cannot do for certain (``not``, ``contains``, an overlapping ``oneOf`` ...) is drawn
again until jsonschema is content.
"""

from __future__ import annotations

import math
import random

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.merging import Node, canonical, whole
from pytest_agentbench.simulation.pattern_text import text_matching
from pytest_agentbench.simulation.plausible import number_for, pool, string_for
from pytest_agentbench.simulation.spread import NotPossibleError, Plan, plan_of

__all__ = ["NotPossibleError", "conforming", "drawn"]

_TRIES = 12
_RETRIES = 120
"""Parts of one value that are drawn again, all together."""
_USUAL_SIZE = 100
"""Values in one value from which on nothing optional is added: a recursive schema must end."""


def conforming(schema: Json, rng: random.Random) -> Json:
    """A value that fits ``schema`` (2020-12 unless it says otherwise, ``format`` asserted).

    The same state of ``rng`` gives the same value. Optional keys come as a rule, arrays are short.

    Raises:
        NotPossibleError: the schema allows nothing, or nothing was found.
    """
    plan = plan_of(schema)
    problem = "no value was found"
    for attempt in range(_TRIES):
        drawing = _Drawing(plan, rng, wild=attempt >= _TRIES // 3)
        value = drawing.value(plan.schema, plan.depth, "")
        if not drawing.failed and plan.usable:
            return value
        found = plan.problem(value)
        if found is None:
            return value
        problem = found
    raise NotPossibleError(f"no value was found that fits the schema; in the way is {problem}")


def drawn(plan: Plan, node: Json, name: str, rng: random.Random) -> Json:
    """A value for one part of a schema, as it may stand under the key ``name``.

    One in thousands does not fit.
    """
    return _Drawing(plan, rng, wild=False).value(node, plan.depth, name)


class _Drawing:
    """One value on its way; ``wild`` draws are less plausible and reach further."""

    def __init__(self, plan: Plan, rng: random.Random, *, wild: bool) -> None:
        self.plan = plan
        self.rng = rng
        self.wild = wild
        self.size_left = _USUAL_SIZE
        self.retries_left = _RETRIES
        self.failed = False

    def value(self, node: Json, depth: int, name: str) -> Json:
        """A value for ``node`` with at most ``depth`` levels; ``name`` is the key that it stands under."""
        while True:
            drawn = self._once(node, depth, name)
            if not self.plan.needs_check(node) or self.plan.fits(node, drawn):
                return drawn
            self.retries_left -= 1
            if self.retries_left <= 0:
                self.failed = True
                return drawn

    def _once(self, node: Json, depth: int, name: str) -> Json:
        self.size_left -= 1
        choices = self.plan.choices(node, depth)
        if not choices:
            self.failed = True
            return None
        one = self.rng.choice(choices)
        if len(choices) > 1 and one.get("type") == "null" and self.rng.random() < 0.5:
            one = self.rng.choice(choices)  # X or nothing: X as a rule
        members = self.plan.members(one)
        if members is not None:
            return self.rng.choice(members)
        kinds = self.plan.kinds(one, depth, wild=self.wild)
        if len(kinds) > 1 and "null" in kinds and self.rng.random() < 0.85:
            kinds.remove("null")
        kind = self.rng.choice(kinds)
        if kind == "object":
            return self._object(one, depth)
        if kind == "array":
            return self._array(one, depth, name)
        if kind == "string":
            drawn = string_for(one, name, self.rng)
            self.failed = self.failed or drawn is None
            return drawn or ""
        if kind in {"integer", "number"}:
            return number_for(one, name, self.rng, whole=kind == "integer")
        return self.rng.random() < 0.5 if kind == "boolean" else None

    def _object(self, one: Node, depth: int) -> Json:
        keys = self._keys(one, depth)
        return {key: self.value(self.plan.property(one, key), depth - 1, key) for key in keys}

    def _keys(self, one: Node, depth: int) -> list[str]:
        required = one.get("required", [])
        optional = [key for key in one.get("properties", ()) if key not in required]
        optional = [key for key in optional if self._possible(one, key, depth)]
        least = one.get("minProperties", 0)
        most = one.get("maxProperties", math.inf)
        chosen = dict.fromkeys(required)
        share = 0.75 if self.size_left > 0 else 0.0
        for key in optional:
            if len(chosen) < most and self.rng.random() < (self.rng.random() if self.wild else share):
                chosen[key] = None
        for key in optional:
            if len(chosen) < least:
                chosen[key] = None
        for key, more in one.get("dependentRequired", {}).items():
            if key in chosen:
                chosen.update(dict.fromkeys(more))
        is_map = not optional and not required and ("patternProperties" in one or _is_open(one))
        n_invented = max(least - len(chosen), self.rng.randint(1, 3) if is_map and self.size_left > 0 else 0)
        self._invent(one, chosen, depth, min(n_invented, most - len(chosen)))
        return [key for key in one.get("properties", ()) if key in chosen] + [
            key for key in chosen if key not in one.get("properties", ())
        ]

    def _invent(self, one: Node, chosen: dict[str, None], depth: int, n: float) -> None:
        """Keys that the schema does not name."""
        patterns = list(one.get("patternProperties", ()))
        tries = 20
        while n > 0 and tries:
            if "propertyNames" in one and self.plan.choices(one["propertyNames"], depth):
                key = str(self.value(one["propertyNames"], 0, ""))
            elif patterns and (tries % 2 or not _is_open(one)):
                key = text_matching(self.rng.choice(patterns), self.rng, 3) or ""
            else:
                key = self.rng.choice(pool("word"))
            tries -= 1
            if key not in chosen and self._possible(one, key, depth):
                chosen[key] = None
                n -= 1

    def _possible(self, one: Node, key: str, depth: int) -> bool:
        if depth == 0 or not self.plan.choices(self.plan.property(one, key), depth - 1):
            return False
        return "propertyNames" not in one or self.plan.fits(one["propertyNames"], key)

    def _array(self, one: Node, depth: int, name: str) -> list[Json]:
        n_prefix = len(one.get("prefixItems", ()))
        n_wanted = one.get("minContains", 1) if "contains" in one else 0
        least = max(one.get("minItems", 0), n_wanted)
        usual = max(least, n_prefix) + (self.rng.randint(0 if least or n_prefix else 1, 2))
        most = min(one.get("maxItems", usual), usual if self.size_left > 0 else least)
        made: list[Json] = []
        taken: set[str] = set()
        tries = 60
        while len(made) < most and tries:
            node = self.plan.item(one, len(made))
            if n_wanted > 0 and depth and self.plan.choices(self.plan.containing(one, len(made)), depth - 1):
                node = self.plan.containing(one, len(made))
                n_wanted -= 1
            if depth == 0 or not self.plan.choices(node, depth - 1):
                break
            item = self.value(node, depth - 1, name.removesuffix("s"))
            if one.get("uniqueItems"):
                if canonical(whole(item)) in taken:
                    tries -= 1
                    continue
                taken.add(canonical(whole(item)))
            made.append(item)
        self.failed = self.failed or len(made) < least
        return made


def _is_open(one: Node) -> bool:
    """Whether keys that the schema does not name are part of it."""
    rest = one.get("additionalProperties", False if "properties" in one else None)
    return isinstance(rest, dict) or ("minProperties" in one and rest is not False)
