"""A strict JSON text as tokens, so that a fault can be put exactly where it belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["key", "string", "number", "literal", "punctuation", "space"]

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<literal>true|false|null)|(?P<punctuation>[{}\[\]:,])|(?P<space>\s+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of the text; all pieces together are the text. A ``key`` is a string before a colon."""

    kind: Kind
    text: str

    @property
    def inner(self) -> str:
        """What stands between the quotes of a string, escapes as they are."""
        return self.text[1:-1]


def tokens(text: str) -> list[Token]:
    """The tokens of a strict JSON text, in linear time.

    Raises:
        ValueError: it is none.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"no JSON at character {at}: {text[at : at + 20]!r}")
        kind = match.lastgroup
        if kind == "punctuation" and match.group() == ":":
            name = next(n for n in range(len(found) - 1, -1, -1) if found[n].kind != "space")
            found[name] = Token(kind="key", text=found[name].text)
        found.append(Token(kind=kind, text=match.group()))  # type: ignore[arg-type]
        at = match.end()
    return found


def joined(pieces: list[Token]) -> str:
    """The text of tokens."""
    return "".join(piece.text for piece in pieces)


def neighbour(pieces: list[Token], place: int, step: int) -> Token | None:
    """The next token that is no space, forwards (1) or backwards (-1)."""
    place += step
    while 0 <= place < len(pieces):
        if pieces[place].kind != "space":
            return pieces[place]
        place += step
    return None
