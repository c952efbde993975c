"""`pytest --agentbench --model=simulated:PROFILE`, started by itself, with and without xdist."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from bench_project import WORDINGS, BenchProject
from shipped import shipped

from pytest_agentbench.expand import render

REFERENCE = "reference: [{assistant: '{\"n\": 7}'}]\n"


def counted(project: BenchProject, model: str, scenario: str = "wordings") -> dict[str, Any]:
    case = project.case(scenario, model)
    return {key: case[key] for key in ("n_samples", "json", "loops", "gates", "outcome")}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_it_is_started_by_itself_and_plays_the_reference(project: BenchProject, workers: str) -> None:
    project.write("wordings.bench.yaml", WORDINGS + REFERENCE)
    result = project.run(workers, model="simulated")
    assert result.ret == 0
    case = project.case("wordings", "simulated")
    assert case["json"]["levels"]["L0"] == case["n_samples"] == 150
    assert not _servers()


def test_the_counts_do_not_depend_on_the_workers(project: BenchProject) -> None:
    project.write("wordings.bench.yaml", WORDINGS + REFERENCE)
    (project.path / "own.yaml").write_text(
        "profile: 1\nsyntax: {fence: 0.1, truncated: 0.1, trailing_comma: 0.1}\nschema: {wrong_type: 0.1}\n"
        "models: {worse: {syntax: {fence: 0.5}}}\n"
    )
    names = "simulated:own.yaml,simulated:own.yaml:worse"
    seen = []
    for workers in ("-n0", "-n2", "-n16"):
        project.run(workers, model=names)
        seen.append([counted(project, name) for name in names.split(",")])
    assert seen[0] == seen[1] == seen[2]
    first, worse = seen[0]
    assert first["json"]["tags"].keys() == {"fence", "truncated", "trailing_comma", "wrong_type"}
    assert worse["json"]["tags"]["fence"] > first["json"]["tags"]["fence"]


def test_a_flaky_provider_changes_nothing_but_the_attempts(project: BenchProject) -> None:
    project.write("wordings.bench.yaml", WORDINGS + REFERENCE)
    (project.path / "calm.yaml").write_text("profile: 1\nsyntax: {fence: 0.1}\n")
    (project.path / "flaky.yaml").write_text(
        "profile: 1\nsyntax: {fence: 0.1}\nretry_after_s: 0.01\n"
        "transport: {rate_limited: 0.06, reset: 0.06, http_503: 0.02, empty_body: 0.03, sse_for_json: 0.03}\n"
    )
    project.run("-n0", model="simulated:calm.yaml,simulated:flaky.yaml")
    calm, flaky = (
        project.case("wordings", "simulated:calm.yaml"),
        project.case("wordings", "simulated:flaky.yaml"),
    )
    assert calm["n_transport_errors"] == 0
    assert flaky["n_transport_errors"] > 10
    assert flaky["n_attempts"] == flaky["n_samples"] + flaky["n_transport_errors"]
    assert flaky["n_samples"] == calm["n_samples"]
    assert flaky["outcome"] == calm["outcome"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("simulated:flakey", "there is no profile 'flakey'; shipped: *perfect*"),
        ("simulated:none.yaml", "the profile none.yaml cannot be read: No such file or directory"),
        ("simulated:bad.yaml", "*bad.yaml:2:10: unknown key 'fense' in syntax, did you mean 'fence'?"),
        ("simulated:perfect:other", "the profile perfect has no model 'other'; there are: none"),
    ],
)
def test_a_wrong_profile_is_a_usage_error_before_anything_runs(
    project: BenchProject, model: str, told: str
) -> None:
    project.write("wordings.bench.yaml", WORDINGS + REFERENCE)
    (project.path / "bad.yaml").write_text("profile: 1\nsyntax: {fense: 0.1}\n")
    result = project.run(model=model)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{told}"])


def test_simulate_serves_until_ctrl_c_and_says_what_it_put_in(project: BenchProject) -> None:
    project.write("wordings.bench.yaml", WORDINGS + REFERENCE)
    command = [
        sys.executable,
        "-m",
        "pytest_agentbench",
        "simulate",
        "--port",
        "0",
        "--profile",
        "production-2pct",
    ]
    server = subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        match = re.match(r"(http://127\.0\.0\.1:\d+/v1) serves production-2pct; 1 scenarios", line)
        assert match, line
        with openai.OpenAI(base_url=match[1], api_key="x") as client:
            answer = client.chat.completions.create(
                model="production-2pct", messages=[{"role": "user", "content": "JSON, number n."}]
            )
        assert answer.choices[0].message.content == '{"n": 7}'
        project.run("-n2", base_url=match[1], model="any-name")
        assert project.case("wordings", "any-name")["n_samples"] == 150
    finally:
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "right" in rest


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [
            sys.executable,
            "-m",
            "pytest_agentbench",
            "simulate",
            "--port",
            str(taken.getsockname()[1]),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "cannot listen on 127.0.0.1" in done.stderr


def test_every_shipped_scenario_can_be_simulated(project: BenchProject) -> None:
    """In one session, against the production profile; all scenarios with code need no sandbox here."""
    from pytest_agentbench.resources import bundled

    scenarios = bundled("scenarios")
    result = project.run(
        str(scenarios), "-n2", "--agentbench-sandbox=none", model="simulated:production-2pct"
    )
    assert result.ret in {0, 1, 10}
    cases = project.results["cases"]
    assert len(cases) == len(shipped())
    for case in cases:
        if not shipped()[case["scenario"]].needs_sandbox:
            assert case["n_samples"] > 0, case["reason"]
            assert case["n_x"] == 0
    assert render(shipped()["invoice"], shipped()["invoice"].variants[0], 0).reference


def _servers() -> list[psutil.Process]:
    """Servers of simulated models that are still there, of this process's children."""
    return [
        child
        for child in psutil.Process(os.getpid()).children(recursive=True)
        if "pytest_agentbench.simulation.child" in " ".join(child.cmdline())
    ]
