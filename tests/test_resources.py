"""Where files are: bundled data, the project root, settings, references that stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from requirements import ROOT

from pytest_agentbench.errors import UsageError
from pytest_agentbench.resources import bundled, line_of, project_root, resolve_inside, settings


def test_bundled_data_are_found_in_the_source_tree() -> None:
    assert bundled("schemas") == ROOT / "schemas"
    assert (bundled("schemas") / "scenario.schema.json").is_file()


def test_the_nearest_settings_file_marks_the_root(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    file = inner / "x.bench.yaml"
    file.touch()
    assert project_root(file, tmp_path) == tmp_path
    (tmp_path / "a" / "agentbench.toml").touch()
    assert project_root(file, tmp_path) == tmp_path / "a"
    assert project_root(inner, tmp_path) == tmp_path / "a"


def test_without_settings_the_root_is_pytests_the_bundled_data_or_the_folder(tmp_path: Path) -> None:
    rootdir, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (rootdir / "sub", elsewhere):
        folder.mkdir(parents=True)
    assert project_root(rootdir / "sub", rootdir) == rootdir
    assert project_root(bundled("scenarios"), rootdir) == bundled("scenarios").parent
    assert project_root(elsewhere, rootdir) == elsewhere


def test_references_are_relative_to_the_folder_and_stay_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.json").touch()
    (tmp_path / "out.json").touch()
    (root / "link.json").symlink_to(tmp_path / "out.json")
    (root / "good.json").symlink_to("a.json")
    (root / "loop.json").symlink_to("loop.json")
    assert resolve_inside(root, root / "sub", "../a.json") == root / "a.json"
    assert resolve_inside(root, root, "good.json") == root / "a.json"
    assert resolve_inside(root, root, str(root / "a.json")) == root / "a.json"
    for reference, message in {
        "../out.json": f"'../out.json' is outside the project root {root}",
        "link.json": f"'link.json' is outside the project root {root}",
        "/etc/passwd": f"'/etc/passwd' is outside the project root {root}",
        "http://x/a.json": "'http://x/a.json' is a URL: only files of the project are read, never the network",
        "data:,x": "'data:,x' is a URL: only files of the project are read, never the network",
        "b.json": "file 'b.json' does not exist, did you mean 'a.json'?",
        "sub": "'sub' is a folder, not a file",
        "": "'' is not the name of a file",
        "a\0b": "'a\\x00b' is not the name of a file",
    }.items():
        with pytest.raises(ValueError, match=r".") as caught:
            resolve_inside(root, root, reference)
        assert str(caught.value) == message
    with pytest.raises(ValueError, match=r"loop\.json"):
        resolve_inside(root, root, "loop.json")
    with pytest.raises(ValueError, match=r"."):
        resolve_inside(root, root, "x" * 5000)


def test_a_root_that_is_itself_a_symlink_works(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.json").touch()
    (tmp_path / "link").symlink_to("real")
    assert resolve_inside(tmp_path / "link", tmp_path / "link", "a.json") == tmp_path / "real" / "a.json"


def test_settings_come_from_either_file(tmp_path: Path) -> None:
    assert settings(tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text("[tool.agentbench.defaults]\nrepeats = 5\n", encoding="utf-8")
    assert settings(tmp_path) == {"defaults": {"repeats": 5}}
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    for text in ("[models.a]\nmodel = 'm'\n", "[tool.agentbench.models.a]\nmodel = 'm'\n"):
        (tmp_path / "agentbench.toml").write_text(text, encoding="utf-8")
        assert settings(tmp_path) == {"models": {"a": {"model": "m"}}}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.agentbench.default]\nrepeats = 5\n", "pyproject.toml:3: unknown key 'default' in the settings, did you mean 'defaults'?"),
        ("agentbench.toml", "xyzzy = 5\n", "agentbench.toml:1: unknown key 'xyzzy' in the settings, known: accept, defaults, gates, models, paths"),
        ("agentbench.toml", "\ndefaults = 5\n", "agentbench.toml:2: 'defaults' in the settings must be a table, got 5"),
        ("agentbench.toml", "paths = 'a'\n", "agentbench.toml:1: 'paths' in the settings must be a list of texts, got 'a'"),
        ("agentbench.toml", "a = \n", "agentbench.toml:1:5: not TOML: Invalid value"),
        ("pyproject.toml", "[tool]\nagentbench = 3\n", "pyproject.toml:2: [tool.agentbench] must be a table"),
    ],
)  # fmt: skip
def test_wrong_settings_say_where_and_what(file: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        settings(tmp_path)
    assert str(caught.value) == message


def test_settings_in_both_files_are_an_error_and_all_mistakes_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "agentbench.toml").write_text("a = 1\nb = 2\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.agentbench.defaults]\nrepeats = 5\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        settings(tmp_path)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "agentbench.toml",
        "agentbench.toml",
        "settings stand in agentbench.toml and in [tool.agentbench] of pyproject.toml",
    ]


def test_the_line_of_a_key_is_found_below_its_table() -> None:
    text = 'a = 1\n[x]\n"b" = 2\n[tool.agentbench.models."gpt-5"]\nb = 3\n'
    assert line_of(text, "b") == 3
    assert line_of(text, "b", "tool.agentbench") == 5
    assert line_of(text, "zzz", "tool.agentbench") == 4
    assert line_of(text, "zzz") == 1
