"""What one model did, a row per case (and per variant): the figures of the table, then its layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_agentbench.reports import figures
from pytest_agentbench.reports.rates import Rate, rates, stopped_early
from pytest_agentbench.reports.table import Column, Row, Table
from pytest_agentbench.verdict import CaseResult, Outcome, Tally

EARLY = "*"
EARLY_NOTE = (
    "* drawing ended with the gates or at a limit, not at the planned number: "
    "no interval of this row is a fixed-n interval"
)

VERDICT_OF: Mapping[Outcome, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "INCONCLUSIVE",
    "no_data": "no data",
    "not_measured": "not measured",
    "not_applicable": "not applicable",
}
MARKUP_OF: Mapping[Outcome, Mapping[str, bool]] = {
    "pass": {},
    "fail": {"red": True},
    "inconclusive": {"yellow": True},
    "no_data": {"red": True},
    "not_measured": {"yellow": True},
    "not_applicable": {"light": True},
}
RATE_TITLES = {
    "parse_failure_rate": "parse failures",
    "schema_failure_rate": "schema failures",
    "contract_failure_rate": "contract failures",
    "loop_rate": "loops",
    "pass_rate": "pass",
}
_SHORT_TITLES = ("parse\nfail", "schema\nfail", "contr\nfail", "loops", "pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one row as text; ``rates`` pairs the rate with its interval ('' for none)."""

    label: str
    n: str
    rates: tuple[tuple[str, tuple[float, float] | None], ...]
    p50: str
    p95: str
    per_s: str
    cost: str
    outcome: Outcome | None
    """None for the row of a variant: a verdict is the case's."""


def figures_of(cases: Sequence[CaseResult], *, priced: bool, variants: bool) -> tuple[Figures, ...]:
    """One entry per case, after it one per variant where asked for and where there are several."""
    rows: list[Figures] = []
    for case in cases:
        early = stopped_early(case)
        rows.append(
            _figures(case.scenario, case.tally, case, early=early, priced=priced, outcome=case.outcome)
        )
        if variants and len(case.variants) > 1:
            rows.extend(
                _figures(
                    f"  {variant.id}"
                    + ("" if variant.variant_class == "base" else f" ({variant.variant_class})"),
                    variant.tally,
                    case,
                    early=early,
                    priced=priced,
                    outcome=None,
                )
                for variant in case.variants
            )
    return tuple(rows)


def _figures(
    label: str, tally: Tally, case: CaseResult, *, early: bool, priced: bool, outcome: Outcome | None
) -> Figures:
    absent = figures.NOT_APPLICABLE if case.outcome == "not_applicable" else figures.UNKNOWN
    measured = tally.n_samples > 0
    found = rates(tally)
    latency = tally.latency_s
    per_s = tally.tokens.get("per_s")
    return Figures(
        label=label,
        n=f"{tally.n_samples}{EARLY if early else ''}" if measured else absent,
        rates=tuple(_rate_cell(found[metric], measured=measured, absent=absent) for metric in RATE_TITLES),
        p50=figures.seconds(latency["p50"]) if latency else absent,
        p95=figures.seconds(latency["p95"]) if latency else absent,
        per_s=f"{per_s:.0f}" if isinstance(per_s, (int, float)) else absent,
        cost=_cost_cell(tally, measured=measured, absent=absent, priced=priced),
        outcome=outcome,
    )


def _rate_cell(rate: Rate | None, *, measured: bool, absent: str) -> tuple[str, tuple[float, float] | None]:
    if not measured:
        return absent, None
    if rate is None:
        return figures.NOT_APPLICABLE, None
    return figures.percent(rate.value), rate.bounds


def _cost_cell(tally: Tally, *, measured: bool, absent: str, priced: bool) -> str:
    if not measured:
        return absent
    return figures.money(tally.cost_usd) if priced or tally.cost_usd is not None else figures.NOT_APPLICABLE


def layouts(rows: Sequence[Figures]) -> tuple[Table, ...]:
    """The same table from wide to narrow: all intervals, one interval, intervals on a second line."""
    return (_wide(rows, all_intervals=True), _wide(rows, all_intervals=False), _stacked(rows))


def _wide(rows: Sequence[Figures], *, all_intervals: bool) -> Table:
    with_bounds = set(RATE_TITLES) if all_intervals else {"parse_failure_rate"}
    columns = [Column(title="scenario", wraps=True, minimum=22), Column(title="n", right=True)]
    columns += [
        Column(title=_title(metric, bounds=metric in with_bounds), right=metric not in with_bounds)
        for metric in RATE_TITLES
    ]
    columns += [
        Column(title="latency s\np50 / p95", right=True),
        Column(title="tokens\n/s", right=True),
        Column(title="cost\n$", right=True),
        Column(title="verdict", wraps=True, minimum=12),
    ]
    widest = [max((len(row.rates[place][0]) for row in rows), default=1) for place in range(len(RATE_TITLES))]
    return Table(
        columns=tuple(columns),
        rows=tuple(
            Row(
                cells=(
                    row.label,
                    row.n,
                    *(
                        f"{text:>{size}} {figures.interval(bounds)}".rstrip()
                        if metric in with_bounds
                        else text
                        for metric, size, (text, bounds) in zip(RATE_TITLES, widest, row.rates, strict=True)
                    ),
                    _pair(row.p50, row.p95, " / "),
                    row.per_s,
                    row.cost,
                    _verdict(row),
                ),
                markup=_markup(row),
            )
            for row in rows
        ),
    )


def _stacked(rows: Sequence[Figures]) -> Table:
    columns = [Column(title="scenario", wraps=True, minimum=10), Column(title="n", right=True)]
    columns += [Column(title=f"{title}\n%", right=True) for title in _SHORT_TITLES]
    columns += [
        Column(title="p50\np95 s", right=True),
        Column(title="tok/s\n$", right=True),
        Column(title="verdict", wraps=True, minimum=8),
    ]
    return Table(
        columns=tuple(columns),
        rows=tuple(
            Row(
                cells=(
                    row.label,
                    row.n,
                    *(f"{text}\n{_tight(bounds)}".rstrip() for text, bounds in row.rates),
                    _pair(row.p50, row.p95, "\n"),
                    _pair(row.per_s, row.cost, "\n"),
                    _short_verdict(row),
                ),
                markup=_markup(row),
            )
            for row in rows
        ),
    )


def _pair(first: str, second: str, join: str) -> str:
    absent = {figures.UNKNOWN, figures.NOT_APPLICABLE}
    return first if first == second and first in absent else f"{first}{join}{second}"


def _title(metric: str, *, bounds: bool) -> str:
    first, _, second = RATE_TITLES[metric].partition(" ")
    unit = "% [95 %]" if bounds else "%"
    return f"{first}\n{second} {unit}" if second else f"{first}\n{unit}"


def _tight(bounds: tuple[float, float] | None) -> str:
    """Whole points, rounded outwards, without brackets: numbers decide the width of this layout."""
    return figures.interval(bounds, short=True).strip("[]").replace(", ", "-")


def _verdict(row: Figures) -> str:
    return "" if row.outcome is None else VERDICT_OF[row.outcome]


def _short_verdict(row: Figures) -> str:
    if row.outcome == "not_applicable":
        return figures.NOT_APPLICABLE
    return figures.INCONCLUSIVE if row.outcome == "inconclusive" else _verdict(row)


def _markup(row: Figures) -> Mapping[str, bool]:
    return {} if row.outcome is None else MARKUP_OF[row.outcome]
