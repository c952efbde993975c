"""The reference of every shipped scenario passes in each row and wording, and none of its mutants does."""

from __future__ import annotations

import pytest
from shipped import IDS, shipped
from trials import try_one


@pytest.mark.parametrize("identifier", IDS)
def test_the_reference_passes_and_every_mutant_is_noticed_or_explained(identifier: str) -> None:
    scenario = shipped()[identifier]
    trial = try_one(scenario)
    assert not trial.failures
    assert not trial.survivors
    assert not trial.warnings  # a stale explanation too
    assert trial.n_played == len(scenario.rows) + len(scenario.variants) - 1
    only_loops = {spec.metric for spec in scenario.gates} == {"loop_rate"}
    assert (trial.n_mutants == 1) is only_loops
