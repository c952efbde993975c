"""The gauge held against known faults: rates, coverage, verdicts, sensitivity, the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pytest_agentbench.calibration.confusion import Confusion, confusion, faults
from pytest_agentbench.calibration.experiments import (
    MODELS,
    PROBES,
    coverage,
    false_alarms,
    fixed_gate,
    one_after_another,
    simulation_error,
    wordings,
)
from pytest_agentbench.calibration.report import Calibration, out_of_bounds
from pytest_agentbench.calibration.trial import run_session, scenarios
from pytest_agentbench.expand import render
from pytest_agentbench.simulation import schema_faults
from pytest_agentbench.simulation.profile import Behaviour, Fault, load_profile

RATES = (0.02, 0.10, 0.50)
_confused: dict[tuple[str, str, float], Confusion] = {}


def found(family: str, tag: str, rate: float) -> Confusion:
    key = (family, tag, rate)
    if key not in _confused:
        seed = sum(map(ord, f"{family}{tag}{rate}"))
        _confused[key] = confusion(family, tag, rate, seed=seed)  # type: ignore[arg-type]
    return _confused[key]


@pytest.mark.parametrize(("family", "tag"), list(faults()))
def test_a_fault_is_reported_at_the_rate_it_has_and_leaks_nowhere(family: str, tag: str) -> None:
    for rate in RATES:
        one = found(family, tag, rate)
        assert one.n == 500
        # 99.99 %: over 180 sessions no more than chance; the coverage of 95 % is looked at below.
        assert abs(one.x - rate * one.n) < 3.9 * math.sqrt(one.n * rate * (1 - rate)), one
        assert all(n < 0.01 * one.n for n in one.leaks.values()), one


def test_the_intervals_of_all_faults_cover_what_was_injected() -> None:
    results = [found(family, tag, rate) for family, tag in faults() for rate in RATES]
    covered = sum(one.covered for one in results) / len(results)
    assert covered > 0.95 - simulation_error(0.95, len(results)), [one for one in results if not one.covered]


def test_a_fault_of_a_given_depth_is_reported_at_that_depth() -> None:
    reference = render(scenarios()["schema"], scenarios()["schema"].variants[0], 0).reference[0]["assistant"]
    schema = scenarios()["schema"].answer_json
    assert schema is not None
    possible = schema_faults.depths("missing_required", json.loads(reference), schema.schema)
    assert len(possible) >= 3
    for depth in possible:
        fault = Fault(family="schema", tag="missing_required", rate=1.0, depth=depth)
        session = run_session("schema", Behaviour(faults=(fault,)), seed=depth, repeats=40)
        depths = Counter(
            error.depth for sample in session.samples if sample.json for error in sample.json.errors
        )
        assert set(depths) == {depth}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.metric)
def test_rates_are_measured_as_injected_and_covered(probe: object) -> None:
    rows = [row for rate in (0.02, 0.5) for row in coverage(probe, rate, seeds=8, run=one_after_another)]  # type: ignore[arg-type]
    found = Calibration(seeds=8, coverage=rows, alarms=(), wordings=())
    assert list(out_of_bounds(found)) == []


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.metric)
def test_a_gate_at_the_true_rate_is_seldom_decided(probe: object) -> None:
    alarms = false_alarms(probe, seeds=15, run=one_after_another)  # type: ignore[arg-type]
    assert list(out_of_bounds(Calibration(seeds=15, coverage=(), alarms=(alarms,), wordings=()))) == []


@pytest.mark.parametrize("name", list(MODELS))
def test_only_the_model_that_is_sensitive_is_called_so(name: str) -> None:
    rows = (wordings(name, seeds=20, run=one_after_another),)
    assert list(out_of_bounds(Calibration(seeds=20, coverage=(), alarms=(), wordings=rows))) == []


def test_the_shipped_profiles_of_wordings_do_what_they_say() -> None:
    sensitive = run_session("wordings", load_profile("wording-sensitive").behaviour, seed=1, repeats=50)
    perfect = run_session("wordings", load_profile("perfect").behaviour, seed=1, repeats=50)
    assert sensitive.result.sensitivity[0].verdict == "SENSITIVE"
    assert perfect.result.sensitivity[0].verdict == "INSENSITIVE"
    assert perfect.result.outcome == "pass"


def test_what_is_out_of_bounds_is_told() -> None:
    """A probe whose faults are half as frequent as it says must be caught."""
    probe = PROBES[0]
    rows = coverage(probe, 0.10, seeds=20, run=one_after_another)
    wrong = [
        type(row)(
            metric=row.metric,
            injected=0.20,
            n=row.n,
            n_sessions=row.n_sessions,
            mean=row.mean,
            covered=0.1,
        )
        for row in rows
    ]
    told = list(out_of_bounds(Calibration(seeds=20, coverage=wrong, alarms=(), wordings=())))
    assert len(told) == 4
    assert "parse_failure_rate at 20.0%, n 200: covered in 10.0%" in told[0]


def test_a_session_that_counts_all_is_not_stopped_by_its_gate() -> None:
    session = run_session(
        "json", Behaviour(success=0.5), seed=1, repeats=77, gates=(fixed_gate("pass_rate"),)
    )
    assert len(session.samples) == 77
    assert set(scenarios()) == {"json", "schema", "tool", "text", "wordings", "calls", "follow-ups"}


def test_the_command_prints_its_tables_and_writes_them_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(
        "# Title\n<!-- agentbench calibrate -->\nPREVIOUS\n<!-- end of agentbench calibrate -->\nafter\n"
    )
    command = [sys.executable, "-m", "pytest_agentbench", "calibrate", "--seeds", "4", "--rates", "0.2"]
    done = subprocess.run(
        [*command, "--jobs", "2", "--into", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    text = file.read_text()
    assert text.startswith("# Title\n<!-- agentbench calibrate -->\n| metric | injected |")
    assert text.endswith("<!-- end of agentbench calibrate -->\nafter\n")
    assert "PREVIOUS" not in text
    assert "| parse_failure_rate | 20.0% |" in done.stdout
    file.write_text("no marks")
    done = subprocess.run(
        [*command, "--into", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 4
    assert "it has no lines <!-- agentbench calibrate -->" in done.stderr
