"""Scenario files: YAML text to scenarios, every mistake with its place.

Importing this package costs nothing; yaml, jsonschema, jinja2 and faker are loaded on the first call
that needs them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_agentbench.errors import Location, Problem, ScenarioError
from pytest_agentbench.scenario import Json, Scenario

if TYPE_CHECKING:
    from pytest_agentbench.loader.cache import Reading
    from pytest_agentbench.loader.document import Document

__all__ = ["load_file", "load_text"]

MAX_BYTES = 10_000_000
"""Largest scenario file; data belong into a file of their own."""


def load_file(
    path: Path,
    *,
    root: Path,
    defaults: Mapping[str, Json] | None = None,
    check_parameters: Callable[[str], Json] | None = None,
    check_names: Callable[[], Iterable[str]] | None = None,
    cache: Path | None = None,
) -> tuple[Scenario, ...]:
    """The scenarios of the file at ``path``, in its order.

    Args:
        path: A ``.bench.yaml`` file.
        root: The folder that no file reference may leave; messages name files relative to it.
        defaults: The table ``[tool.agentbench.defaults]``.
        check_parameters: Name of a check to the JSON Schema of its parameters, None if there is no
            such check. Without it, names and parameters of checks are not looked at.
        check_names: The names of all checks, for "did you mean".
        cache: A folder that keeps what was loaded while no file that counts has changed; several
            processes may share it, and one of them does the work. Without it nothing is kept.

    Raises:
        ScenarioError: with every problem of the file, in file order.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - the name as given, symlinks kept
    file = _shown(absolute, root)
    try:
        if absolute.stat().st_size > MAX_BYTES:
            raise ScenarioError((_problem(file, 1, 1, f"the file is larger than {MAX_BYTES} bytes"),))
        data = absolute.read_bytes()
    except OSError as error:
        raise ScenarioError((_problem(file, 1, 1, f"cannot be read: {error.strerror}"),)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        col = error.start - data.rfind(b"\n", 0, error.start)
        message = f"not UTF-8: byte 0x{data[error.start]:02x}, save the file as UTF-8"
        raise ScenarioError((_problem(file, line, col, message),)) from None
    reader = _Reader(
        file=file,
        root=root,
        folder=absolute.resolve().parent,
        defaults=defaults or {},
        check_parameters=check_parameters,
        check_names=check_names,
    )
    return reader.scenarios(text) if cache is None else reader.cached(text, cache)


def load_text(
    text: str,
    *,
    file: str,
    root: Path,
    folder: Path,
    defaults: Mapping[str, Json] | None = None,
    check_parameters: Callable[[str], Json] | None = None,
    check_names: Callable[[], Iterable[str]] | None = None,
) -> tuple[Scenario, ...]:
    """Like :func:`load_file`, from text; references are relative to ``folder``.

    Raises:
        ScenarioError: with every problem of the text, in its order, for any text.
    """
    reader = _Reader(
        file=file,
        root=root,
        folder=folder,
        defaults=defaults or {},
        check_parameters=check_parameters,
        check_names=check_names,
    )
    return reader.scenarios(text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How to read one file; the arguments of :func:`load_file`."""

    file: str
    root: Path
    folder: Path
    defaults: Mapping[str, Json]
    check_parameters: Callable[[str], Json] | None
    check_names: Callable[[], Iterable[str]] | None
    readings: set[Reading] = dataclasses.field(default_factory=set)

    def cached(self, text: str, cache: Path) -> tuple[Scenario, ...]:
        from pytest_agentbench.loader.cache import key_of, load, locked, name_of, store

        key = key_of(text, file=self.file, root=self.root, folder=self.folder, defaults=self.defaults)
        name = name_of(self.file, self.root)
        check = self.check_parameters
        with locked(cache, name):
            found = load(cache, name, key, root=self.root, check_parameters=check)
            if found is None:
                found = self.scenarios(text)
                store(cache, name, key, found, readings=self.readings, check_parameters=check)
        return found

    def scenarios(self, text: str) -> tuple[Scenario, ...]:
        from pytest_agentbench.loader.defaults import default_problems
        from pytest_agentbench.loader.document import Document
        from pytest_agentbench.loader.structure import check_structure
        from pytest_agentbench.loader.yaml_core import parse

        if found := default_problems(self.defaults, self.root):
            raise ScenarioError(found)
        nodes, problems = parse(text.removeprefix("\ufeff"), self.file)
        scenarios: list[Scenario] = []
        seen: dict[str, int] = {}
        for node in nodes:
            document = Document(node, file=self.file, root=self.root, folder=self.folder)
            check_structure(document)
            if isinstance(node.value, dict):
                scenario = self.scenario(document)
                if scenario is not None:
                    scenarios.append(scenario)
                _check_unique(document, seen)
            problems += document.problems
            self.readings.update(document.readings)
        if not nodes and not problems:
            problems.append(_problem(self.file, 1, 1, "there is no scenario in it"))
        if problems:
            raise ScenarioError(tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.location)))
        return tuple(scenarios)

    def scenario(self, document: Document) -> Scenario | None:
        from pytest_agentbench.loader.build import build
        from pytest_agentbench.loader.proof import prove

        scenario, rows = build(
            document,
            defaults=self.defaults,
            check_parameters=self.check_parameters,
            check_names=self.check_names() if self.check_names else (),
        )
        digest = prove(document, scenario, rows, self.check_parameters)
        return None if scenario is None else dataclasses.replace(scenario, digest=digest)


def _check_unique(document: Document, seen: dict[str, int]) -> None:
    identity = document.get("id")
    if identity in seen:
        first = f"id '{identity}' stands already in line {seen[identity]}"
        document.problem(("id",), f"{first}, every scenario needs its own")
    elif identity is not None:
        seen[identity] = document.at(("id",)).line


def _shown(path: Path, root: Path) -> str:
    for base in (Path(os.path.abspath(root)), root.resolve()):  # noqa: PTH100
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return str(path)


def _problem(file: str, line: int, col: int, message: str) -> Problem:
    return Problem(location=Location(file=file, line=line, col=col), message=message)
