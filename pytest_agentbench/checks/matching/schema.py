"""What an expected value may look like, as JSON Schema: matchers spelt right, with right arguments."""

from __future__ import annotations

from pytest_agentbench.scenario import Json

_VALUE: Json = {"$ref": "#/$defs/expected"}
_NUMBER: Json = {"type": ["number", "string"]}

MATCHER_ARGUMENTS: Json = {
    "$any": {"description": "Any value."},
    "$equals": {"description": "Exactly this value, also where it looks like a matcher."},
    "$regex": {"description": "A string in which the pattern is found.", "type": "string", "format": "regex"},
    "$fold": {"description": "This string but for case and outer white space.", "type": "string"},
    "$number": {
        "description": "A number near this one.",
        "anyOf": [
            _NUMBER,
            {
                "type": "object",
                "properties": {
                    "value": {"description": "The number.", **_NUMBER},
                    "tolerance": {"description": "What it may be off by.", **_NUMBER},
                    "relative": {"description": "The same as a share of the number.", **_NUMBER},
                },
                "required": ["value"],
                "additionalProperties": False,
            },
        ],
    },
    "$schema": {"description": "A value that fits this JSON Schema.", "type": ["object", "boolean"]},
    "$one_of": {
        "description": "One of these values or matchers.",
        "type": "array",
        "minItems": 1,
        "items": _VALUE,
    },
    "$optional": {"description": "This value or matcher, or no such key.", **_VALUE},
}

EXPECTED: Json = {
    "description": "An expected value; an object whose only key begins with $ is a matcher.",
    "if": {"type": "object", "minProperties": 1, "maxProperties": 1},
    "then": {
        "properties": MATCHER_ARGUMENTS,
        "patternProperties": {"^(?!\\$)": _VALUE},
        "additionalProperties": False,
    },
    "else": {"additionalProperties": _VALUE, "items": _VALUE},
}
"""Stands at ``$defs/expected`` of a schema that uses it. An object that only looks like a matcher is
written ``{$equals: {...}}``."""
