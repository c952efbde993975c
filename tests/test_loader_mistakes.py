"""The 20 commonest mistakes in a scenario file, one test each, with the exact message."""

from __future__ import annotations

from pathlib import Path

from loading import BASE, HEAD, problems


def test_01_a_misspelt_key(tmp_path: Path) -> None:
    assert problems(HEAD + "promt: {user: hello}\n", tmp_path) == [
        "demo.bench.yaml:3:1: unknown key 'promt', did you mean 'prompt'?"
    ]


def test_02_a_missing_key(tmp_path: Path) -> None:
    assert problems("agentbench: 1\nprompt: {user: hello}\n", tmp_path) == [
        "demo.bench.yaml:1:1: missing key 'id'"
    ]


def test_03_text_where_a_number_belongs(tmp_path: Path) -> None:
    assert problems(BASE + "repeats: fifty\n", tmp_path) == [
        'demo.bench.yaml:4:10: repeats must be a whole number, got the text "fifty"'
    ]


def test_04_yes_for_true(tmp_path: Path) -> None:
    assert problems(BASE + "sampling:\n  parallel_tool_calls: yes\n", tmp_path) == [
        (
            "demo.bench.yaml:5:24: sampling.parallel_tool_calls must be true, false or null, "
            'got the text "yes", did you mean true?'
        )
    ]


def test_05_an_unquoted_template(tmp_path: Path) -> None:
    assert problems(HEAD + "prompt:\n  user: {{ buyer }}\n", tmp_path) == [
        'demo.bench.yaml:4:9: unquoted {{ is a mapping in YAML: write "{{ buyer }}" in quotes'
    ]


def test_06_an_unquoted_template_with_text_behind_it(tmp_path: Path) -> None:
    assert problems(HEAD + "prompt:\n  user: {{ buyer }} ordered\n", tmp_path) == [
        'demo.bench.yaml:4:9: unquoted {{ is a mapping in YAML: write "{{ buyer }} ordered" in quotes'
    ]


def test_07_a_colon_in_unquoted_text(tmp_path: Path) -> None:
    assert problems(HEAD + "prompt:\n  user: Note: answer in JSON\n", tmp_path) == [
        "demo.bench.yaml:4:13: a ':' inside unquoted text, or a wrong indent: put the text in quotes, or below '|'"
    ]


def test_08_a_tab_for_the_indent(tmp_path: Path) -> None:
    assert problems(HEAD + "prompt:\n\tuser: hello\n", tmp_path) == [
        "demo.bench.yaml:4:1: a tab cannot indent in YAML: use spaces"
    ]


def test_09_a_duplicate_key(tmp_path: Path) -> None:
    assert problems(BASE + "repeats: 5\nrepeats: 50\n", tmp_path) == [
        "demo.bench.yaml:5:1: duplicate key 'repeats', it stands already in line 4"
    ]


def test_10_an_id_with_blanks_and_capitals(tmp_path: Path) -> None:
    assert problems("agentbench: 1\nid: My Invoice\nprompt: {user: hello}\n", tmp_path) == [
        (
            "demo.bench.yaml:2:5: id must be of lower-case letters, digits, '.', '_' and '-', "
            "got \"My Invoice\", did you mean 'my-invoice'?"
        )
    ]


def test_11_an_id_used_twice(tmp_path: Path) -> None:
    assert problems(f"{BASE}---\n{BASE}", tmp_path) == [
        "demo.bench.yaml:6:5: id 'demo' stands already in line 2, every scenario needs its own"
    ]


def test_12_a_name_that_the_data_do_not_have(tmp_path: Path) -> None:
    text = HEAD + "data: {rows: 2, values: {buyer: {faker: company}}}\nprompt: {user: 'Hi {{ buyr }}'}\n"
    assert problems(text, tmp_path) == ["demo.bench.yaml:4:16: 'buyr' is undefined, did you mean 'buyer'?"]


def test_13_a_template_that_is_not_closed(tmp_path: Path) -> None:
    assert problems(HEAD + "prompt: {user: 'Hi {{ buyer'}\n", tmp_path) == [
        "demo.bench.yaml:3:16: template syntax: unexpected end of template, expected 'end of print statement'"
    ]


def test_14_a_value_that_is_none_of_the_choices(tmp_path: Path) -> None:
    text = BASE + "answer: {json: {schema: {type: object}, request: json-schema}}\n"
    assert problems(text, tmp_path) == [
        (
            "demo.bench.yaml:4:50: answer.json.request must be one of none, json_object, json_schema, "
            "got the text \"json-schema\", did you mean 'json_schema'?"
        )
    ]


def test_15_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "invoice.schema.json").write_text("{}", encoding="utf-8")
    assert problems(BASE + "answer: {json: {schema: invoce.schema.json}}\n", tmp_path) == [
        (
            "demo.bench.yaml:4:25: answer.json.schema: file 'invoce.schema.json' does not exist, "
            "did you mean 'invoice.schema.json'?"
        )
    ]


def test_16_an_unknown_check(tmp_path: Path) -> None:
    assert problems(BASE + "checks:\n  - contain: {text: Paris}\n", tmp_path) == [
        "demo.bench.yaml:5:5: unknown check 'contain', did you mean 'contains'?"
    ]


def test_17_a_percentage_where_a_rate_belongs(tmp_path: Path) -> None:
    assert problems(BASE + "gates:\n  loop_rate: {max: 2}\n", tmp_path) == [
        "demo.bench.yaml:5:20: gates.loop_rate.max must be above 0 and below 1, got 2, 2 % is written 0.02"
    ]


def test_18_max_where_min_belongs(tmp_path: Path) -> None:
    assert problems(BASE + "gates:\n  pass_rate: {max: 0.9}\n", tmp_path) == [
        "demo.bench.yaml:5:15: unknown key 'max' in gates.pass_rate, did you mean 'min'?"
    ]


def test_19_a_json_gate_without_a_json_answer(tmp_path: Path) -> None:
    assert problems(BASE + "gates:\n  parse_failure_rate: {max: 0.02}\n", tmp_path) == [
        "demo.bench.yaml:5:3: gate parse_failure_rate needs an answer that is JSON: add answer.json"
    ]


def test_20_a_tag_that_is_a_marker_of_pytest(tmp_path: Path) -> None:
    assert problems(BASE + "tags: [json, skip]\n", tmp_path) == [
        "demo.bench.yaml:4:14: tag 'skip' means something else to pytest: take another name"
    ]


def test_all_mistakes_of_a_file_are_reported_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "agentbench: 2\nid: Bad Id\nprompt: {user: '{{ a }}', sytem: x}\nrepeats: 0\ntags: [xfail]\n"
        "gates: {prompt_sensitivity: {max_spread: 0.1}}\n---\nid: other\nagentbench: 1\n"
    )
    assert problems(text, tmp_path) == [
        "demo.bench.yaml:1:13: agentbench must be 1, got the number 2",
        (
            "demo.bench.yaml:2:5: id must be of lower-case letters, digits, '.', '_' and '-', "
            "got \"Bad Id\", did you mean 'bad-id'?"
        ),
        "demo.bench.yaml:3:16: 'a' is undefined, the scenario has no data",
        "demo.bench.yaml:3:27: unknown key 'sytem' in prompt, did you mean 'system'?",
        "demo.bench.yaml:4:10: repeats must be at least 1, got 0",
        "demo.bench.yaml:5:8: tag 'xfail' means something else to pytest: take another name",
        "demo.bench.yaml:6:9: gate prompt_sensitivity needs other wordings of the prompt: add variants",
        "demo.bench.yaml:8:1: missing key 'prompt'",
    ]
