"""What was loaded is kept as long as nothing that counts has changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loading import CHECKS, HEAD
from requirements import ROOT

from pytest_agentbench.errors import ScenarioError
from pytest_agentbench.loader import load_file
from pytest_agentbench.scenario import Scenario

TEXT = HEAD + (
    "data: {rows: {file: r.jsonl}, values: {w: {faker: company}}}\nprompt: {user: '{{ a }}'}\n"
    "answer: {json: {schema: s.json}}\nchecks: [{contains: {text: x}}]\n"
)
SLOW = ("yaml", "jsonschema", "jinja2", "faker")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "r.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    (root / "s.json").write_text('{"$ref": "t.json"}', encoding="utf-8")
    (root / "t.json").write_text('{"type": "object"}', encoding="utf-8")
    (root / "a.bench.yaml").write_text(TEXT, encoding="utf-8")
    return root


def load(root: Path, *, checks: Any = CHECKS, **options: Any) -> tuple[Scenario, ...]:
    return load_file(
        root / "a.bench.yaml", root=root, cache=root.parent / "cache", check_parameters=checks.get, **options
    )


def entries(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (root.parent / "cache").glob("*.json")}


def test_a_kept_scenario_equals_a_loaded_one(project: Path) -> None:
    first = load(project)
    assert entries(project)
    assert load(project) == first
    assert load_file(project / "a.bench.yaml", root=project, check_parameters=CHECKS.get) == first


@pytest.mark.parametrize(
    "file", sorted((ROOT / "scenarios").glob("*.bench.yaml")), ids=lambda file: file.name
)
def test_the_shipped_scenarios_come_back_as_they_were(file: Path, tmp_path: Path) -> None:
    loaded = load_file(file, root=ROOT, cache=tmp_path)
    assert load_file(file, root=ROOT, cache=tmp_path) == loaded


def test_a_kept_scenario_is_loaded_without_the_slow_libraries(project: Path) -> None:
    code = (
        "import sys, pathlib; from pytest_agentbench.loader import load_file; root = pathlib.Path(sys.argv[1]);"
        "(s,) = load_file(root / 'a.bench.yaml', root=root, cache=root.parent / 'cache');"
        f"print(s.id, *sorted(set({SLOW}) & set(sys.modules)))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, str(project)], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert [output.split() for output in outputs] == [["demo", *sorted(SLOW)], ["demo"]]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.bench.yaml", TEXT + "title: new\n"),
        ("r.jsonl", '{"a": 2}\n'),
        ("s.json", '{"type": "array"}'),
        ("t.json", '{"type": "array"}'),
    ],
)
def test_a_change_of_any_file_is_seen(file: str, content: str, project: Path) -> None:
    before = load(project)
    (project / file).write_text(content, encoding="utf-8")
    assert load(project) != before


def test_a_link_that_now_leads_elsewhere_is_seen(project: Path) -> None:
    (project / "t2.json").write_text('{"type": "array"}', encoding="utf-8")
    (project / "t.json").rename(project / "t1.json")
    (project / "t.json").symlink_to("t1.json")
    before = load(project)
    (project / "t.json").unlink()
    (project / "t.json").symlink_to("t2.json")
    assert load(project) != before


def test_defaults_and_the_parameters_of_checks_count(project: Path) -> None:
    load(project)
    assert load(project, defaults={"repeats": 3})[0].repeats == 3
    with pytest.raises(ScenarioError, match="must be a whole number"):
        load(project, checks={"contains": {"properties": {"text": {"type": "integer"}}}})
    with pytest.raises(ScenarioError, match="unknown check 'contains'"):
        load(project, checks={})


def test_a_file_with_mistakes_is_never_kept(project: Path) -> None:
    (project / "a.bench.yaml").write_text(TEXT + "repeats: 0\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ScenarioError, match="repeats must be at least 1"):
            load(project)
    assert not entries(project)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "\udcff"])
def test_a_damaged_entry_is_made_again(damage: str, project: Path) -> None:
    before = load(project)
    (entry,) = entries(project)
    entry.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert load(project) == before
    assert json.loads(entry.read_text(encoding="utf-8"))["scenarios"]


def test_a_folder_that_cannot_be_written_is_no_error(project: Path) -> None:
    (project.parent / "cache").write_text("a file, not a folder", encoding="utf-8")
    assert load(project)[0].id == "demo"


def test_of_several_processes_one_does_the_work(project: Path) -> None:
    code = (
        "import sys, pathlib; from pytest_agentbench.loader import load_file; root = pathlib.Path(sys.argv[1]);"
        "load_file(root / 'a.bench.yaml', root=root, cache=root.parent / 'cache'); print('yaml' in sys.modules)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(project)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(outputs) == ["False", "False", "False", "True"]
