"""A document against schemas/scenario.schema.json, which is the only definition of the format."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from pytest_agentbench.loader.advice import about_key, about_value, sections_of
from pytest_agentbench.loader.document import Document, Path_
from pytest_agentbench.loader.explain import Finding, explain
from pytest_agentbench.loader.yaml_core import Node
from pytest_agentbench.resources import bundled
from pytest_agentbench.scenario import Json

DEFAULTS = ("agent", "gates", "models", "repeats", "sampling", "sandbox")
DATA_DEFAULTS = ("locale", "now", "seed")


@functools.cache
def scenario_schema() -> Json:
    """The schema of a scenario, as shipped."""
    return json.loads((bundled("schemas") / "scenario.schema.json").read_text(encoding="utf-8"))


def _is_integer(_: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_StrictValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)
"""JSON Schema takes 50.0 for an integer, which ``range`` does not."""


@functools.cache
def _validator() -> Validator:
    validator: Validator = _StrictValidator(scenario_schema())
    return validator


@functools.cache
def defaults_validator() -> Validator:
    """A validator for ``[tool.agentbench.defaults]``: the keys of a scenario that may have defaults."""
    schema = scenario_schema()
    properties = {name: schema["properties"][name] for name in DEFAULTS}
    of_data = {name: schema["$defs"]["data"]["properties"][name] for name in DATA_DEFAULTS}
    properties["data"] = {"type": "object", "properties": of_data, "additionalProperties": False}
    validator: Validator = _StrictValidator(
        {"$defs": schema["$defs"], "type": "object", "properties": properties, "additionalProperties": False}
    )
    return validator


def check_structure(document: Document) -> None:
    """Notes every place where ``document`` does not fit the schema."""
    broken = set(_broken(document.node))
    document.bad |= broken
    value = document.node.value
    if not isinstance(value, Mapping):
        document.problem((), "a scenario is a mapping of keys (agentbench, id, prompt, ...)")
        return
    for finding in explain(_validator().iter_errors(value)):
        if not any(_inside(finding.path, path) for path in broken):
            note(document, finding)


def note(document: Document, finding: Finding) -> None:
    """Notes ``finding``."""
    path = finding.path
    if finding.kind == "unknown":
        start, known, _ = finding.message.partition(", known: ")
        advice = about_key(path, _sections()) if known else ""
        document.note(document.at(path, key=True), f"{start}{advice}" if advice else finding.message)
        document.drop(path)
        if finding.meant:
            document.bad.add((*path[:-1], finding.meant))
    elif finding.kind == "missing":
        document.note(document.at(path[:-1]), finding.message)
        document.bad.add(path)
    elif finding.kind == "key":
        document.problem(path, finding.message, key=True)
    else:
        advice = about_value(path, document.node.find(path).value) if finding.kind == "type" else ""
        document.problem(path, finding.message + advice)


@functools.cache
def _sections() -> Mapping[str, tuple[str, ...]]:
    return sections_of(scenario_schema())


def _inside(path: Path_, other: Path_) -> bool:
    return path[: len(other)] == other


def _broken(node: Node, path: Path_ = ()) -> Any:
    if node.broken:
        yield path
    if isinstance(node.children, dict):
        for key, child in node.children.items():
            yield from _broken(child, (*path, key))
    elif node.children:
        for n, child in enumerate(node.children):
            yield from _broken(child, (*path, n))
