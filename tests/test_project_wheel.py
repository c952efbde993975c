"""A built wheel carries its scenarios, schemas and sandbox files, and finds them from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from requirements import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel in it; our dependencies are reached by a path file."""
    base = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(base / "dist")], cwd=ROOT)
    (wheel,) = (base / "dist").glob("*.whl")
    folder = base / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--no-deps",
            "--no-index",
            str(wheel),
        ]
    )
    # A plain path entry, so that the editable install's own path file is not read a second time.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path


def test_bundled_files_are_found_inside_the_installed_package(installed: Path, elsewhere: Path) -> None:
    code = (
        "import pytest_agentbench; from pytest_agentbench.resources import bundled\n"
        "print(pytest_agentbench.__file__)\n"
        "for kind in ('scenarios', 'schemas', 'sandbox'): print(bundled(kind))"
    )
    package, *folders = _run([str(installed), "-c", code], cwd=elsewhere).splitlines()
    data = Path(package).parent / "_data"
    assert Path(package).is_relative_to(installed.parent.parent)
    assert [Path(folder) for folder in folders] == [data / "scenarios", data / "schemas", data / "sandbox"]
    for kind, pattern in (("scenarios", "*.bench.yaml"), ("schemas", "*.json"), ("sandbox", "*")):
        ours = sorted(path.name for path in (ROOT / kind).glob(pattern) if path.is_file())
        assert ours
        assert sorted(path.name for path in (data / kind).glob(pattern) if path.is_file()) == ours


def test_the_command_agentbench_runs_from_the_wheel(installed: Path, elsewhere: Path) -> None:
    told = _run([str(installed.with_name("agentbench")), "--help"], cwd=elsewhere)
    assert "validate" in told
    assert "sandbox" in told


def test_bundled_scenarios_are_collected_from_another_folder(installed: Path, elsewhere: Path) -> None:
    code = "from pytest_agentbench.resources import bundled; print(bundled('scenarios'))"
    scenarios = _run([str(installed), "-c", code], cwd=elsewhere).strip()
    command = [
        str(installed),
        "-m",
        "pytest",
        "--agentbench",
        "--model=smollm2-135m",
        "--collect-only",
        "-q",
        scenarios,
    ]
    told = _run(command, cwd=elsewhere)
    assert "quickstart-poem::smollm2-135m" in told
    assert "nested-json-depth-6::smollm2-135m" in told


def _run(command: list[str], *, cwd: Path | None = None) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))
    }
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False, env=environment
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
