"""Bad days: kill -9, Ctrl-C, a full disk; what was drawn is kept and nothing is left behind."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from bench_process import CACHE, DEADLINE_S, BenchProcess
from bench_project import BenchProject
from local_model import need_local_model
from loopback import LoopbackServer, completion
from loopback_answers import Answer
from requirements import need

from pytest_agentbench.broker import hub
from pytest_agentbench.model import Model
from pytest_agentbench.sample import CallRequest
from pytest_agentbench.sandboxes import docker, engine, labels, wasm

if sys.platform == "win32":
    pytest.skip("signals", allow_module_level=True)

WORKERS = pytest.mark.parametrize("workers", ["-n0", "-n2"])

CODE = """\
agentbench: 1
id: {id}
prompt: {{user: "Write a function f"}}
answer: {{code: {{language: python, tests: "assert f() == 1"}}}}
sandbox: {{timeout_s: 100}}
gates: {{pass_rate: {{min: 0.1}}}}
repeats: 1000
"""
GOOD_CODE = completion("```python\ndef f():\n    return 1\n```")
ENDLESS_CODE = completion("```python\nwhile True:\n    pass\n```")
NEVER = completion("too late", delay_s=1000)


def need_sandbox(backend: str) -> None:
    reason = {"docker": docker.unavailable, "wasm": wasm.unavailable}[backend]()
    need(backend, reason is None, reason or "")


def containers(run_id: str) -> list[str]:
    api = engine.connect()
    try:
        found = api.containers(all=True, filters={"label": f"{labels.RUN}={run_id}"})
    finally:
        api.close()
    return [entry["State"] for entry in found]


@pytest.mark.parametrize("backend", ["docker", "wasm"])
def test_a_run_killed_while_code_runs_leaves_nothing_after_the_next_start(
    project: BenchProject, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_sandbox(backend)
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)
    for name in ("one", "two", "three"):
        project.write(f"{name}.bench.yaml", CODE.format(id=name))
    with LoopbackServer(GOOD_CODE) as server:
        options = [f"--agentbench-sandbox={backend}", "--agentbench-concurrency=4"]
        with BenchProcess(project, "-n2", *options, base_url=server.base_url) as run:
            run.until(lambda: len(run.journal("sample")) >= 4)
            server.reply = ENDLESS_CODE
            n_sent = server.count
            run.until(lambda: server.count >= n_sent + 8)
            folder = run.folder
            assert folder is not None
            if backend == "docker":
                run.until(lambda: containers(folder.name).count("running") >= 2)
            else:
                run.until(lambda: any("wasm" in " ".join(child.cmdline()) for child in run.children()))
            run.children()
            run.kill()
            run.assert_nothing_is_left()
            # The journal is whole: each sample that had finished, and the replies to all others.
            assert len(run.journal("sample")) >= 4
            assert server.count - 8 <= len(run.journal("reply")) <= server.count
        server.reply = GOOD_CODE
        result = project.run(
            "-n0", *options, "--agentbench-repeats=20", "-k", "one", base_url=server.base_url
        )
    assert result.ret == 0, result.stdout.str()
    assert project.results["run"]["sandbox_backend"] == backend
    if backend == "docker":
        assert containers(folder.name) == []


@pytest.mark.parametrize("end", ["kill", "interrupt"])
def test_a_run_that_ends_while_the_local_model_writes_leaves_no_model_behind(
    project: BenchProject, end: str
) -> None:
    need_local_model()
    story = """\
