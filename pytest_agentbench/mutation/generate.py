"""All mutants of one reference."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pytest_agentbench.mutation import of_calls, of_code, of_json, of_text
from pytest_agentbench.mutation.mutant import Mutant
from pytest_agentbench.mutation.script import Script, canonical
from pytest_agentbench.sample import Sample
from pytest_agentbench.scenario import Json, Rendering, Scenario


def mutants(scenario: Scenario, rendering: Rendering, script: Script, sample: Sample) -> list[Mutant]:
    """The mutants of ``script``, whose ``sample`` passed; those that say the same as it are left out.

    A scenario that asks for nothing but no loops gets a loop only.
    """
    known = {canonical(script)}
    found = []
    for mutant in _all(scenario, rendering, script, sample):
        said = canonical(mutant.script)
        if said not in known:
            known.add(said)
            found.append(mutant)
    return found


def _all(scenario: Scenario, rendering: Rendering, script: Script, sample: Sample) -> Iterator[Mutant]:
    yield of_text.looped(scenario, script)
    asks_nothing = scenario.answer_json is None and not scenario.checks
    if asks_nothing and all(gate.metric == "loop_rate" for gate in scenario.gates):
        return
    yield from of_calls.mutants(scenario, rendering, script)
    if rendering.answer_json is not None and sample.json is not None:
        yield from of_json.mutants(scenario, rendering.answer_json, script, sample.json.value)
    elif any(check.name == "code" for check in scenario.checks):
        yield from of_code.mutants(scenario, script, rendering.row_key if len(scenario.rows) > 1 else "")
    else:
        yield from of_text.mutants(scenario, script, rendering.values, _results(sample))


def _results(sample: Sample) -> Json:
    return [_read(result.content) for turn in sample.turns for result in turn.results]


def _read(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
