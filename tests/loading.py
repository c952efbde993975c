"""Loads scenario text in a folder of its own, and says what was wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import ScenarioError
from pytest_agentbench.loader import load_text
from pytest_agentbench.scenario import Scenario

HEAD = "agentbench: 1\nid: demo\n"
BASE = HEAD + "prompt: {user: 'Buyer: name the capital.'}\n"

CHECKS: Mapping[str, Any] = {
    "contains": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["text"],
        "additionalProperties": False,
    },
    "text": {"type": "object"},
    "tool_calls": {"type": "object"},
    "code": {"type": "object"},
}


def load(text: str, root: Path, **options: Any) -> tuple[Scenario, ...]:
    """The scenarios of ``text``, as if it stood in ``root``/demo.bench.yaml."""
    options = {"check_parameters": CHECKS.get, "check_names": lambda: CHECKS, **options}
    return load_text(text, file="demo.bench.yaml", root=root, folder=root, **options)


def one(text: str, root: Path, **options: Any) -> Scenario:
    """The only scenario of ``text``."""
    (scenario,) = load(text, root, **options)
    return scenario


def problems(text: str, root: Path, **options: Any) -> list[str]:
    """The messages for ``text``, which must be wrong."""
    try:
        load(text, root, **options)
    except ScenarioError as error:
        return str(error).splitlines()
    raise AssertionError("nothing is wrong with it")
