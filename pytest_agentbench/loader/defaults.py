"""``[tool.agentbench.defaults]``: values that a scenario leaves out."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from pytest_agentbench.errors import Location, Problem
from pytest_agentbench.loader.explain import explain
from pytest_agentbench.loader.structure import defaults_validator
from pytest_agentbench.resources import line_of, settings_file
from pytest_agentbench.scenario import Json


def default_problems(defaults: Mapping[str, Json], root: Path) -> tuple[Problem, ...]:
    """What is wrong with ``defaults``, by the schema of scenarios; places in the settings file."""
    if not defaults:
        return ()
    return _problems(json.dumps(defaults, sort_keys=True, default=str), root)


@functools.lru_cache(maxsize=16)
def _problems(defaults: str, root: Path) -> tuple[Problem, ...]:
    file = settings_file(root) or "settings"
    path = root / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    problems = []
    for finding in explain(defaults_validator().iter_errors(json.loads(defaults)), ("defaults",)):
        *tables, key = (str(step) for step in finding.path)
        table = ".".join(["tool.agentbench", *tables]) if "[tool.agentbench" in text else ".".join(tables)
        line = line_of(text, key, table)
        problems.append(Problem(location=Location(file=file, line=line, col=1), message=finding.message))
    return tuple(problems)
