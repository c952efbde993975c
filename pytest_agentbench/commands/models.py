"""``agentbench models``: what can be named with --model, and what an endpoint really honours."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from pytest_agentbench.errors import UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.catalogue import key_of, known_names, missing_key, resolve
from pytest_agentbench.providers.child_server import ChildServer
from pytest_agentbench.scenario import Json

Serve: TypeAlias = Callable[[Model], Awaitable[str]]
"""Makes the weights of a local model answer; returns the base URL."""

_COLUMNS = ("name", "where", "model", "context", "output", "$/M in", "$/M out", "as of", "key")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "models",
        help="list the models known by name; `models check NAME` makes three real calls",
        description="List the models that --model knows by name: limits, prices, and which have their key.",
    )
    actions = parser.add_subparsers(dest="action", metavar="check")
    check: argparse.ArgumentParser = actions.add_parser(
        "check",
        help="call a model three times and say what its endpoint honours",
        description="Three real calls: with a tool, with a schema, streamed (some hundred tokens). "
        "Exit status 0: all three were answered; 1: one was not.",
    )
    check.add_argument("name", metavar="NAME", help="as for pytest --model")
    check.add_argument("--base-url", metavar="URL", help="a gateway or server of your own")
    check.add_argument(
        "--strict", action="store_true", help="exit status 1 also when something asked for is not honoured"
    )


def run(args: argparse.Namespace, *, serve: Serve | None = None) -> int:
    """List the models (returns 0), or check one (0: all calls answered, else 1).

    Raises:
        UsageError: an unknown model, or its key is missing.
    """
    settings = _settings()
    if getattr(args, "action", None) == "check":
        return _check(args, settings, serve)
    return _list(settings, os.environ)


def _settings() -> Mapping[str, Json]:
    from pytest_agentbench import resources

    here = Path.cwd()
    return resources.settings(resources.project_root(here, here))


def _list(settings: Mapping[str, Json], env: Mapping[str, str]) -> int:
    rows, notes, warnings = [], [], []
    for name in known_names(settings):
        try:
            (model,) = resolve([name], settings=settings, base_url=None, env=env, require_keys=False)
        except UsageError as problem:
            notes.append(str(problem))
            continue
        rows.append(_row(model, env))
        if model.warning:
            warnings.append(model.warning)
    for line in _table([_COLUMNS, *rows]):
        print(line)
    print()
    print("Also: simulated[:PROFILE], provider:MODEL-ID, gguf:PATH, any name with --agentbench-base-url=URL,")
    print('and your own under [tool.agentbench.models."NAME"] of pyproject.toml or agentbench.toml.')
    print("Prices never gate.")
    for line in warnings:
        print(f"warning: {line}")
    for line in notes:
        print(f"error: {line}")
    return 1 if notes else 0


def _row(model: Model, env: Mapping[str, str]) -> tuple[str, ...]:
    prices = model.prices
    return (
        model.name,
        "this machine" if model.served_here else model.base_url or "openai's default",
        model.model_id,
        _tokens(model.context_tokens),
        _tokens(model.output_tokens),
        f"{prices.input:g}" if prices else "n/a",
        f"{prices.output:g}" if prices else "n/a",
        (prices.as_of if prices else "") or "-",
        _key(model, env),
    )


def _key(model: Model, env: Mapping[str, str]) -> str:
    if key_of(model, env) is not None and missing_key(model, env) is None:
        return f"{model.api_key_env} is set"
    if missing_key(model, env) is None:
        return "none needed"
    return f"{model.api_key_env} is missing"


def _tokens(count: int | None) -> str:
    if count is None:
        return "n/a"
    return f"{count / 1e6:.3g}M" if count >= 1_000_000 else f"{count // 1000}K"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _check(args: argparse.Namespace, settings: Mapping[str, Json], serve: Serve | None) -> int:
    models = resolve([args.name], settings=settings, base_url=args.base_url, env=os.environ)
    if len(models) != 1:
        raise UsageError(f"one model is checked at a time, {len(models)} were named: {args.name}")
    return asyncio.run(_probe(models[0], strict=args.strict, serve=serve))


async def _probe(model: Model, *, strict: bool, serve: Serve | None) -> int:
    from pytest_agentbench.providers.client import ChatClient
    from pytest_agentbench.providers.probe import probe

    async with _served(model, serve) as served:
        print(f"{model.name}: {served.model_id} at {served.base_url or 'the default address of openai'}")
        if model.warning:
            print(f"warning: {model.warning}")
        client = ChatClient(served, key_of(served, os.environ))
        try:
            found = await probe(served, client)
        finally:
            await client.close()
    rows = [(seen.what, seen.honoured, seen.detail) for seen in found.observations]
    for line in _table(rows):
        print(f"  {line}")
    print(f"{found.n_answered} of {found.n_calls} calls answered")
    failed = found.n_answered < found.n_calls
    refused = any(seen.honoured != "yes" for seen in found.observations)
    return 1 if failed or (strict and refused) else 0


@asynccontextmanager
async def _served(model: Model, serve: Serve | None) -> AsyncIterator[Model]:
    """The model with an address; one that runs on this machine is started for the check."""
    if not model.served_here:
        yield model
    elif serve is not None:
        yield replace(model, base_url=await serve(model))
    else:
        assert model.weights is not None
        if model.kind == "simulated":
            from pytest_agentbench.simulation.process import SimulationProcess, check_profile

            check_profile(model.name, model.weights, model.model_id)
            server: ChildServer = SimulationProcess(model.weights, alias=model.name)
        else:
            from pytest_agentbench.providers.local import LocalServer

            server = LocalServer(model.weights, alias=model.model_id)
        try:
            yield replace(model, base_url=await server.start(print))
        finally:
            await server.close()
