"""Removal of containers that a dead run left behind; never one of somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_agentbench.sandboxes import labels
from pytest_agentbench.sandboxes.engine import fault

if TYPE_CHECKING:
    from docker import APIClient


def remove(api: APIClient, container: str) -> bool:
    """Kill and remove one container; False if it was gone or already being removed.

    Raises:
        SandboxError: The engine refuses.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        api.remove_container(container, force=True, v=True)
    except APIError as error:
        if error.status_code in {404, 409}:
            return False
        raise fault(f"remove container {container[:12]}", error) from error
    except (DockerException, RequestException) as error:
        raise fault(f"remove container {container[:12]}", error) from error
    return True


def sweep(api: APIClient) -> int:
    """Remove every container whose run is dead; returns how many.

    Raises:
        SandboxError: The engine does not answer.
    """
    here = labels.Owner.current()
    found = labelled(api)
    return sum(remove(api, name) for name, marks in found if labels.abandoned(marks, here=here))


def remove_run(api: APIClient, run_id: str) -> int:
    """Remove what is left of this process's own run; returns how many."""
    here = labels.Owner.current()
    found = labelled(api, f"{labels.RUN}={run_id}")
    return sum(
        remove(api, name)
        for name, marks in found
        if marks.get(labels.PID) == str(here.pid) and marks.get(labels.HOST) == here.host
    )


def labelled(api: APIClient, label: str = labels.RUN) -> list[tuple[str, dict[str, str]]]:
    """Id and labels of every container, running or not, that carries ``label``."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        listed = api.containers(all=True, filters={"label": label})
    except (DockerException, RequestException) as error:
        raise fault("list containers", error) from error
    return [(str(entry["Id"]), dict(entry.get("Labels") or {})) for entry in listed]
