"""The command ``agentbench``: one subcommand a file in :mod:`pytest_agentbench.commands`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from pytest_agentbench import __version__, commands
from pytest_agentbench.errors import AgentbenchError, ScenarioError

EXIT_USAGE = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status (4 for what cannot be done as asked)."""
    parser = argparse.ArgumentParser(
        prog="agentbench",
        description="Tools around `pytest --agentbench`: scenario files, models, sandboxes.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-agentbench {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {
        info.name: importlib.import_module(f"{commands.__name__}.{info.name}")
        for info in pkgutil.iter_modules(commands.__path__)
    }
    for name in sorted(modules):
        modules[name].add_parser(subparsers)
    args = parser.parse_args(argv)
    try:
        status: int = modules[args.command].run(args)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 1
    except AgentbenchError as error:
        print(f"agentbench {args.command}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    return status
