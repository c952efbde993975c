"""Check the JSON of one quickstart run against the real local model (called by .ci/run)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

# 0 all gates passed, 1 a gate failed, 10 something stayed undecided: with a model of 135 million
# parameters each of them is a sound end. Anything else is a fault of ours.
SOUND_ENDS = (0, 1, 10)


def problems(document: dict[str, Any], *, backend: str, status: int) -> list[str]:
    """What is wrong with the run; empty when it shows all that it must show."""
    cases = document["cases"]
    found = []
    if status not in SOUND_ENDS:
        found.append(f"pytest ended with exit status {status}, expected one of {SOUND_ENDS}")
    if status != document["exit_status"]:
        found.append(f"pytest ended with {status}, its JSON says {document['exit_status']}")
    if len(cases) != 5:
        found.append(f"{len(cases)} cases, expected the 5 quickstart scenarios")
    bad = [f"{case['id']}: {case['outcome']} ({case['reason']})" for case in cases if _no_answer(case)]
    found.extend(bad)
    if not any((case["json"]["parse_failure_rate"] or 0) > 0 for case in cases):
        found.append("no case has a parse failure rate above 0")
    if not any(failure["excerpt"].strip() for case in cases for failure in case["failures"]):
        found.append("no failure is shown with an excerpt")
    if not any(case["loops"]["looped"] for case in cases):
        found.append("no loop was found")
    if not any(row["k"] >= 3 for row in document["sensitivity"]):
        found.append("no sensitivity row over three or more wordings")
    ran = {case["sandbox_backend"] for case in cases if "code" in case["tags"]}
    if ran != {backend}:
        found.append(f"the code ran in {sorted(map(str, ran))}, expected {backend}")
    return found


def _no_answer(case: dict[str, Any]) -> bool:
    return case["outcome"] in {"no_data", "not_measured"} or case["n_samples"] == 0


def main() -> int:
    """Print what the run showed, and fail where it lacks something."""
    parser = argparse.ArgumentParser()
    parser.add_argument("result", type=Path)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--status", type=int, required=True)
    args = parser.parse_args()
    if not args.result.is_file():
        print(f"{args.result} was not written; pytest ended with exit status {args.status}")
        return 1
    document = json.loads(args.result.read_text(encoding="utf-8"))
    found = problems(document, backend=args.backend, status=args.status)
    for problem in found:
        print(f"quickstart: {problem}")
    if not found:
        looped = sum(case["loops"]["looped"] for case in document["cases"])
        failed = sum(case["json"]["parse_failures"] for case in document["cases"])
        seconds = document["run"]["duration_s"]
        print(
            f"quickstart in {args.backend}: {failed} parse failures, {looped} loops, "
            f"{len(document['sensitivity'])} sensitivity rows, {seconds:.0f} s, exit status {args.status}"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
