"""All the ways in which a value breaks its JSON Schema, each with a tag of METRICS 1, path and depth."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pytest_agentbench.parsing.strict import JsonSyntaxError, parse_strict
from pytest_agentbench.sample import SchemaError
from pytest_agentbench.scenario import Json

MAX_ERRORS = 1_000
"""Errors kept of one value: a million wrong items say no more than a thousand."""

_MESSAGE = 200
_NULL = "null"
"""Where it is not told yet whether the key is required."""
_TAGS = {
    "enum": "enum",
    "const": "const",
    "pattern": "pattern",
    "format": "format",
    "minimum": "range",
    "maximum": "range",
    "exclusiveMinimum": "range",
    "exclusiveMaximum": "range",
    "multipleOf": "range",
    "minLength": "length",
    "maxLength": "length",
    "minProperties": "length",
    "maxProperties": "length",
    "minItems": "array_count",
    "maxItems": "array_count",
    "uniqueItems": "array_count",
    "contains": "array_count",
    "minContains": "array_count",
    "maxContains": "array_count",
    "required": "missing_required",
    "dependentRequired": "missing_required",
    "dependencies": "missing_required",
    "additionalProperties": "extra_key",
    "unevaluatedProperties": "extra_key",
    "additionalItems": "array_count",
    "items": "array_count",
    "unevaluatedItems": "array_count",
}
_FALSE_TAGS = {
    "properties": "extra_key",
    "patternProperties": "extra_key",
    "propertyNames": "extra_key",
    "items": "array_count",
    "prefixItems": "array_count",
}


def schema_errors(schema: Json, value: Json) -> tuple[SchemaError, ...]:
    """Every violation of ``schema`` by ``value``, in the order of the schema; () when valid.

    The draft is the schema's ``$schema``, else 2020-12; ``format`` is asserted; nothing is fetched.
    The path of a missing or extra key ends in that key, so depth is where the value should be.

    Raises:
        referencing.exceptions.Unresolvable: a ``$ref`` of the schema leads nowhere.
    """
    found = _found(schema, value)
    nulls = {error.path for error in found if error.tag == _NULL}
    if not nulls:
        return tuple(found)
    # What the schema says of the keys when they are not there tells whether it requires them.
    missing = {
        error.path for error in _found(schema, _without(value, nulls)) if error.tag == "missing_required"
    }
    return tuple(
        replace(error, tag=_null_tag(error, missing)) if error.tag == _NULL else error for error in found
    )


def _found(schema: Json, value: Json) -> list[SchemaError]:
    """Every violation; a null where something else is wanted has the tag ``_NULL``."""
    found: list[SchemaError] = []
    try:
        for error in _validator(schema).iter_errors(value):
            found.extend(_describe(error))
            if len(found) >= MAX_ERRORS:
                break
    except RecursionError:
        found.append(SchemaError(tag="too_deep", path=(), depth=0, message="the schema recurses too deep"))
    return found[:MAX_ERRORS]


def _null_tag(error: SchemaError, missing: set[tuple[str | int, ...]]) -> str:
    """An element of an array is always required."""
    required = isinstance(error.path[-1], int) or error.path in missing
    return "null_for_required" if required else "wrong_type"


def _without(value: Json, paths: set[tuple[str | int, ...]], here: tuple[str | int, ...] = ()) -> Json:
    """``value`` without the keys at ``paths``."""
    if isinstance(value, dict):
        kept = ((key, item) for key, item in value.items() if (*here, key) not in paths)
        return {key: _without(item, paths, (*here, key)) for key, item in kept}
    if isinstance(value, list):
        return [_without(item, paths, (*here, index)) for index, item in enumerate(value)]
    return value


def schema_problem(schema: Json) -> str | None:
    """Why ``schema`` is no JSON Schema (one line), None when it is one."""
    import jsonschema

    try:
        cls: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        cls.check_schema(schema, format_checker=cls.FORMAT_CHECKER)
    except jsonschema.SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"{where or 'the schema'}: {error.message[:_MESSAGE]}"
    return None


_by_identity: OrderedDict[int, tuple[Json, Any]] = OrderedDict()


def _validator(schema: Json) -> Any:
    """One validator a schema: found by identity (the value is held, so its id stays), else by text."""
    key = id(schema)
    held = _by_identity.get(key)
    if held is not None:
        return held[1]
    validator = _build(json.dumps(schema))
    _by_identity[key] = (schema, validator)
    if len(_by_identity) > 512:
        _by_identity.popitem(last=False)
    return validator


@lru_cache(maxsize=256)
def _build(text: str) -> Any:
    import jsonschema
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    schema = json.loads(text)
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    # An explicit registry, since jsonschema's default one fetches what it does not know.
    return cls(schema, format_checker=cls.FORMAT_CHECKER, registry=REGISTRY)


def _describe(error: Any) -> Iterator[SchemaError]:
    keyword = error.validator
    path = tuple(error.absolute_path)
    if keyword in {"anyOf", "oneOf"}:
        branch = _meant_branch(error)
        if branch is None:
            yield _error("any_of", path, error.message)
        else:
            for cause in branch:
                yield from _describe(cause)
    elif keyword in {"required", "dependentRequired"}:
        yield _error("missing_required", (*path, *_missing(error)), error.message)
    elif keyword in {"additionalProperties", "unevaluatedProperties"} and isinstance(error.instance, Mapping):
        extra = _extra_keys(error)
        if not extra:
            yield _error("extra_key", path, error.message)
        for key in extra:
            yield _error("extra_key", (*path, key), f"{key!r} is not allowed here")
    elif keyword == "type":
        yield _error(_type_tag(error, path), path, error.message)
    elif keyword is None:  # the schema `false`, for which jsonschema drops the last step of the path
        last = error.absolute_schema_path[-1] if error.absolute_schema_path else ""
        yield _error(_FALSE_TAGS.get(last, "any_of" if last else "wrong_root"), path, error.message)
    else:
        yield _error(_TAGS.get(keyword, "any_of"), path, error.message)


def _error(tag: str, path: tuple[str | int, ...], message: str) -> SchemaError:
    where = ".".join(map(str, path))
    text = f"{where}: {message}" if where else message
    return SchemaError(
        tag=tag,
        path=path,
        depth=len(path),
        message=text if len(text) <= _MESSAGE else text[: _MESSAGE - 1] + "…",
    )


def _missing(error: Any) -> tuple[str, ...]:
    """The key that one error is about: jsonschema yields one error a key, whose message names it first."""
    wanted = error.validator_value
    keys = wanted if isinstance(wanted, list) else [key for keys in wanted.values() for key in keys]
    for key in keys:
        if isinstance(key, str) and key not in error.instance and error.message.startswith(repr(key)):
            return (key,)
    return ()


def _extra_keys(error: Any) -> list[str]:
    if error.validator == "additionalProperties" and error.validator_value is False:
        import re

        known = error.schema.get("properties", {})
        patterns = "|".join(error.schema.get("patternProperties", {}))
        return [
            key
            for key in error.instance
            if key not in known and not (patterns and re.search(patterns, key) is not None)
        ]
    return [key for key in error.instance if repr(key) in error.message]


def _type_tag(error: Any, path: tuple[str | int, ...]) -> str:
    expected = error.validator_value
    types = {expected} if isinstance(expected, str) else set(expected)
    value = error.instance
    if isinstance(value, str) and types & {"object", "array"} and _stringified(value, types):
        return "stringified_object"
    if not path:
        return "wrong_root"
    if value is None:
        return _NULL
    if isinstance(value, str) and types & {"number", "integer"}:
        return "string_for_number"
    return "wrong_type"


def _stringified(text: str, types: Iterable[str]) -> bool:
    try:
        value = parse_strict(text)
    except JsonSyntaxError:
        return False
    return ("object" in types and isinstance(value, dict)) or ("array" in types and isinstance(value, list))


def _meant_branch(error: Any) -> list[Any] | None:
    """The errors of the one branch that the value was meant for; None when that cannot be told.

    A branch is out when the value has another type than it asks, or when a constant of it (a
    discriminator) differs; when no branch has the value's type, the only one that is not null is meant.
    """
    branches: dict[Any, list[Any]] = {}
    for cause in error.context or ():
        branch = cause.schema_path[0] if cause.schema_path else id(cause)  # a branch `false` has no path
        branches.setdefault(branch, []).append(cause)
    if not branches:
        return None
    typed = [causes for causes in branches.values() if not any(_is_root_type(cause) for cause in causes)]
    if not typed:
        other = [causes for causes in branches.values() if not all(_wants_null(cause) for cause in causes)]
        return other[0] if len(other) == 1 else None
    if len(typed) > 1:
        typed = [causes for causes in typed if not any(_is_discriminator(cause) for cause in causes)]
    return typed[0] if len(typed) == 1 else None


def _is_root_type(cause: Any) -> bool:
    return cause.validator == "type" and not cause.path


def _wants_null(cause: Any) -> bool:
    return cause.validator == "type" and cause.validator_value in ("null", ["null"])


def _is_discriminator(cause: Any) -> bool:
    return cause.validator in {"const", "enum"} and len(cause.path) <= 1
