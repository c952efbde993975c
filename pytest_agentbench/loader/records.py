"""Rows from the team's own file: JSONL, CSV, YAML or JSON, every bad line with its own place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pytest_agentbench.errors import Location, Problem
from pytest_agentbench.loader.suggest import did_you_mean, kind_of, shown
from pytest_agentbench.loader.yaml_core import parse
from pytest_agentbench.scenario import Json

KINDS = (".jsonl", ".ndjson", ".csv", ".yaml", ".yml", ".json")
"""Names of files that can hold rows."""
MAX_ROWS = 100_000


class _Rows:
    """The records of one file with their lines, and what is wrong with it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.rows: list[dict[str, Json]] = []
        self.lines: list[int] = []
        self.problems: list[Problem] = []

    def problem(self, line: int, message: str, col: int = 1) -> None:
        self.problems.append(Problem(location=Location(file=self.file, line=line, col=col), message=message))

    def add(self, line: int, value: Json, col: int = 1) -> None:
        if isinstance(value, Mapping):
            self.rows.append(dict(value))
            self.lines.append(line)
        else:
            self.problem(line, f"a row must be a mapping of columns, got {kind_of(value)}", col)


def read_records(
    path: Path, file: str, key: str | None
) -> tuple[tuple[dict[str, Json], ...], tuple[str, ...], list[Problem]]:
    """Rows, their names and the problems of the file at ``path``, which messages call ``file``.

    The names are the values of the column ``key``, else ``0``, ``1``, ...
    """
    found = _Rows(file)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        found.problem(line, f"not UTF-8: byte 0x{error.object[error.start]:02x}, save the file as UTF-8")
        return (), (), found.problems
    except OSError as error:
        found.problem(1, f"cannot be read: {error.strerror}")
        return (), (), found.problems
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson"}:
        _read_jsonl(text, found)
    elif suffix == ".csv":
        _read_csv(text, found)
    else:
        _read_yaml(text, found)
    if not found.rows and not found.problems:
        found.problem(1, "there are no rows in it")
    if len(found.rows) > MAX_ROWS:
        found.problem(found.lines[MAX_ROWS], f"more than {MAX_ROWS} rows")
    return tuple(found.rows), _names(found, key), found.problems


def parse_json(text: str) -> Json:
    """``text`` as JSON without what Python adds to it.

    Raises:
        ValueError: no JSON, a duplicate key, or NaN.
    """

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        result = dict(items)
        if len(result) != len(items):
            names = [name for name, _ in items]
            raise ValueError(f"duplicate key '{next(name for name in names if names.count(name) > 1)}'")
        return result

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is not a character") from None
    return value


def _read_jsonl(text: str, found: _Rows) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.add(number, parse_json(line))
        except json.JSONDecodeError as error:
            found.problem(number, f"not JSON: {error.msg}", error.colno)
        except ValueError as error:
            found.problem(number, f"not JSON: {error}")


def _read_csv(text: str, found: _Rows) -> None:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for record in reader:
            if record and header is None:
                header = [name.strip() for name in record]
                for name in sorted({name for name in header if header.count(name) > 1}):
                    found.problem(line, f"column '{name}' stands twice in the header")
                if "" in header:
                    found.problem(line, f"column {header.index('') + 1} has no name in the header")
            elif record and header is not None:
                if len(record) != len(header):
                    found.problem(line, f"{len(record)} fields, but the header has {len(header)} columns")
                else:
                    found.add(line, dict(zip(header, record, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        found.problem(max(reader.line_num, 1), f"not CSV: {error}")


def _read_yaml(text: str, found: _Rows) -> None:
    nodes, problems = parse(text, found.file)
    found.problems += problems
    for node in nodes:
        if not isinstance(node.children, list):
            found.problem(node.line, f"the file must be a list of rows, got {kind_of(node.value)}", node.col)
            continue
        for child in node.children:
            if not child.broken:
                found.add(child.line, child.value, child.col)


def _names(found: _Rows, key: str | None) -> tuple[str, ...]:
    if key is None:
        return tuple(str(n) for n in range(len(found.rows)))
    return tuple(_keyed(found, key))


def _keyed(found: _Rows, key: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for row, line in zip(found.rows, found.lines, strict=True):
        if key not in row:
            found.problem(
                line, f"no column '{key}', which names the rows{did_you_mean(key, row, otherwise_list=True)}"
            )
            continue
        value = row[key]
        if isinstance(value, list | dict) or value is None or value == "":
            found.problem(
                line, f"column '{key}' names the row and must be text or a number, got {kind_of(value)}"
            )
            continue
        name = value if isinstance(value, str) else shown(value)
        if name in seen:
            found.problem(
                line, f"column '{key}' names the rows, but {shown(value)} stands already in line {seen[name]}"
            )
            continue
        seen[name] = line
        yield name
