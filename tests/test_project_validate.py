"""``agentbench validate`` names every mistake of every file, and every hole in its checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agentbench.cli import main
from pytest_agentbench.sandboxes import wasm

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
    out = capsys.readouterr().out
    assert re.fullmatch(
        r"2 files, 3 scenarios read: 0 mistakes, 0 warnings; 3 references played, 0 failed, 12 mutants, "
        r"0 survivors \(0 more explained\), \d+\.\d s\n",
        out,
    ), out


def test_with_no_play_the_files_alone_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a").replace("assistant: hello", "assistant: goodbye"))
    assert main(["validate", ".", "--no-play"]) == 0
    assert capsys.readouterr().out == "1 file, 1 scenario read: 0 mistakes, 0 warnings\n"


def test_while_a_file_has_a_mistake_nothing_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a").replace("assistant: hello", "assistant: goodbye"))
    write(tmp_path / "b.bench.yaml", GOOD.format(id="b") + "tagz: [x]\n")
    assert main(["validate", "."]) == 1
    assert "the reference fails" not in capsys.readouterr().out


def test_a_reference_that_fails_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a").replace("assistant: hello", "assistant: goodbye"))
    assert main(["validate", "."]) == 1
    told = capsys.readouterr().out
    assert (
        "error: a.bench.yaml:5:10: the reference fails (variant base): check text: 'hello' is not in" in told
    )
    assert "1 reference played, 1 failed, 0 mutants, 0 survivors" in told


LAX = GOOD.format(id="a").replace("contains: hello", "not_contains: bye")
EXPLAINED = "equivalent_mutants: [{mutant: 'text.*', why: any word will do}]\n"


@pytest.mark.parametrize(
    ("text", "status", "summary"),
    [
        (LAX, 1, "4 mutants, 3 survivors (0 more explained)"),
        (LAX + EXPLAINED, 0, "4 mutants, 0 survivors (3 more explained)"),
        (GOOD.format(id="a") + EXPLAINED, 0, "4 mutants, 0 survivors (0 more explained)"),
    ],
)
def test_a_survivor_is_exit_status_1_unless_it_is_explained_in_a_process_of_its_own(
    tmp_path: Path, text: str, status: int, summary: str
) -> None:
    write(tmp_path / "a.bench.yaml", text)
    command = [sys.executable, "-c", "import sys; from pytest_agentbench.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "validate", "a.bench.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert summary in done.stdout
    assert ("no surviving mutant is called 'text.*'" in done.stdout) is ("contains: hello" in text)


def test_a_scenario_without_a_reference_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a").replace("reference: [{assistant: hello}]\n", ""))
    assert main(["validate", "."]) == 0
    assert "warning: a.bench.yaml:2:5: it cannot be tested" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ("tools: [{name: t, returns: {function: my_orders}}]\n", "function my_orders"),
        ("checks: [{our_database: {rows: 3}}]\n", "check our_database"),
    ],
)
def test_what_a_conftest_registers_is_needed_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, needed: str
) -> None:
    write(tmp_path / "a.bench.yaml", GOOD.format(id="a") + more)
    assert main(["validate", "."]) == 0
    told = capsys.readouterr().out
    assert f"warning: a.bench.yaml:8:1: not played: needs {needed} registered by a conftest.py" in told


CODE = """\
agentbench: 1
id: code
prompt: {user: "Write f."}
answer: {code: {tests: "assert f() == 1"}}
reference: [{assistant: "def f(): return 1"}]
"""


def test_code_without_a_sandbox_is_said_loudly_and_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.bench.yaml", CODE)
    assert main(["validate", ".", "--sandbox", "none"]) == 0
    told = capsys.readouterr().out
    assert "warning: a.bench.yaml:5:1: NOT PLAYED, no sandbox runs its code: --sandbox=none" in told


def test_a_sandbox_that_is_asked_for_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wasm, "unavailable", lambda: "no wasm here")
    write(tmp_path / "a.bench.yaml", CODE)
    assert main(["validate", ".", "--sandbox", "wasm"]) == 1
    told = capsys.readouterr().out
    assert "error: a.bench.yaml:5:1: NOT PLAYED, no sandbox runs its code: wasm: no wasm here" in told


def test_code_is_played_in_the_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := wasm.unavailable():
        pytest.skip(reason)
    write(tmp_path / "a.bench.yaml", CODE.replace("== 1", ">= 1"))
    assert main(["validate", ".", "--sandbox", "wasm"]) == 1
    told = capsys.readouterr().out
    assert "error: a.bench.yaml:4:10: code.constant:1.17: `1` is `2` in line 1, and no check noticed" in told
    assert "1 reference played, 0 failed, 5 mutants, 1 survivor" in told


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
