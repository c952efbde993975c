"""One scenario tried: its reference in every row and wording, then its mutants."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_agentbench.errors import Location, Problem
from pytest_agentbench.expand import render
from pytest_agentbench.mutation.generate import mutants
from pytest_agentbench.mutation.mutant import Mutant, place_of
from pytest_agentbench.mutation.player import Played, Player
from pytest_agentbench.mutation.script import Script, script_of
from pytest_agentbench.sample import Finding, Sample
from pytest_agentbench.scenario import Rendering, Scenario

MAX_ROWS = 200
"""Rows in which a reference is played; of more, this many evenly spread."""
MUTATED_ROWS = 3
MUTATED_ROWS_OF_CODE = 12
"""Each row has tests of its own."""
MAX_MUTANTS = 500
"""Mutants of one row; of more, this many evenly spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it.

    Attributes:
        failures: The reference does not pass.
        survivors: Mutants that no check noticed and nobody explained.
        warnings: What could not be tried, and explanations of mutants that do not survive.
        n_played: Samples of the reference.
        n_mutants: Mutants played, counted once for all rows; n_explained: survivors with a reason.
    """

    failures: tuple[Problem, ...] = ()
    survivors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    n_played: int = 0
    n_mutants: int = 0
    n_explained: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """The reference in one variant and row, and what its play gave."""

    rendering: Rendering
    script: Script
    played: Played


async def attempt(scenario: Scenario, player: Player) -> Trial:
    """Play the reference of ``scenario`` everywhere, and mutants of it where it passes.

    Raises:
        ScenarioError: a rendered parameter of a check makes no sense.
    """
    rows = spread(len(scenario.rows), MAX_ROWS)
    draws = [(0, row) for row in rows] + [(variant, 0) for variant in range(1, len(scenario.variants))]
    references = await asyncio.gather(*(_play(scenario, player, variant, row) for variant, row in draws))
    failures = tuple(_failures(scenario, references))
    warnings: list[Problem] = []
    if len(rows) < len(scenario.rows):
        text = f"the reference was played in {len(rows)} of {len(scenario.rows)} rows"
        warnings.append(Problem(location=place_of(scenario, "reference"), message=text))
    if failures:
        return Trial(failures=failures, warnings=tuple(warnings), n_played=len(draws))
    n_mutated = MUTATED_ROWS_OF_CODE if scenario.needs_sandbox else MUTATED_ROWS
    chosen = [references[index] for index in spread(len(rows), n_mutated)]
    verdicts = []
    for reference in chosen:
        every = mutants(scenario, reference.rendering, reference.script, reference.played.sample)
        some = [every[index] for index in spread(len(every), MAX_MUTANTS)]
        if len(some) < len(every) and reference is chosen[0]:
            text = f"{len(some)} of {len(every)} mutants of the reference were played"
            warnings.append(Problem(location=place_of(scenario, "reference"), message=text))
        verdicts += await asyncio.gather(*(_try(scenario, player, reference, mutant) for mutant in some))
    survivors: dict[str, tuple[Mutant, str]] = {}
    faults: list[str] = []
    for mutant, row, sample in verdicts:
        if sample.fault is not None:
            faults.append(f"{mutant.id}: {sample.fault['kind']}: {sample.fault['message']}")
        elif not _noticed(scenario, sample):
            survivors.setdefault(mutant.id, (mutant, row))
    if faults:
        text = f"{len(faults)} mutants could not be played, the first is {faults[0]}"
        warnings.append(Problem(location=place_of(scenario, "reference"), message=text))
    unexplained = {
        name: found
        for name, found in survivors.items()
        if not any(fnmatch.fnmatchcase(name, one.mutant) for one in scenario.equivalent_mutants)
    }
    return Trial(
        survivors=tuple(_told(scenario, mutant, row) for mutant, row in unexplained.values()),
        warnings=(*warnings, *_stale(scenario, survivors)),
        n_played=len(draws),
        n_mutants=len({mutant.id for mutant, _, _ in verdicts}),
        n_explained=len(survivors) - len(unexplained),
    )


def spread(n: int, most: int) -> list[int]:
    """All of ``range(n)``, or ``most`` of it evenly spread, the first and the last among them."""
    if n <= most:
        return list(range(n))
    return [round(place * (n - 1) / (most - 1)) for place in range(most)]


async def _play(scenario: Scenario, player: Player, variant: int, row: int) -> _Reference:
    rendering = render(scenario, scenario.variants[variant], row)
    script = script_of(rendering.reference)
    return _Reference(
        rendering=rendering, script=script, played=await player.play(scenario, rendering, script)
    )


async def _try(
    scenario: Scenario, player: Player, reference: _Reference, mutant: Mutant
) -> tuple[Mutant, str, Sample]:
    played = await player.play(scenario, reference.rendering, mutant.script)
    return mutant, reference.rendering.row_key, played.sample


def _noticed(scenario: Scenario, sample: Sample) -> bool:
    """Whether the sample fails, or counts in the gate on arguments."""
    gated = any(gate.metric == "tool_argument_failure_rate" for gate in scenario.gates)
    return not sample.passed or (gated and any(outcome.level != "L0" for outcome in sample.arguments))


def _told(scenario: Scenario, mutant: Mutant, row: str) -> Problem:
    where = f" (row {row})" if len(scenario.rows) > 1 else ""
    return Problem(
        location=mutant.place,
        message=f"{mutant.id}: {mutant.what}{where}, and no check noticed; {mutant.advice}",
    )


def _stale(scenario: Scenario, survivors: dict[str, tuple[Mutant, str]]) -> Iterator[Problem]:
    for one in scenario.equivalent_mutants:
        if not any(fnmatch.fnmatchcase(name, one.mutant) for name in survivors):
            text = f"no surviving mutant is called {one.mutant!r}: remove this explanation"
            yield Problem(location=one.location, message=text)


def _failures(scenario: Scenario, references: Sequence[_Reference]) -> Iterator[Problem]:
    """One problem for each place, with the first variant and row where it shows."""
    found: dict[Location, list[str]] = {}
    for reference in references:
        rendering = reference.rendering
        where = f"variant {rendering.variant}"
        if len(scenario.rows) > 1:
            where += f", row {rendering.row_key}"
        for location, why in _reasons(scenario, reference):
            found.setdefault(location, []).append(f"the reference fails ({where}): {why}")
    for location, messages in found.items():
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        yield Problem(location=location, message=messages[0] + more)


def _reasons(scenario: Scenario, reference: _Reference) -> Iterator[tuple[Location, str]]:
    """What is wrong with a play of the reference, each with its place."""
    sample, own = reference.played.sample, place_of(scenario, "reference")
    if reference.played.asked_on:
        yield own, f"it has {len(reference.script)} turns, and the agent asks for another"
        return
    if sample.fault is not None:
        yield own, f"{sample.fault['kind']}: {sample.fault['message']}"
        return
    if reference.played.n_said < len(reference.script):
        yield own, f"the agent is done after {reference.played.n_said} of its {len(reference.script)} turns"
    outcome = sample.json
    if outcome is not None and not outcome.contract_holds:
        errors = "; ".join(error.message for error in outcome.errors[:3])
        said = errors or f"the answer is {outcome.parse} ({', '.join(outcome.tags)})"
        yield place_of(scenario, "answer.json.schema" if errors else "answer.json", "answer.json"), said
    for index, argued in enumerate(sample.arguments):
        if argued.level != "L0":
            errors = "; ".join(error.message for error in argued.errors[:3]) or ", ".join(argued.tags)
            yield own, f"the arguments of its call {index} do not fit the tool: {errors}"
    if sample.loop is not None:
        yield own, f"it has a loop ({sample.loop.kind}): {sample.loop.excerpt}"
    yield from _findings(scenario, sample.findings)


def _findings(scenario: Scenario, findings: Sequence[Finding]) -> Iterator[tuple[Location, str]]:
    # Those of the scenario's checks come last and in its order; limits and `expect` come before.
    n_before = len(findings) - len(scenario.checks)
    for index, finding in enumerate(findings):
        if finding.status != "failed":
            continue
        if index >= n_before:
            yield scenario.checks[index - n_before].location, f"check {finding.check}: {finding.message}"
        else:
            name = "answer.json.expect" if finding.check == "json_expect" else "reference"
            yield place_of(scenario, name), f"{finding.check}: {finding.message}"
