"""One YAML document with its places, and the list of its problems."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from pytest_agentbench.errors import Location, Problem
from pytest_agentbench.loader.cache import Reading, reading
from pytest_agentbench.loader.yaml_core import Node
from pytest_agentbench.resources import resolve_inside
from pytest_agentbench.scenario import Json

Path_: TypeAlias = tuple[str | int, ...]


class Document:
    """The data of one scenario while it is checked.

    Parts below a path in ``bad`` have a problem that is already noted: nothing more is said of them.
    """

    def __init__(self, node: Node, *, file: str, root: Path, folder: Path) -> None:
        self.node = node
        self.file = file
        self.root = root
        self.folder = folder
        self.problems: list[Problem] = []
        self.bad: set[Path_] = set()
        self.readings: set[Reading] = set()

    def resolve(self, reference: str, folder: Path | None = None) -> Path:
        """The file of the project that ``reference`` names, relative to ``folder`` or the document's own.

        Raises:
            ValueError: see :func:`pytest_agentbench.resources.resolve_inside`.
        """
        path = resolve_inside(self.root, folder or self.folder, reference)
        self.readings.add(reading(folder or self.folder, reference, path))
        return path

    def at(self, path: Path_, *, key: bool = False) -> Location:
        """The place of the value at ``path``, with ``key`` of its key."""
        line, col = self.node.place(path, key=key)
        return Location(file=self.file, line=line, col=col)

    def problem(self, path: Path_, message: str, *, key: bool = False) -> None:
        """Notes a problem and marks what is at ``path`` as bad."""
        self.note(self.at(path, key=key), message)
        self.bad.add(path)

    def note(self, location: Location, message: str) -> None:
        """Notes a problem at ``location``; twice the same is noted once."""
        problem = Problem(location=location, message=message)
        if problem not in self.problems:
            self.problems.append(problem)

    def ok(self, *path: str | int) -> bool:
        """Whether neither ``path`` nor anything above or below it is bad."""
        return not any(bad[: len(path)] == path[: len(bad)] for bad in self.bad)

    def drop(self, path: Path_) -> None:
        """Takes the key at the end of ``path`` out of the document, which then goes on without it."""
        *above, key = path
        parent = self.node.find(above)
        if isinstance(parent.children, dict) and isinstance(key, str) and key in parent.children:
            del parent.children[key], parent.value[key]

    def readable(self, *path: str | int) -> bool:
        """Whether neither ``path`` nor anything above it is bad; something below it may be."""
        return not any(bad == path[: len(bad)] for bad in self.bad)

    def has(self, *path: str | int) -> bool:
        """Whether there is a value at ``path`` and it is not bad."""
        return self.present(*path) and self.ok(*path)

    def present(self, *path: str | int) -> bool:
        """Whether there is a value at ``path``, good or bad."""
        node: Node | None = self.node
        for step in path:
            node = node.child(step) if node is not None else None
        return node is not None

    def get(self, *path: str | int, default: Json = None) -> Json:
        """The value at ``path``; ``default`` where there is none or a bad one."""
        return self.node.find(path).value if self.has(*path) else default

    def items(self, *path: str | int) -> Iterable[tuple[Path_, Json]]:
        """Paths and values of what is in the list or mapping at ``path``, bad ones left out."""
        if not self.present(*path):
            return
        value = self.node.find(path).value
        if not isinstance(value, dict | list):
            return
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if self.ok(*path, step):
                yield (*path, step), item


def dotted(path: Iterable[str | int]) -> str:
    """``("variants", 1, "class")`` as ``variants[1].class``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
