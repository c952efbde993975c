"""``agentbench validate`` names every mistake of every file, and gates that cannot be decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_agentbench.cli import main

GOOD = """\
agentbench: 1
id: {id}
title: A question
prompt: {{user: "Say hello."}}
answer: {{text: {{contains: hello}}}}
gates: {{pass_rate: {{min: 0.50}}}}
repeats: 50
reference: [{{assistant: hello}}]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agentbench.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_good_files_end_with_exit_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a"))
    write(tmp_path / "b.bench.yaml", GOOD.format(id="b") + "---\n" + GOOD.format(id="c"))
    assert main(["validate", "."]) == 0
    assert capsys.readouterr().out == "2 files, 3 scenarios read: 0 mistakes, 0 warnings\n"


def test_the_mistakes_of_all_files_are_printed_not_only_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a") + "repeatz: 3\nabout: [1]\n")
    write(tmp_path / "b.bench.yaml", GOOD.format(id="b") + "tagz: [x]\n")
    write(tmp_path / "c.bench.yaml", GOOD.format(id="c"))
    assert main(["validate", "."]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2][: len("a.bench.yaml:9")] for line in lines[:-1]] == [
        "a.bench.yaml:9",
        "a.bench.yaml:1",
        "b.bench.yaml:9",
    ]
    assert lines[-1] == "3 files, 1 scenario read: 3 mistakes, 0 warnings"


def test_an_id_that_two_files_use_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="same"))
    write(tmp_path / "b.bench.yaml", GOOD.format(id="same"))
    assert main(["validate", "a.bench.yaml", "b.bench.yaml"]) == 1
    told = capsys.readouterr().out
    assert "the scenario id 'same' is taken by a.bench.yaml:" in told


def test_a_gate_that_cannot_be_decided_is_a_warning_with_the_needed_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = "gates: {loop_rate: {max: 0.02, decide: fixed}}\n"
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a").replace("gates: {pass_rate: {min: 0.50}}\n", gates))
    assert main(["validate", "a.bench.yaml"]) == 0
    told = capsys.readouterr().out
    assert "warning: a.bench.yaml:6:" in told
    assert "needs at least 149 samples, has 50" in told


def test_a_misspelt_check_is_told_with_its_nearest_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a") + "checks: [{tool_cals: {n: 1}}]\n")
    assert main(["validate", "."]) == 1
    assert "did you mean 'tool_calls'?" in capsys.readouterr().out


def test_a_file_named_twice_is_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a"))
    assert main(["validate", ".", "a.bench.yaml"]) == 0
    assert capsys.readouterr().out.startswith("1 file, 1 scenario")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("empty", "empty: no *.bench.yaml file in this folder"),
        ("plain.yaml", "plain.yaml: scenario files end in .bench.yaml, pytest would pass over this one"),
    ],
)
def test_paths_that_hold_no_scenarios_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "plain.yaml", GOOD.format(id="a"))
    assert main(["validate", path]) == 4
    assert said in capsys.readouterr().err


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