agentbench: 1
id: {id}
prompt: {{user: "Write a long story about {id}."}}
sampling: {{temperature: 0.9, max_tokens: 60}}
answer: {{text: {{contains: the}}}}
repeats: 500
"""
    for name in ("cats", "dogs"):
        project.write(f"{name}.bench.yaml", story.format(id=name))
    with BenchProcess(project, "-n2", model="smollm2-135m") as run:
        run.until(lambda: len(run.journal("sample")) >= 3)
        assert any("llama_child" in " ".join(child.cmdline()) for child in run.children())
        getattr(run, end)()
        assert run.wait() == (-9 if end == "kill" else 2)
        run.assert_nothing_is_left()
        # Each sample has the replies that it was made of: nothing is lost in between.
        assert 3 <= len(run.journal("sample")) <= len(run.journal("reply"))


def test_one_killed_worker_costs_one_case_and_another_worker_goes_on(project: BenchProject) -> None:
    names = [f"case-{n}" for n in range(6)]
    project.simple(*names, repeats=8)
    counts: Counter[str] = Counter()

    def reply(body: Any, _n: int) -> Answer:
        text = body["messages"][-1]["content"]
        counts[text] += 1
        return completion("ok", delay_s=3 if counts[text] > 3 and len(counts) <= 2 else 0)

    with (
        LoopbackServer(reply) as server,
        BenchProcess(project, "-n2", "-v", "--agentbench-concurrency=8", base_url=server.base_url) as run,
    ):
        # Both workers stand in the middle of their first case, the other cases wait behind them.
        run.until(lambda: len(run.journal("sample")) == 6 and server.in_flight >= 8)
        victim, _other = run.workers()
        victim.kill()
        assert run.wait() == 1, run.text
        run.assert_nothing_is_left()
        assert len(run.journal("reply")) == server.count, "what was sent is paid for, and kept"
    assert "replacing crashed worker" in run.text
    outcomes = Counter(case["outcome"] for case in project.results["cases"])
    assert outcomes == {"no_data": 1, "pass": 5}, run.text
    kept = Counter(sample["scenario"] for sample in run.journal("sample"))
    assert set(kept) == set(names)
    for case in project.results["cases"]:
        if case["outcome"] == "pass":
            assert kept[case["scenario"]] == case["n_samples"]
        else:
            assert kept[case["scenario"]] == 3, "those that had finished before"
            assert case["n_samples"] == 0
    after = re.findall(r"\[(gw\d+)\].*PASSED", run.text)
    assert set(after) - {"gw0", "gw1"}, "the new worker reaches the broker too"


@WORKERS
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_soon_with_what_finished(project: BenchProject, workers: str, times: int) -> None:
    project.simple("alpha", "beta", "gamma", repeats=8)

    def reply(body: Any, _n: int) -> Answer:
        return completion("ok") if "alpha" in body["messages"][-1]["content"] else NEVER

    with (
        LoopbackServer(reply) as server,
        BenchProcess(project, workers, base_url=server.base_url, columns=80) as run,
    ):
        run.until(lambda: run.journal("case") and server.in_flight >= 8)
        run.interrupt()
        if times == 2:
            run.until(lambda: "Ctrl-C ends it now" in run.text)
            run.interrupt()
        assert run.wait() == 2, run.text
        run.assert_nothing_is_left()
        text = run.text
    assert "Traceback" not in text
    assert re.search(r"^alpha +8 .* PASS\b", text, re.MULTILINE), text
    assert "2 of 3 cases did not finish; what was drawn of them is in " in text
    assert [case["outcome"] for case in project.results["cases"]] == ["pass"]
    assert project.results["exit_status"] == 2
    assert project.results["run"]["stopped"] == "interrupted"
    assert run.folder is not None
    assert (run.folder / "results.json").exists()
    assert len(run.journal("sample")) == len(run.journal("reply")) == 8


def test_a_second_ctrl_c_ends_the_waiting_for_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LAST_REPLIES_S", 1000.0)
    model = Model(name="m", slug="m", model_id="m")
    request = CallRequest(model="m", body={"messages": []}, deadline_s=900, sample={})
    said: list[str] = []

    async def main(base_url: str) -> None:
        settings = hub.BrokerSettings(run_id="r", models=[replace(model, base_url=base_url)], keys={})
        broker = hub.Broker(settings, say=said.append)
        call = asyncio.create_task(broker.call(request))
        async with asyncio.timeout(DEADLINE_S):
            while server.in_flight == 0:
                await asyncio.sleep(0.01)
            closing = asyncio.create_task(broker.close())
            while not said:
                await asyncio.sleep(0.01)
            broker.hurry()
            await closing
        with pytest.raises(asyncio.CancelledError):
            await call

    with LoopbackServer(NEVER) as server:
        asyncio.run(main(server.base_url))
    assert said == ["waiting up to 1000 s for 1 reply that may be paid for; Ctrl-C ends it now"]


@WORKERS
def test_the_first_failure_ends_the_run_with_calls_in_flight(project: BenchProject, workers: str) -> None:
    project.simple("alpha", "beta", "gamma", repeats=100)

    def reply(body: Any, _n: int) -> Answer:
        failing = "alpha" in body["messages"][-1]["content"]
        return completion("wrong") if failing else completion("ok", delay_s=1.5)

    with (
        LoopbackServer(reply) as server,
        BenchProcess(project, workers, "-x", "--agentbench-concurrency=8", base_url=server.base_url) as run,
    ):
        # xdist ends a session that it stops with 2, like Ctrl-C, and lets other workers finish.
        assert run.wait() == (1 if workers == "-n0" else 2), run.text
        run.assert_nothing_is_left()
        assert server.count < 100, "others are in the middle of their 100 samples"
    outcomes = {case["scenario"]: case["outcome"] for case in project.results["cases"]}
    assert outcomes.pop("alpha") == "fail"
    assert set(outcomes.values()) <= {"inconclusive", "pass"}, "no verdict that the stop has made"
    assert ("2 of 3 cases did not finish" in run.text) == (workers == "-n0")
    assert "(-x) ends the run there" in project.results["run"]["stopped"]


@WORKERS
def test_a_full_disk_ends_every_case_as_no_data_with_the_reason(project: BenchProject, workers: str) -> None:
    project.simple("alpha", "beta", "gamma", repeats=20)
    with (
        LoopbackServer(completion("ok" * 200)) as server,
        BenchProcess(project, workers, base_url=server.base_url, shell="ulimit -f 16") as run,
    ):
        assert run.wait() == 1, run.text
        assert server.count <= 40, "what is paid for cannot be kept: no more is sent"
    assert "INTERNALERROR" not in run.text
    assert run.text.count("StorageError: cannot write the journal") >= 3
    assert {case["outcome"] for case in project.results["cases"]} == {"no_data"}
    assert "File too large" in project.results["run"]["stopped"]
    assert run.journal("reply"), "what was written before the disk was full can be read"


@WORKERS
def test_a_local_model_that_cannot_be_served_ends_the_run_before_any_sample(
    project: BenchProject, workers: str
) -> None:
    need_local_model()
    project.simple("alpha", "beta")
    (project.path / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 2000)
    with BenchProcess(project, workers, model="gguf:broken.gguf") as run:
        assert run.wait() == pytest.ExitCode.USAGE_ERROR, run.text
        run.assert_nothing_is_left()
    assert "llama.cpp could not serve" in run.text
    assert "Traceback" not in run.text
    assert project.results["cases"] == []


def test_weights_that_cannot_be_fetched_are_said_with_what_to_do(project: BenchProject) -> None:
    need_local_model()
    project.simple("alpha", "beta")
    nowhere = {"XDG_CACHE_HOME": str(project.path / "cache"), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    with BenchProcess(project, "-n2", model="smollm2-135m", env=nowhere) as run:
        assert run.wait() == pytest.ExitCode.USAGE_ERROR, run.text
    assert "pip could not fetch" in run.text
    assert "on a machine with a network run" in run.text
