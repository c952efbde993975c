"""A parser for JSON as models get it wrong: it mends syntax, names what it mended, and changes no data.

It stops with :class:`MendError` where mending would mean guessing: a value that is cut, brackets that
do not match, words that are no values, numbers that JSON cannot hold, one key with two values.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from pytest_agentbench.parsing.quoted import CLOSING, QuotedError, read_string
from pytest_agentbench.parsing.strict import MAX_DEPTH
from pytest_agentbench.scenario import Json

_SPACE = re.compile(r"[ \t\n\r]*")
_ODD_SPACE = re.compile(r"[^\S \t\n\r]+|[\u200b\u2060\ufeff]+")
_COMMENT = re.compile(r"//[^\n]*|/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/|#[^\n]*")
SPECIAL_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,60}\|>|<\uff5c[^\uff5c<>\n]{1,60}\uff5c>|</?s>|\[/?INST\]|<</?SYS>>|<(?:bos|eos|pad|unk)>"
    r"|<(?:start|end)_of_turn>|</?tool_call>|\[TOOL_CALLS\]"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])")
_LOOSE_NUMBER = re.compile(r"\+?(-?(?:0|[1-9][0-9]*)?\.?[0-9]*(?:[eE][+-]?[0-9]+)?)(?![\w.])")
_NOT_A_NUMBER = re.compile(r"[-+]?(?:NaN|nan|Infinity|inf|Inf)\b")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_BARE_KEY = re.compile(r"(?:[A-Za-z_$][\w$-]*|[0-9]+)(?=\s*:)")
_KEY_AHEAD = re.compile(r"\s*(?:\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|[A-Za-z_$][\w$-]*)\s*:")
_VALUE_AHEAD = re.compile(
    r"\s*(?:[\"'{\[\u201c]|[-+]?[0-9]|-?Infinity\b|(?:true|false|null|True|False|None|NaN)\b)"
)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}
_PYTHON_WORDS: dict[str, Json] = {"True": True, "False": False, "None": None}
_CLOSER = {dict: "}", list: "]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A value, where it ends in the text, and what was mended (empty: it was strict)."""

    value: Json
    end: int
    tags: tuple[str, ...]


class MendError(Exception):
    """Mending would be guessing.

    Attributes:
        tag: Why.
        offset: Where, in characters of the text.
        tags: What had been mended until there.
        progress: A key or an element had been read: this was meant to be JSON.
        open_ended: The text ended inside the value.
    """

    def __init__(
        self, tag: str, offset: int, *, tags: tuple[str, ...], progress: bool, open_ended: bool
    ) -> None:
        super().__init__(f"{tag} at character {offset}")
        self.tag = tag
        self.offset = offset
        self.tags = tags
        self.progress = progress
        self.open_ended = open_ended


def mend(text: str, start: int) -> Mended:
    """Read the value that begins at ``text[start]``, mending as it goes; linear time.

    Raises:
        MendError: it cannot be read without guessing.
    """
    return _Mender(text, start).run()


