"""The rarer mistakes, a line each: what is written, and where and how it is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from loading import BASE, HEAD, problems

CASES = {
    # structure
    "type": ("prompt: hello\n", 'prompt must be a mapping, got the text "hello"'),
    "quoted number": (
        "repeats: '50'\n",
        'repeats must be a whole number, got the text "50", write it without quotes',
    ),
    "whole number": ("repeats: 50.0\n", "repeats must be a whole number, got the number 50.0"),
    "unquoted number": ("about: 3\n", 'about must be text, got the number 3, write "3" in quotes'),
    "nothing": ("title:\n", "title must be text, got nothing (null)"),
    "unknown key without a likeness": (
        "xyzzy: 1\n",
        "unknown key 'xyzzy', known: about, agent, agentbench, answer",
    ),
    "union": ("sampling: {stop: 3}\n", "sampling.stop must be text or a list or null, got the number 3"),
    "union of choices": (
        "sampling: {seed: persample}\n",
        "sampling.seed must be one of none, per_sample, got the text \"persample\", did you mean 'per_sample'?",
    ),
    "union of mappings": ("tools: foo\n", 'tools must be a list or a mapping, got the text "foo"'),
    "branch that was meant": (
        "tools: [{name: a, returns: {sequence: [{value: 1}], then: lst}}]\n",
        "tools[0].returns.then must be one of last, repeat, error, got the text \"lst\", did you mean 'last'?",
    ),
    "no branch": (
        "tools: [{name: a, returns: {valu: 1}}]\n",
        "unknown key 'valu' in tools[0].returns, did you mean 'value'?",
    ),
    "empty": ("variants: []\n", "variants must not be empty"),
    "too many keys": (
        "checks: [{contains: {text: a}, text: {}}]\n",
        "checks[0] must have exactly 1 key(s), got contains, text",
    ),
    "a gate of exactly 0": (
        "gates: {loop_rate: {max: 0}}\n",
        "gates.loop_rate.max must be above 0 and below 1, got 0, no number of samples can prove a rate of exactly 0",
    ),
    "no gates": (
        "gates: {}\n",
        "gates is empty: remove it (then pass_rate must be at least 0.9), or name one",
    ),
    # prompt and variants
    "no user": ("prompt: {system: be brief}\n", "missing key 'user' in prompt (or 'messages')"),
    "user and messages": (
        "prompt: {user: a, messages: [{user: a}]}\n",
        "'user' is short for messages: write one or the other",
    ),
    "assistant last": (
        "prompt: {messages: [{user: a}, {assistant: b}]}\n",
        "the last message must be the user's, got assistant",
    ),
    "image": ("prompt: {messages: [{user: [{image: a.png}]}]}\n", "image: file 'a.png' does not exist"),
    "transform of another class": (
        "variants: [{class: noise, transform: order}]\n",
        "'order' is no transform of the class noise, known: typos",
    ),
    "no wording": (
        "variants: [{class: paraphrase}]\n",
        "a variant needs a wording (system, user or messages)",
    ),
    "variant twice": (
        "variants: [{class: paraphrase, user: a}, {class: paraphrase, user: b}]\n",
        "variant 'paraphrase' stands already in line 4, give it an id of its own",
    ),
    "a variant named base": (
        "variants: [{id: base, class: paraphrase, user: a}]\n",
        "variant 'base' stands already in line 3",
    ),
    "a transform without effect": (
        "variants: [{class: format, transform: json_indent}]\n",
        (
            "transform 'json_indent' changes nothing in this prompt: it would measure nothing "
            "(needs a value inserted by '| tojson')"
        ),
    ),
    "a rate without noise": (
        "variants: [{class: format, transform: separator, rate: 0.1}]\n",
        "only a noise transform has a rate",
    ),
    "more follow-ups than turns": (
        "prompt: {user: a, then: [b, c]}\nagent: {max_turns: 2}\n",
        "the prompt and 2 follow-ups (prompt.then) are 3 turns, agent.max_turns is 2: set it to 3 or more",
    ),
    # tools, answers, references
    "tool twice": ("tools: [{name: a}, {name: a}]\n", "tool 'a' stands twice"),
    "tool name": (
        "tools: [{name: get rate}]\n",
        "tools[0].name must be of at most 64 letters, digits, '_' and '-', got \"get rate\"",
    ),
    "name in a tool's template": (
        "tools: [{name: a, returns: {template: '{{ arg.x }}'}}]\n",
        "'arg' is undefined, did you mean 'args'?",
    ),
    "condition on the call itself": (
        "tools: [{name: a, when: [{args: {x: '{{ args.y }}'}, value: 1}]}]\n",
        "'args' is undefined",
    ),
    "template of a tool": (
        "tools: [{name: a, returns: {value: {x: '{{ args.'}}}]\n",
        "template syntax: expected name or number",
    ),
    "expected tool": (
        "tools: [{name: get_rate}]\nanswer: {tool_calls: {expect: [{name: get_rat}]}}\n",
        "there is no tool 'get_rat', did you mean 'get_rate'?",
    ),
    "tool of the reference": (
        "tools: [{name: get_rate}]\nreference: [{assistant: {tool_calls: [{name: rate}]}}]\n",
        "there is no tool 'rate', did you mean 'get_rate'?",
    ),
    "tool calls without tools": ("answer: {tool_calls: {}}\n", "answer.tool_calls needs tools: add tools"),
    "request without schema": (
        "answer: {json: {request: json_schema}}\n",
        "answer.json.request json_schema needs answer.json.schema",
    ),
    "parameter of a check": (
        "checks: [{contains: {txt: a}}]\n",
        "unknown key 'txt' in checks[0].contains, did you mean 'text'?",
    ),
    "type of a parameter": (
        "checks: [{contains: {text: a, times: often}}]\n",
        'checks[0].contains.times must be a whole number, got the text "often"',
    ),
    "template of a check": (
        "checks: [{contains: {text: '{{ x }}'}}]\n",
        "'x' is undefined, the scenario has no data",
    ),
    "file outside the sandbox": (
        "sandbox: {files: {../x: a}}\n",
        "'../x' must be a relative name inside the sandbox",
    ),
    "gate without tools": (
        "gates: {tool_argument_failure_rate: {max: 0.1}}\n",
        "gate tool_argument_failure_rate needs tools: add tools",
    ),
    "gate without schema": (
        "answer: {json: {}}\ngates: {schema_failure_rate: {max: 0.1}}\n",
        "gate schema_failure_rate needs a schema: add answer.json.schema",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path) -> None:
    addition, message = CASES[name]
    base = HEAD if addition.startswith("prompt:") else BASE
    (found,) = problems(base + addition, tmp_path)
    assert found.startswith("demo.bench.yaml:")
    assert found.split(": ", 1)[1].startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: there is no scenario in it"),
        ("# only a comment\n", "1:1: there is no scenario in it"),
        ("hello", "1:1: a scenario is a mapping of keys (agentbench, id, prompt, ...)"),
        ("- agentbench: 1\n", "1:1: a scenario is a mapping of keys (agentbench, id, prompt, ...)"),
    ],
)
def test_a_file_without_a_scenario_says_so(text: str, message: str, tmp_path: Path) -> None:
    assert problems(text, tmp_path) == [f"demo.bench.yaml:{message}"]


def test_a_problem_of_one_scenario_does_not_hide_those_of_the_next(tmp_path: Path) -> None:
    text = BASE + "repeats: 0\n---\n" + BASE.replace("demo", "next") + "repeats: -1\n---\nprompt: [\n"
    assert problems(text, tmp_path) == [
        "demo.bench.yaml:4:10: repeats must be at least 1, got 0",
        "demo.bench.yaml:9:10: repeats must be at least 1, got -1",
        "demo.bench.yaml:12:1: a value is missing here, or a '[' or '{' above is not closed",
    ]


def test_a_template_that_fails_for_some_rows_names_the_first(tmp_path: Path) -> None:
    text = HEAD + "data: {rows: {file: r.jsonl}}\nprompt: {user: '{{ a.b }}'}\n"
    (tmp_path / "r.jsonl").write_text('{"a": {"b": 1}}\n{"a": {}}\n{"a": {"c": 1}}\n', encoding="utf-8")
    assert problems(text, tmp_path) == ["demo.bench.yaml:4:16: there is no 'b' here (row 1 and 1 more)"]


def test_mistakes_in_the_defaults_stand_in_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n\n[tool.agentbench.defaults]\nrepeats = 0\n\n'
        "[tool.agentbench.defaults.sampling]\ntemperatur = 1\n",
        encoding="utf-8",
    )
    defaults = {"repeats": 0, "sampling": {"temperatur": 1}}
    assert problems(BASE, tmp_path, defaults=defaults) == [
        "pyproject.toml:5:1: defaults.repeats must be at least 1, got 0",
        "pyproject.toml:8:1: unknown key 'temperatur' in defaults.sampling, did you mean 'temperature'?",
    ]
