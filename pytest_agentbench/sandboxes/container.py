"""One execution in one container: made, fed, watched, killed at its limits, removed.

Runs on a thread, because docker-py blocks. The protocol with the program's parent inside the
container is in ``sandbox/run.py``.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionOutcome, ExecutionRequest
from pytest_agentbench.sandboxes.base import (
    WORK_BYTES,
    WORK_FILES,
    died_of_memory_error,
    program_files,
    stdin_bytes,
)
from pytest_agentbench.sandboxes.conversation import Conversation
from pytest_agentbench.sandboxes.engine import API_TIMEOUT_S, fault
from pytest_agentbench.sandboxes.sweep import remove

if TYPE_CHECKING:
    from docker import APIClient

START_S = 60.0
"""Longest time that a container may take until its program starts; longer is the sandbox's fault."""
ORPHAN_S = 10.0
"""The container ends itself this long after its time limit, should nobody kill it."""
MIN_MEMORY_MB = 32
PIDS = 64
TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all containers of a run have in common; ``labels`` takes the deadline (Unix time)."""

    image: str
    labels: Callable[[float], Mapping[str, str]]


class Abandoned(Exception):  # noqa: N818 - nobody waits for the result any more; not a fault
    """The execution was cancelled."""


def execute(
    api: APIClient,
    settings: Settings,
    request: ExecutionRequest,
    *,
    abandon: threading.Event,
    done: Callable[[Execution], None],
) -> None:
    """Run ``request``; ``done`` gets the result before the container is removed.

    Raises:
        SandboxError: The engine or the container failed.
        Abandoned: ``abandon`` was set.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    if abandon.is_set():
        raise Abandoned
    container: str | None = None
    try:
        container = _create(api, settings, request)
        with _Attachment(api, container) as attachment:
            api.start(container)
            heard = _converse(attachment, request, abandon)
            done(_execution(api, container, request, heard))
    except (DockerException, RequestException, OSError) as error:
        if getattr(error, "status_code", None) == 404 and container is None:
            raise SandboxError(f"image {settings.image} missing: run `agentbench sandbox build`") from error
        raise fault("run a container", error) from error
    finally:
        if container is not None:
            remove(api, container)


def _payload(request: ExecutionRequest) -> bytes:
    files, stdin = program_files(request), stdin_bytes(request)
    parts = [f"{request.timeout_s + ORPHAN_S} {len(files)} {len(stdin)}\n".encode("ascii")]
    for name, content in files.items():
        path = name.encode("utf-8", "surrogatepass")
        parts += [f"{len(path)} {len(content)}\n".encode("ascii"), path, content]
    return b"".join([*parts, stdin])


def _create(api: APIClient, settings: Settings, request: ExecutionRequest) -> str:
    from docker.types import LogConfig, Ulimit

    memory = max(request.memory_mb, MIN_MEMORY_MB) * 1024 * 1024
    work = f"size={WORK_BYTES},nr_inodes={WORK_FILES},uid=65534,gid=65534,mode=0700,nosuid,nodev"
    temporary = "size=16m,nr_inodes=1024,uid=65534,gid=65534,mode=0700,nosuid,nodev"
    host_config = api.create_host_config(
        network_mode="none",
        read_only=True,
        tmpfs={"/work": work, "/tmp": temporary},  # noqa: S108 - inside the container
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        privileged=False,
        ipc_mode="private",
        shm_size=16 * 1024 * 1024,
        mem_limit=memory,
        memswap_limit=memory,
        pids_limit=PIDS,
        nano_cpus=1_000_000_000,
        ulimits=[
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="nofile", soft=256, hard=256),
            Ulimit(name="fsize", soft=WORK_BYTES, hard=WORK_BYTES),
        ],
        log_config=LogConfig(type="none"),
    )
    created: Mapping[str, Any] = api.create_container(
        settings.image,
        name=f"agentbench-{uuid.uuid4().hex[:16]}",
        hostname="sandbox",
        user="65534:65534",
        working_dir="/work",
        stdin_open=True,
        network_disabled=True,
        labels=dict(settings.labels(time.time() + START_S + request.timeout_s + ORPHAN_S)),
        host_config=host_config,
    )
    return str(created["Id"])


