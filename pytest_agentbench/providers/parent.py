"""What a child process of ours does about its parent. Standard library only: the child loads little."""

from __future__ import annotations

import contextlib
import os


def exit_with_parent() -> None:
    """End this process at the end of its stdin, which comes when the parent dies, however it dies."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(0)
