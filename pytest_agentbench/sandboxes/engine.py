"""The connection to the Docker engine, and what it is missing when there is none.

docker-py is imported here and only when a connection is made.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from pytest_agentbench.errors import SandboxError, SandboxUnavailableError

if TYPE_CHECKING:
    from docker import APIClient

API_TIMEOUT_S = 60


def connect() -> APIClient:
    """A client of the engine that DOCKER_HOST (else the platform's default socket) names.

    Raises:
        SandboxUnavailableError: No engine answers; the message says why and what to do.
    """
    address = os.environ.get("DOCKER_HOST") or _default_address()
    if address.startswith("unix://"):
        # Tried before docker-py is imported: on a machine without Docker this costs nothing.
        try:
            with socket.socket(socket.AF_UNIX) as attempt:
                attempt.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise SandboxUnavailableError(_why(error, address)) from error
    try:
        from docker import APIClient
        from docker.errors import DockerException, TLSParameterError
        from docker.utils import kwargs_from_env
    except ImportError as error:
        raise SandboxUnavailableError(
            f"docker-py cannot be imported ({error}): pip install docker"
        ) from error
    try:
        return APIClient(version="auto", timeout=API_TIMEOUT_S, **kwargs_from_env())
    except (DockerException, TLSParameterError, OSError, ValueError) as error:
        raise SandboxUnavailableError(_why(error, address)) from error


def _default_address() -> str:
    return "npipe:////./pipe/docker_engine" if sys.platform == "win32" else "unix:///var/run/docker.sock"


def _why(error: BaseException, address: str) -> str:
    cause = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner  # the client wraps the system's own words several times
    if isinstance(cause, PermissionError):
        return (
            f"no permission to use the Docker engine at {address}: join the group that owns the socket "
            "(`sudo usermod -aG docker $USER`, then log in again) or run as root"
        )
    return f"no Docker engine answers at {address} ({cause}): install and start one, or set DOCKER_HOST"


def fault(action: str, error: BaseException) -> SandboxError:
    """The engine failed at ``action``: an exception to raise, in one line."""
    explanation = getattr(error, "explanation", None) or str(error) or type(error).__name__
    return SandboxError(f"the Docker engine could not {action}: {str(explanation).strip()}")