class _Mender:
    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.pos = start
        self.tags: dict[str, None] = {}
        self.progress = False
        self.stack: list[dict[str, Json] | list[Json]] = []
        self.keys: list[str] = []
        """The key that waits for its value, one for every object on the stack."""
        self.after_number = False

    def fail(self, tag: str, *, open_ended: bool = False) -> MendError:
        return MendError(tag, self.pos, tags=tuple(self.tags), progress=self.progress, open_ended=open_ended)

    def peek(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def run(self) -> Mended:
        while True:
            opened = self.open_or_scalar()
            if opened is not None:
                self.stack.append(opened)
                if len(self.stack) > MAX_DEPTH:
                    raise self.fail("too_deep")
                if isinstance(opened, dict):
                    self.keys.append("")
                self.skip()
                if self.peek() != _CLOSER[type(opened)]:
                    self.next_element()
                    continue
                self.value: Json = self.close()
            while self.attach(self.value):
                self.skip()
                if not self.separator():
                    self.value = self.close()
                    continue
                self.next_element()
                break
            else:
                return Mended(value=self.value, end=self.pos, tags=tuple(self.tags))

    def open_or_scalar(self) -> dict[str, Json] | list[Json] | None:
        """A new container, or None when ``self.value`` is a scalar that was read."""
        self.skip()
        char = self.peek()
        self.after_number = False
        if char == "{":
            self.pos += 1
            return {}
        if char == "[":
            self.pos += 1
            return []
        if char in CLOSING and char:
            self.value = self.string(key=False)
        elif char == "":
            raise self.fail("truncated", open_ended=True)
        else:
            self.value = self.literal()
        return None

    def attach(self, value: Json) -> bool:
        """Put a finished value into its container; False when it is the root."""
        if not self.stack:
            return False
        self.progress = True
        top = self.stack[-1]
        if isinstance(top, list):
            top.append(value)
            return True
        key = self.keys[-1]
        if key in top:
            if _canonical(top[key]) != _canonical(value):
                raise self.fail("duplicate_key")
            self.tags["duplicate_key"] = None
        top[key] = value
        return True

    def close(self) -> Json:
        self.pos += 1
        top = self.stack.pop()
        if isinstance(top, dict):
            self.keys.pop()
        self.after_number = False
        return top

    def separator(self) -> bool:
        """After an element: True when another one follows, False before the closing bracket."""
        closer = _CLOSER[type(self.stack[-1])]
        char = self.peek()
        if char == ",":
            self.pos += 1
            self.skip()
            if self.peek() == closer:
                self.tags["trailing_comma"] = None
                return False
            return True
        if char == closer:
            return False
        if char == "":
            raise self.fail("unbalanced", open_ended=True)
        if char in "]}":
            raise self.fail("unbalanced")
        number_next = char.isdigit() or char == "-"
        ahead = _KEY_AHEAD if closer == "}" else _VALUE_AHEAD
        if ahead.match(self.text, self.pos) is None:
            raise self.fail("other")
        if self.after_number and number_next:  # "1 000" may be one number or two
            raise self.fail("missing_comma")
        self.tags["missing_comma"] = None
        return True

    def next_element(self) -> None:
        """Read the key and the colon when the container is an object."""
        if not isinstance(self.stack[-1], dict):
            return
        self.skip()
        char = self.peek()
        if char == "":
            raise self.fail("truncated", open_ended=True)
        if char in CLOSING:
            key = self.string(key=True)
        elif (bare := _BARE_KEY.match(self.text, self.pos)) is not None:
            self.tags["unquoted_key"] = None
            key = bare.group()
            self.pos = bare.end()
        else:
            raise self.fail("other")
        self.skip()
        if self.peek() != ":":
            raise self.fail("truncated" if self.peek() == "" else "other", open_ended=self.peek() == "")
        self.pos += 1
        self.progress = True
        self.keys[-1] = key

    def skip(self) -> None:
        """White space, comments and special tokens between the tokens of JSON."""
        while True:
            match = _SPACE.match(self.text, self.pos)
            self.pos = match.end() if match is not None else self.pos
            for pattern, tag in (
                (_COMMENT, "comment"),
                (SPECIAL_TOKEN, "special_tokens"),
                (_ODD_SPACE, "other"),
            ):
                match = pattern.match(self.text, self.pos) if self.peek() not in _ORDINARY else None
                if match is not None:
                    self.tags[tag] = None
                    self.pos = match.end()
                    break
            else:
                return

    def literal(self) -> Json:
        text, at = self.text, self.pos
        number = _NUMBER.match(text, at)
        if number is not None:
            self.pos = number.end()
            self.after_number = True
            return self.number(number.group())
        if (bad := _NOT_A_NUMBER.match(text, at)) is not None and not text[
            bad.end() : bad.end() + 1
        ].isalnum():
            raise self.fail("nan_inf")
        if (word := _WORD.match(text, at)) is not None:
            if word.group() in _WORDS:
                self.pos = word.end()
                return _WORDS[word.group()]
            if word.group() in _PYTHON_WORDS:
                self.tags["python_literal"] = None
                self.pos = word.end()
                return _PYTHON_WORDS[word.group()]
            if word.end() == len(text) and any(name.startswith(word.group()) for name in _WORDS):
                raise self.fail("truncated", open_ended=True)
            raise self.fail("other")
        loose = _LOOSE_NUMBER.match(text, at)
        if loose is not None and any(char.isdigit() for char in loose.group(1)):
            self.tags["other"] = None
            self.pos = loose.end()
            self.after_number = True
            return self.number(loose.group(1))
        if text[at] in "+-." and at + 1 == len(text):
            raise self.fail("truncated", open_ended=True)
        raise self.fail("other")

    def number(self, digits: str) -> int | float:
        try:
            value = float(digits) if set(digits) & set(".eE") else int(digits)
        except ValueError:  # more digits than Python converts, or "." without any
            raise self.fail("other") from None
        if isinstance(value, float) and math.isinf(value):
            raise self.fail("nan_inf")
        return value

    def string(self, *, key: bool) -> str:
        try:
            value, self.pos = read_string(
                self.text, self.pos, ends=_always if key else self.closes, tags=self.tags
            )
        except QuotedError as error:
            self.pos = error.offset
            raise self.fail(error.tag, open_ended=error.tag == "truncated") from None
        return value

    def closes(self, quote_at: int) -> bool:
        """Whether the quote at ``quote_at`` ends a value: what follows must be able to follow a value."""
        text, after = self.text, quote_at + 1
        match = _SPACE.match(text, after)
        at = match.end() if match is not None else after
        char = text[at : at + 1]
        if not self.stack or char == "":
            return True
        in_object = isinstance(self.stack[-1], dict)
        if char == "," or char in "]}":
            if char != ",":
                return True
            rest = text[at + 1 : at + 2000].lstrip()
            if rest[:1] in {"}", "]", ""} or rest[:2] in {"//", "/*"} or rest[:1] == "#":
                return True
            ahead = _KEY_AHEAD if in_object else _VALUE_AHEAD
            return ahead.match(text, at + 1) is not None or rest[:1] in CLOSING
        if text.startswith(("//", "/*", "#"), at):
            return True
        if SPECIAL_TOKEN.match(text, at) is not None:
            return True
        if in_object:  # a missing comma before the next key
            return at > after and _KEY_AHEAD.match(text, at) is not None and char in CLOSING
        return at > after and char in "\"'{["


_ORDINARY = frozenset('{}[],:"0123456789-tfn')
"""Characters at which neither a comment nor a special token begins, except ``[`` (see skip)."""


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _always(_index: int) -> bool:
    """The first quote ends a key: a colon must follow it."""
    return True
