"""The report as GitHub Markdown, for the summary of a CI step or a comment.

Whatever models and endpoints wrote is text there: no markup, no HTML, no mention, no link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_agentbench.errors import StorageError
from pytest_agentbench.reports import (
    comparison_table,
    figures,
    json_table,
    judgement,
    remarks,
    result_table,
    sensitivity_table,
)
from pytest_agentbench.reports.plain import clip, neutralise
from pytest_agentbench.reports.table import Table
from pytest_agentbench.verdict import RunResult

MAX_CHARACTERS = 65_000
"""GitHub takes comments of 65,536 characters."""

_WIDE = 10_000
_EXCERPT = 160
_FAILURES_PER_CASE, _MOST_FAILURES = 2, 20
_CUT = "\n_Shortened: the whole report is in the JSON document._\n"

_MARKS = re.compile(
    r"[\\`*~$<>&|@#]"  # emphasis, code, mathematics, HTML, cells, mentions, references
    r"|!(?=\[)|\](?=[(\[:])"  # images, links
    r"|:(?=\S)"  # addresses, emoji
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis; inside a word it is none
)
_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_STARTS = re.compile(r"(?i)\b(www)\.|\b(GH)-(?=\d)|\b[0-9a-f]{7,40}\b")
_ZERO_WIDTH = "&#8203;"


def text(result: RunResult) -> str:
    """The whole report, its verdict on the first line, at most MAX_CHARACTERS long.

    What is too long is cut at the end of a line, and says so.
    """
    lines = list(_report(result))
    total = sum(len(line) + 1 for line in lines)
    if total <= MAX_CHARACTERS:
        return "\n".join(lines) + "\n"
    kept: list[str] = []
    room = MAX_CHARACTERS - len(_CUT)
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept) + "\n" + _CUT


def append_step_summary(path: Path, text: str) -> None:
    """Add the report to the file that GITHUB_STEP_SUMMARY names; other steps' text stays.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"\n{text}")
    except OSError as error:
        raise StorageError(
            f"{path}: the step summary cannot be written ({error.strerror or error}); "
            "check GITHUB_STEP_SUMMARY or unset it"
        ) from error


def escape(text: str) -> str:
    """``text`` on one line as plain text in Markdown: no markup, HTML, mention, reference or link."""
    shown = _STARTS.sub(_broken_start, neutralise(text))
    return _MARKS.sub(_entity, shown.replace(_ZERO_WIDTH, "\u200b")).replace("\u200b", _ZERO_WIDTH)


def _broken_start(found: re.Match[str]) -> str:
    word = found.group()
    if found.group(1):
        return f"{found.group(1)}\u200b."
    if found.group(2):
        return f"{found.group(2)}\u200b-"
    # Seven hexadecimal digits and more become a link to a commit; numbers alone do not.
    return word if word.isdigit() or word.isalpha() else f"{word[0]}\u200b{word[1:]}"


def _entity(found: re.Match[str]) -> str:
    mark = found.group()
    return _NAMED.get(mark, f"&#{ord(mark)};") + (_ZERO_WIDTH if mark in "@#" else "")


def _report(result: RunResult) -> Iterator[str]:
    verdict = judgement.run_verdict(result)
    yield f"**agentbench: {verdict}**: {escape(judgement.headline(result))}"
    yield ""
    for remark in (*remarks.run_remarks(result), judgement.error_budget(result).statement, judgement.MEANING):
        yield f"- {escape(remark)}"
    for model in result.models:
        name = str(model.get("name", ""))
        cases = [case for case in result.cases if case.model == name]
        if cases:
            rows = result_table.figures_of(cases, priced=bool(model.get("prices")), variants=False)
            early = any(row.n.endswith(result_table.EARLY) for row in rows)
            note = result_table.EARLY_NOTE if early else ""
            yield from _table(remarks.model_title(model), result_table.layouts(rows)[0], note)
    yield from _items("Not passed", remarks.not_passed(result))
    yield from _comparison(result)
    yield from _first("Prompt sensitivity", sensitivity_table.layouts(result.cases), sensitivity_table.NOTE)
    yield from _first("How JSON and tool calls came", json_table.layouts(result.cases), json_table.NOTE)
    yield from _failures(result)
    yield from _items("Asked / sent / honoured", remarks.honoured(result))
    yield from _items("Transport faults (X)", remarks.faults(result))
    yield from _items("Answered by another model", remarks.answered_by(result))
    yield from _items("Notes", remarks.notes(result))


def _comparison(result: RunResult) -> Iterator[str]:
    tables = comparison_table.tables(result.cases, _WIDE)
    if not tables:
        return
    yield from _items("Not like for like", ((remark, "") for remark in remarks.unlike(result)))
    note = comparison_table.note(comparison_table.models_of(result.cases)[0])
    for table in tables:
        early = any(f"]{result_table.EARLY}" in cell for row in table.rows for cell in row.cells)
        starred = f". {comparison_table.EARLY_NOTE}" if early else ""
        yield from _table("Scenario x model", table, note + starred)


def _first(title: str, candidates: Sequence[Table], note: str) -> Iterator[str]:
    if candidates:
        yield from _table(title, candidates[0], note)


def _table(title: str, table: Table, note: str) -> Iterator[str]:
    yield ""
    yield f"### {escape(title)}"
    yield ""
    yield "| " + " | ".join(_cell(column.title) for column in table.columns) + " |"
    yield "|" + "|".join(" ---: " if column.right else " --- " for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_cell(cell) for cell in row.cells) + " |"
    if note.strip():
        yield ""
        yield escape(note.strip())


def _cell(cell: str) -> str:
    words = " ".join(" ".join(cell.split("\n")).split())
    return f"**{words}**" if words in {"FAIL", "no data", "SENSITIVE"} else escape(words)


def _items(title: str, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    items = list(found)
    if not items:
        return
    yield ""
    yield f"### {escape(title)}"
    yield ""
    for head, body in items:
        yield f"- {escape(head)}" + (f"<br>{escape(body)}" if body else "")


def _failures(result: RunResult) -> Iterator[str]:
    found = remarks.worst_failures(result, per_case=_FAILURES_PER_CASE, most=_MOST_FAILURES)
    if not found:
        return
    yield ""
    yield "### Worst failures"
    yield ""
    for head, failure in found:
        tag = failure.tag or figures.NOT_APPLICABLE
        message = f": {escape(clip(neutralise(failure.message), _EXCERPT))}" if failure.message else ""
        yield f"- {escape(head)} **{escape(tag)}**{message}"
        if failure.excerpt:
            yield f"  <br><code>{escape(clip(neutralise(failure.excerpt), _EXCERPT))}</code>"
