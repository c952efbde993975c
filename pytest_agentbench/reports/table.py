"""A table of text that fits a width: columns shrink, cells wrap; never a cut number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_agentbench.reports.plain import display_width, neutralise, pad, wrap

Line = tuple[str, Mapping[str, bool]]
"""One line and the keyword arguments of pytest's TerminalWriter for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. ``title`` may have several lines.

    ``wraps``: its cells may be broken into lines down to ``minimum`` columns; a column that does
    not wrap (numbers) keeps the width of its widest cell.
    """

    title: str
    right: bool = False
    wraps: bool = False
    minimum: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row; a cell may have several lines. ``markup`` is TerminalWriter's, for the whole row."""

    cells: tuple[str, ...]
    markup: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns and rows; every row has one cell per column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"row has {len(row.cells)} cells, table {len(self.columns)} columns: {row}")


def render(table: Table, width: int) -> list[Line]:
    """The table's lines, at most ``width`` columns wide unless its numbers alone are wider."""
    cells = [[_lines(cell) for cell in row.cells] for row in table.rows]
    widths, gap = _fit(table, cells, width)
    titles = [
        [piece for line in column.title.split("\n") for piece in wrap(line, size)]
        for column, size in zip(table.columns, widths, strict=True)
    ]
    height = max(len(title) for title in titles)
    head = [[""] * (height - len(title)) + title for title in titles]
    lines: list[Line] = [(text, {"bold": True}) for text in _compose(table.columns, head, widths, gap)]
    lines.append(("-" * (sum(widths) + gap * (len(widths) - 1)), {}))
    for row, texts in zip(table.rows, cells, strict=True):
        broken = [
            [piece for line in text for piece in _broken(line, size)]
            for text, size in zip(texts, widths, strict=True)
        ]
        lines.extend((text, row.markup) for text in _compose(table.columns, broken, widths, gap))
    return lines


def first_that_fits(candidates: Sequence[Table], width: int) -> Table:
    """The first table that keeps within ``width`` when its wrapping columns shrink; else the last."""
    return next((table for table in candidates if fits(table, width)), candidates[-1])


def fits(table: Table, width: int) -> bool:
    """Whether the table keeps within ``width`` when its wrapping columns shrink to their minimum."""
    widths, gap = _fit(table, [[_lines(cell) for cell in row.cells] for row in table.rows], width)
    return sum(widths) + gap * (len(widths) - 1) <= width


def _lines(cell: str) -> list[str]:
    return [neutralise(line) for line in cell.split("\n")]


def _broken(line: str, width: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip(" "))]
    return [indent + piece for piece in wrap(line, width - len(indent))]


def _fit(table: Table, cells: list[list[list[str]]], width: int) -> tuple[list[int], int]:
    natural = [
        max(
            display_width(line)
            for line in (*column.title.split("\n"), *(c for row in cells for c in row[place]))
        )
        for place, column in enumerate(table.columns)
    ]
    floors = [
        min(size, max(column.minimum, 2)) if column.wraps else size
        for size, column in zip(natural, table.columns, strict=True)
    ]
    # One blank between columns leaves more room to names than two, which are easier on the eye.
    gap = 2 if sum(natural) + 2 * (len(natural) - 1) <= width else 1
    widths = list(natural)
    excess = sum(widths) + gap * (len(widths) - 1) - width
    while excess > 0:
        open_ = [place for place, size in enumerate(widths) if size > floors[place]]
        if not open_:
            break
        widest = max(open_, key=lambda place: widths[place])
        widths[widest] -= 1
        excess -= 1
    return widths, gap


def _compose(columns: Sequence[Column], cells: list[list[str]], widths: list[int], gap: int) -> list[str]:
    height = max(len(cell) for cell in cells)
    return [
        (" " * gap)
        .join(
            pad(cell[line] if line < len(cell) else "", size, right=column.right)
            for column, cell, size in zip(columns, cells, widths, strict=True)
        )
        .rstrip()
        for line in range(height)
    ]
