"""Whether a JSON value is the expected one: exactly, or by a matcher that stands in its place.

A matcher is an object whose only key is one of:

=============== ===================================================================================
``$any``        any value (``{$any: true}``)
``$equals``     exactly this value, also where it looks like a matcher itself
``$regex``      a string in which the pattern is found
``$fold``       a string equal to this one but for case and outer white space
``$number``     a number near ``value``: ``{value: 3.5, tolerance: 0.1}`` or ``relative: 0.01``
``$schema``     a value that fits this JSON Schema
``$one_of``     one of these values or matchers
``$optional``   this value or matcher, or no such key at all
=============== ===================================================================================

Any other object is compared key by key. Where a scenario is loaded, an object whose only key begins with
``$`` and is none of these is refused as a misspelt matcher (:mod:`.schema`); a value of that look, such as
``{$gt: 5}``, is written ``{$equals: {$gt: 5}}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping

from pytest_agentbench.checks.base import ParametersError
from pytest_agentbench.checks.matching.patterns import found
from pytest_agentbench.scenario import Json

MATCHERS = frozenset({"$any", "$equals", "$regex", "$fold", "$number", "$schema", "$one_of", "$optional"})


def mismatches(expected: Json, actual: Json, *, extra_keys: bool, path: str = "") -> list[str]:
    """What differs, one line each with its path; [] when ``actual`` is the expected value.

    Numbers are equal by value (1 and 1.0), a boolean is no number. ``extra_keys``: objects may have
    more keys than expected.

    Raises:
        ParametersError: a matcher makes no sense.
    """
    return list(_differences(expected, actual, extra_keys, path))


def matcher_of(expected: Json) -> tuple[str, Json] | None:
    """(name, argument) when ``expected`` is a matcher, else None."""
    if isinstance(expected, Mapping) and len(expected) == 1:
        ((name, argument),) = expected.items()
        if name in MATCHERS:
            return name, argument
    return None


def _differences(expected: Json, actual: Json, extra_keys: bool, path: str) -> Iterator[str]:
    matcher = matcher_of(expected)
    if matcher is not None:
        yield from _by_matcher(*matcher, actual, extra_keys, path)
    elif isinstance(expected, Mapping):
        yield from _objects(expected, actual, extra_keys, path)
    elif isinstance(expected, (list, tuple)):
        yield from _lists(expected, actual, extra_keys, path)
    elif not _same_scalar(expected, actual):
        yield _line(path, f"expected {_show(expected)}, got {_show(actual)}")


def _objects(expected: Mapping[str, Json], actual: Json, extra_keys: bool, path: str) -> Iterator[str]:
    if not isinstance(actual, Mapping):
        yield _line(path, f"expected an object, got {_show(actual)}")
        return
    for key, value in expected.items():
        where = f"{path}.{key}" if path else key
        if key in actual:
            yield from _differences(value, actual[key], extra_keys, where)
        elif (matcher := matcher_of(value)) is None or matcher[0] != "$optional":
            yield _line(where, f"expected {_show(value)}, is missing")
    if not extra_keys:
        for key in actual:
            if key not in expected:
                yield _line(f"{path}.{key}" if path else key, f"not expected, is {_show(actual[key])}")


def _lists(
    expected: list[Json] | tuple[Json, ...], actual: Json, extra_keys: bool, path: str
) -> Iterator[str]:
    if not isinstance(actual, list):
        yield _line(path, f"expected a list, got {_show(actual)}")
        return
    if len(actual) != len(expected):
        yield _line(path, f"expected {len(expected)} items, got {len(actual)}")
    for index, (value, item) in enumerate(zip(expected, actual, strict=False)):
        yield from _differences(value, item, extra_keys, f"{path}[{index}]")


def _same_scalar(expected: Json, actual: Json) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None:
        return expected is actual
    if isinstance(expected, (int, float)):
        return isinstance(actual, (int, float)) and expected == actual
    return bool(isinstance(actual, str) and expected == actual)


def _by_matcher(name: str, argument: Json, actual: Json, extra_keys: bool, path: str) -> Iterator[str]:
    if name == "$optional":
        yield from _differences(argument, actual, extra_keys, path)
    elif name == "$schema":
        from pytest_agentbench.parsing.schema_errors import schema_errors

        for error in schema_errors(argument, actual):
            yield _line(path, error.message)
    elif name == "$one_of":
        if not isinstance(argument, (list, tuple)):
            raise ParametersError(f"$one_of takes a list, got {_show(argument)}")
        if all(mismatches(option, actual, extra_keys=extra_keys) for option in argument):
            yield _line(path, f"expected one of {_show(argument)}, got {_show(actual)}")
    else:
        wanted = _SIMPLE[name](argument, actual)
        if wanted is not None:
            yield _line(path, f"expected {wanted}, got {_show(actual)}")


def _not_any(_argument: Json, _actual: Json) -> str | None:
    return None


def _not_equal(argument: Json, actual: Json) -> str | None:
    same = json.dumps(argument, sort_keys=True) == json.dumps(actual, sort_keys=True)
    return None if same else _show(argument)


def _not_matching(argument: Json, actual: Json) -> str | None:
    pattern = _string("$regex", argument)
    return None if isinstance(actual, str) and found(pattern, actual) else f"a match of {pattern!r}"


def _not_alike(argument: Json, actual: Json) -> str | None:
    wanted = _string("$fold", argument)
    same = isinstance(actual, str) and actual.strip().casefold() == wanted.strip().casefold()
    return None if same else f"{_show(wanted)} in any case"


def _not_near(argument: Json, actual: Json) -> str | None:
    wanted = NumberRange.from_params(argument)
    number = isinstance(actual, (int, float)) and not isinstance(actual, bool)
    return None if number and wanted.holds(actual) else str(wanted)


_SIMPLE: dict[str, Callable[[Json, Json], str | None]] = {
    "$any": _not_any,
    "$equals": _not_equal,
    "$regex": _not_matching,
    "$fold": _not_alike,
    "$number": _not_near,
}
"""What was expected, in words, when ``actual`` is not it; else None."""


def _string(name: str, argument: Json) -> str:
    if not isinstance(argument, str):
        raise ParametersError(f"{name} takes a string, got {_show(argument)}")
    return argument


class NumberRange:
    """A number with what it may be off by: the larger of ``tolerance`` and ``relative`` times it."""

    __slots__ = ("off", "value")

    def __init__(self, value: float, off: float) -> None:
        self.value = value
        self.off = off

    @classmethod
    def from_params(cls, params: Json) -> NumberRange:
        """From a number, or ``{value, tolerance, relative}``; without either it must be equal.

        Raises:
            ParametersError: there is no number, or a tolerance is negative.
        """
        given = params if isinstance(params, Mapping) else {"value": params}
        value = _number(given.get("value"), "value")
        tolerance = _number(given.get("tolerance", 0), "tolerance")
        relative = _number(given.get("relative", 0), "relative")
        if tolerance < 0 or relative < 0:
            raise ParametersError("a tolerance is 0 or more")
        return cls(value, max(tolerance, relative * abs(value)))

    def holds(self, number: float) -> bool:
        """Whether ``number`` is near enough; a rounding error of binary fractions is."""
        try:
            off = abs(number - self.value)
        except OverflowError:
            return False
        return off <= self.off or math.isclose(off, self.off, rel_tol=1e-9, abs_tol=1e-12)

    def __str__(self) -> str:
        return f"{self.value:g} +- {self.off:g}" if self.off else f"{self.value:g}"


def _number(value: Json, name: str) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ParametersError(f"{name} must be a number, got {_show(value)}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ParametersError(f"{name} must be a number, got {_show(value)}")
    return float(value)


def _line(path: str, what: str) -> str:
    return f"{path}: {what}" if path else what


def _show(value: Json, limit: int = 80) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
