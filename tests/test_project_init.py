"""``agentbench init`` writes files that work, and never over files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_agentbench.cli import main
from pytest_agentbench.commands.init import FILES


def test_the_files_of_init_are_valid_scenarios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["validate"]) == 0
    told = capsys.readouterr().out
    assert f"wrote   {Path('scenarios/first.bench.yaml')}" in told
    assert "1 file, 1 scenario read: 0 mistakes, 0 warnings; 5 references played, 0 failed" in told
    assert "0 survivors (0 more explained)" in told


def test_init_makes_the_folder_that_it_is_given(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new" / "team")]) == 0
    written = {
        path.relative_to(tmp_path / "new" / "team").as_posix()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert written == {*FILES, "agentbench.toml"}


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path)]) == 0
    mine = tmp_path / "scenarios" / "first.bench.yaml"
    mine.write_text("mine", encoding="utf-8")
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 0
    assert mine.read_text("utf-8") == "mine"
    told = capsys.readouterr().out
    assert "wrote" not in told
    assert told.count("kept") == len(FILES) + 1


def test_beside_a_pyproject_init_adds_no_second_settings_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 0
    assert not (tmp_path / "agentbench.toml").exists()


def test_a_file_in_the_place_of_a_folder_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenarios").write_text("", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 4
    assert "scenarios: cannot be made a folder (File exists)" in capsys.readouterr().err
