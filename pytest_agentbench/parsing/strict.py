"""RFC 8259 exactly, on top of the C scanner of :mod:`json`, which by itself is more lenient.

Python's ``json`` accepts NaN, Infinity, numbers that overflow, duplicate keys and lone surrogates,
and answers deep nesting with RecursionError. All of these are refused here with a tag of METRICS 1.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from itertools import accumulate

from pytest_agentbench.scenario import Json

MAX_DEPTH = 128
"""Nesting that is accepted; RFC 8259 section 9 allows a limit, and a fixed one makes the verdict the
same however deep the caller's own stack is."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonSyntaxError(ValueError):
    """Not one RFC 8259 value.

    Attributes:
        tag: Syntax tag of METRICS 1.
        offset: Characters before the place where the parser stopped; None where it is not known.
    """

    def __init__(self, tag: str, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.tag = tag
        self.offset = offset


def parse_strict(text: str | bytes, *, duplicate_keys: bool = False) -> Json:
    """The value of ``text``, which must be exactly one RFC 8259 value with white space around it.

    Bytes must be UTF-8. ``duplicate_keys``: accept an object that has a key twice (the last wins).

    Raises:
        JsonSyntaxError: anything else; never RecursionError.
    """
    if isinstance(text, bytes):
        text = decode(text)
    if text.startswith("\ufeff"):
        raise JsonSyntaxError("bom", "begins with a byte order mark", 0)
    value, end = _decode_at(text, _leading_space(text, 0), duplicate_keys=duplicate_keys)
    end = _leading_space(text, end)
    if end != len(text):
        raise JsonSyntaxError("other", f"text after the value, at character {end}", end)
    return value


def parse_prefix(text: str, start: int) -> tuple[Json, int]:
    """The value that begins at ``text[start]`` and the index after it; what follows is not looked at.

    Raises:
        JsonSyntaxError: no strict value begins there.
    """
    return _decode_at(text, start, duplicate_keys=False)


def decode(data: bytes) -> str:
    """Text of UTF-8 bytes.

    Raises:
        JsonSyntaxError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonSyntaxError("other", f"not UTF-8 at byte {error.start}", error.start) from None


def _decode_at(text: str, start: int, *, duplicate_keys: bool) -> tuple[Json, int]:
    decoder = _LENIENT if duplicate_keys else _STRICT
    if start >= len(text):
        raise JsonSyntaxError("empty", "nothing but white space", start)
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        if _too_deep(text, start, error.pos):
            raise JsonSyntaxError("too_deep", f"nested more than {MAX_DEPTH} levels deep", None) from None
        raise JsonSyntaxError(_tag(text, error), f"{error.msg} at character {error.pos}", error.pos) from None
    except RecursionError:
        raise JsonSyntaxError("too_deep", f"nested more than {MAX_DEPTH} levels deep", None) from None
    except JsonSyntaxError:
        raise
    except ValueError as error:  # an integer of more digits than sys.get_int_max_str_digits()
        raise JsonSyntaxError("other", str(error), None) from None
    if _too_deep(text, start, end):
        raise JsonSyntaxError("too_deep", f"nested more than {MAX_DEPTH} levels deep", None)
    _refuse_surrogates(text, start, end, value)
    return value, end


def _too_deep(text: str, start: int, end: int) -> bool:
    if text.count("[", start, end) + text.count("{", start, end) <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", text[start:end].encode("utf-8", "replace")).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0) > MAX_DEPTH


def _refuse_surrogates(text: str, start: int, end: int, value: Json) -> None:
    if not text.isascii() and (raw := _SURROGATE.search(text, start, end)) is not None:
        raise JsonSyntaxError("other", f"a lone surrogate at character {raw.start()}", raw.start())
    escape = _SURROGATE_ESCAPE.search(text, start, end)
    if escape is None:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        at = escape.start()
        raise JsonSyntaxError("bad_escape", "a lone surrogate in a \\u escape", at) from None


def _leading_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match is not None else start


_SPACE = re.compile(r"[ \t\n\r]*")


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonSyntaxError("duplicate_key", f"the key {key[:80]!r} stands twice in an object")
            seen.add(key)
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JsonSyntaxError("nan_inf", f"{digits[:40]} is no finite number")
    return value


def _constant(name: str) -> Json:
    raise JsonSyntaxError("nan_inf", f"{name} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_constant=_constant)
_LENIENT = json.JSONDecoder(parse_float=_float, parse_constant=_constant)


_TAG_OF_TEXT = (
    (("'",), "single_quotes"),
    (tuple("\u201c\u201d\u2018\u2019\u201e"), "smart_quotes"),
    (("//", "/*", "#"), "comment"),
    (("True", "False", "None"), "python_literal"),
    (("nan", "inf", "-inf"), "nan_inf"),
)


def _tag(text: str, error: json.JSONDecodeError) -> str:
    """The syntax tag for what the C scanner stopped at; the text decides, messages differ by version."""
    at = error.pos
    char = text[at : at + 1]
    for words, tag in (
        ("control character", "control_char"),
        ("escape", "bad_escape"),
        ("Untermin", "truncated"),
    ):
        if words in error.msg:
            return tag
    if char == "":
        return "truncated"
    before = text[max(0, at - 100) : at].rstrip(" \t\r\n")
    if "trailing comma" in error.msg or (char in "]}" and before.endswith(",")):
        return "trailing_comma"
    if char in "]}":
        return "unbalanced"
    for starts, tag in _TAG_OF_TEXT:
        if text.startswith(starts, at):
            return tag
    if "property name" in error.msg and (char.isalpha() or char in "_$"):
        return "unquoted_key"
    return "missing_comma" if "',' delimiter" in error.msg else "other"
