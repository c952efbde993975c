"""``agentbench simulate``: a language model whose faults are known, on loopback."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agentbench.errors import UsageError

if TYPE_CHECKING:
    from pytest_agentbench.scenario import Scenario
    from pytest_agentbench.simulation.endpoint import Simulation


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "simulate",
        help="serve a simulated model on loopback: OpenAI-compatible, its faults set by a profile",
        description="Serve simulated models on 127.0.0.1 until Ctrl-C. They play the references of the "
        "scenario files, and make up answers that fit to any other request. "
        "`pytest --agentbench --model=simulated:PROFILE` starts its own.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="scenario files and folders whose references are played; default: scenarios, if it is there",
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable: a shipped profile or a YAML file; a request's `model` names PROFILE or "
        "PROFILE:MODEL, other names get the first one (default: perfect)",
    )
    parser.add_argument("--port", type=int, default=8099, metavar="N", help="default 8099; 0: any free one")
    parser.add_argument("--seed", type=int, metavar="N", help="of all draws, over the profiles' own")
    parser.add_argument("--list", action="store_true", help="list the shipped profiles and end")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; returns 0.

    Raises:
        UsageError: an unknown profile, a path that is not there, or a port that is taken.
        ScenarioError: mistakes in a profile or in a scenario file.
    """
    from pytest_agentbench.simulation.endpoint import Simulation
    from pytest_agentbench.simulation.profile import DEFAULT, load_profile, shipped

    if args.list:
        for name in shipped():
            print(f"{name}: {load_profile(name).about}")
        return 0
    profiles = [load_profile(name) for name in args.profile or [DEFAULT]]
    scenarios = _scenarios(args.paths)
    simulation = Simulation(profiles, scenarios, seed=args.seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(simulation, port=args.port, n_scenarios=len(scenarios)))
    for (model, befell), n in sorted(simulation.befell.items()):
        print(f"{model}: {befell or 'right'} {n}")
    for (model, kind), n in sorted(simulation.failed.items()):
        print(f"{model}: transport:{kind} {n}")
    return 0


async def _serve(simulation: Simulation, *, port: int, n_scenarios: int) -> None:
    from pytest_agentbench.simulation.server import SimulatedServer

    server = SimulatedServer(simulation.answer, port=port)
    try:
        address = await server.start()
    except OSError as error:
        raise UsageError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another --port"
        ) from None
    print(
        f"{address} serves {', '.join(simulation.models)}; {n_scenarios} scenarios; Ctrl-C ends it",
        flush=True,
    )
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


def _scenarios(paths: Sequence[Path]) -> list[Scenario]:
    from pytest_agentbench.commands.validate import find_files
    from pytest_agentbench.loader import load_file
    from pytest_agentbench.resources import project_root, settings

    default = Path("scenarios")
    if not paths and not default.is_dir():
        return []
    scenarios: list[Scenario] = []
    for file in find_files(paths or [default]):
        root = project_root(file, Path.cwd())
        scenarios += load_file(file, root=root, defaults=settings(root).get("defaults", {}))
    return scenarios
