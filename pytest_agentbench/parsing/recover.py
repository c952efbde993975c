"""What a reply holds when it is not strict JSON: removal first, mending second, and why if neither works.

Removal (``extractable``) takes away a byte order mark, a reasoning block, special tokens, one code
fence and prose around exactly one value. Mending (``repairable``) is :mod:`.mend`, and for what that
gives up json-repair as a probe (:mod:`.probe`). See METRICS 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pytest_agentbench.parsing.mend import SPECIAL_TOKEN, MendError, mend
from pytest_agentbench.parsing.peel import peel
from pytest_agentbench.parsing.probe import probe
from pytest_agentbench.parsing.strict import JsonSyntaxError, decode, parse_prefix, parse_strict
from pytest_agentbench.sample import Parse
from pytest_agentbench.scenario import Json

MAX_MENDED = 1_000_000
"""Characters; a longer reply is not mended (the largest output limit of a model today is 1.5 million)."""
MAX_WORK = 1_000_000_000
"""Characters that json may count for its error messages, about 0.4 s."""
MAX_CANDIDATES = 10_000

_FENCE = re.compile(r"(?:```|~~~)[\w+.-]*")
_WHOLE_FENCE = re.compile(r"(```|~~~)[\w+.-]*[ \t]*\r?\n(.*?)(?:\r?\n[ \t]*)?(?:\1\s*)?\Z", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")
_KINDS = {"{": "object", "[": "array"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How a text parses. ``value`` counts only when ``parse`` is neither unparseable nor none."""

    parse: Parse
    value: Json = None
    tags: tuple[str, ...] = ()
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    start: int
    end: int
    value: Json
    tags: tuple[str, ...]
    wanted: bool
    """An object or array of the schema's root type."""


def recover(text: str | bytes, *, roots: frozenset[str] | None = None) -> Recovered:
    """Read ``text`` as well as it goes; total: no input makes it raise.

    ``roots``: JSON types that the schema allows for the whole value (see
    :func:`pytest_agentbench.parsing.schema_roots.root_types`); None: any. ``offset`` is where strict
    parsing stopped.
    """
    if isinstance(text, bytes):
        try:
            text = decode(text)
        except JsonSyntaxError as error:
            return Recovered(parse="unparseable", tags=(error.tag,), offset=error.offset)
    if not text.strip("\ufeff \t\r\n\x00") or not text.strip():
        return Recovered(parse="none", tags=("empty",), offset=0)
    try:
        return Recovered(parse="strict", value=parse_strict(text))
    except JsonSyntaxError as error:
        strict = error
    found = _beyond_strict(text, strict, roots)
    return Recovered(
        parse=found.parse,
        value=found.value,
        tags=found.tags,
        offset=strict.offset if found.offset is None else found.offset,
    )


def _beyond_strict(text: str, strict: JsonSyntaxError, roots: frozenset[str] | None) -> Recovered:
    body, peeled = peel(text)
    if not body:
        return Recovered(parse="none", tags=_unique(peeled, ["empty"]))
    whole = _whole_value(body, roots)
    if whole is not None:
        return Recovered(parse=whole.parse, value=whole.value, tags=_unique(peeled, whole.tags))
    if strict.tag == "too_deep":
        return Recovered(parse="unparseable", tags=_unique(peeled, ["too_deep"]))
    candidates, broken = _candidates(body, roots)
    wanted = [candidate for candidate in candidates if candidate.wanted]
    cut_second = broken is not None and (roots is None or _KINDS[body[broken[0]]] in roots)
    if len(wanted) + cut_second > 1:
        return Recovered(parse="unparseable", tags=_unique(peeled, ["multiple_values"]))
    if wanted:
        return _one(body, wanted[0], peeled)
    if broken is not None:
        found = _broken(body, broken[0], broken[1], peeled, roots)
        if strict.offset is None and found.offset is not None:
            return replace(found, offset=text.find(body) + found.offset)
        return replace(found, offset=None)
    if candidates:
        return Recovered(parse="unparseable", tags=_unique(peeled, ["prose_around", "wrong_root"]))
    return Recovered(parse="unparseable", tags=_unique(peeled, [_why_nothing(body, strict)]))


