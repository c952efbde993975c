"""The errors of jsonschema as one line each: what, value, did you mean."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pytest_agentbench.loader.document import Path_, dotted
from pytest_agentbench.loader.suggest import did_you_mean, kind_of, nearest, shown
from pytest_agentbench.scenario import Json

ValidationError: TypeAlias = Any
"""jsonschema's class, whose fields are typed as if they could be unset."""

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_PATTERNS = {
    "^[a-z0-9][a-z0-9._-]*$": "of lower-case letters, digits, '.', '_' and '-'",
    "^[a-zA-Z0-9_-]{1,64}$": "of at most 64 letters, digits, '_' and '-'",
    "^[A-Za-z0-9][A-Za-z0-9_-]*$": "of letters, digits, '_' and '-'",
    "^[A-Za-z_][A-Za-z0-9_]*$": "of letters, digits and '_', not beginning with a digit",
}
_TEMPLATE = ("pattern", r"\{\{")
_TRUTH = frozenset({"yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake.

    ``kind``: ``unknown`` and ``missing`` keys, a ``key`` that is no name, a ``value``, or one of the wrong
    ``type`` about which nothing more is said.
    ``meant`` is the missing key that an unknown one was taken for.
    """

    path: Path_
    message: str
    kind: Literal["unknown", "missing", "key", "value", "type"] = "value"
    meant: str | None = None


def explain(errors: Iterable[ValidationError], base: Path_ = ()) -> Iterator[Finding]:
    """What is wrong, in words. Every error gives at least one finding.

    ``base`` is the path of what was validated. A misspelt key is one mistake, not an unknown key and a
    missing one.
    """
    findings = [finding for error in errors for finding in _one(error, base)]
    missing = {finding.path for finding in findings if finding.kind == "missing"}
    meant = {(*finding.path[:-1], finding.meant) for finding in findings if finding.meant} & missing
    for finding in dict.fromkeys(findings):
        if finding.meant and (*finding.path[:-1], finding.meant) not in meant:
            yield replace(finding, meant=None)
        elif finding.kind != "missing" or finding.path not in meant:
            yield finding


def _one(error: ValidationError, base: Path_) -> Iterator[Finding]:
    path = (*base, *error.absolute_path)
    match error.validator:
        case "additionalProperties" if error.validator_value is False:
            known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
            patterns = error.schema.get("patternProperties", {}) if isinstance(error.schema, Mapping) else {}
            for key in error.instance:
                if key not in known and not any(re.search(pattern, key) for pattern in patterns):
                    yield _unknown_key(path, key, known, error)
        case "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield Finding(
                        path=(*path, key), message=f"missing key '{key}'{_in(path)}", kind="missing"
                    )
        case "anyOf" | "oneOf" if error.context:
            yield from _branches(error, path, base)
        case "propertyNames" if error.context is not None:
            key = str(error.instance)
            yield Finding(path=(*path, key), message=f"'{key}'{_in(path)} must be {_form(error)}", kind="key")
        case _:
            parent = error.parent
            if parent is None and _is_property_name(error):
                key = str(error.instance)
                yield Finding(
                    path=(*path, key), message=f"'{key}'{_in(path)} must be {_form(error)}", kind="key"
                )
            else:
                message = _value(error, dotted(path) or "the document")
                is_hinted = error.validator != "type" or _type_hint(error.validator_value, error.instance)
                yield Finding(path=path, message=message, kind="value" if is_hinted else "type")


def _is_property_name(error: ValidationError) -> bool:
    return "propertyNames" in error.absolute_schema_path


def _unknown_key(path: Path_, key: str, known: Iterable[str], error: ValidationError) -> Finding:
    near = nearest(key, sorted(known))
    required = error.schema.get("required", [])
    if not near and len(error.instance) == len(required) == 1:  # pass_rate: {max: 0.9}
        near = list(required)
    hint = f", did you mean '{near[0]}'?" if near else did_you_mean(key, known, otherwise_list=True)
    message = f"unknown key '{key}'{_in(path)}{hint}"
    return Finding(path=(*path, key), message=message, kind="unknown", meant=near[0] if near else None)


def _in(path: Path_) -> str:
    return f" in {dotted(path)}" if path else ""


def _value(error: ValidationError, name: str) -> str:
    value, wanted = error.instance, error.validator_value
    match error.validator:
        case "type":
            return f"{name} must be {_type_words(wanted)}, got {kind_of(value)}{_type_hint(wanted, value)}"
        case "enum":
            return f"{name} must be {_choice(wanted)}, got {kind_of(value)}{_enum_hint(wanted, value)}"
        case "const":
            return f"{name} must be {shown(wanted)}, got {kind_of(value)}"
        case "pattern":
            return f"{name} must be {_form(error)}, got {shown(value)}{_slug_hint(error)}"
        case "minimum":
            return f"{name} must be at least {wanted}, got {shown(value)}"
        case "maximum":
            return f"{name} must be at most {wanted}, got {shown(value)}"
        case "exclusiveMinimum" | "exclusiveMaximum":
            return f"{name} must be {_open_range(error.schema)}, got {shown(value)}{_rate_hint(error)}"
        case _:
            return f"{name} {_size(error)}"


def _size(error: ValidationError) -> str:
    value = error.instance
    match error.validator:
        case "minLength" | "minItems" | "minProperties" if not value:
            return "must not be empty"
        case "minItems" | "maxItems":
            return f"must have {_count(error.schema, 'Items')} items, got {len(value)}"
        case "minProperties" | "maxProperties":
            names = error.schema.get("properties")
            of = f" of the keys {', '.join(names)}" if names else " key(s)"
            return f"must have {_count(error.schema, 'Properties')}{of}, got {', '.join(value)}"
        case "maxLength":
            return f"must have at most {error.validator_value} characters, got {len(value)}"
        case "format" if error.validator_value == "regex":
            return f"must be a regular expression, got {shown(value)}: {error.cause}"
        case "format":
            return f"must be a {error.validator_value}, got {shown(value)}"
        case _:  # the schemas of third-party checks may use all of JSON Schema
            return f"is not as the schema demands: {error.message}"


def _branches(error: ValidationError, path: Path_, base: Path_) -> Iterator[Finding]:
    """Explains by the branch that was meant; by all types together where none was."""
    branches: dict[int, list[ValidationError]] = defaultdict(list)
    for inner in error.context or ():
        branches[int(inner.schema_path[0])].append(inner)
    meant = {n: errors for n, errors in branches.items() if not any(_wrong_kind(inner) for inner in errors)}
    if not meant:
        words = list(dict.fromkeys(word for errors in branches.values() for word in _expected(errors)))
        hint = "".join(
            _enum_hint(inner.validator_value, error.instance)
            for errors in branches.values()
            for inner in errors
            if inner.validator == "enum" and not inner.path
        )
        types = [inner for errors in branches.values() for inner in errors if inner.validator == "type"]
        hints = [_type_hint(inner.validator_value, error.instance) for inner in types if not inner.path]
        hint = hint or next(filter(None, hints), "")
        yield Finding(
            path=path,
            message=f"{dotted(path)} must be {' or '.join(words)}, got {kind_of(error.instance)}{hint}",
            kind="value" if hint else "type",
        )
        return
    if len(meant) > 1 and isinstance(error.instance, Mapping):
        keys = {n: _missing(errors) for n, errors in meant.items()}
        if all(keys.values()):
            yield from _no_branch(error, path, [key for missing in keys.values() for key in missing])
            return
    best = min(meant, key=lambda n: (len(_missing(meant[n])), len(meant[n]), n))
    for inner in meant[best]:
        yield from _one(inner, base)


def _no_branch(error: ValidationError, path: Path_, keys: Sequence[str]) -> Iterator[Finding]:
    wanted = list(dict.fromkeys(keys))
    for key in error.instance:
        if near := nearest(key, wanted):
            message = f"unknown key '{key}'{_in(path)}, did you mean '{near[0]}'?"
            yield Finding(path=(*path, key), message=message, kind="key")
            return
    got = ", ".join(error.instance) or "no key"
    yield Finding(
        path=path, message=f"{dotted(path)} must have one of the keys {', '.join(wanted)}, got {got}"
    )


def _missing(errors: Iterable[ValidationError]) -> list[str]:
    return [
        key
        for error in errors
        if error.validator == "required" and not error.path
        for key in error.validator_value
        if key not in error.instance
    ]


def _wrong_kind(error: ValidationError) -> bool:
    if error.path:
        return False
    if error.validator == "enum":
        return not any(type(error.instance) is type(item) for item in error.validator_value)
    # A template stands for a value of another type: text that is none was meant as that value.
    return bool(error.validator == "type" or (error.validator, error.validator_value) == _TEMPLATE)


def _expected(errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        if error.validator == "type" and not error.path:
            yield _type_words(error.validator_value)
        elif error.validator == "enum" and not error.path:
            yield _choice(error.validator_value)


def _type_words(wanted: Json) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    if names == ["boolean", "null"]:
        return "true, false or null"
    return " or ".join(_TYPES.get(name, str(name)) for name in names)


def _type_hint(wanted: Json, value: Json) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, str):
        if "boolean" in names and value.lower() in _TRUTH:
            return f", did you mean {'true' if value.lower() in {'yes', 'on', 'y'} else 'false'}?"
        if {"integer", "number"} & set(names) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return ", write it without quotes"
    if "string" in names and isinstance(value, bool | int | float):
        return f', write "{shown(value)}" in quotes'
    return ""


def _choice(wanted: Sequence[Json]) -> str:
    words = [item if isinstance(item, str) else shown(item) for item in wanted]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _enum_hint(wanted: Sequence[Json], value: Json) -> str:
    return (
        did_you_mean(value, [item for item in wanted if isinstance(item, str)])
        if isinstance(value, str)
        else ""
    )


def _form(error: ValidationError) -> str:
    if error.validator == "pattern":
        return _PATTERNS.get(error.validator_value, f"like {error.validator_value}")
    return str(error.message)


def _slug_hint(error: ValidationError) -> str:
    if not str(error.validator_value).startswith("^[a-z0-9]"):
        return ""
    slug = re.sub(r"[^a-z0-9._-]+", "-", str(error.instance).lower()).strip("-._")
    return f", did you mean '{slug}'?" if slug else ""


def _open_range(schema: Json) -> str:
    parts = []
    if "exclusiveMinimum" in schema:
        parts.append(f"above {schema['exclusiveMinimum']}")
    if "minimum" in schema:
        parts.append(f"at least {schema['minimum']}")
    if "exclusiveMaximum" in schema:
        parts.append(f"below {schema['exclusiveMaximum']}")
    if "maximum" in schema:
        parts.append(f"at most {schema['maximum']}")
    return " and ".join(parts)


def _rate_hint(error: ValidationError) -> str:
    value = error.instance
    if error.validator_value == 1 and 1 < value <= 100:
        return f", {value} % is written {value / 100:g}"
    if "exclusiveMaximum" in error.schema and value in {0, 1}:
        return f", no number of samples can prove a rate of exactly {value}"
    return ""


def _count(schema: Json, what: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low == high:
        return f"exactly {low}"
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"
