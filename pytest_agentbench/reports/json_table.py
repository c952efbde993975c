"""How JSON came: levels, strict and recoverable parse rates, tool arguments, the commonest tags."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_agentbench.reports import figures
from pytest_agentbench.reports.rates import rates
from pytest_agentbench.reports.table import Column, Row, Table
from pytest_agentbench.verdict import CaseResult, Tally

NOTE = (
    "L0 strict and valid, L1 valid once extracted, L2 valid once repaired, L3 breaks the schema, "
    "L4 unparseable, L5 none; args: samples with a bad tool call"
)
_LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5")
_MOST_TAGS = 4


def layouts(cases: Sequence[CaseResult]) -> tuple[Table, ...]:
    """The table from wide to narrow; empty when no case has JSON or tool calls."""
    shown = [case for case in cases if case.tally.json.n or case.tally.arguments.n]
    return (_table(shown, stacked=False), _table(shown, stacked=True)) if shown else ()


def _table(cases: Sequence[CaseResult], *, stacked: bool) -> Table:
    join = "\n" if stacked else " "
    several = len({case.model for case in cases}) > 1
    columns = (
        Column(title="scenario\nmodel" if stacked and several else "scenario", wraps=True, minimum=14),
        *((Column(title="model", wraps=True, minimum=12),) if several and not stacked else ()),
        Column(title="strict\n%", right=True),
        Column(title="recov.\n%" if stacked else "recoverable\n%", right=True),
        *(Column(title=level, right=True) for level in _LEVELS),
        Column(title="args\nbad %", right=True),
        Column(title="tags", wraps=True, minimum=16),
    )
    rows = []
    for case in cases:
        json, arguments = case.tally.json, rates(case.tally)["tool_argument_failure_rate"]
        none = figures.NOT_APPLICABLE
        rows.append(
            Row(
                cells=(
                    f"{case.scenario}\n{case.model}" if stacked and several else case.scenario,
                    *((case.model,) if several and not stacked else ()),
                    figures.percent(strict_rate(case.tally)) if json.n else none,
                    figures.percent(recoverable_rate(case.tally)) if json.n else none,
                    *((str(json.levels.get(level, 0)) for level in _LEVELS) if json.n else (none,) * 6),
                    none if arguments is None else figures.percent(arguments.value),
                    top_tags(case.tally).replace(", ", f",{join}"),
                )
            )
        )
    return Table(columns=columns, rows=tuple(rows))


def strict_rate(tally: Tally) -> float | None:
    """Samples whose whole reply is one JSON value, of all with a JSON answer; None at n = 0."""
    return tally.json.parse.get("strict", 0) / tally.json.n if tally.json.n else None


def recoverable_rate(tally: Tally) -> float | None:
    """Samples that parse in some way, of all with a JSON answer; None at n = 0."""
    return 1 - tally.json.unrecoverable / tally.json.n if tally.json.n else None


def top_tags(tally: Tally) -> str:
    """The commonest tags with their counts: ``fence 12, missing_required 3``."""
    counts: dict[str, int] = dict(tally.json.tags)
    for tag, count in tally.arguments.tags.items():
        counts[tag] = counts.get(tag, 0) + count
    ordered = sorted(((tag, n) for tag, n in counts.items() if n), key=lambda item: (-item[1], item[0]))
    shown = [f"{tag} {count}" for tag, count in ordered[:_MOST_TAGS]]
    return ", ".join(shown) + (", …" if len(ordered) > _MOST_TAGS else "")
