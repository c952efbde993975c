"""One client per model for the whole session, and the servers of models that run here."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_agentbench.model import Model
from pytest_agentbench.sample import CallRequest
from pytest_agentbench.scenario import Json

if TYPE_CHECKING:
    from pytest_agentbench.providers.child_server import ChildServer
    from pytest_agentbench.providers.client import ChatClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Plays:
    """What simulated models play: scenario files with their project roots, and the defaults."""

    files: Sequence[tuple[str, str]] = ()
    defaults: Mapping[str, Json] = field(default_factory=dict)


NOTHING = Plays()


class Clients:
    """Made with the first need of them; all methods run on one event loop.

    Args:
        keys: By model name.
        before_attempt: Called before each request that goes out, retries included.
        say: Gets one-line messages about weights and servers.
    """

    def __init__(
        self,
        models: Sequence[Model],
        keys: Mapping[str, str | None],
        *,
        before_attempt: Callable[[CallRequest], None],
        say: Callable[[str], None],
    ) -> None:
        self._models = {model.name: model for model in models}
        self._keys = keys
        self._before_attempt = before_attempt
        self._say = say
        self._clients: dict[str, tuple[str | None, ChatClient]] = {}
        self._servers: dict[str, ChildServer] = {}
        self.plays: Plays = NOTHING
        self._setting_up = asyncio.Lock()

    async def prepare(self, name: str) -> None:
        """Start the server of the model ``name`` where it is one that runs here.

        Raises:
            UsageError: it cannot be served; the message says why and what to do.
        """
        if self._models[name].served_here:
            await self.get(name)

    async def get(self, name: str) -> ChatClient:
        """The client of the model ``name``; a local server that has died is started again."""
        model = self._models[name]
        if not model.served_here:
            known = self._clients.get(name)
            if known is not None:
                return known[1]
        async with self._setting_up:
            base_url = model.base_url
            if model.served_here:
                base_url = await self._serve(model)
            known = self._clients.get(name)
            if known is not None and known[0] == base_url:
                return known[1]
            from pytest_agentbench.providers.client import ChatClient

            if known is not None:
                await known[1].close()
            client = ChatClient(
                dataclasses.replace(model, base_url=base_url),
                self._keys.get(name),
                before_attempt=self._before_attempt,
            )
            self._clients[name] = (base_url, client)
            return client

    async def close(self) -> None:
        """Close every client and end every server."""
        for _base_url, client in self._clients.values():
            await client.close()
        for server in self._servers.values():
            await server.close()

    async def _serve(self, model: Model) -> str:
        server = self._servers.get(model.name)
        if server is None:
            server = self._servers[model.name] = self._server_of(model)
            return await server.start(self._say)
        return await server.ensure()

    def _server_of(self, model: Model) -> ChildServer:
        assert model.weights is not None
        if model.kind == "simulated":
            from pytest_agentbench.simulation.process import SimulationProcess

            return SimulationProcess(
                model.weights, alias=model.name, files=self.plays.files, defaults=self.plays.defaults
            )
        from pytest_agentbench.providers.local import LocalServer

        return LocalServer(model.weights, alias=model.model_id, n_parallel=model.concurrency)
