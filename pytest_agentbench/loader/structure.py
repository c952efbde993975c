"""A document against schemas/scenario.schema.json, which is the only definition of the format."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from pytest_agentbench.loader.document import Document, Path_
from pytest_agentbench.loader.explain import Finding, explain
from pytest_agentbench.loader.yaml_core import Node
from pytest_agentbench.resources import bundled
from pytest_agentbench.scenario import Json


@functools.cache
def scenario_schema() -> Json:
    """The schema of a scenario, as shipped."""
    return json.loads((bundled("schemas") / "scenario.schema.json").read_text(encoding="utf-8"))


@functools.cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(scenario_schema())


@functools.cache
def part_validator(*names: str) -> Draft202012Validator:
    """A validator for a mapping that may hold only the top-level keys ``names`` of a scenario."""
    schema = scenario_schema()
    properties = {name: schema["properties"][name] for name in names}
    return Draft202012Validator(
        {"$defs": schema["$defs"], "type": "object", "properties": properties, "additionalProperties": False}
    )


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
        document.note(document.at(path, key=True), finding.message)
    elif finding.kind == "missing":
        document.note(document.at(path[:-1]), finding.message)
        document.bad.add(path)
    else:
        document.problem(path, finding.message, key=finding.kind == "key")


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
