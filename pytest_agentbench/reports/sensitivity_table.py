"""Prompt sensitivity: how far the wordings of a prompt differ in their success rates (METRICS 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_agentbench.reports import figures
from pytest_agentbench.reports.table import Column, Row, Table
from pytest_agentbench.verdict import CaseResult, Sensitivity

NOTE = (
    "k wordings of a class (base included), m samples each; spreads and tau in points of the success rate; "
    "tau² is the prompt-sensitivity variance, its unit the squared rate; p by permutation"
)
_MARKUP: Mapping[str | None, Mapping[str, bool]] = {
    "SENSITIVE": {"red": True},
    "INCONCLUSIVE": {"yellow": True},
}


def layouts(cases: Sequence[CaseResult]) -> tuple[Table, ...]:
    """The table from wide to narrow; empty when no case has a class of variants."""
    found = [(case, item) for case in cases for item in case.sensitivity]
    return (_wide(found), _medium(found), _stacked(found)) if found else ()


def _wide(found: Sequence[tuple[CaseResult, Sensitivity]]) -> Table:
    several = _several_models(found)
    columns = (
        Column(title="scenario", wraps=True, minimum=18),
        *((Column(title="model", wraps=True, minimum=12),) if several else ()),
        Column(title="class"),
        Column(title="k", right=True),
        Column(title="m", right=True),
        Column(title="raw\nspread", right=True),
        Column(title="shrunk\nspread", right=True),
        Column(title="tau²", right=True),
        Column(title="tau [95 %]"),
        Column(title="p", right=True),
        Column(title="best", wraps=True, minimum=12),
        Column(title="worst", wraps=True, minimum=12),
        Column(title="verdict"),
    )
    rows = tuple(
        Row(
            cells=(
                case.scenario,
                *((case.model,) if several else ()),
                item.variant_class,
                str(item.k),
                str(item.m),
                figures.percent(item.raw_spread),
                figures.percent(item.shrunk_spread),
                figures.variance(item.tau_squared),
                f"{figures.percent(item.tau)} {tau_interval(item)}".rstrip(),
                figures.p_value(item.p_value),
                wording(item, item.best),
                wording(item, item.worst),
                verdict(item),
            ),
            markup=_MARKUP.get(item.verdict, {}),
        )
        for case, item in found
    )
    return Table(columns=columns, rows=rows)


def _medium(found: Sequence[tuple[CaseResult, Sensitivity]]) -> Table:
    several = _several_models(found)
    columns = (
        Column(title="scenario\nmodel" if several else "scenario", wraps=True, minimum=14),
        Column(title="class"),
        Column(title="k x m", right=True),
        Column(title="spread\nshrunk", right=True),
        Column(title="tau²", right=True),
        Column(title="tau\n[95 %]"),
        Column(title="p", right=True),
        Column(title="best\nworst", wraps=True, minimum=14),
        Column(title="verdict"),
    )
    rows = tuple(
        Row(
            cells=(
                f"{case.scenario}\n{case.model}" if several else case.scenario,
                item.variant_class,
                f"{item.k} x {item.m}",
                f"{figures.percent(item.raw_spread)}\n{figures.percent(item.shrunk_spread)}",
                figures.variance(item.tau_squared),
                f"{figures.percent(item.tau)}\n{tau_interval(item)}".rstrip(),
                figures.p_value(item.p_value),
                f"{wording(item, item.best)}\n{wording(item, item.worst)}",
                verdict(item),
            ),
            markup=_MARKUP.get(item.verdict, {}),
        )
        for case, item in found
    )
    return Table(columns=columns, rows=rows)


def _stacked(found: Sequence[tuple[CaseResult, Sensitivity]]) -> Table:
    several = _several_models(found)
    columns = (
        Column(title="scenario\nmodel" if several else "scenario", wraps=True, minimum=10),
        Column(title="class\nk x m"),
        Column(title="spread\nshrunk", right=True),
        Column(title="tau²\np", right=True),
        Column(title="tau\n[95 %]"),
        Column(title="best\nworst", wraps=True, minimum=10),
        Column(title="verdict", wraps=True, minimum=7),
    )
    rows = tuple(
        Row(
            cells=(
                f"{case.scenario}\n{case.model}" if several else case.scenario,
                f"{item.variant_class}\n{item.k} x {item.m}",
                f"{figures.percent(item.raw_spread)}\n{figures.percent(item.shrunk_spread)}",
                f"{figures.variance(item.tau_squared)}\n{figures.p_value(item.p_value)}",
                f"{figures.percent(item.tau)}\n{tau_interval(item)}".rstrip(),
                f"{wording(item, item.best)}\n{wording(item, item.worst)}",
                figures.INCONCLUSIVE if item.verdict == "INCONCLUSIVE" else verdict(item),
            ),
            markup=_MARKUP.get(item.verdict, {}),
        )
        for case, item in found
    )
    return Table(columns=columns, rows=rows)


def _several_models(found: Sequence[tuple[CaseResult, Sensitivity]]) -> bool:
    return len({case.model for case, _ in found}) > 1


def tau_interval(item: Sensitivity) -> str:
    """The 95 % interval of tau in points, '' when there is none."""
    if item.tau_low is None or item.tau_high is None:
        return ""
    return figures.interval((item.tau_low, item.tau_high))


def wording(item: Sensitivity, variant: str | None) -> str:
    """A wording with its success rate: ``terse 91.0``."""
    if variant is None:
        return figures.UNKNOWN
    rate = item.success_rates.get(variant)
    return variant if rate is None else f"{variant} {figures.percent(rate)}"


def verdict(item: Sensitivity) -> str:
    """The verdict; the mark for "does not apply" where no gate judged this class."""
    return item.verdict or figures.NOT_APPLICABLE
