"""Deterministic rewordings of a rendered prompt that leave its meaning and its data alone.

A transform sees a message in pieces: text as the team wrote it, and text that was inserted by an
expression. Inserted text is never changed, with one exception that keeps the value: JSON made by
``| tojson`` may be laid out anew. Nor are code fences, inline code and JSON in the written text.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pytest_agentbench.scenario import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a message; ``fixed`` pieces keep their text. ``json`` holds (value,) of a ``tojson``."""

    text: str
    fixed: bool = False
    json: tuple[Json] | None = None


_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`|https?://\S+", re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_WORD = re.compile(r"[^\W\d_]{4,}")
_SEPARATOR = re.compile(r"(?<=[^\W_]):(?=[ \t]|$)", re.MULTILINE)
_SEPARATOR_NEWLINE = re.compile(r"(?<=[^\W_]):[ \t]+(?=\S|$)", re.MULTILINE)
_SENTENCE = re.compile(r"(?:^|(?<=[.!?] )|(?<=\n))([A-Z])(?=[a-z]+\b)")
_LABEL = re.compile(r"(?:^|(?<=\n))([^\W\d_][^\W_ ]*(?: [^\W_]+){0,2})(?=:(?:\s|$))")
_BULLET = re.compile(r"^([ \t]*)- ", re.MULTILINE)
_ITEM = re.compile(r"(?P<bullet>[-*]) \S|(?P<label>[^\W\d_][^\W_]*(?: [^\W_]+){0,2}): *\S")


def apply(transform: str, pieces: Sequence[Piece], *, rate: float | None, seed: str) -> str:
    """The message of ``pieces`` under ``transform``.

    ``rate`` is the strength of a noise transform, per letter; format transforms have none. The
    result depends on the arguments alone; ``seed`` names the draw of a noise transform.

    Raises:
        KeyError: an unknown transform.
    """
    protected = _protect(pieces)
    if transform in NOISE:
        changed = NOISE[transform](protected, rate or 0.0, seed)
    else:
        changed = FORMAT[transform](protected)
    return "".join(piece.text for piece in changed)


def _protect(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with code and JSON of the written text fixed, also where they hold inserted text."""
    whole = "".join(piece.text for piece in pieces)
    spans = [match.span() for match in _CODE.finditer(whole)]
    spans += [span for span in _json_spans(whole) if not any(a <= span[0] < b for a, b in spans)]
    result: list[Piece] = []
    start = 0
    for piece in pieces:
        end = start + len(piece.text)
        if piece.fixed:
            inside = any(a < start and end < b for a, b in spans)
            result.append(replace(piece, json=None) if inside else piece)
        else:
            cuts = sorted({start, end, *(cut for span in spans for cut in span if start < cut < end)})
            for a, b in itertools.pairwise(cuts):
                fixed = any(left <= a and b <= right for left, right in spans)
                result.append(Piece(text=whole[a:b], fixed=fixed))
        start = end
    return result


def _json_spans(text: str) -> list[tuple[int, int]]:
    """Where brackets open and close again: JSON, near-JSON and code, taken whole."""
    closing = {"}": "{", "]": "["}
    spans: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for match in re.finditer(r"[\[\]{}]", text):
        character = match.group()
        if character in "[{":
            opened.append((character, match.start()))
        elif opened and opened[-1][0] == closing[character]:
            _, start = opened.pop()
            if not opened:
                spans.append((start, match.end()))
    return spans


def _written(pieces: list[Piece], change: Callable[[str], str]) -> list[Piece]:
    return [piece if piece.fixed else replace(piece, text=change(piece.text)) for piece in pieces]


def _separator(pieces: list[Piece]) -> list[Piece]:
    """``Buyer: x`` becomes ``Buyer:: x``."""
    return _written(pieces, lambda text: _SEPARATOR.sub("::", text))


def _separator_newline(pieces: list[Piece]) -> list[Piece]:
    """``Buyer: x`` becomes ``Buyer:`` with ``x`` on the next line."""
    return _written(pieces, lambda text: _SEPARATOR_NEWLINE.sub(":\n", text))


def _casing(pieces: list[Piece]) -> list[Piece]:
    """Sentences begin with a small letter."""
    return _at_starts(pieces, _SENTENCE, str.lower)


def _casing_labels(pieces: list[Piece]) -> list[Piece]:
    """Labels that begin a line (``Buyer:``) are in capitals; names with ``_`` or digits are left."""
    return _at_starts(pieces, _LABEL, str.upper)


def _at_starts(pieces: list[Piece], pattern: re.Pattern[str], change: Callable[[str], str]) -> list[Piece]:
    """Like :func:`_written`, but only the first piece begins a line where no line break stands."""
    result: list[Piece] = []
    before = "\n"
    for piece in pieces:
        if piece.fixed:
            result.append(piece)
        else:
            text = pattern.sub(lambda match: change(match.group()), before + piece.text)
            result.append(replace(piece, text=text[len(before) :]))
        before = (before + piece.text)[-2:] or before
    return result


def _whitespace(pieces: list[Piece]) -> list[Piece]:
    """Single line breaks become blank lines, blank lines single line breaks."""
    swap = {"\n": "\n\n", "\n\n": "\n"}
    return _written(
        pieces, lambda text: re.sub(r"(?<!\n)\n{1,2}(?!\n)(?=.)", lambda match: swap[match.group()], text)
    )


def _bullets(pieces: list[Piece]) -> list[Piece]:
    """Bullets are ``*`` for ``-``."""
    return _written(pieces, lambda text: _BULLET.sub(r"\1* ", text))


def _order(pieces: list[Piece]) -> list[Piece]:
    """Lists of bullets, and lines ``Label: text``, are in reverse order; every line stays whole.

    A label without text (``Answer:``) is a cue for what comes next and stays where it is.
    """
    result: list[list[Piece]] = []
    run: list[list[Piece]] = []
    kind: str | None = None
    for line in _lines(pieces):
        found = _item_kind(line)
        if found is None or found != kind:
            result += reversed(run)
            run, kind = [], found
        (result if found is None else run).append(line)
    result += reversed(run)
    joined: list[Piece] = []
    for n, line in enumerate(result):
        joined += [Piece(text="\n"), *line] if n else line
    return joined


def _lines(pieces: list[Piece]) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.fixed:
            lines[-1].append(piece)
            continue
        for n, part in enumerate(piece.text.split("\n")):
            if n:
                lines.append([])
            if part:
                lines[-1].append(replace(piece, text=part))
    return lines


def _item_kind(line: list[Piece]) -> str | None:
    if not line or line[0].fixed:
        return None
    match = _ITEM.match(line[0].text + ("x" if len(line) > 1 else ""))
    return match.lastgroup if match else None


def _json_indent(pieces: list[Piece]) -> list[Piece]:
    """JSON inserted by ``| tojson`` is laid out over lines (or on one, where it was over lines)."""

    def laid_out(piece: Piece) -> Piece:
        if piece.json is None or not isinstance(piece.json[0], dict | list) or not piece.json[0]:
            return piece
        indent = None if "\n" in piece.text else 2
        return replace(piece, text=json.dumps(piece.json[0], ensure_ascii=False, indent=indent))

    return [laid_out(piece) for piece in pieces]


def _typos(pieces: list[Piece], rate: float, seed: str) -> list[Piece]:
    """Letters swapped, dropped, doubled or mistyped in written words of four letters and more.

    ``rate`` times the letters of such words, at least one typo where there is such a word; at most
    one a word. The first letter of a word stays.
    """
    words = [
        (n, match.start(), match.end())
        for n, piece in enumerate(pieces)
        if not piece.fixed
        for match in _WORD.finditer(piece.text)
    ]
    if not words or rate <= 0:
        return pieces
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    n_typos = min(len(words), max(1, round(rate * sum(end - start for _, start, end in words))))
    texts = [piece.text for piece in pieces]
    for n, start, end in sorted(draw.sample(words, n_typos), reverse=True):
        texts[n] = texts[n][:start] + _mistyped(texts[n][start:end], draw) + texts[n][end:]
    return [replace(piece, text=text) for piece, text in zip(pieces, texts, strict=True)]


_NEIGHBOURS = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        "wa es rd tf yg uh ij ok pl lo qs ad sf dg fh gj hk jl ko zx xc cv vb bn nm mn".replace(" ", "")[::2],
        strict=False,
    )
)


def _mistyped(word: str, draw: random.Random) -> str:
    place = draw.randrange(1, len(word) - 1)
    kind = draw.choice(("swap", "drop", "double", "neighbour"))
    letter, after = word[place], word[place + 1]
    if kind == "swap" and letter != after:
        return word[:place] + after + letter + word[place + 2 :]
    if kind == "drop":
        return word[:place] + word[place + 1 :]
    if kind == "neighbour" and (near := _NEIGHBOURS.get(letter)):
        return word[:place] + near + word[place + 1 :]
    return word[: place + 1] + letter + word[place + 1 :]


FORMAT: dict[str, Callable[[list[Piece]], list[Piece]]] = {
    "bullets": _bullets,
    "casing": _casing,
    "casing_labels": _casing_labels,
    "json_indent": _json_indent,
    "order": _order,
    "separator": _separator,
    "separator_newline": _separator_newline,
    "whitespace": _whitespace,
}
"""Transforms of the class ``format``, by name."""

NOISE: dict[str, Callable[[list[Piece], float, str], list[Piece]]] = {"typos": _typos}
"""Transforms of the class ``noise``, by name; they take a rate."""
