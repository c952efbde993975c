"""The exceptions of pytest-agentbench.

::

    AgentbenchError
    ├── UsageError                what the user asked for cannot be done (exit status 4)
    ├── ScenarioError             a scenario file is wrong; carries every Problem of the file
    ├── TransportError            a fault between us and the model (X): never the model's failure
    │   └── QuotaExhaustedError   the key has nothing left: the whole session stops
    ├── LimitReachedError         a limit of the session (calls, money): verdicts become INCONCLUSIVE
    ├── SandboxError              the sandbox did not do its work: never the model's failure
    │   └── SandboxUnavailableError   no sandbox here: scenarios that need one are not measured
    └── StorageError              the journal or a stored run cannot be written or read

A fault of ours, of the network or of the sandbox is an exception. A failure of the model is a
:class:`~pytest_agentbench.sample.Finding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class AgentbenchError(Exception):
    """Base of every exception that this package raises on purpose."""


class UsageError(AgentbenchError):
    """The command line, the environment or a settings file asks for what cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a text file; ``line`` and ``col`` count from 1."""

    file: str
    line: int
    col: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a scenario or settings file: where it is, what it is, what to do."""

    location: Location
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


class ScenarioError(AgentbenchError):
    """A scenario file is wrong. ``problems`` holds every mistake found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class TransportError(AgentbenchError):
    """A request got no usable answer after all attempts (level X of METRICS).

    Attributes:
        kind: Stable short name, e.g. ``connect``, ``http_500``, ``rate_limited``, ``stream_cut``,
            ``stalled``, ``undecodable``, ``context_overflow``, ``local_model``.
        message: One line for a person; never holds an API key.
        status: HTTP status, or None when there was no HTTP answer.
        n_attempts: Requests that were sent for this call, this one included.
        n_transport_errors: How many of them failed in transport.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        n_attempts: int = 1,
        n_transport_errors: int = 1,
    ) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status
        self.n_attempts = n_attempts
        self.n_transport_errors = n_transport_errors

    def to_wire(self) -> dict[str, Any]:
        """Builtins from which the broker's frames make it again."""
        return {
            "kind": self.kind,
            "message": self.message,
            "status": self.status,
            "n_attempts": self.n_attempts,
            "n_transport_errors": self.n_transport_errors,
        }


class QuotaExhaustedError(TransportError):
    """The provider says that the account has no quota left; waiting does not help."""


class LimitReachedError(AgentbenchError):
    """A limit that the user set for the session (calls, money) leaves no room for this call."""


class SandboxError(AgentbenchError):
    """The sandbox failed at its own work (engine gone, image missing, container never started)."""


class SandboxUnavailableError(SandboxError):
    """No sandbox backend can be used here; the message says why and how to get one."""


class StorageError(AgentbenchError):
    """The journal or a stored run cannot be written or read."""
