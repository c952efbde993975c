"""Loaded scenarios kept on disk, so that sixteen workers do the work of one.

An entry holds what the loader made of one file, and what else it had read: it counts only while all
of that is the same, byte for byte. Files with mistakes are never kept. The form is JSON; no code is
ever loaded from it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pytest_agentbench.resources import bundled, resolve_inside
from pytest_agentbench.scenario import Json, Scenario
from pytest_agentbench.wire import from_wire, to_wire


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reading:
    """A file that a scenario refers to: by which name, from which folder, and what it was."""

    folder: str
    reference: str
    path: str
    sha256: str


def reading(folder: Path, reference: str, path: Path) -> Reading:
    """The reading of ``path`` as it is now."""
    return Reading(folder=str(folder), reference=reference, path=str(path), sha256=_hash_of(path))


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Holds the entry ``name``: of several processes one works, the others wait and then find it.

    The lock goes with the process that holds it. Where there can be no lock nobody waits.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):  # Windows; a disk that cannot be written
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / f"{name}.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def name_of(file: str, root: Path) -> str:
    """The name of the entry for a scenario file; a new text takes the place of the old one."""
    return hashlib.sha256(f"{root}\0{file}".encode()).hexdigest()[:32]


def key_of(text: str, *, file: str, root: Path, folder: Path, defaults: Mapping[str, Json]) -> str:
    """What an entry was made of, the files that it refers to apart."""
    parts = [
        _versions(),
        text,
        file,
        str(root),
        str(folder),
        json.dumps(defaults, sort_keys=True, default=str),
    ]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def load(
    folder: Path, name: str, key: str, *, root: Path, check_parameters: Callable[[str], Json] | None
) -> tuple[Scenario, ...] | None:
    """The scenarios of the entry ``name``; None where there is none that still holds."""
    try:
        entry = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if entry["key"] != key or any(not _same(root, Reading(**found)) for found in entry["readings"]):
            return None
        if entry["checks"] != _checks(entry["checks"], check_parameters):
            return None
        return tuple(from_wire(Scenario, data) for data in entry["scenarios"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing, cut short, or of another version


def store(
    folder: Path,
    name: str,
    key: str,
    scenarios: tuple[Scenario, ...],
    *,
    readings: set[Reading],
    check_parameters: Callable[[str], Json] | None,
) -> None:
    """Keeps ``scenarios``; a disk that cannot be written is no error, the work is then done again."""
    names = {check.name for scenario in scenarios for check in scenario.checks}
    entry = {
        "key": key,
        "readings": [to_wire(found) for found in sorted(readings)],
        "checks": _checks(dict.fromkeys(sorted(names)), check_parameters),
        "scenarios": [to_wire(scenario) for scenario in scenarios],
    }
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(entry, file, ensure_ascii=False, separators=(",", ":"))
        os.replace(part, folder / f"{name}.json")  # noqa: PTH105 - atomic


def _same(root: Path, found: Reading) -> bool:
    path = resolve_inside(root, Path(found.folder), found.reference)
    return str(path) == found.path and _hash_of(path) == found.sha256


def _checks(names: Mapping[str, Json], check_parameters: Callable[[str], Json] | None) -> dict[str, Json]:
    return {
        name: None if check_parameters is None else json.dumps(check_parameters(name), sort_keys=True)
        for name in names
    }


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _versions() -> str:
    """What the result depends on beside the files: our code, the libraries, Python."""
    package = Path(__file__).resolve().parent.parent
    sources = [
        *sorted(package.glob("loader/*.py")),
        *sorted(package.glob("expand/*.py")),
        package / "scenario.py",
    ]
    stamps = [
        f"{path.name}:{path.stat().st_mtime_ns}"
        for path in (*sources, bundled("schemas") / "scenario.schema.json")
    ]
    libraries = [metadata.version(name) for name in ("faker", "jinja2", "jsonschema", "pyyaml")]
    return " ".join([sys.version, *libraries, *stamps])
