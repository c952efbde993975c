"""``agentbench sandbox build|doctor|prune``: the place where generated code runs."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``sandbox``."""
    parser = subparsers.add_parser("sandbox", help="build, examine and tidy up the code sandbox")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="build the Docker image (only if its inputs changed)")
    build.add_argument(
        "--backend",
        choices=("docker", "wasm"),
        default="docker",
        help="what to make ready; wasm: compile the embedded Python (about 45 s, once)",
    )
    build.add_argument(
        "--from",
        dest="source",
        choices=("auto", "dockerfile", "debian"),
        default="auto",
        help="dockerfile: on an official slim Python image; debian: on a root file system made from this "
        "machine's apt sources, without a registry; auto (default): the first if it can be had",
    )
    build.add_argument(
        "--base", metavar="IMAGE", help="another base image for --from dockerfile, e.g. by digest"
    )
    build.add_argument(
        "--apt-sources",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="apt sources for --from debian (default: those of this machine)",
    )
    build.add_argument("--force", action="store_true", help="build although the image is up to date")
    actions.add_parser("doctor", help="say which backends work here, what is missing and how to get it")
    actions.add_parser("prune", help="remove containers that dead runs left behind (nobody else's)")


def run(args: argparse.Namespace) -> int:
    """Run one action; returns the exit status.

    ``doctor``: 0 when a backend works, else 1.

    Raises:
        SandboxError: What was asked for cannot be done.
    """
    from pytest_agentbench.sandboxes import doctor, engine, image, sweep

    if args.action == "doctor":
        lines, works = doctor.examine()
        print("\n".join(lines))
        return 0 if works else 1
    if args.action == "build" and args.backend == "wasm":
        return asyncio.run(_compile())
    api = engine.connect()
    try:
        if args.action == "prune":
            print(f"removed {sweep.sweep(api)} container(s) of dead runs")
            return 0
        name = image.build(
            api,
            source=args.source,
            base=args.base,
            apt_sources=args.apt_sources,
            force=args.force,
            progress=_say,
        )
        found = image.inspect(api, name) or {}
        print(f"{name} is ready ({found.get('Size', 0) / 1e6:.0f} MB)")
        return 0
    finally:
        api.close()


async def _compile() -> int:
    from pytest_agentbench.sandboxes import open_sandbox

    sandboxes = await open_sandbox("wasm", run_id="build", slots=1, progress=_say)
    try:
        await sandboxes.prepare()
    finally:
        await sandboxes.close()
    print("wasm is ready")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