def _whole_value(body: str, roots: frozenset[str] | None) -> Recovered | None:
    """``body`` (or the inside of the one fence that it is) as a single value, scalars included."""
    try:
        return Recovered(parse="extractable", value=parse_strict(body))
    except JsonSyntaxError:
        pass
    tags = []
    fence = _WHOLE_FENCE.fullmatch(body)
    if fence is not None and _FENCE.search(fence.group(2)) is None:
        tags.append("fence")
        body = fence.group(2).strip()
        try:
            return Recovered(parse="extractable", value=parse_strict(body), tags=("fence",))
        except JsonSyntaxError:
            pass
    if (
        roots is None
        or not roots - {"object", "array"}
        or body[:1] in {"{", "[", ""}
        or len(body) > MAX_MENDED
    ):
        return None
    try:
        mended = mend(body, 0)
    except MendError:
        return None
    if mended.end != len(body):
        return None
    return Recovered(parse="repairable", value=mended.value, tags=_unique(tags, mended.tags))


def _candidates(
    body: str, roots: frozenset[str] | None
) -> tuple[list[_Candidate], tuple[int, MendError] | None]:
    """Objects and arrays that stand one after another in ``body``, mended where needed.

    Also the first place where a value was begun and could not be read: nothing inside or after it is
    a candidate, since a part of a broken value is not the value. A bracket after which nothing like
    JSON comes is prose. Ends with the second wanted candidate.
    """
    found: list[_Candidate] = []
    n_wanted = work = 0
    start = _BRACKET.search(body)
    while start is not None:
        at = start.start()
        try:
            value, end = parse_prefix(body, at)
            tags: tuple[str, ...] = ()
        except JsonSyntaxError as strict:
            work += at  # what an error costs: json counts the lines before it
            if len(body) - at > MAX_MENDED or work > MAX_WORK:
                given_up = MendError(
                    strict.tag, at, tags=(), progress=True, open_ended=strict.tag == "truncated"
                )
                return found, (at, given_up)
            try:
                mended = mend(body, at)
            except MendError as error:
                # "other" at the first sign is how prose in brackets fails: [see above], {name}.
                if error.progress or error.open_ended or error.tag != "other":
                    return found, (at, error)
                start = _BRACKET.search(body, at + 1)
                continue
            value, end, tags = mended.value, mended.end, mended.tags or ("other",)
        wanted = roots is None or _KINDS[body[at]] in roots
        found.append(_Candidate(start=at, end=end, value=value, tags=tags, wanted=wanted))
        n_wanted += wanted
        if n_wanted > 1 or len(found) > MAX_CANDIDATES:
            break
        start = _BRACKET.search(body, end)
    return found, None


def _one(body: str, candidate: _Candidate, peeled: list[str]) -> Recovered:
    around, stray = _around(body[: candidate.start], body[candidate.end :])
    tags = _unique(peeled, around, candidate.tags, ["unbalanced"] if stray else [])
    parse: Parse = "repairable" if candidate.tags or stray else "extractable"
    return Recovered(parse=parse, value=candidate.value, tags=tags)


def _around(before: str, after: str) -> tuple[list[str], bool]:
    """Tags for the text that was removed, and whether it has stray brackets right at the value."""
    tags: list[str] = []
    rest = [before, after]
    for pattern, tag in ((_FENCE, "fence"), (SPECIAL_TOKEN, "special_tokens")):
        if any(pattern.search(part) for part in rest):
            tags.append(tag)
            rest = [pattern.sub("", part) for part in rest]
    head, tail = rest[0].strip(), rest[1].strip()
    stray = head.endswith(("{", "[")) or tail.startswith(("}", "]"))
    if head.rstrip("{[ \n") or tail.lstrip("}] \n"):
        tags.append("prose_around")
    return tags, stray


def _broken(
    body: str, at: int, error: MendError, peeled: list[str], roots: frozenset[str] | None
) -> Recovered:
    around, _ = _around(body[:at], "")
    tags = _unique(peeled, around, error.tags)
    wanted = roots is None or _KINDS[body[at]] in roots
    if wanted and error.tag in {"other", "missing_comma"} and len(body) <= MAX_MENDED:
        end = body.rfind("}" if body[at] == "{" else "]") + 1
        mended = probe(body[at:end])
        if mended is not None:
            tail, stray = _around("", body[end:])
            more = ["unbalanced"] if stray else []
            return Recovered(
                parse="repairable", value=mended.value, tags=_unique(tags, tail, [error.tag], more)
            )
    return Recovered(parse="unparseable", tags=_unique(tags, [error.tag]), offset=error.offset)


def _why_nothing(body: str, strict: JsonSyntaxError) -> str:
    if strict.tag == "nan_inf":
        return strict.tag
    return "other" if body.startswith(("{", "[")) else "no_json"


def _unique(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for group in groups for tag in group))
