"""What the documents tell a reader to type exists, and their examples work."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from requirements import ROOT

from pytest_agentbench import __version__, checks
from pytest_agentbench.cli import main
from pytest_agentbench.commands.init import WORKFLOW
from pytest_agentbench.loader import load_text
from pytest_agentbench.providers.catalogue import resolve
from pytest_agentbench.simulation.profile import read_profile

README = (ROOT / "README.md").read_text("utf-8")
ACTIONS = (ROOT / "docs" / "ci" / "github-actions.yml").read_text("utf-8")
DOCUMENTS = {
    name: (ROOT / name).read_text("utf-8") for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")
} | {"docs/ci/github-actions.yml": ACTIONS, "the workflow of init": WORKFLOW}


def block(language: str) -> str:
    """The first fenced block of README in ``language``."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_option_that_is_named_exists(name: str, pytestconfig: pytest.Config) -> None:
    options = set(re.findall(r"--agentbench(?:-[a-z]+)*", DOCUMENTS[name]))
    known = {flag for flag in vars(pytestconfig.option) if flag.startswith("agentbench")}
    assert {option.removeprefix("--").replace("-", "_") for option in options} <= known


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_subcommand_that_is_named_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^ {4}(\w+)(?: |$)", capsys.readouterr().out, re.MULTILINE))
    named = set(re.findall(r"(?:`|run: )agentbench\s([a-z]+)", DOCUMENTS[name]))
    assert named <= known


def test_the_scenario_in_ten_lines_is_valid_and_has_ten_lines(tmp_path: Path) -> None:
    text = block("yaml")
    rows = [{"id": "a", "subject": "s", "body": "b", "category": "bug"}]
    (tmp_path / "tickets.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "ticket.schema.json").write_text('{"type": "object"}', encoding="utf-8")
    (scenario,) = load_text(
        text, file="readme", root=tmp_path, folder=tmp_path, check_parameters=checks.parameters
    )
    assert scenario.id == "ticket-category"
    assert len(text.splitlines()) == 10


def test_the_lines_of_the_data_example_are_json() -> None:
    for line in block("json").splitlines():
        assert set(json.loads(line)) == {"id", "subject", "body", "category"}


def test_the_model_of_the_settings_example_can_be_resolved() -> None:
    settings = tomllib.loads(block("toml"))["tool"]["agentbench"]
    (model,) = resolve(["our-llama"], settings=settings, base_url=None, env={"OUR_LLAMA_KEY": "k"})
    assert model.base_url == "http://10.0.0.7:8000/v1"
    assert model.model_id == "meta-llama/Llama-4-Scout-17B-16E-Instruct"


@pytest.mark.parametrize("text", [ACTIONS, WORKFLOW], ids=["docs/ci", "init"])
def test_a_workflow_runs_forks_without_secrets_and_never_writes_a_key(text: str) -> None:
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the key `on` as true.
    assert "pull_request" in workflow[True]
    assert "pull_request_target" not in text
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "--agentbench " in step.get("run", "")]
    assert "--agentbench-missing-key=skip" in runs[0]
    assert "secrets." not in "".join(step.get("run", "") for step in steps)


def test_the_nightly_tier_is_strict_and_runs_everything() -> None:
    deep = yaml.safe_load(ACTIONS)["jobs"]["deep"]
    (command,) = (step["run"] for step in deep["steps"] if "--agentbench " in step.get("run", ""))
    assert "--agentbench-inconclusive" not in command
    assert "--agentbench-missing-key" not in command
    assert " -m " not in command


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert f"## {__version__}" in DOCUMENTS["CHANGELOG.md"]


def test_ci_runs_the_quickstart_command_that_readme_gives() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    (command,) = re.findall(r"pytest --agentbench --model=smollm2-135m -m quickstart -n 16", block("sh"))
    assert command in script


def test_the_profile_in_the_readme_is_valid() -> None:
    text = next(
        found
        for found in re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
        if found.startswith("profile")
    )
    profile = read_profile(text, name="own", file="README.md")
    assert {fault.tag for fault in profile.behaviour.faults} >= {"fence", "missing_required", "exact"}
