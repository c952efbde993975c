"""The "did you mean" at the end of a message, and values as a person writes them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping

from pytest_agentbench.scenario import Json

_LONGEST_VALUE = 60


def nearest(word: str, known: Iterable[str], n: int = 1) -> list[str]:
    """The names of ``known`` most like ``word``, best first; empty when nothing is near.

    Letter case and the choice of ``-``, ``_`` or a blank do not count.
    """
    by_form: dict[str, str] = {}
    for name in known:
        by_form.setdefault(_form(name), name)
    return [by_form[form] for form in difflib.get_close_matches(_form(word), list(by_form), n=n, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str], *, otherwise_list: bool = False) -> str:
    """``", did you mean 'x'?"``, or with ``otherwise_list`` the known names, or nothing."""
    names = sorted(known)
    if found := nearest(word, names):
        return f", did you mean '{found[0]}'?"
    if otherwise_list and names:
        return f", known: {', '.join(names)}"
    return ""


def shown(value: Json) -> str:
    """``value`` on one line for a message, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def kind_of(value: Json) -> str:
    """What ``value`` is, in the words of the messages: ``text``, ``a list``, ..."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return shown(value)
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return f"the text {shown(value)}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"the value {value}"


def _form(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
