"""A value of the wrong shape and a key in the wrong place: the message says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from loading import BASE, HEAD, problems

from pytest_agentbench import checks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "prompt: hello you\n", 'prompt must be a mapping, got the text "hello you", write {user: "hello you"}'),
        (HEAD + "prompt: {user: a, then: b}\n", 'prompt.then must be a list, got the text "b", write [b]'),
        (HEAD + "data: {rows: t.jsonl}\nprompt: {user: a}\n", 'data.rows must be a whole number or a mapping, got the text "t.jsonl", write {file: t.jsonl}'),
        (HEAD + "data: {file: t.jsonl}\nprompt: {user: a}\n", "unknown key 'file' in data, write {rows: {file: ...}}"),
        (HEAD + "data: {values: {a: company}}\nprompt: {user: a}\n", 'data.values.a must be a mapping, got the text "company", write {faker: company}'),
        (BASE + "answer: {json: a.schema.json}\n", 'answer.json must be a mapping, got the text "a.schema.json", write {schema: a.schema.json}'),
        (BASE + "answer: {json: {type: object}}\n", "unknown key 'type' in answer.json, the schema belongs under 'schema'"),
        (BASE + "answer: {text: Paris}\n", 'answer.text must be a mapping, got the text "Paris", write {contains: Paris}'),
        (BASE + "answer: {text: {number: '42'}}\n", 'answer.text.number must be a number or a mapping, got the text "42", write it without quotes'),
        (BASE + "answer: {contains: Paris}\n", "unknown key 'contains' in answer, it belongs under 'text'"),
        (BASE + "checks: [{contains: Paris}]\n", "unknown check 'contains', it is a condition of the check 'text': write text: {contains: ...}"),
        (BASE + "gates: {loop_rate: 0.02}\n", "gates.loop_rate must be a mapping, got the number 0.02, write {max: 0.02}"),
        (BASE + "gates: {pass_rate: 0.9}\n", "gates.pass_rate must be a mapping, got the number 0.9, write {min: 0.9}"),
        (BASE + "gates: {latency: {max: 2}}\n", "unknown key 'latency' in gates, known: contract_failure_rate, loop_rate, parse_failure_rate, pass_rate, prompt_sensitivity, schema_failure_rate, tool_argument_failure_rate"),
        (BASE + "temperature: 0\n", "unknown key 'temperature', it belongs under 'sampling'"),
        (BASE + "seed: 0\n", "unknown key 'seed', it belongs under 'data' or 'sampling'"),
        (BASE + "tools: t.json\n", 'tools must be a list or a mapping, got the text "t.json", write {file: t.json}'),
        (BASE + "tools: [{name: a, returns: 5}]\n", "tools[0].returns must be a mapping, got the number 5, write {value: 5}"),
        (BASE + "answer: {text: {regex: '('}}\n", 'answer.text.regex must be a regular expression, got "(": missing ), unterminated subpattern at position 0'),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_what_to_write(text: str, message: str, tmp_path: Path) -> None:
    (found,) = problems(text, tmp_path, check_parameters=checks.parameters, check_names=checks.names)
    assert found.split(": ", 1)[1] == message


def test_openai_formats_are_recognised(tmp_path: Path) -> None:
    found = problems(BASE + "tools: [{type: function, function: {name: a}}]\n", tmp_path)
    assert "tools in OpenAI's own format stand in a file: tools: {file: tools.json}" in found[-1]
    found = problems(HEAD + "prompt: {messages: [{role: user, content: a}]}\n", tmp_path)
    assert "unknown key 'role' in prompt.messages[0], a message is written {user: TEXT}" in found[1]
