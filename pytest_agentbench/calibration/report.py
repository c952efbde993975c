"""Calibration as Markdown tables, and what of it is out of bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_agentbench.calibration import experiments
from pytest_agentbench.calibration.experiments import Coverage, FalseAlarms, Runner, Wordings

LEAST_COVERED = 0.93
MOST_FALSE = 0.05
LEAST_FOUND = 0.90
"""Share of sessions in which the model that is sensitive must be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All that was measured, ``seeds`` sessions a row."""

    seeds: int
    coverage: Sequence[Coverage]
    alarms: Sequence[FalseAlarms]
    wordings: Sequence[Wordings]

    @property
    def slack(self) -> float:
        """How far a share of 95 % may be off by the chance of the simulation."""
        return experiments.simulation_error(0.95, self.seeds)


def calibrate(rates: Sequence[float], seeds: int, run: Runner, say: Callable[[str], None]) -> Calibration:
    """Run every experiment; ``say`` gets a line after each."""
    coverage: list[Coverage] = []
    for probe in experiments.PROBES:
        for rate in rates:
            coverage += experiments.coverage(probe, rate, seeds=seeds, run=run)
        say(f"{probe.metric}: coverage measured")
    alarms = [experiments.false_alarms(probe, seeds=seeds, run=run) for probe in experiments.PROBES]
    say("false alarms measured")
    found = [experiments.wordings(name, seeds=seeds, run=run) for name in experiments.MODELS]
    return Calibration(seeds=seeds, coverage=coverage, alarms=alarms, wordings=found)


def out_of_bounds(calibration: Calibration) -> Iterator[str]:
    """A line for everything that the error of the simulation does not excuse."""
    for row in calibration.coverage:
        what = f"{row.metric} at {row.injected:.1%}, n {row.n}"
        if row.covered < LEAST_COVERED - calibration.slack:
            yield f"{what}: covered in {row.covered:.1%}"
        if (
            abs(row.mean - row.injected)
            > 4 * (row.injected * (1 - row.injected) / (row.n * row.n_sessions)) ** 0.5
        ):
            yield f"{what}: {row.mean:.2%} were measured"
    for alarm in calibration.alarms:
        for verdict, share in (("PASS", alarm.passed), ("FAIL", alarm.failed)):
            if share > MOST_FALSE + calibration.slack:
                yield f"{alarm.metric} at {alarm.rate:.0%}: false {verdict} in {share:.1%}"
    for word in calibration.wordings:
        if word.equal and word.sensitive > MOST_FALSE + calibration.slack:
            yield f"{word.name}: SENSITIVE in {word.sensitive:.1%}"
        if not word.equal and word.sensitive < LEAST_FOUND:
            yield f"{word.name}: SENSITIVE in {word.sensitive:.1%} only"


def markdown(calibration: Calibration) -> str:
    """The three tables, and how exact they are."""
    size = (
        f"{calibration.seeds} sessions a row; a share of 95 % is known to {calibration.slack:.1%} "
        "(three standard errors)."
    )
    return "\n".join(
        [
            *_coverage_table(calibration.coverage),
            "",
            *_alarm_table(calibration.alarms),
            "",
            *_wordings_table(calibration.wordings),
            "",
            size,
        ]
    )


def _coverage_table(rows: Sequence[Coverage]) -> list[str]:
    lines = [
        "| metric | injected | measured, n 200 | n 500 | 95 % interval holds it, n 200 | n 500 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric]
        for small, large in zip(own[::2], own[1::2], strict=True):
            lines.append(
                f"| {metric} | {small.injected:.1%} | {small.mean:.2%} | {large.mean:.2%} "
                f"| {small.covered:.1%} | {large.covered:.1%} |"
            )
        if len(own) > 2:
            shares = [sum(row.covered for row in own[start::2]) / (len(own) // 2) for start in (0, 1)]
            lines.append(f"| {metric} | all of them | | | {shares[0]:.1%} | {shares[1]:.1%} |")
    return lines


def _alarm_table(rows: Iterable[FalseAlarms]) -> list[str]:
    lines = [
        "| gate exactly at the true rate | rate | false PASS | false FAIL | samples, mean |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.metric} | {row.rate:.0%} | {row.passed:.1%} | {row.failed:.1%} | {row.mean_samples:.0f} |"
        for row in rows
    ]
    return lines


def _wordings_table(rows: Iterable[Wordings]) -> list[str]:
    lines = [
        "| five wordings of 50 | success rate | SENSITIVE | INSENSITIVE |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {row.name} | {row.success} | {row.sensitive:.1%} | {row.insensitive:.1%} |" for row in rows]
    return lines
