"""Recorded replies judged again: no call, the same counts, new verdicts where a scenario changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bench_project import WORDINGS, BenchProject
from loopback import LoopbackServer, completion, context_overflow, tool_call

from pytest_agentbench.errors import LimitReachedError, TransportError, UsageError
from pytest_agentbench.recording import Recording
from pytest_agentbench.sample import Reply
from pytest_agentbench.wire import to_wire

TOOLS = """\
agentbench: 1
id: tools
prompt: {user: "How warm is it in Oslo?"}
tools:
  - name: get_temperature
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
    returns: {value: {celsius: -3}}
answer: {text: {contains: "-3"}}
gates: {pass_rate: {min: 0.3, decide: fixed}}
repeats: 20
"""
SAME = (
    "n_samples",
    "outcome",
    "json",
    "loops",
    "arguments",
    "pass",
    "gates",
    "sensitivity",
    "variants",
    "n_x",
)


def told(case: dict[str, Any]) -> dict[str, Any]:
    return {key: case[key] for key in SAME if key in case}


def answer(body: Any, n: int) -> Any:
    text = body["messages"][-1]["content"]
    if body.get("tools"):
        if body["messages"][-1]["role"] == "tool":
            return completion("It is -3 degrees." if n % 3 else "I do not know.", response_id=f"r{n}")
        return completion(tool_calls=[tool_call("get_temperature", {"city": "Oslo"})], response_id=f"r{n}")
    if "JSON" in text:
        return completion('{"n": 7}' if n % 4 else "Sure: n is 7", response_id=f"r{n}")
    return completion("ok" if n % 5 else "no", response_id=f"r{n}")


def record(project: BenchProject, *args: str, model: str = "test-model") -> None:
    with LoopbackServer() as server:
        server.reply = answer
        project.run(*args, base_url=server.base_url, model=model)


def replay(project: BenchProject, *args: str) -> pytest.RunResult:
    return project.pytester.runpytest_subprocess(
        "--agentbench", "--agentbench-json=out.json", *args, timeout=120
    )


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_same_scenarios_give_the_same_counts_and_verdicts_without_a_server(
    project: BenchProject, workers: str
) -> None:
    project.write("wordings.bench.yaml", WORDINGS)
    project.write("tools.bench.yaml", TOOLS)
    project.simple("plain", repeats=20)
    record(project, "-n2", model="model-a,model-b")
    cases = [(name, model) for name in ("wordings", "tools", "plain") for model in ("model-a", "model-b")]
    before = {key: told(project.case(*key)) for key in cases}
    result = replay(project, workers, "--agentbench-replay=last")
    result.stdout.fnmatch_lines(["agentbench: replay of *, no calls"])
    result.stdout.no_fnmatch_line("*given to another request*")
    assert {key: told(project.case(*key)) for key in cases} == before
    assert project.results["run"]["n_calls"] == 0
    replay(project, workers, "--agentbench-replay=last", "-k", "tools")
    assert told(project.case("tools", "model-a")) == before["tools", "model-a"], "a replay can be replayed"


def test_a_changed_check_gives_another_verdict_on_the_same_replies(project: BenchProject) -> None:
    project.write("tools.bench.yaml", TOOLS)
    record(project)
    assert project.case("tools")["outcome"] == "pass"
    run = project.results["run"]["id"]
    project.write("tools.bench.yaml", TOOLS.replace('contains: "-3"', 'contains: "minus three"'))
    result = replay(project, f"--agentbench-replay={run}")
    assert project.case("tools")["outcome"] == "fail"
    assert project.case("tools")["n_samples"] == 20
    result.stdout.no_fnmatch_line("*given to another request*")


def test_a_changed_prompt_is_told(project: BenchProject) -> None:
    project.simple("plain", repeats=20)
    record(project)
    path = project.path / "scenarios" / "plain.bench.yaml"
    path.write_text(path.read_text().replace("Say the word", "Please say the word"))
    result = replay(project, "--agentbench-replay=last")
    n = project.case("plain")["n_samples"]
    assert n >= 20, "how many decide the gate depends on the order in which the replies came"
    result.stdout.fnmatch_lines([f"{n} of {n} replies were given to another request: prompt, *"])


def test_more_repeats_than_were_recorded_leave_an_undecided_gate_inconclusive(project: BenchProject) -> None:
    project.write("tools.bench.yaml", TOOLS)
    record(project)
    text = TOOLS.replace("min: 0.3", "min: 0.6").replace("repeats: 20", "repeats: 40")
    project.write("tools.bench.yaml", text)
    result = replay(project, "--agentbench-replay=last")
    case = project.case("tools")
    assert (case["outcome"], case["n_samples"]) == ("inconclusive", 20)
    assert "has no more replies of test-model to tools" in case["reason"]
    assert result.ret == 10


def test_an_agent_that_now_asks_on_is_x_and_not_a_failure(project: BenchProject) -> None:
    project.write("tools.bench.yaml", TOOLS)
    record(project)
    project.write(
        "tools.bench.yaml",
        TOOLS.replace(
            'prompt: {user: "How warm is it in Oslo?"}',
            'prompt: {user: "How warm is it in Oslo?", then: ["Sure?"]}',
        ),
    )
    replay(project, "--agentbench-replay=last")
    case = project.case("tools")
    assert case["n_samples"] == 0
    assert case["outcome"] == "inconclusive"
    assert set(case["faults"]) == {"not_recorded"}


def test_of_a_sample_drawn_anew_the_last_draw_is_replayed(project: BenchProject) -> None:
    project.write("tools.bench.yaml", TOOLS)
    failed: set[int] = set()

    def once_broken(body: Any, n: int) -> Any:
        if body["messages"][-1]["role"] == "tool" and len(failed) < 1:
            failed.add(n)
            return context_overflow()
        return answer(body, n)

    with LoopbackServer() as server:
        server.reply = once_broken
        project.run("-n0", base_url=server.base_url)
    before = told(project.case("tools"))
    assert before["n_samples"] == 20
    replay(project, "--agentbench-replay=last")
    after = told(project.case("tools"))
    assert (after["n_samples"], after["gates"]) == (20, before["gates"])


@pytest.mark.parametrize("run", ["nope", "last", "scenarios"])
def test_a_run_that_is_not_there_is_a_usage_error_that_says_what_is(project: BenchProject, run: str) -> None:
    project.simple("plain")
    result = replay(project, f"--agentbench-replay={run}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*--agentbench-replay={run}: no such run; there is none in *"])


def line(**sample: Any) -> bytes:
    identity = {
        "scenario": "s",
        "model": "m",
        "variant": "base",
        "row": 0,
        "turn": 0,
        "request": "d",
        **sample,
    }
    reply = to_wire(Reply(message={"role": "assistant"}, content=f"{identity['index']}/{identity['turn']}"))
    return (
        json.dumps({"kind": "reply", "sample": identity, "reply": reply}, separators=(",", ":")).encode()
        + b"\n"
    )


def recording(path: Path, *lines: bytes) -> Recording:
    folder = path / "20260101-000000-abcd"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(b"".join(lines))
    return Recording(str(folder), path)


def asked(index: int, turn: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "scenario": "s",
        "model": "m",
        "variant": "base",
        "row": 0,
        "index": index,
        "turn": turn,
        **fields,
    }


def test_a_sample_gets_the_one_of_its_own_place_first_and_then_any_other(tmp_path: Path) -> None:
    found = recording(tmp_path, line(index=0), line(index=2), line(index=5))
    assert found.reply(asked(2)).content == "2/0"
    assert found.reply(asked(1)).content == "0/0"
    assert found.reply(asked(9)).content == "5/0"
    with pytest.raises(LimitReachedError, match="no more replies of m to s, base, row 0"):
        found.reply(asked(10))
    assert (found.n_samples, found.n_changed) == (3, 3)
    found.close()


def test_turns_follow_their_sample_and_beyond_the_last_nothing_is_recorded(tmp_path: Path) -> None:
    found = recording(
        tmp_path, line(index=0), line(index=0, turn=1), line(index=1), line(index=1, turn=1)[:-9]
    )
    assert [found.reply(asked(0, turn, request="d")).content for turn in (0, 1)] == ["0/0", "0/1"]
    with pytest.raises(TransportError, match="has no turn 3 of this sample") as caught:
        found.reply(asked(0, 2))
    assert caught.value.kind == "not_recorded"
    assert found.reply(asked(1, request="d")).content == "1/0"
    with pytest.raises(TransportError):
        found.reply(asked(1, 1))
    assert found.n_changed == 0
    found.close()


def test_a_file_that_is_no_journal_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"kind":"reply","sample":{"index"}\n')
    with pytest.raises(UsageError, match="cannot be read"):
        Recording(str(tmp_path), tmp_path)
