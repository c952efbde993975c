"""What every sandbox backend offers, and the rules that they share."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Protocol

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionRequest

WORK_BYTES = 64 * 1024 * 1024
"""Most bytes of files that a program may leave in its work folder."""
WORK_FILES = 4096
"""Most files and folders there."""

_MEMORY_ERROR = re.compile(r"^(MemoryError\b|object type name: MemoryError$)", re.MULTILINE)


class Sandbox(Protocol):
    """A backend: runs one request in surroundings that no other request has seen or will see."""

    name: str

    async def prepare(self) -> None:
        """Do what is needed once before the first execution; may take a minute the first time.

        Raises:
            SandboxError: It cannot be done.
        """

    async def execute(self, request: ExecutionRequest) -> Execution:
        """Run ``request`` and say how it ended.

        Raises:
            SandboxError: The sandbox itself failed; never because of what the program did.
        """

    async def close(self) -> None:
        """End every execution and leave nothing behind."""


def program_files(request: ExecutionRequest) -> dict[str, bytes]:
    r"""The files of the work folder by relative name, the program first.

    The program is ``main.py``, with as many ``_`` before it as it takes not to be one of the
    request's own files. Lone surrogates (a model can write ``\ud800`` in JSON) stay as they are:
    Python then refuses the source, which is the model's failure and not ours.

    Raises:
        SandboxError: A name is absolute, leads out of the work folder, or is a folder of another.
    """
    program = "main.py"
    while program in request.files:
        program = f"_{program}"
    files = {program: request.code.encode("utf-8", "surrogatepass")}
    for name, content in request.files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or "\\" in name:
            raise SandboxError(
                f"sandbox file name {name!r}: expected a relative name in the work folder, like 'data/in.csv'"
            )
        files[str(path)] = content.encode("utf-8", "surrogatepass")
    for name in files:
        if over := next(
            (str(folder) for folder in PurePosixPath(name).parents if str(folder) in files), None
        ):
            raise SandboxError(f"sandbox file names {over!r} and {name!r}: the first is a file, not a folder")
    return files


def stdin_bytes(request: ExecutionRequest) -> bytes:
    """Standard input of the program."""
    return request.stdin.encode("utf-8", "surrogatepass")


def died_of_memory_error(exit_code: int | None, stderr: str) -> bool:
    """Whether the interpreter itself ran out of memory: it ended with status 1 and a MemoryError.

    In the embedded backend this is the only form that too little memory takes; in a container it
    is the form of one single allocation that is too large.
    """
    return exit_code == 1 and _MEMORY_ERROR.search(stderr[-4096:]) is not None
