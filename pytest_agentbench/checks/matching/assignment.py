"""Which of several things belongs to which: the cheapest one-to-one assignment, never a greedy one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def assign(costs: Sequence[Sequence[float]]) -> list[int | None]:
    """The column of each row in a one-to-one assignment of least total cost.

    ``costs[i][j]`` is finite; rows and columns may differ in number, then the surplus rows get None.
    O(n^3): the Hungarian method with potentials (Kuhn 1955, Munkres 1957, in the shortest augmenting
    path form of Jonker and Volgenant 1987).
    """
    n_rows = len(costs)
    n_columns = len(costs[0]) if costs else 0
    if not n_rows or not n_columns:
        return [None] * n_rows
    if n_rows > n_columns:
        flipped = assign([[row[column] for row in costs] for column in range(n_columns)])
        result: list[int | None] = [None] * n_rows
        for column, row in enumerate(flipped):
            if row is not None:
                result[row] = column
        return result
    row_of = _augment(costs, n_rows, n_columns)
    result = [None] * n_rows
    for column in range(1, n_columns + 1):
        if row_of[column]:
            result[row_of[column] - 1] = column - 1
    return result


def _augment(costs: Sequence[Sequence[float]], n_rows: int, n_columns: int) -> list[int]:
    """Row of each column, both counted from 1; 0: free. Column 0 stands for the row being placed."""
    row_potential = [0.0] * (n_rows + 1)
    column_potential = [0.0] * (n_columns + 1)
    row_of = [0] * (n_columns + 1)
    for row in range(1, n_rows + 1):
        row_of[0] = row
        reached = 0
        slack = [math.inf] * (n_columns + 1)
        before = [0] * (n_columns + 1)
        done = [False] * (n_columns + 1)
        while row_of[reached]:
            done[reached] = True
            current = row_of[reached]
            nearest, delta = 0, math.inf
            for column in range(1, n_columns + 1):
                if done[column]:
                    continue
                reduced = costs[current - 1][column - 1] - row_potential[current] - column_potential[column]
                if reduced < slack[column]:
                    slack[column] = reduced
                    before[column] = reached
                if slack[column] < delta:
                    nearest, delta = column, slack[column]
            for column in range(n_columns + 1):
                if done[column]:
                    row_potential[row_of[column]] += delta
                    column_potential[column] -= delta
                else:
                    slack[column] -= delta
            reached = nearest
        while reached:
            row_of[reached] = row_of[before[reached]]
            reached = before[reached]
    return row_of


def align(matches: Sequence[Sequence[bool]]) -> list[int | None]:
    """The column of each row when order counts: the longest chain of matches that rises in both.

    The longest common subsequence; rows outside it get None.
    """
    n_rows = len(matches)
    n_columns = len(matches[0]) if matches else 0
    longest = [[0] * (n_columns + 1) for _ in range(n_rows + 1)]
    for row in range(n_rows - 1, -1, -1):
        for column in range(n_columns - 1, -1, -1):
            longest[row][column] = (
                longest[row + 1][column + 1] + 1
                if matches[row][column]
                else max(longest[row + 1][column], longest[row][column + 1])
            )
    result: list[int | None] = [None] * n_rows
    row = column = 0
    while row < n_rows and column < n_columns:
        if matches[row][column]:
            result[row] = column
            row, column = row + 1, column + 1
        elif longest[row + 1][column] >= longest[row][column + 1]:
            row += 1
        else:
            column += 1
    return result
