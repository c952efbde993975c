"""The layers of ARCHITECTURE.md hold in the code."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

from requirements import ROOT

PACKAGE = ROOT / "pytest_agentbench"


def test_imports_go_downward_and_the_engine_does_not_know_pytest() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_its_place_in_the_table_of_architecture_md() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    layered = set(re.findall(r"\w+", config["importlinter:contract:layers"]["layers"]))
    table = set(re.findall(r"`(\w+)/?`", (ROOT / "ARCHITECTURE.md").read_text("utf-8")))
    assert layered <= table


def test_no_module_of_the_package_is_named_after_nothing() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")} | {
        path.name for path in PACKAGE.rglob("*") if path.is_dir()
    }
    assert not names & {"utils", "util", "helpers", "common", "manager", "misc"}


def test_plugin_and_package_import_only_pytest_and_the_standard_library_at_load() -> None:
    for file in (PACKAGE / "__init__.py", PACKAGE / "plugin.py"):
        tree = ast.parse(file.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import):
                roots = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                roots = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert roots <= {"pytest", *sys.stdlib_module_names}, f"{file.name}:{node.lineno}"