class _Attachment:
    """The hijacked connection to a container's standard streams.

    Its closing closes the container's standard input, which ends the container: it does not
    outlive this process, however that ends.
    """

    def __init__(self, api: APIClient, container: str) -> None:
        raw: Any = api.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        self._raw = raw
        # docker-py hands out a read-only file object around the socket of HTTP and Unix engines.
        self.socket = getattr(raw, "_sock", raw)
        self.socket.settimeout(API_TIMEOUT_S)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.socket, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Shut down, not only closed: docker-py keeps references, and as long as the connection is
        # open an engine that still has output to deliver does not remove the container.
        self._selector.close()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        # The response owns the file object that owns the socket; over TLS it is not known here.
        getattr(self._raw, "_response", self._raw).close()
        self.socket.close()

    def readable(self, timeout_s: float) -> bool:
        pending = getattr(self.socket, "pending", None)  # over TLS: decrypted, not yet read
        return bool((pending is not None and pending()) or self._selector.select(timeout_s))


class _Watch:
    """The time limits of one execution: that of starting, then that of the program."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._begun = time.monotonic()
        self._deadline = self._begun + START_S

    def program_started(self) -> None:
        self._begun = time.monotonic()
        self._deadline = self._begun + self._timeout_s

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._begun


def _converse(
    attachment: _Attachment, request: ExecutionRequest, abandon: threading.Event
) -> tuple[Conversation, ExecutionOutcome | None, float]:
    """Feed the container and listen until it ends or meets a limit (then the outcome says which)."""
    talk, watch, payload = Conversation(request.output_bytes), _Watch(request.timeout_s), _payload(request)
    while True:
        if abandon.is_set():
            raise Abandoned
        if watch.left_s <= 0:
            if talk.started:
                return talk, "timeout", watch.spent_s
            raise SandboxError(f"the container did not start its program within {START_S:.0f} s")
        if not attachment.readable(min(watch.left_s, TICK_S)):
            continue
        data = attachment.socket.recv(1 << 16)
        if not data:
            return talk, None, watch.spent_s
        was_ready, was_started = talk.ready, talk.started
        talk.feed(data)
        if talk.ready and not was_ready:
            attachment.socket.sendall(payload)
        if talk.started and not was_started:
            watch.program_started()
        if talk.over_limit:
            return talk, "output_limit", watch.spent_s


def _execution(
    api: APIClient,
    container: str,
    request: ExecutionRequest,
    heard: tuple[Conversation, ExecutionOutcome | None, float],
) -> Execution:
    talk, outcome, duration_s = heard
    exit_code: int | None = None
    if outcome is None:
        outcome, exit_code = _ending(api, container, talk, request)
    stdout, stderr = talk.texts()
    if outcome == "failed" and died_of_memory_error(exit_code, stderr):
        outcome = "out_of_memory"
    return Execution(
        outcome=outcome,
        exit_code=exit_code,
        stdout=stdout,
        stderr=stderr,
        duration_s=duration_s,
        backend="docker",
    )


def _ending(
    api: APIClient, container: str, talk: Conversation, request: ExecutionRequest
) -> tuple[ExecutionOutcome, int | None]:
    if talk.refused is not None:
        raise SandboxError(f"the sandbox could not write the request's files: {talk.refused}")
    report = talk.report() if talk.started else None
    if report is None:
        # Process 1 itself was killed. For memory is the program's doing, anything else is not.
        state = api.inspect_container(container)["State"]
        if talk.started and state.get("OOMKilled"):
            return "out_of_memory", 137
        raise SandboxError(
            f"the container ended without a report (exit status {state.get('ExitCode')}, "
            f"{'started' if talk.started else 'not started'}, memory_mb={request.memory_mb}): "
            f"{talk.texts()[1][-300:] or state.get('Error') or 'nothing on stderr'}"
        )
    exit_code, signalled, kills = report
    if len(talk.stdout) > talk.limit:
        return "output_limit", exit_code
    if exit_code == 0:
        return "ok", 0
    if kills > 0:
        return "out_of_memory", exit_code
    if kills < 0 and signalled == 9 and api.inspect_container(container)["State"].get("OOMKilled"):
        return "out_of_memory", exit_code
    return "failed", exit_code
