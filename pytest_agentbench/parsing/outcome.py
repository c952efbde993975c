"""The verdict on one text: how it parses, whether it fits, and the level that sums both up (METRICS 1)."""

from __future__ import annotations

from pytest_agentbench.parsing.recover import recover
from pytest_agentbench.sample import JsonOutcome, Level, Parse
from pytest_agentbench.scenario import Accept, Json

_ORDER: tuple[Parse, ...] = ("strict", "extractable", "repairable", "unparseable", "none")
_VALID_LEVEL: dict[Parse, Level] = {"strict": "L0", "extractable": "L1", "repairable": "L2"}


def judge(text: str | bytes, *, schema: Json, accept: Accept) -> JsonOutcome:
    """The outcome of a whole text against ``schema``; None as schema: any JSON is valid."""
    from pytest_agentbench.parsing.schema_errors import schema_errors
    from pytest_agentbench.parsing.schema_roots import root_types

    recovered = recover(text, roots=None if schema is None else root_types(schema))
    if recovered.parse == "none":
        return absent(*recovered.tags)
    if recovered.parse == "unparseable":
        return unparseable(*recovered.tags, offset=recovered.offset)
    errors = () if schema is None else schema_errors(schema, recovered.value)
    return JsonOutcome(
        level="L3" if errors else _VALID_LEVEL[recovered.parse],
        parse=recovered.parse,
        schema_valid=not errors,
        within_accept=within(recovered.parse, accept),
        tags=(*recovered.tags, *(error.tag for error in errors)),
        errors=errors,
        value=recovered.value,
        offset=recovered.offset,
    )


def within(parse: Parse, accept: Accept) -> bool:
    """Whether a text that parses as ``parse`` is good enough for a parser that takes ``accept``."""
    return _ORDER.index(parse) <= _ORDER.index(accept)


def absent(*tags: str) -> JsonOutcome:
    """Nothing to parse: empty, refused, or the awaited call did not come (L5)."""
    return JsonOutcome(level="L5", parse="none", schema_valid=None, within_accept=False, tags=tags)


def unparseable(*tags: str, offset: int | None = None) -> JsonOutcome:
    """Something came, and no value can be read from it (L4)."""
    return JsonOutcome(
        level="L4", parse="unparseable", schema_valid=None, within_accept=False, tags=tags, offset=offset
    )
