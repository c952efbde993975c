"""The image of the Docker backend: its name, and the two roads to build it.

Both roads end in ``sandbox/Dockerfile``. They differ in the base: an official slim Python image
from a registry, or a Debian root file system made from this machine's own apt sources.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.resources import bundled
from pytest_agentbench.sandboxes import labels
from pytest_agentbench.sandboxes.engine import fault

if TYPE_CHECKING:
    from docker import APIClient

REPOSITORY = "agentbench-sandbox"
BASE_REPOSITORY = "agentbench-sandbox-base"
SOURCE_LABEL = f"{labels.PREFIX}.source"
BASE_LABEL = f"{labels.PREFIX}.base"
INPUTS = ("Dockerfile", "debian-rootfs.sh", "run.py")

Source = Literal["auto", "dockerfile", "debian"]
Progress = Callable[[str], None]


@functools.cache
def tag() -> str:
    """Name of the image; its tag is a digest of the files that it is built from."""
    folder, digest = bundled("sandbox"), hashlib.sha256()
    for name in INPUTS:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def default_base() -> str:
    """The base image that the Dockerfile names."""
    text = (bundled("sandbox") / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    if found is None:
        raise SandboxError("sandbox/Dockerfile has no line 'ARG BASE=IMAGE'")
    return found.group(1)


def present(api: APIClient, name: str | None = None) -> bool:
    """Whether the engine has the image (``name``, else ours).

    Raises:
        SandboxError: The engine does not answer.
    """
    return inspect(api, name) is not None


def inspect(api: APIClient, name: str | None = None) -> Mapping[str, Any] | None:
    """What the engine says about the image, None if it does not have it."""
    from docker.errors import DockerException, NotFound
    from requests.exceptions import RequestException

    try:
        found: Mapping[str, Any] = api.inspect_image(name or tag())  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    except (DockerException, RequestException) as error:
        raise fault(f"look for image {name or tag()}", error) from error
    return found


def build(
    api: APIClient,
    *,
    source: Source = "auto",
    base: str | None = None,
    apt_sources: Sequence[Path] = (),
    force: bool = False,
    progress: Progress,
) -> str:
    """Build the image unless it is there, and return its name.

    Args:
        api: The engine.
        source: ``dockerfile`` on a base that is present or can be pulled; ``debian`` on a root
            file system made here; ``auto``: the first if its base can be had, else the second.
        base: Another base image for ``dockerfile`` (by digest, say).
        apt_sources: For ``debian``: files with apt sources in place of the machine's own.
        force: Build although an image of the same inputs is there.
        progress: Gets one line at a time.

    Raises:
        SandboxError: It cannot be built; the message says what is missing.
    """
    if not force and base is None and present(api):
        progress(f"{tag()} is up to date")
        return tag()
    wanted = base or default_base()
    if source == "auto":
        if base is not None or present(api, wanted) or _pulled(api, wanted, progress):
            source = "dockerfile"
        else:
            progress(f"{wanted} cannot be had here: building on a Debian root file system")
            source = "debian"
    if source == "debian":
        wanted = _debian_base(api, apt_sources, force=force, progress=progress)
    elif not present(api, wanted) and not _pulled(api, wanted, progress):
        raise SandboxError(
            f"base image {wanted} is neither present nor can it be pulled: "
            "name one with --base, or use --from debian"
        )
    _build(api, source, wanted, progress)
    return tag()


def _pulled(api: APIClient, name: str, progress: Progress) -> bool:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    progress(f"pulling {name}")
    try:
        for event in api.pull(name, stream=True, decode=True):
            if "error" in event:
                progress(f"cannot pull {name}: {event['error']}")
                return False
    except (DockerException, RequestException) as error:
        progress(f"cannot pull {name}: {getattr(error, 'explanation', None) or error}")
        return False
    return present(api, name)


def _debian_base(api: APIClient, apt_sources: Sequence[Path], *, force: bool, progress: Progress) -> str:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    script = bundled("sandbox") / "debian-rootfs.sh"
    inputs = [script.read_bytes(), *(path.read_bytes() for path in apt_sources)]
    version = f"debian-{hashlib.sha256(b'|'.join(inputs)).hexdigest()[:12]}"
    name = f"{BASE_REPOSITORY}:{version}"
    if present(api, name) and not force:
        return name
    if shutil.which("mmdebstrap") is None:
        raise SandboxError(
            "mmdebstrap is not installed: `apt-get install mmdebstrap`, or build where a registry answers"
        )
    with tempfile.TemporaryDirectory(prefix="agentbench-rootfs-") as folder:
        archive = Path(folder) / "rootfs.tar"
        progress("making a Debian root file system (about a minute)")
        _run(["sh", str(script), str(archive), *(str(path) for path in apt_sources)], progress)
        progress(f"importing {archive.stat().st_size / 1e6:.0f} MB as {name}")
        try:
            api.import_image(str(archive), repository=BASE_REPOSITORY, tag=version)
        except (DockerException, RequestException) as error:
            raise fault(f"import {name}", error) from error
    if not present(api, name):
        raise SandboxError(f"the Docker engine imported the root file system, but has no image {name}")
    return name


def _run(command: Sequence[str], progress: Progress) -> None:
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith(("I: ", "W: ", "E: ")):
                progress(line.rstrip()[:200])
    if process.returncode != 0:
        raise SandboxError(
            f"{command[1]} ended with status {process.returncode}: {' | '.join(said[-5:])} "
            "(--apt-sources FILE names other sources)"
        )


def _build(api: APIClient, source: str, base: str, progress: Progress) -> None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    progress(f"building {tag()} on {base}")
    try:
        events: Iterable[Mapping[str, Any]] = api.build(
            fileobj=_context(),
            custom_context=True,
            tag=tag(),
            buildargs={"BASE": base},
            labels={SOURCE_LABEL: source, BASE_LABEL: base},
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            if "error" in event:
                raise SandboxError(f"building {tag()} failed: {event['error']}")
            if text := str(event.get("stream", "")).strip():
                progress(text[:200])
    except (DockerException, RequestException) as error:
        raise fault(f"build {tag()}", error) from error
    if not present(api):
        raise SandboxError(f"the Docker engine built, but has no image {tag()}")


def _context() -> io.BytesIO:
    """The Dockerfile and what it copies, with nothing that differs between two machines."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("Dockerfile", "run.py"):
            content = (bundled("sandbox") / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
