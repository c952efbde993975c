"""``agentbench validate``: mistakes in scenario files and holes in their checks, before any call."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agentbench.errors import Problem, ScenarioError, UsageError

if TYPE_CHECKING:
    from pytest_agentbench.scenario import Scenario

SUFFIX = ".bench.yaml"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "validate",
        help="check scenario files, and try their references: do the checks notice a wrong answer?",
        description="Check scenario files, then play the reference of each scenario and mutants of it, "
        "without a model and at no cost. Exit status 1 if a file has a mistake, a reference does not pass, "
        "or a mutant passes that the scenario does not explain under `equivalent_mutants`.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"files and folders (searched for *{SUFFIX}); default: scenarios",
    )
    parser.add_argument("--no-play", action="store_true", help="check the files only")
    parser.add_argument(
        "--sandbox",
        choices=("auto", "docker", "wasm", "none"),
        help="where the code of references runs (default auto); a sandbox named here must be there",
    )


def run(args: argparse.Namespace) -> int:
    """Print what is wrong with files, references and checks; returns 1 for an error, else 0.

    Nothing is played while a file has a mistake.

    Raises:
        UsageError: a path is not there, or no scenario file is found.
    """
    from pytest_agentbench.mutation.rehearsal import Rehearsal, rehearse

    started = time.monotonic()
    files = find_files(args.paths or [Path("scenarios")])
    scenarios, problems = read(files)
    problems += repeated_ids(scenarios)
    notes = [warning for scenario in scenarios for warning in warnings(scenario)]
    summary = f"{_count(len(files), 'file')}, {_count(len(scenarios), 'scenario')} read: "
    rehearsal = Rehearsal()
    if not args.no_play and not problems:
        rehearsal = asyncio.run(rehearse(scenarios, sandbox=args.sandbox, say=_say))
    problems += rehearsal.errors
    notes += [str(note) for note in rehearsal.warnings]
    for problem in problems:
        print(f"error: {problem}")
    for note in notes:
        print(f"warning: {note}")
    n_mistakes = len(problems) - rehearsal.n_failures - rehearsal.n_survivors
    summary += f"{_count(n_mistakes, 'mistake')}, {_count(len(notes), 'warning')}"
    if rehearsal.n_played:
        summary += (
            f"; {_count(rehearsal.n_played, 'reference')} played, {rehearsal.n_failures} failed, "
            f"{_count(rehearsal.n_mutants, 'mutant')}, {_count(rehearsal.n_survivors, 'survivor')} "
            f"({rehearsal.n_explained} more explained), {time.monotonic() - started:.1f} s"
        )
    print(summary)
    return 1 if problems else 0


def read(files: Sequence[Path]) -> tuple[list[Scenario], list[Problem]]:
    """The scenarios of ``files`` and every mistake in them."""
    from pytest_agentbench import checks
    from pytest_agentbench.loader import load_file
    from pytest_agentbench.resources import project_root, settings

    rootdir = _rootdir(Path.cwd())
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for file in files:
        root = project_root(file, rootdir)
        defaults: Mapping[str, Any] = settings(root).get("defaults", {})
        try:
            scenarios += load_file(
                file,
                root=root,
                defaults=defaults,
                check_parameters=_parameters,
                check_names=checks.names,
            )
        except ScenarioError as error:
            problems += error.problems
    return scenarios, problems


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The scenario files that ``paths`` name, folders searched, each file once, in order.

    Raises:
        UsageError: a path is not there, is a file that pytest would not collect, or holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob(f"*{SUFFIX}"))
            if not inside:
                raise UsageError(f"{path}: no *{SUFFIX} file in this folder")
            found.update(dict.fromkeys(inside))
        elif not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        elif not path.name.endswith(SUFFIX):
            raise UsageError(f"{path}: scenario files end in {SUFFIX}, pytest would pass over this one")
        else:
            found[path] = None
    return list(found)


def repeated_ids(scenarios: Sequence[Scenario]) -> Iterator[Problem]:
    """A problem for every scenario whose id an earlier one has taken."""
    first: dict[str, Scenario] = {}
    for scenario in scenarios:
        earlier = first.setdefault(scenario.id, scenario)
        if earlier is not scenario:
            yield Problem(
                location=scenario.location,
                message=f"the scenario id {scenario.id!r} is taken by {earlier.location}; ids are unique in "
                "a session, because baselines are keyed on them: choose another",
            )


def warnings(scenario: Scenario) -> Iterator[str]:
    """A line for every gate that cannot be decided with the scenario's repeats, cap and wordings."""
    from pytest_agentbench import gate
    from pytest_agentbench.draws import Draws

    draws = Draws(
        n_variants=len(scenario.variants),
        n_rows=len(scenario.rows),
        repeats=scenario.repeats,
        seed=scenario.seed,
    )
    for spec in scenario.gates:
        plan = gate.plan(
            spec,
            n_variants=draws.n_variants,
            n_rows=draws.n_rows,
            repeats=draws.repeats,
            round_size=draws.round_size,
        )
        if plan.warning:
            yield f"{spec.location}: {plan.warning}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parameters(name: str) -> Any:
    """As :func:`pytest_agentbench.checks.parameters`, with room for checks that a conftest.py registers.

    It is not loaded here: a name that is like none of ours may be one of them.
    """
    from pytest_agentbench import checks
    from pytest_agentbench.loader.suggest import nearest

    known = checks.names()
    if name in known or nearest(name, known):
        return checks.parameters(name)
    if any(name in checks.get(one).PARAMETERS.get("properties", ()) for one in known):
        return None
    return {}


def _rootdir(start: Path) -> Path:
    """The folder that pytest, started in ``start``, would take for its rootdir."""
    marks = ("pytest.toml", "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")
    for folder in (start, *start.parents):
        if any((folder / mark).is_file() for mark in marks):
            return folder
    return start


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
