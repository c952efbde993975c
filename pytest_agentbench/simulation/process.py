"""The simulated model of a session: its server in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_agentbench.errors import ScenarioError, UsageError
from pytest_agentbench.providers.child_server import ChildServer
from pytest_agentbench.scenario import Json


class SimulationProcess(ChildServer):
    """Serves one profile; knows the scenarios whose references it plays.

    Args:
        profile: Name of a shipped profile, or a file.
        files: Pairs of a scenario file and its project root.
        defaults: ``[tool.agentbench.defaults]``.
        seed: In place of the profile's own.
    """

    def __init__(
        self,
        profile: str,
        *,
        alias: str,
        files: Sequence[tuple[str, str]] = (),
        defaults: Mapping[str, Json] | None = None,
        seed: int | None = None,
    ) -> None:
        command = ["-m", "pytest_agentbench.simulation.child"]
        super().__init__(command, alias=alias, what="the simulated model's server")
        self._told = {
            "profile": profile,
            "seed": seed,
            "files": list(files),
            "defaults": dict(defaults or {}),
        }

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), **self._told}


def check_profile(name: str, profile: str, model_id: str) -> None:
    """Look at the profile of the model ``name`` before anything is started.

    Raises:
        UsageError: there is no such profile, it has mistakes, or it has no such model.
    """
    from pytest_agentbench.simulation.profile import load_profile

    try:
        found = load_profile(profile)
    except ScenarioError as error:
        raise UsageError(f"{name}: the profile has mistakes\n{error}") from None
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    own = model_id.partition(":")[2]
    if own and own not in found.models:
        there = ", ".join(found.models) or "none"
        raise UsageError(f"{name}: the profile {found.name} has no model {own!r}; there are: {there}")
