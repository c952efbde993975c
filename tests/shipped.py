"""The scenarios that come with the project, loaded once."""

from __future__ import annotations

import functools
import re

from requirements import ROOT

from pytest_agentbench import checks
from pytest_agentbench.draws import Draws
from pytest_agentbench.loader import load_file
from pytest_agentbench.scenario import Scenario

FILES = sorted((ROOT / "scenarios").rglob("*.bench.yaml"))
# Read without the loader, so that a scenario that no longer loads is a failed test and not no test.
IDS = [name for file in FILES for name in re.findall(r"^id: (\S+)$", file.read_text("utf-8"), re.MULTILINE)]


@functools.cache
def shipped() -> dict[str, Scenario]:
    """Every shipped scenario by its id."""
    return {
        scenario.id: scenario
        for file in FILES
        for scenario in load_file(file, root=ROOT, check_parameters=checks.parameters)
    }


def draws_of(scenario: Scenario) -> Draws:
    """The sending order of the scenario with its own repeats."""
    return Draws(
        n_variants=len(scenario.variants),
        n_rows=len(scenario.rows),
        repeats=scenario.repeats,
        seed=scenario.seed,
    )
