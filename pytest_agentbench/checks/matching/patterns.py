"""Searching a model's text with a team's regular expression, in bounded time.

Python's ``re`` backtracks and cannot be stopped from outside. A pattern whose repeats cannot multiply
on this text runs here; any other runs in a child process that is killed after :data:`LIMIT_S`.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pytest_agentbench.checks.base import ParametersError

T = TypeVar("T")
LIMIT_S = 2.0
CHEAP_STEPS = 20_000_000
"""Steps that ``re`` does in about 0.2 s."""

_CHILD = (
    "import json,re,sys;p,t,f=json.load(sys.stdin);sys.stdout.write(str(int(re.search(p,t,f) is not None)))"
)


async def apart(function: Callable[..., T], *args: Any) -> T:
    """``function(*args)`` in a thread, so that a slow search holds up one sample and not the event loop."""
    return await asyncio.to_thread(function, *args)


def has_pattern(expected: Any) -> bool:
    """Whether a ``$regex`` stands anywhere in an expected value."""
    if isinstance(expected, Mapping):
        return "$regex" in expected or any(map(has_pattern, expected.values()))
    return isinstance(expected, (list, tuple)) and any(map(has_pattern, expected))


def found(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether ``pattern`` is found anywhere in ``text`` (``re.search``).

    Raises:
        ParametersError: it is no regular expression, or searching took longer than ``LIMIT_S``.
    """
    flags = re.IGNORECASE if ignore_case else 0
    compiled, degree = _compiled(pattern, flags)
    if degree is not None and len(text) ** (degree + 1) <= CHEAP_STEPS:
        return compiled.search(text) is not None
    if degree is not None and degree <= 1 and len(text) <= 100_000:
        return compiled.search(text) is not None
    return _found_in_child(pattern, text, flags)


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: int) -> tuple[re.Pattern[str], int | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern, flags), _degree(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ParametersError(f"{pattern!r} is no regular expression: {error}") from error


def _degree(pattern: str) -> int | None:
    """Open-ended repeats of a pattern; None when one stands in another (time may be exponential)."""
    from re import _parser  # type: ignore[attr-defined]

    return _count(_parser.parse(pattern))


def _count(node: Any) -> int | None:
    """Walks the parse tree, whose shape is (operator, argument) pairs nested in lists and tuples."""
    total = 0
    for item in node if isinstance(node, (list, tuple)) or hasattr(node, "data") else ():
        if isinstance(item, (list, tuple)) or hasattr(item, "data"):
            inner = _count(item)
            if inner is None:
                return None
            if _is_open_repeat(item):
                if inner:
                    return None
                inner = 1
            elif _is_reference(item):
                inner += 1
            total += inner
    return total


def _is_open_repeat(item: Any) -> bool:
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and str(item[0]) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
        and int(item[1][1]) > 32
    )


def _is_reference(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and str(item[0]).startswith("GROUPREF")


def _found_in_child(pattern: str, text: str, flags: int) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, the pattern goes in as data
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps([pattern, text, int(flags)]),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise ParametersError(
            f"searching {pattern!r} in a reply of {len(text)} characters took longer than {LIMIT_S:g} s: "
            "write it without repeats inside repeats"
        ) from None
    return done.stdout == "1"
