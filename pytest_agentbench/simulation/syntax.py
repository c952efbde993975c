"""JSON answers broken as language models break them: one fault each, by the tags of the reports."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.draft import Draft
from pytest_agentbench.simulation.json_tokens import Kind, Token, joined, neighbour, tokens

_PROSE = (
    "Here is the JSON you asked for:",
    "Sure! This is the result:",
    "The extracted data:",
    "Of course, here you go.",
    "Based on the text, I get the following:",
)
_AFTERWORDS = (
    "Let me know if you need anything else!",
    "I hope this helps.",
    "Note that all values were taken from the text.",
)
_EXCUSES = (
    "I'm sorry, but I can't help with that.",
    "I cannot process personal data.",
    "I am unable to assist with this request.",
)
_THOUGHTS = (
    "The user wants JSON. I have to look at each value and put it where the schema wants it.",
    "First the names, then the numbers. That should be all of it.",
)
_SPECIAL = ("<|im_end|>", "<|eot_id|>", "</s>", "<|endoftext|>", "<|end|>")
_WORDS = {"true": "True", "false": "False", "null": "None"}
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL
)
"""One character of a string, its escape in one piece."""
_TOO_DEEP = 160
"""Beyond what any reader of JSON takes here, and too short to be a loop of brackets."""


def spoil(tag: str, draft: Draft, value: Json, rng: random.Random) -> Draft | None:
    """``draft``, whose content is strict JSON of ``value``, with exactly the fault ``tag``.

    None where this text offers no place for it (no number for ``nan_inf``).
    """
    whole = _WHOLE.get(tag)
    if whole is not None:
        return whole(draft, rng)
    text = draft.content or ""
    content = _AROUND[tag](text, value, rng) if tag in _AROUND else _inside(tag, text, rng)
    return None if content is None or content == text else replace(draft, content=content)


def _inside(tag: str, text: str, rng: random.Random) -> str | None:
    pieces = tokens(text)
    changed = _INSIDE[tag](pieces, rng)
    return None if changed is None else joined(changed)


# ---- the whole message -------------------------------------------------------------------------


def _empty(draft: Draft, rng: random.Random) -> Draft:
    return replace(draft, content=rng.choice((None, "", " ", "\n\n")))


def _refusal(draft: Draft, rng: random.Random) -> Draft:
    return replace(draft, content=None, refusal=rng.choice(_EXCUSES))


def _truncated(draft: Draft, rng: random.Random) -> Draft | None:
    """Cut inside a token or before a value; one provider in four says that the model had stopped."""
    text = draft.content or ""
    places, at = [], 0
    for piece in tokens(text):
        if piece.kind in {"key", "string"} and len(piece.text) > 2:
            places.append(at + rng.randint(2, len(piece.text) - 1))
        at += len(piece.text)
        if piece.text in {",", ":"}:
            places.append(at)
    if not places:
        return None
    cut = rng.choice(places)
    return replace(
        draft, content=text[:cut], cut=True, finish_reason="stop" if rng.random() < 0.25 else "length"
    )


def _no_json(draft: Draft, rng: random.Random) -> Draft:
    text = f"{rng.choice(_EXCUSES)} {rng.choice(_AFTERWORDS)}"
    return replace(draft, content=text)


_WHOLE: Mapping[str, Callable[[Draft, random.Random], Draft | None]] = {
    "empty": _empty,
    "refusal": _refusal,
    "truncated": _truncated,
    "no_json": _no_json,
}


# ---- around the text ---------------------------------------------------------------------------


def _fence(text: str, _value: Json, rng: random.Random) -> str:
    mark, language = rng.choice((("```", "json"), ("```", ""), ("```", "JSON"), ("~~~", "json")))
    return f"{mark}{language}\n{text}\n{mark}"


def _reasoning_block(text: str, _value: Json, rng: random.Random) -> str:
    name = rng.choice(("think", "thinking", "reasoning"))
    return f"<{name}>\n{rng.choice(_THOUGHTS)}\n</{name}>\n\n{text}"


def _prose_around(text: str, _value: Json, rng: random.Random) -> str:
    before, after = rng.choice(_PROSE), rng.choice(_AFTERWORDS)
    return rng.choice((f"{before}\n\n{text}", f"{text}\n\n{after}", f"{before}\n{text}\n{after}"))


def _special_tokens(text: str, _value: Json, rng: random.Random) -> str:
    return text + rng.choice(_SPECIAL)


def _multiple_values(text: str, value: Json, rng: random.Random) -> str:
    again = json.dumps(value, ensure_ascii=False, indent=rng.choice((None, 2)))
    return text + rng.choice(("\n", "\n\n", " ")) + again


def _unbalanced(text: str, _value: Json, rng: random.Random) -> str:
    body = text.rstrip()
    if rng.random() < 0.5:
        return body + body[-1] * rng.randint(1, 2)
    return body[:-1].rstrip()


def _bom(text: str, _value: Json, _rng: random.Random) -> str:
    return "\ufeff" + text


_AROUND: Mapping[str, Callable[[str, Json, random.Random], str]] = {
    "fence": _fence,
    "reasoning_block": _reasoning_block,
    "prose_around": _prose_around,
    "special_tokens": _special_tokens,
    "multiple_values": _multiple_values,
    "unbalanced": _unbalanced,
    "bom": _bom,
}


# ---- inside the text ---------------------------------------------------------------------------


def _places(pieces: list[Token], *kinds: Kind) -> list[int]:
    return [place for place, piece in enumerate(pieces) if piece.kind in kinds]


def _put(pieces: list[Token], place: int, text: str) -> list[Token]:
    changed = list(pieces)
    changed[place] = Token(kind=pieces[place].kind, text=text)
    return changed


def _requoted(pieces: list[Token], left: str, right: str) -> list[Token] | None:
    """Other quotes around all strings that hold neither a quote nor an escape."""
    plain = [
        place for place in _places(pieces, "key", "string") if not set(pieces[place].inner) & set("\"'\\“”")
    ]
    changed = pieces
    for place in plain:
        changed = _put(changed, place, f"{left}{pieces[place].inner}{right}")
    return changed if plain else None


def _python_literal(pieces: list[Token], _rng: random.Random) -> list[Token] | None:
    literals = _places(pieces, "literal")
    changed = pieces
    for place in literals:
        changed = _put(changed, place, _WORDS[pieces[place].text])
    return changed if literals else None


def _nan_inf(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    numbers = _places(pieces, "number")
    if not numbers:
        return None
    return _put(pieces, rng.choice(numbers), rng.choice(("NaN", "Infinity", "-Infinity")))


def _trailing_comma(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    ends = []
    for place in _places(pieces, "punctuation"):
        before = neighbour(pieces, place, -1)
        if pieces[place].text in "]}" and before is not None and before.text not in {"[", "{"}:
            last = next(n for n in range(place - 1, -1, -1) if pieces[n].kind != "space")
            ends.append(last)
    if not ends:
        return None
    place = rng.choice(ends)
    return _put(pieces, place, pieces[place].text + ",")


def _missing_comma(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    """Left out before a key or between strings or brackets: two numbers would be one."""
    commas = []
    for place in _places(pieces, "punctuation"):
        after = neighbour(pieces, place, 1)
        is_key = after is not None and after.kind == "key"
        if pieces[place].text == "," and (is_key or _are_apart(neighbour(pieces, place, -1), after)):
            commas.append(place)
    if not commas:
        return None
    place = rng.choice(commas)
    return _put(pieces, place, rng.choice((" ", "\n")))


def _are_apart(before: Token | None, after: Token | None) -> bool:
    return all(token is not None and token.text[0] in '"{[]}' for token in (before, after))


def _comment(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    openings = [place for place in _places(pieces, "punctuation") if pieces[place].text in {"{", "[", ","}]
    place = rng.choice(openings) if openings else None
    if place is None:
        return None
    text = rng.choice(("as given", "to be checked", "see the text above"))
    comment = rng.choice((f" // {text}\n", f" # {text}\n", f" /* {text} */ "))
    return _put(pieces, place, pieces[place].text + comment)


def _unquoted_key(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    keys = [place for place in _places(pieces, "key") if _BARE.fullmatch(pieces[place].inner)]
    if not keys:
        return None
    changed = pieces
    for place in keys if rng.random() < 0.5 else [rng.choice(keys)]:
        changed = _put(changed, place, pieces[place].inner)
    return changed


def _bad_escape(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    return _into_string(pieces, rng, rng.choice(("\\_", "\\'", "\\d", "\\x41", "\\-", "\\*")))


def _control_char(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    return _into_string(pieces, rng, rng.choice(("\n", "\t", "\r\n", "\x0b")))


def _into_string(pieces: list[Token], rng: random.Random, text: str) -> list[Token] | None:
    """``text`` within a string value, between two characters of it."""
    strings = [place for place in _places(pieces, "string") if pieces[place].inner]
    if not strings:
        return None
    place = rng.choice(strings)
    whole = pieces[place].text
    steps = [match.end() for match in _CHARACTER.finditer(whole[:-1])]
    at = rng.choice(steps)
    return _put(pieces, place, whole[:at] + text + whole[at:])


def _unescaped_quote(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    words = [
        place for place in _places(pieces, "string") if pieces[place].inner and "\\" not in pieces[place].text
    ]
    if not words:
        return None
    place = rng.choice(words)
    before, after = rng.choice((("the ", " one"), ("so-called ", " here"), ("known as ", " by most")))
    return _put(pieces, place, f'"{before}"{pieces[place].inner}"{after}"')


def _duplicate_key(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    """A member with a plain value written twice, with the same value or another."""
    members = []
    for place in _places(pieces, "key"):
        value = next(
            n
            for n in range(place + 1, len(pieces))
            if pieces[n].kind not in {"space", "punctuation"} or pieces[n].text in {"{", "["}
        )
        if pieces[value].kind in {"string", "number", "literal"}:
            members.append((place, value))
    if not members:
        return None
    key, value = rng.choice(members)
    again = pieces[value].text
    if rng.random() < 0.5:
        again = {"string": '"other"', "number": "4711", "literal": "null"}[pieces[value].kind]
    return _put(pieces, value, f"{pieces[value].text}, {pieces[key].text}: {again}")


def _too_deep(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    scalars = _places(pieces, "string", "number", "literal")
    if not scalars:
        return None
    place = rng.choice(scalars)
    return _put(pieces, place, "[" * _TOO_DEEP + pieces[place].text + "]" * _TOO_DEEP)


def _other(pieces: list[Token], rng: random.Random) -> list[Token] | None:
    """Numbers as other languages write them: with a plus, or with nothing behind the point."""
    numbers = [place for place in _places(pieces, "number") if pieces[place].text.isdigit()]
    if not numbers:
        return None
    place = rng.choice(numbers)
    return _put(pieces, place, rng.choice((f"+{pieces[place].text}", f"{pieces[place].text}.")))


_INSIDE: Mapping[str, Callable[[list[Token], random.Random], list[Token] | None]] = {
    "single_quotes": lambda pieces, _rng: _requoted(pieces, "'", "'"),
    "smart_quotes": lambda pieces, _rng: _requoted(pieces, "“", "”"),
    "python_literal": _python_literal,
    "nan_inf": _nan_inf,
    "trailing_comma": _trailing_comma,
    "missing_comma": _missing_comma,
    "comment": _comment,
    "unquoted_key": _unquoted_key,
    "bad_escape": _bad_escape,
    "control_char": _control_char,
    "unescaped_quote": _unescaped_quote,
    "duplicate_key": _duplicate_key,
    "too_deep": _too_deep,
    "other": _other,
}

TAGS = (*_WHOLE, *_AROUND, *_INSIDE)
"""Every fault that there is."""
