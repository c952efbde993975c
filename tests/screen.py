"""What a terminal shows: enough of one for what pytest and the progress write."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[[0-9;]*([A-Za-z])|([\r\n])|([^\x1b\r\n])")


def shown(written: str, columns: int) -> list[str]:
    """The lines of an endless screen after ``written``; a line that is too long wraps.

    Raises:
        ValueError: an escape code other than colours and "erase to the end of the line".
    """
    lines, row, col = [""], 0, 0
    position = 0
    while position < len(written):
        token = _TOKEN.match(written, position)
        if token is None:
            raise ValueError(f"unknown code {written[position : position + 8]!r}")
        position = token.end()
        code, control, letter = token.groups()
        if letter is not None:
            if col >= columns:
                row, col = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(col)[:col] + letter + lines[row][col + 1 :]
            col += 1
        elif control == "\r":
            col = 0
        elif control == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif code == "K":
            lines[row] = lines[row][:col]
        elif code != "m":
            raise ValueError(f"unknown code {token.group()!r}")
    return [line.rstrip() for line in lines]
