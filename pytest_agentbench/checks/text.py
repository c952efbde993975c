"""The final answer as text: equal to, containing, matching, or with the right number in it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_agentbench.checks.base import TEMPLATE, ParametersError, Subject
from pytest_agentbench.checks.matching.patterns import apart, found
from pytest_agentbench.checks.matching.values import NumberRange
from pytest_agentbench.sample import Finding
from pytest_agentbench.scenario import Json

NAME = "text"

_ONE = {"type": ["string", "number", "boolean"]}
_SOME: Json = {"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}
_PATTERN: Json = {"type": "string", "format": "regex"}
_PATTERNS: Json = {"anyOf": [_PATTERN, {"type": "array", "items": _PATTERN, "minItems": 1}]}
_NUMBER: Json = {"anyOf": [{"type": "number"}, TEMPLATE]}

PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "equals": {
            "description": "The whole answer, outer white space aside; of a list, one of them.",
            **_SOME,
        },
        "contains": {"description": "Stands in the answer; of a list, all of them.", **_SOME},
        "contains_any": {"description": "At least one of them stands in the answer.", **_SOME},
        "not_contains": {"description": "Does not stand in the answer; of a list, none of them.", **_SOME},
        "regex": {
            "description": "A Python regular expression found in the answer; of a list, all of them. "
            "A search that takes longer than 2 s is an error of the scenario.",
            **_PATTERNS,
        },
        "not_regex": {"description": "Not found in the answer; of a list, none of them.", **_PATTERNS},
        "number": {
            "description": "A number in the answer, equal or within tolerance (absolute) or relative "
            "(a share of value), whichever allows more.",
            "anyOf": [
                {"type": "number"},
                TEMPLATE,
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["value"],
                    "properties": {
                        "value": _NUMBER,
                        "tolerance": _NUMBER,
                        "relative": _NUMBER,
                        "which": {
                            "description": "Which number of the answer; default last.",
                            "enum": ["last", "first", "any"],
                        },
                    },
                },
            ],
        },
        "ignore_case": {"description": "Upper and lower case are equal.", "type": "boolean"},
    },
}

_NUMBERS = re.compile(
    r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:[,\u00a0\u202f']\d{3})+(?![\d])|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<![\w.])[-+]?\.\d+"
)


async def check(params: Json, subject: Subject) -> Finding:
    """All conditions together; the message names the first that fails.

    Text is compared in Unicode's composed form (NFC). An answer that is absent is empty text.
    """
    text = _normal(subject.text)
    searches = "regex" in params or "not_regex" in params
    wrong = await apart(_all_failures, params, text) if searches else _all_failures(params, text)
    if not wrong:
        return Finding(check=NAME, status="passed")
    return Finding(
        check=NAME,
        status="failed",
        message=wrong[0][1],
        tags=tuple(dict.fromkeys(tag for tag, _ in wrong)),
        evidence={"failures": [message for _, message in wrong]},
    )


def _all_failures(params: Mapping[str, Json], text: str) -> list[tuple[str, str]]:
    return list(_failures(params, text))


def _failures(params: Mapping[str, Json], text: str) -> Iterator[tuple[str, str]]:
    """(tag, message) of every condition that does not hold."""
    yield from _literal_failures(params, text)
    ignore_case = bool(params.get("ignore_case", False))
    for key, wanted in (("regex", True), ("not_regex", False)):
        for pattern in _texts(params.get(key, [])):
            if found(pattern, text, ignore_case=ignore_case) is not wanted:
                yield "text_regex", f"{pattern!r} is {'not ' * wanted}found in {_cut(text)!r}"
    if "number" in params:
        yield from _number_failures(params["number"], text)


def _literal_failures(params: Mapping[str, Json], text: str) -> Iterator[tuple[str, str]]:
    ignore_case = bool(params.get("ignore_case", False))

    def fold(value: str) -> str:
        return value.casefold() if ignore_case else value

    got = fold(text)
    shown = _cut(text)
    if "equals" in params and got.strip() not in {fold(one.strip()) for one in _texts(params["equals"])}:
        yield "text_equals", f"expected {_cut(', '.join(_texts(params['equals'])))!r}, got {shown!r}"
    for one in _texts(params.get("contains", [])):
        if fold(one) not in got:
            yield "text_contains", f"{_cut(one)!r} is not in {shown!r}"
    if "contains_any" in params and not any(fold(one) in got for one in _texts(params["contains_any"])):
        yield "text_contains", f"none of {_texts(params['contains_any'])!r} is in {shown!r}"
    for one in _texts(params.get("not_contains", [])):
        if fold(one) in got:
            yield "text_not_contains", f"{_cut(one)!r} is in {shown!r}"


def _number_failures(params: Json, text: str) -> Iterator[tuple[str, str]]:
    wanted = NumberRange.from_params(params)
    which = params.get("which", "last") if isinstance(params, Mapping) else "last"
    numbers = numbers_in(text)
    if not numbers:
        yield "text_number", f"expected {wanted}, there is no number in {_cut(text)!r}"
        return
    chosen = {"last": numbers[-1:], "first": numbers[:1]}.get(which, numbers)
    if not any(wanted.holds(number) for number in chosen):
        yield "text_number", f"expected {wanted}, got {', '.join(f'{number:g}' for number in chosen[:5])}"


def numbers_in(text: str) -> list[float]:
    """Every number written in ``text``, in order; commas, apostrophes and thin spaces group thousands."""
    return [
        float(re.sub(r"[,\u00a0\u202f']", "", match).replace("\u2212", "-"))
        for match in _NUMBERS.findall(text)
    ]


def _texts(value: Json) -> list[str]:
    return [_text(one) for one in (value if isinstance(value, (list, tuple)) else [value])]


def _text(value: Json) -> str:
    """A template that is one expression keeps its type; a number is compared as JSON writes it."""
    if isinstance(value, str):
        return _normal(value)
    if value is None or isinstance(value, (dict, list)):
        raise ParametersError(f"expected text, got {json.dumps(value)}")
    return json.dumps(value)


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _cut(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
