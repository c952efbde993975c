"""Print what the sequential rule does at each true failure rate, computed exactly.

Usage: ``python benchmarks/sequential_table.py [p0] [cap] [round size]`` (default 0.02, 30/p0, 1).
"""

from __future__ import annotations

import sys
import time

from pytest_agentbench.stats.operating import boundaries, decided_rates, operating_point
from pytest_agentbench.stats.sequential import default_cap, first_possible_pass

MULTIPLES = (0, 1 / 8, 1 / 4, 1 / 2, 1, 1.5, 2, 2.5, 5)


def main(arguments: list[str]) -> None:
    p0 = float(arguments[0]) if arguments else 0.02
    cap = int(arguments[1]) if len(arguments) > 1 else default_cap(p0)
    round_size = int(arguments[2]) if len(arguments) > 2 else 1
    started = time.perf_counter()
    limits = boundaries(p0, cap=cap, round_size=round_size)
    print(f"gate: failure rate at most {100 * p0:g} %, cap {cap} samples, full rounds of {round_size}")
    print(f"first possible PASS after {first_possible_pass(p0)} clean samples")
    print(f"{'true rate':>10} {'PASS':>8} {'FAIL':>8} {'undecided':>10} {'mean samples':>13}")
    for multiple in MULTIPLES:
        if multiple * p0 > 1:
            continue
        point = operating_point(multiple * p0, limits)
        undecided = max(0.0, 1 - point.p_pass - point.p_fail)
        print(
            f"{100 * point.rate:>8.4g} % {point.p_pass:>8.4f} {point.p_fail:>8.4f} {undecided:>10.4f} "
            f"{point.mean_samples:>13.1f}"
        )
    highest, lowest = decided_rates(p0, cap=cap, round_size=round_size)
    print("decided with 80 % probability:", end=" ")
    print("no PASS" if highest is None else f"PASS up to {100 * highest:.3g} %", end=", ")
    print("no FAIL" if lowest is None else f"FAIL from {100 * lowest:.3g} %")
    print(f"computed in {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
