"""``agentbench calibrate``: the gauge held against models whose faults are known."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import UsageError

BEGIN, END = "<!-- agentbench calibrate -->", "<!-- end of agentbench calibrate -->"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "calibrate",
        help="simulated sessions with known faults: injected against measured, coverage, false alarms",
        description="Run simulated sessions with known faults in this process, no key and no network, and "
        "compare what was injected with what was measured. Exit status 1 where an interval covers the "
        "truth too seldom or a verdict is false too often, beyond the error of the simulation.",
    )
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="sessions per row, default 200")
    parser.add_argument(
        "--rates",
        type=float,
        nargs="+",
        metavar="P",
        help="injected rates, default 0.02 0.05 0.10 0.20 0.50",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help=f"also write the tables into a Markdown file, between {BEGIN} and {END}",
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables; returns 1 where something is out of its bounds, else 0.

    Raises:
        UsageError: no seeds, rates outside (0, 1), or a file without the marks.
    """
    from pytest_agentbench.calibration import experiments
    from pytest_agentbench.calibration.report import calibrate, markdown, out_of_bounds

    rates: Sequence[float] = args.rates or experiments.RATES
    if args.seeds < 1 or args.jobs < 1 or not all(0 < rate < 1 for rate in rates):
        raise UsageError("--seeds and --jobs must be at least 1, --rates between 0 and 1")
    if args.into is not None:
        _parts(args.into)
    started = time.monotonic()
    if args.jobs == 1:
        found = calibrate(rates, args.seeds, experiments.one_after_another, _say)
    else:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as executor:
            found = calibrate(rates, args.seeds, experiments.side_by_side(executor), _say)
    _say(f"done in {time.monotonic() - started:.0f} s")
    text = markdown(found)
    wrong = list(out_of_bounds(found))
    print(text)
    for line in wrong:
        print(f"out of bounds: {line}")
    if args.into is not None:
        before, after = _parts(args.into)
        args.into.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    return 1 if wrong else 0


def _parts(file: Path) -> tuple[str, str]:
    """What stands before and after the marks."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--into {file}: {error.strerror}") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"--into {file}: it has no lines {BEGIN} and {END}; the tables go between them")
    return before, after


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
