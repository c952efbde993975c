"""The process that serves simulated models; started by ``process.SimulationProcess``.

Its one argument is a JSON object {port, profile, seed, files, defaults}: ``files`` are pairs of a
scenario file and its project root. See ``providers.child_server`` for how it talks to its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_agentbench.loader import load_file
from pytest_agentbench.providers.parent import exit_with_parent
from pytest_agentbench.simulation.endpoint import Simulation
from pytest_agentbench.simulation.profile import load_profile
from pytest_agentbench.simulation.server import SimulatedServer


def main() -> None:
    """Serve until stdin closes."""
    threading.Thread(target=exit_with_parent, daemon=True).start()
    asyncio.run(_serve(json.loads(sys.argv[1])))


async def _serve(options: Mapping[str, Any]) -> None:
    try:
        scenarios = [
            scenario
            for path, root in options["files"]
            # The checks are not looked at: nobody needs them to play a reference.
            for scenario in load_file(Path(path), root=Path(root), defaults=options["defaults"])
        ]
        simulation = Simulation([load_profile(options["profile"])], scenarios, seed=options["seed"])
        server = SimulatedServer(simulation.answer, port=options["port"])
        said = {"address": (await server.start()).removesuffix("/v1")}
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to say it
        said = {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(said), flush=True)  # noqa: T201 - what the parent waits for
    if "error" in said:
        os._exit(1)
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
