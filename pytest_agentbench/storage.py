"""The run folder: ``.agentbench/runs/<run id>/`` with the journal and the results.

The journal is one JSON value a line, appended with one write each, so that whatever dies, every
line written before is whole in the file. Kinds of lines: ``run`` (the header), ``reply`` (a model's
answer, written before anything is done with it), ``sample`` (a finished sample with its
conversation and findings), ``case`` (what was concluded).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import StorageError

FOLDER = ".agentbench"


def new_run_id(now: dt.datetime) -> str:
    """A sortable name for a run: UTC time and four random hex digits."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Journal:
    """An append-only file of one run; safe to use from one thread at a time.

    Raises:
        StorageError: where the file cannot be created or written (disk full, no permission).
    """

    def __init__(self, root: Path, run_id: str) -> None:
        self.folder = root / FOLDER / "runs" / run_id
        self.path = self.folder / "journal.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            ignore = root / FOLDER / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="ascii")
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"cannot create the journal {self.path}: {error.strerror}") from error

    def append(self, kind: str, value: dict[str, Any]) -> None:
        """Write one line; it is in the file (not necessarily on the disk) when this returns."""
        line = memoryview(json.dumps({"kind": kind, **value}, separators=(",", ":")).encode("ascii") + b"\n")
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError as error:
            raise StorageError(f"cannot write the journal {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; appending afterwards is an error."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal; a torn last line (the writer was killed in it) is left out."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)
