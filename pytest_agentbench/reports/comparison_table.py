"""Scenario x model: the rates side by side, differences to the first model with Newcombe intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_agentbench.reports import figures
from pytest_agentbench.reports.comparisons import COMPARED, Comparison, compare
from pytest_agentbench.reports.rates import Rate, rates
from pytest_agentbench.reports.result_table import EARLY
from pytest_agentbench.reports.table import Column, Row, Table, fits
from pytest_agentbench.verdict import CaseResult

_SHORT = {
    "parse_failure_rate": "parse failures",
    "schema_failure_rate": "schema failures",
    "loop_rate": "loops",
    "pass_rate": "pass",
}
_PER_TABLE = 4


def note(baseline: str) -> str:
    """What the cells of the table are."""
    return (
        f"each model: rate in %, its difference to {baseline} in points with Newcombe's 95 % interval "
        "(each for itself, not corrected for their number); better / worse where it excludes 0"
    )


EARLY_NOTE = f"{EARLY} a stopping rule set the number of samples: not a fixed-n interval, slightly biased"


def models_of(cases: Sequence[CaseResult]) -> tuple[str, ...]:
    """Models that have a case, in the order of the run."""
    return tuple(dict.fromkeys(case.model for case in cases))


def tables(cases: Sequence[CaseResult], width: int) -> tuple[Table, ...]:
    """As few tables as ``width`` allows, each the first model against some others; none with one model."""
    models = models_of(cases)
    if len(models) < 2:
        return ()
    by_case = {(case.file, case.scenario, case.model): case for case in cases}
    differences = {
        (item.scenario, item.metric, item.model_b): item
        for item in compare(cases)
        if item.model_a == models[0]
    }
    found: tuple[Table, ...] = ()
    for size in range(min(_PER_TABLE, len(models) - 1), 0, -1):
        for stacked in (False, True):
            found = tuple(
                _table(by_case, differences, models[0], models[start : start + size], stacked=stacked)
                for start in range(1, len(models), size)
            )
            if all(fits(table, width) for table in found):
                return found
    return found


def _table(
    by_case: Mapping[tuple[str, str, str], CaseResult],
    differences: Mapping[tuple[str, str, str], Comparison],
    baseline: str,
    others: Sequence[str],
    *,
    stacked: bool,
) -> Table:
    columns = (
        Column(title="scenario", wraps=True, minimum=10 if stacked else 18),
        Column(title="rate %", wraps=stacked, minimum=8),
        Column(title=baseline, right=True, wraps=True, minimum=6),
        *(Column(title=other, wraps=True, minimum=18 if stacked else 34) for other in others),
    )
    rows: list[Row] = []
    for file, scenario in dict.fromkeys((file, scenario) for file, scenario, _ in by_case):
        shown = scenario
        for metric in COMPARED:
            cells = [_rate(by_case.get((file, scenario, name)), metric) for name in (baseline, *others)]
            if all(cell == figures.NOT_APPLICABLE for cell in cells):
                continue
            found = [differences.get((scenario, metric, other)) for other in others]
            compared = [
                _compared(cell, item, stacked=stacked) for cell, item in zip(cells[1:], found, strict=True)
            ]
            rows.append(Row(cells=(shown, _SHORT[metric], cells[0], *compared), markup=_markup(found)))
            shown = ""
    return Table(columns=columns, rows=tuple(rows))


def _rate(case: CaseResult | None, metric: str) -> str:
    if case is None or case.outcome == "not_applicable":
        return figures.NOT_APPLICABLE
    if case.tally.n_samples == 0:
        return figures.UNKNOWN
    rate: Rate | None = rates(case.tally)[metric]
    return figures.NOT_APPLICABLE if rate is None else figures.percent(rate.value)


def _compared(cell: str, item: Comparison | None, *, stacked: bool) -> str:
    if item is None or item.bounds is None:
        return cell
    early = "" if item.fixed_n else EARLY
    first = f"{cell:>5}  {figures.points(item.difference):>5}"
    second = f"{figures.signed_interval(item.bounds)}{early}"
    tail = f" {item.tendency}" if item.tendency else ""
    return f"{first}{tail}\n{second}" if stacked else f"{first} {second}{tail}"


def _markup(found: Sequence[Comparison | None]) -> Mapping[str, bool]:
    seen = {item.tendency for item in found if item is not None}
    return {"red": True} if "worse" in seen else {"green": True} if seen == {"better"} else {}
