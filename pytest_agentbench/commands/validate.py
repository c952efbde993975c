"""``agentbench validate``: every mistake in scenario files, before any call is paid for."""

from __future__ import annotations

import argparse
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
        help="check scenario files: every mistake as file:line:col, gates that cannot be decided as warnings",
        description="Check scenario files without calling a model. Exit status 1 if any file has a mistake.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"files and folders (searched for *{SUFFIX}); default: scenarios",
    )


def run(args: argparse.Namespace) -> int:
    """Print every mistake and every warning of the files; returns 1 if there is a mistake, else 0.

    Raises:
        UsageError: a path is not there, or no scenario file is found.
    """
    from pytest_agentbench import checks
    from pytest_agentbench.loader import load_file
    from pytest_agentbench.resources import project_root, settings

    files = find_files(args.paths or [Path("scenarios")])
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
                check_parameters=checks.parameters,
                check_names=checks.names,
            )
        except ScenarioError as error:
            problems += error.problems
    problems += repeated_ids(scenarios)
    notes = [warning for scenario in scenarios for warning in warnings(scenario)]
    for problem in problems:
        print(f"error: {problem}")
    for note in notes:
        print(f"warning: {note}")
    print(
        f"{_count(len(files), 'file')}, {_count(len(scenarios), 'scenario')} read: "
        f"{_count(len(problems), 'mistake')}, {_count(len(notes), 'warning')}"
    )
    return 1 if problems else 0


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


def _rootdir(start: Path) -> Path:
    """The folder that pytest, started in ``start``, would take for its rootdir."""
    marks = ("pytest.toml", "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")
    for folder in (start, *start.parents):
        if any((folder / mark).is_file() for mark in marks):
            return folder
    return start


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
