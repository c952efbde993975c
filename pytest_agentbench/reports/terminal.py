"""The report at the end of a run, as lines for pytest's own terminal writer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_agentbench.reports import (
    comparison_table,
    json_table,
    judgement,
    remarks,
    result_table,
    sensitivity_table,
)
from pytest_agentbench.reports.plain import clip, display_width, neutralise, wrap
from pytest_agentbench.reports.table import Line, Table, first_that_fits, render
from pytest_agentbench.scenario import Json
from pytest_agentbench.verdict import RunResult

_LEAST_WIDTH = 40
_TAG_WIDTH = 24
_FAILURES_PER_CASE = (2, 8)
_MOST_FAILURES = (12, 80)
_RUN_MARKUP = {"PASS": "green", "FAIL": "red"}


def lines(result: RunResult, *, width: int, verbosity: int = 0) -> list[Line]:
    """The whole report: ``(text, markup)`` per line, markup being keywords of TerminalWriter.line.

    ``width`` is the terminal's; every line keeps within it (from 40 on) unless a number alone is
    wider. ``verbosity`` above 0 adds a row per variant and more failures. No line holds a control
    character, whatever a model or an endpoint sent.
    """
    width = max(width, _LEAST_WIDTH)
    found = [*_report(result, width, max(0, min(verbosity, 1)))]
    return [(neutralise(text), markup) for text, markup in found]


def _report(result: RunResult, width: int, level: int) -> Iterator[Line]:
    for model in result.models:
        yield from _model(result, model, width, level)
    yield from _section(
        "how JSON and tool calls came", json_table.layouts(result.cases), json_table.NOTE, width
    )
    yield from _comparison(result, width)
    yield from _section(
        "prompt sensitivity", sensitivity_table.layouts(result.cases), sensitivity_table.NOTE, width
    )
    yield from _items("not passed", remarks.not_passed(result), width, None)
    yield from _failures(result, width, level)
    yield from _items("asked / sent / honoured", remarks.honoured(result), width)
    yield from _items("transport faults (X)", remarks.faults(result), width, {"yellow": True})
    yield from _items("answered by another model", remarks.answered_by(result), width, {"yellow": True})
    yield from _items("notes", remarks.notes(result), width)
    yield from _summary(result, width)


def _model(result: RunResult, model: dict[str, Json] | Json, width: int, level: int) -> Iterator[Line]:
    name = str(model.get("name", ""))
    cases = [case for case in result.cases if case.model == name]
    if not cases:
        return
    rows = result_table.figures_of(cases, priced=bool(model.get("prices")), variants=level > 0)
    yield from _heading(remarks.model_title(model), width)
    yield from render(first_that_fits(result_table.layouts(rows), width), width)
    if any(row.n.endswith(result_table.EARLY) for row in rows):
        yield from _wrapped(result_table.EARLY_NOTE, width, indent=2)


def _comparison(result: RunResult, width: int) -> Iterator[Line]:
    tables = comparison_table.tables(result.cases, width)
    if not tables:
        return
    baseline = comparison_table.models_of(result.cases)[0]
    yield from _heading("scenario x model", width)
    for remark in remarks.unlike(result):
        yield from _wrapped(f"not like for like: {remark}", width, indent=2, markup={"yellow": True})
    for table in tables:
        yield from render(table, width)
    yield from _wrapped(comparison_table.note(baseline), width)
    if any(_has_early(table) for table in tables):
        yield from _wrapped(comparison_table.EARLY_NOTE, width, indent=2)


def _has_early(table: Table) -> bool:
    mark = f"]{result_table.EARLY}"
    return any(mark in cell for row in table.rows for cell in row.cells)


def _section(title: str, candidates: Sequence[Table], note: str, width: int) -> Iterator[Line]:
    if not candidates:
        return
    yield from _heading(title, width)
    yield from render(first_that_fits(candidates, width), width)
    yield from _wrapped(note, width)


def _items(
    title: str, found: Iterable[tuple[str, str]], width: int, markup: dict[str, bool] | None = None
) -> Iterator[Line]:
    items = list(found)
    if not items:
        return
    yield from _heading(title, width)
    for head, body in items:
        yield from _wrapped(head, width, indent=2, markup=markup or _markup_of(head))
        if body:
            yield from _wrapped(body, width, indent=2, first=2)


def _markup_of(head: str) -> dict[str, bool]:
    if head.startswith(("FAIL", "no data")):
        return {"red": True}
    return {"yellow": True} if head.startswith(("INCONCLUSIVE", "not measured")) else {}


def _failures(result: RunResult, width: int, level: int) -> Iterator[Line]:
    found = remarks.worst_failures(result, per_case=_FAILURES_PER_CASE[level], most=_MOST_FAILURES[level])
    if not found:
        return
    yield from _heading("worst failures", width)
    for head, failure in found:
        tag = f" [{clip(neutralise(failure.tag), _TAG_WIDTH)}]" if failure.tag else ""
        yield clip(neutralise(head), max(width - display_width(tag), 10)) + tag, {"red": True}
        if failure.message:
            yield "  " + clip(neutralise(failure.message), width - 2), {}
        if failure.excerpt:
            yield "  | " + clip(neutralise(failure.excerpt), width - 4), {}


def _summary(result: RunResult, width: int) -> Iterator[Line]:
    yield from _heading("verdict", width)
    for remark in remarks.run_remarks(result):
        yield from _wrapped(remark, width, indent=2)
    yield from _wrapped(judgement.error_budget(result).statement, width, indent=2)
    verdict = judgement.run_verdict(result)
    colour = _RUN_MARKUP.get(verdict, "yellow")
    yield from _wrapped(
        f"{verdict}: {judgement.headline(result)}", width, indent=2, markup={colour: True, "bold": True}
    )
    yield from _wrapped(judgement.MEANING, width, indent=2)


def _heading(title: str, width: int) -> Iterator[Line]:
    shown = clip(neutralise(title), width - 8)
    dashes = width - display_width(shown) - 2
    yield f"{'-' * (dashes // 2)} {shown} {'-' * (dashes - dashes // 2)}", {"bold": True}


def _wrapped(
    text: str, width: int, *, indent: int = 0, first: int = 0, markup: dict[str, bool] | None = None
) -> Iterator[Line]:
    for place, piece in enumerate(wrap(neutralise(text), width - indent)):
        yield " " * (first if place == 0 else indent) + piece, markup or {}
