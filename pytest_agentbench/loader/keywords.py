"""Keywords that JSON Schema does not know: it ignores them, and everything would be valid."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from pytest_agentbench.loader.document import Path_, dotted
from pytest_agentbench.loader.explain import Finding
from pytest_agentbench.scenario import Json

KEYWORDS = frozenset({
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema",
    "$vocabulary", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "dependencies",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "format", "if", "items", "maxContains", "maxItems",
    "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
    "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems",
    "properties", "propertyNames", "readOnly", "required", "then", "title", "type", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems", "writeOnly",
})  # fmt: skip
"""Of draft 2020-12, and those of earlier drafts that it still allows."""
_OPENAPI = frozenset({"example", "nullable"})
"""Annotations that look like misspelt keywords and are none."""


def silent_mistakes(parts: Iterable[tuple[Path_, Mapping[str, Json]]], path: Path_) -> Iterator[Finding]:
    """Misspelt keywords in the schema at ``path``, whose subschemas are ``parts``, and one without any."""
    for below, part in parts:
        unknown = [key for key in part if key not in KEYWORDS]
        if below == path and unknown and len(unknown) == len(part):
            message = (
                f"{dotted(path)} has no keyword of JSON Schema, it would accept everything: "
                f"write {{type: object, properties: {{{unknown[0]}: ...}}}}"
            )
            yield Finding(path=path, message=message)
            return
        for key in unknown:
            near = difflib.get_close_matches(key, KEYWORDS, n=1, cutoff=0.75)
            if near and key not in _OPENAPI:
                message = f"unknown keyword '{key}' in {dotted(below)}, did you mean '{near[0]}'?"
                yield Finding(path=(*below, key), message=message, kind="key")
