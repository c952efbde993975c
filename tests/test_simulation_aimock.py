"""A mock server that we did not write, @copilotkit/aimock, in place of ours: the same counts for the same replies.

Our server plays a profile with many faults; its replies, taken from the journal, become aimock's fixtures;
then the same scenarios run against aimock.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench_project import BenchProject
from requirements import need

VERSION = "1.43.0"
DEADLINE_S = 30.0
# aimock says text, reasoning, tool calls with their raw arguments, finish reason and usage. It has no blank
# content, no refusal field and no arguments that are not text: these faults are left out.
PROFILE = """\
profile: 1
syntax: {fence: 0.03, truncated: 0.03, trailing_comma: 0.03, single_quotes: 0.03, prose_around: 0.03,
  multiple_values: 0.03, unescaped_quote: 0.03, duplicate_key: 0.03, reasoning_block: 0.03, no_json: 0.03}
schema: {missing_required: 0.05, wrong_type: 0.05, extra_key: 0.05}
loops: {exact: 0.05, near: 0.05, counter: 0.05}
calls: {wrong_arguments: 0.03, no_call: 0.03, arguments_unparseable: 0.03, unknown_tool: 0.03, missing_argument: 0.03}
success: 0.8
"""
SCENARIOS = """\
agentbench: 1
id: as-json
data: {seed: 3, rows: 200, values: {key: {faker: bothify, text: "K????????"}, name: {faker: name}, age: {faker: random_int, min: 1, max: 99}}}
prompt: {user: "{{ key }}: {{ name }} is {{ age }} years old, as JSON."}
sampling: {max_tokens: 4000}
answer:
  json:
    schema:
      type: object
      properties: {name: {type: string}, age: {type: integer}}
      required: [name, age]
      additionalProperties: false
    expect: {name: "{{ name }}", age: "{{ age }}"}
gates: {parse_failure_rate: {max: 0.4, decide: fixed}, loop_rate: {max: 0.4, decide: fixed}}
repeats: 200
reference: [{assistant: '{"name": {{ name | tojson }}, "age": {{ age }}}'}]
---
agentbench: 1
id: with-tool
data: {seed: 4, rows: 100, values: {key: {faker: bothify, text: "K????????"}, city: {faker: city}}}
prompt: {user: "{{ key }}: how warm is it in {{ city }}?"}
sampling: {max_tokens: 4000}
tools:
  - name: get_temperature
    parameters: {type: object, properties: {city: {type: string}}, required: [city], additionalProperties: false}
    returns: {value: {celsius: -3}}
answer: {tool_calls: {expect: [{name: get_temperature, args: {city: "{{ city }}"}}]}}
checks: [{text: {contains: "-3"}}]
gates: {tool_argument_failure_rate: {max: 0.3, decide: fixed}, pass_rate: {min: 0.3, decide: fixed}}
repeats: 100
reference:
  - assistant: {tool_calls: [{name: get_temperature, args: {city: "{{ city }}"}}]}
  - assistant: It is -3 degrees.
---
agentbench: 1
id: prose
data: {seed: 5, rows: 60, values: {key: {faker: bothify, text: "K????????"}}}
prompt: {user: "{{ key }}: tell me a story."}
sampling: {max_tokens: 4000}
gates: {loop_rate: {max: 0.4, decide: fixed}}
repeats: 60
reference: [{assistant: Once there was a ferry that left at six.}]
"""
SAME = ("n_samples", "n_x", "outcome", "json", "arguments", "loops", "pass", "gates")


@pytest.fixture(scope="session")
def aimock() -> Path:
    """The command of the installed package."""
    need("aimock", shutil.which("node") is not None and shutil.which("npm") is not None, "no node with npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "pytest-agentbench" / f"aimock-{VERSION}"
    command = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if not command.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", f"@copilotkit/aimock@{VERSION}"]
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        need("aimock", done.returncode == 0, f"npm could not install it: {done.stderr.strip()[-300:]}")
    return command


@contextmanager
def serving(command: Path, fixtures: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = fixtures.with_suffix(".log").open("w")
    server = subprocess.Popen(
        ["node", str(command), "-p", str(port), "-f", str(fixtures), "--strict"], stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, fixtures.with_suffix(".log").read_text()
            assert time.monotonic() < deadline, "aimock did not listen"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        log.close()


def fixture_of(line: dict[str, Any], key: str) -> dict[str, Any]:
    """One reply of the journal as aimock's fixture."""
    reply, turn = line["reply"], line["sample"]["turn"]
    usage = reply["usage"]
    said: dict[str, Any] = {
        "finishReason": reply["finish_reason"],
        "id": reply["response_id"] + key,
        "usage": {
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
        },
    }
    if reply["content"] is not None:
        said["content"] = reply["content"]
    if reply["reasoning"] is not None:
        said["reasoning"] = reply["reasoning"]
    if reply["tool_calls"]:
        said["toolCalls"] = [
            {"id": call["id"], "name": call["name"], "arguments": call["arguments"]}
            for call in reply["tool_calls"]
        ]
    return {"match": {"userMessage": key, "turnIndex": turn}, "response": said}


def told(project: BenchProject, scenario: str, model: str) -> dict[str, Any]:
    case = project.case(scenario, model)
    return {name: case[name] for name in SAME if name in case}


def test_the_counts_are_equal_for_equal_replies(project: BenchProject, aimock: Path) -> None:
    project.write("all.bench.yaml", SCENARIOS)
    (project.path / "faults.yaml").write_text(PROFILE)
    project.run("-n2", model="simulated:faults.yaml")
    ids = ("as-json", "with-tool", "prose")
    ours = {scenario: told(project, scenario, "simulated:faults.yaml") for scenario in ids}
    assert ours["as-json"]["n_samples"] == 200
    assert len(ours["as-json"]["json"]["tags"]) >= 10, "a run with many kinds of faults"
    assert ours["with-tool"]["arguments"]["failures"] > 5
    assert ours["prose"]["loops"]["looped"] > 3
    lines = project.journal()
    keys = {
        (sample["scenario"], sample["row"]): sample["messages"][0]["content"].partition(":")[0]
        for line in lines
        if line["kind"] == "sample"
        for sample in [line["sample"]]
    }
    assert len(set(keys.values())) == 360
    fixtures = [
        fixture_of(line, keys[line["sample"]["scenario"], line["sample"]["row"]])
        for line in lines
        if line["kind"] == "reply"
    ]
    path = project.path / "fixtures.json"
    path.write_text(json.dumps({"fixtures": fixtures}))
    with serving(aimock, path) as url:
        project.run("-n2", base_url=url, model="aimock")
    for scenario in ids:
        assert told(project, scenario, "aimock") == ours[scenario]
