"""Where files are: data shipped with the package, the project root, its settings, references."""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pytest_agentbench.errors import UsageError
from pytest_agentbench.scenario import Json

SETTINGS_FILE = "agentbench.toml"
TABLES = ("accept", "defaults", "gates", "models", "paths")
"""The keys that ``[tool.agentbench]`` may hold; what stands below them is checked by their users."""

_PACKAGE = Path(__file__).resolve().parent
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:")


@functools.cache
def bundled(kind: Literal["scenarios", "schemas", "sandbox"]) -> Path:
    """The folder of data shipped with the package: in a wheel, or in the source tree.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    in_wheel = _PACKAGE / "_data" / kind
    if in_wheel.is_dir():
        return in_wheel
    in_source = _PACKAGE.parent / kind
    if in_source.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file():
        return in_source
    raise FileNotFoundError(
        f"the installation of pytest-agentbench has no {kind}: neither {in_wheel} nor {in_source}"
    )


def project_root(start: Path, rootdir: Path) -> Path:
    """The folder that no file reference of a scenario may leave.

    The nearest folder from ``start`` (a file or folder) upwards that has an agentbench.toml; else
    ``rootdir`` if it holds ``start``; else the bundled data if they do; else the folder itself.
    """
    path = start.resolve()
    folder = path if path.is_dir() else path.parent
    for candidate in (folder, *folder.parents):
        if (candidate / SETTINGS_FILE).is_file():
            return candidate
    shipped = bundled("scenarios").resolve().parent
    for candidate in (rootdir.resolve(), shipped):
        if folder.is_relative_to(candidate):
            return candidate
    return folder


def resolve_inside(root: Path, folder: Path, reference: str) -> Path:
    """The file that ``reference``, relative to ``folder``, names; symlinks resolved.

    Raises:
        ValueError: a URL, a file outside ``root``, or no file; the text names the reference.
    """
    if _SCHEME.match(reference):
        raise ValueError(f"'{reference}' is a URL: only files of the project are read, never the network")
    if "\0" in reference or not reference.strip():
        raise ValueError(f"{reference!r} is not the name of a file")
    real_root = root.resolve()
    try:
        path = (folder / reference).resolve()
        if not path.is_relative_to(real_root):
            raise ValueError(f"'{reference}' is outside the project root {real_root}")
        if path.is_file():
            return path
    except (OSError, RuntimeError) as error:
        raise ValueError(f"'{reference}' cannot be read: {error}") from None
    if path.is_dir():
        raise ValueError(f"'{reference}' is a folder, not a file")
    near = difflib.get_close_matches(path.name, _names(path.parent), n=1)
    hint = f", did you mean '{(Path(reference).parent / near[0]).as_posix()}'?" if near else ""
    raise ValueError(f"file '{reference}' does not exist{hint}")


def settings(root: Path) -> Mapping[str, Json]:
    """The settings of the project: agentbench.toml, else ``[tool.agentbench]`` of pyproject.toml.

    agentbench.toml holds the tables at its top or under ``[tool.agentbench]``. No settings: empty.

    Raises:
        UsageError: a file is not TOML, has an unknown key, or both files have settings. All problems
            in one message, one a line.
    """
    found: dict[str, Mapping[str, Json]] = {}
    problems: list[str] = []
    for name in (SETTINGS_FILE, "pyproject.toml"):
        file = root / name
        if not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            problems.append(_toml_problem(name, str(error)))
            continue
        table = document.get("tool", {}).get("agentbench")
        if name == SETTINGS_FILE and table is None:
            table = document
        if table is None:
            continue
        if not isinstance(table, Mapping):
            problems.append(f"{name}:{line_of(text, 'agentbench')}: [tool.agentbench] must be a table")
            continue
        found[name] = table
        problems.extend(_unknown(name, text, table))
    if len(found) > 1 and found["pyproject.toml"]:
        problems.append(
            f"settings stand in {SETTINGS_FILE} and in [tool.agentbench] of pyproject.toml: "
            "keep them in one of the two"
        )
    if problems:
        raise UsageError("\n".join(problems))
    return next(iter(found.values()), {})


def settings_file(root: Path) -> str | None:
    """The name of the file that :func:`settings` reads at ``root``; None without one."""
    if (root / SETTINGS_FILE).is_file():
        return SETTINGS_FILE
    return "pyproject.toml" if (root / "pyproject.toml").is_file() else None


def line_of(text: str, key: str, table: str = "") -> int:
    """The line (from 1) where ``key`` is set in TOML ``text``, below the header ``table``; else 1.

    tomllib gives no positions: this looks for the key at the beginning of a line or in a header.
    """
    named = re.compile(rf"""\s*(?:\[.*)?["']?{re.escape(key)}["']?\s*(?:=|\]|\.)""")
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if table and line.strip().startswith(f"[{table}")), 0)
    return next((n + 1 for n in range(start, len(lines)) if named.match(lines[n])), start + 1)


def _unknown(name: str, text: str, table: Mapping[str, Json]) -> list[str]:
    problems = []
    for key, value in table.items():
        place = f"{name}:{line_of(text, key, 'tool.agentbench')}"
        if key not in TABLES:
            near = difflib.get_close_matches(key, TABLES, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(TABLES)}"
            problems.append(f"{place}: unknown key '{key}' in the settings, {hint}")
        elif key in {"defaults", "gates", "models"} and not isinstance(value, Mapping):
            problems.append(f"{place}: '{key}' in the settings must be a table, got {value!r}")
        elif key == "paths" and not (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
        ):
            problems.append(f"{place}: 'paths' in the settings must be a list of texts, got {value!r}")
    return problems


def _toml_problem(name: str, message: str) -> str:
    match = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if match is None:
        return f"{name}: {message}"
    return f"{name}:{match[1]}:{match[2]}: not TOML: {message[: match.start()].strip()}"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []
