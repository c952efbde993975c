"""What a template must not do: make values so large that a worker dies of them.

Every check raises ``SecurityError``, which becomes a TemplateError.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context

MAX_TEXT = 2_000_000
"""Characters of one rendered string, and of any string on the way to it."""
MAX_RANGE = 100_000
"""Numbers that all ``range`` calls of one rendering may give together."""
_MAX_BITS = 4096
_MAX_WIDTH = 10_000

_WIDE = re.compile(r"\d{5,}|\*")


class Ranges:
    """``range`` with one budget for a whole rendering."""

    def __init__(self) -> None:
        self.left = MAX_RANGE

    def __call__(self, *args: int) -> range:
        """Like ``range``; SecurityError once the budget is spent."""
        numbers = range(*args)
        self.left -= len(numbers)
        if self.left < 0:
            raise SecurityError(f"range gives more than {MAX_RANGE} numbers")
        return numbers


def guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The filter ``original`` that refuses what would become too large."""

    @functools.wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        position = next(
            (n for n, arg in enumerate(args) if not hasattr(arg, "eval_ctx") and not _is_context(arg)), 0
        )
        subject, rest = args[position], (*args[position + 1 :], *kwargs.values())
        if name == "join":
            items = list(subject)
            separator = rest[0] if rest and isinstance(rest[0], str) else ""
            check_size(
                sum(len(item) for item in items if isinstance(item, str)) + len(separator) * len(items)
            )
            args = (*args[:position], items, *args[position + 1 :])
        else:
            check_method(str(subject), name, rest)
        return original(*args, **kwargs)

    return guarded


def _is_context(arg: Any) -> bool:
    return isinstance(arg, Context | nodes.EvalContext | jinja2.Environment)


def check_method(text: str, name: str, args: tuple[Any, ...]) -> None:
    """Refuses a method of ``text`` (or the filter of that name) whose result could be long."""
    for arg in args:
        if isinstance(arg, int) and abs(arg) > _MAX_WIDTH:
            raise SecurityError(f"{arg} is too large for {name}")
        if name in {"replace", "translate"} and isinstance(arg, str):
            check_size((len(text) + 1) * len(arg))
        if name == "join" and isinstance(arg, list | tuple | dict):
            check_size(len(text) * len(arg) + sum(len(item) for item in arg if isinstance(item, str)))
    if name in {"format", "format_map"}:
        check_width(text)


def check_width(text: str) -> None:
    """Refuses a format whose result could be long."""
    if _WIDE.search(text):
        raise SecurityError("the width in a format is too large")


def check_product(left: Any, right: Any) -> None:
    """Refuses ``left * right`` that would be long, or a number of many digits."""
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(times, int):
            check_size(len(sequence) * times)
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() + right.bit_length())


def check_size(size: int) -> None:
    """Refuses a result of ``size`` characters or items."""
    if size > MAX_TEXT:
        raise SecurityError(f"a value of {size} characters or items is too large")


def check_bits(bits: int) -> None:
    """Refuses a number of ``bits`` bits."""
    if bits > _MAX_BITS:
        raise SecurityError("a number is too large")
