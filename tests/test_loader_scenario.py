"""What a right scenario file becomes."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import pytest
from loading import BASE, HEAD, load, one, problems

from pytest_agentbench.expand import render
from pytest_agentbench.loader import load_file
from pytest_agentbench.scenario import (
    AgentLimits,
    GateSpec,
    Message,
    ModelRule,
    Part,
    Sampling,
    Scenario,
    ToolResponse,
    ToolRule,
)
from pytest_agentbench.wire import from_wire, to_wire

WHOLE = """\
agentbench: 1
id: nested-invoice
title: Extract an invoice
tags: [json, nested]
data:
  seed: 7
  rows: 6
  locale: [en_US, zh_CN, ja_JP]
  values: {buyer: {faker: company}, tier: {choice: [a, b]}, lines: {list: 3, of: {sku: {faker: ean13}, qty: {faker: random_int, min: 1, max: 9}}}}
prompt:
  system: You extract invoices. Answer with JSON only.
  user: "Buyer {{ buyer }} ordered: {{ lines | tojson }}"
  then: ["And in euro for {{ buyer }}?"]
variants:
  - {id: terse, class: paraphrase, user: "{{ buyer }}"}
  - {class: format, transform: separator}
  - {class: noise, transform: typos, rate: 0.01}
sampling: {temperature: 0.7, max_tokens: 800, thinking: default, seed: none, top_p: null, stop: END}
models: {"gpt-5*": {sampling: {temperature: null}}, "llama-3*": {skip: "no images"}}
answer:
  json: {schema: invoice.schema.json, request: json_schema, accept: strict, expect: {buyer: "{{ buyer }}", lines: "{{ lines }}"}}
  text: {contains: "{{ buyer }}"}
tools:
  - name: get_rate
    parameters: {type: object, properties: {from: {type: string}}}
    when: [{args: {from: EUR}, value: {rate: 1.08}}]
    returns: {sequence: [{error: "503 try again"}, {value: {rate: 1.1}}], then: repeat}
  - {name: wait, polling: true, returns: {function: wait_for_it}}
agent: {max_turns: 4, stall_s: 2.5, max_tokens: 9000}
sandbox: {backend: wasm, files: {data/a.txt: "{{ tier }}"}}
checks: [{contains: {text: "{{ tier }}", times: 1}}]
gates:
  parse_failure_rate: {max: 0.02, decide: fixed, max_repeats: 400}
  prompt_sensitivity: {max_spread: 0.10}
repeats: 20
reference: [{assistant: {tool_calls: [{name: get_rate, args: {from: EUR}}]}}, {assistant: '{"buyer": {{ buyer | tojson }}}'}]
"""


@pytest.fixture
def whole(tmp_path: Path) -> Scenario:
    (tmp_path / "invoice.schema.json").write_text('{"type": "object"}', encoding="utf-8")
    return one(WHOLE, tmp_path)


def test_every_section_of_the_file_is_in_the_scenario(whole: Scenario) -> None:
    assert (whole.id, whole.title, whole.tags, whole.repeats, whole.seed) == (
        "nested-invoice", "Extract an invoice", ("json", "nested"), 20, 7,
    )  # fmt: skip
    assert str(whole.location) == "demo.bench.yaml:2:5"
    assert whole.sampling == Sampling(
        temperature=0.7,
        max_tokens=800,
        stop=("END",),
        set_keys=frozenset({"temperature", "max_tokens", "thinking", "seed", "top_p", "stop"}),
    )
    assert whole.models == (
        ModelRule(pattern="gpt-5*", sampling={"temperature": None}),
        ModelRule(pattern="llama-3*", skip="no images"),
    )
    assert whole.agent == AgentLimits(max_turns=4, stall_s=2.5, max_tokens=9000)
    assert whole.sandbox.backend == "wasm"
    assert whole.answer_json is not None
    assert whole.answer_json.schema == {"type": "object"}
    assert whole.answer_json.has_expect
    assert [(check.name, str(check.location)) for check in whole.checks] == [
        ("text", "demo.bench.yaml:22:3"),
        ("contains", "demo.bench.yaml:31:11"),
    ]


def test_tools_keep_the_order_and_kind_of_their_answers(whole: Scenario) -> None:
    rate, wait = whole.tools
    assert rate.rules == (
        ToolRule(args={"from": "EUR"}, response=ToolResponse(kind="value", value={"rate": 1.08})),
    )
    assert [response.kind for response in rate.sequence] == ["error", "value"]
    assert (rate.then, rate.polling, wait.polling) == ("repeat", False, True)
    assert wait.sequence == (ToolResponse(kind="function", value="wait_for_it"),)
    assert wait.parameters == {"type": "object", "properties": {}}


def test_the_base_wording_comes_first_and_variants_keep_what_they_do_not_set(whole: Scenario) -> None:
    assert [(v.id, v.variant_class, v.transform, v.rate) for v in whole.variants] == [
        ("base", "base", None, None),
        ("terse", "paraphrase", None, None),
        ("format-separator", "format", "separator", None),
        ("noise-typos", "noise", "typos", 0.01),
    ]
    system = Message(role="system", content="You extract invoices. Answer with JSON only.")
    assert whole.variants[1].messages == (system, Message(role="user", content="{{ buyer }}"))
    assert whole.variants[2].messages == whole.variants[0].messages


def test_gates_have_their_places_and_defaults(whole: Scenario) -> None:
    parse, spread = whole.gates
    assert parse == GateSpec(
        metric="parse_failure_rate", direction="max", threshold=0.02, decide="fixed", max_repeats=400,
        location=parse.location,
    )  # fmt: skip
    assert str(parse.location) == "demo.bench.yaml:33:3"
    assert (spread.direction, spread.threshold, spread.inconclusive) == ("max", 0.10, "pass")


def test_a_scenario_without_gates_must_pass_in_nine_of_ten(tmp_path: Path) -> None:
    (gate,) = one(BASE, tmp_path).gates
    assert (gate.metric, gate.direction, gate.threshold, gate.is_default) == ("pass_rate", "min", 0.90, True)


def test_a_rendering_is_in_wire_form_with_its_row_filled_in(whole: Scenario) -> None:
    row = whole.rows[1]
    rendering = render(whole, whole.variants[0], 1)
    assert rendering.row_key == "1"
    assert rendering.messages[1]["content"].startswith(f'Buyer {row["buyer"]} ordered: [{{"sku": ')
    assert rendering.then == (f"And in euro for {row['buyer']}?",)
    assert rendering.answer_json is not None
    assert rendering.answer_json.expect == {"buyer": row["buyer"], "lines": row["lines"]}
    assert rendering.checks[1].params == {"text": row["tier"], "times": 1}
    assert rendering.files == {"data/a.txt": row["tier"]}
    assert rendering.reference[1]["assistant"] == f'{{"buyer": "{row["buyer"]}"}}'
    assert rendering.tools == whole.tools
    assert render(whole, whole.variants[0], 7) == rendering  # rows go round


def test_settings_give_what_a_scenario_leaves_out(tmp_path: Path) -> None:
    defaults = {
        "repeats": 5, "sampling": {"temperature": 0.2, "max_tokens": 9}, "agent": {"max_turns": 2, "stall_s": 1},
        "gates": {"loop_rate": {"max": 0.1}, "parse_failure_rate": {"max": 0.1}}, "data": {"seed": 3, "locale": "de_DE"},
        "models": {"a*": {"skip": "old"}}, "sandbox": {"memory_mb": 64},
    }  # fmt: skip
    scenario = one(BASE + "sampling: {temperature: 1}\nagent: {max_turns: 3}\n", tmp_path, defaults=defaults)
    assert scenario.repeats == 5
    assert scenario.sampling == Sampling(
        temperature=1, max_tokens=9, set_keys=frozenset({"temperature", "max_tokens"})
    )
    assert scenario.agent == AgentLimits(max_turns=3, stall_s=1)
    # a default gate that the scenario cannot have is left out
    assert [(gate.metric, gate.is_default) for gate in scenario.gates] == [("loop_rate", True)]
    assert scenario.seed == 3
    assert scenario.models == (ModelRule(pattern="a*", skip="old"),)
    assert scenario.sandbox.memory_mb == 64
    german = HEAD + "data: {rows: 1, values: {a: {faker: country}}}\nprompt: {user: '{{ a }}'}\n"
    assert (
        one(german, tmp_path, defaults=defaults).rows
        == one(german.replace("rows:", "seed: 3, locale: de_DE, rows:"), tmp_path).rows
    )


def test_messages_hold_several_turns_and_images_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.png").write_bytes(b"\x89PNG")
    text = HEAD + (
        "prompt:\n  messages:\n    - system: be brief\n    - user: [{text: 'see {{ 1 + 1 }}'}, {image: img/a.png}]\n"
        "    - assistant: yes\n    - user: and now?\nvariants:\n  - {class: paraphrase, user: what else?, system: be long}\n"
    )
    scenario = one(text, tmp_path)
    url = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    assert scenario.variants[0].messages[1].content == (
        Part(kind="text", value="see {{ 1 + 1 }}"),
        Part(kind="image", value=url),
    )
    assert render(scenario, scenario.variants[0], 0).messages == (
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "see 2"}, {"type": "image_url", "image_url": {"url": url}}]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "and now?"},
    )  # fmt: skip
    wording = [message.content for message in scenario.variants[1].messages]
    assert wording[0] == "be long"
    assert wording[2:] == ["yes", "what else?"]


def test_a_variant_may_add_a_system_message_or_replace_all(tmp_path: Path) -> None:
    text = (
        BASE
        + "variants: [{id: a, class: paraphrase, system: s}, {id: b, class: format, messages: [{user: x}, {assistant: y}, {user: z}]}]\n"
    )
    scenario = one(text, tmp_path)
    assert [message.role for message in scenario.variants[1].messages] == ["system", "user"]
    assert [message.content for message in scenario.variants[2].messages] == ["x", "y", "z"]
    assert scenario.variants[2].variant_class == "format"


def test_tools_come_from_a_file_in_openai_format(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(
        '[{"type": "function", "function": {"name": "a", "description": "d", "strict": true, "parameters": {"type": "object"}}},'
        ' {"type": "function", "function": {"name": "b"}}]',
        encoding="utf-8",
    )
    text = BASE + "tools: {file: tools.json, mocks: {b: {returns: {value: 1}, polling: true}}}\n"
    a, b = one(text, tmp_path).tools
    assert (a.name, a.description, a.strict, a.parameters, a.sequence) == (
        "a",
        "d",
        True,
        {"type": "object"},
        (),
    )
    assert (b.polling, b.sequence) == (True, (ToolResponse(kind="value", value=1),))
    assert problems(text.replace("{b:", "{c:"), tmp_path) == [
        "demo.bench.yaml:4:35: no tool 'c' in 'tools.json', known: a, b"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"type": "function", "function": {"name": "a", "parameters": {"type": "objct"}}}]', "tools: not a JSON Schema in 'tools.json': a.parameters.type must be one of array, boolean, integer, null, number, object, string, got the text \"objct\", did you mean 'object'?"),
        ("{", "tools: 'tools.json' is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("3", "tools: the file must be a list of tools in OpenAI's format"),
        ('[{"name": "a"}]', "tools: item 0 is not a tool of OpenAI's format, {type: function, function: {name, ...}}"),
        ('[{"type": "function", "function": {"name": "a b"}}]', "tools: item 0 has the name \"a b\", it must be of at most 64 letters, digits, '_' and '-'"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_tools_says_why(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(content, encoding="utf-8")
    assert problems(BASE + "tools: {file: tools.json}\n", tmp_path) == [f"demo.bench.yaml:4:15: {message}"]


def test_parameters_of_checks_are_validated_after_rendering(tmp_path: Path) -> None:
    data = HEAD + "data: {rows: 1, values: {n: {const: 3}, s: {const: x}}}\nprompt: {user: a}\n"
    assert one(data + "checks: [{contains: {text: a, times: '{{ n }}'}}]\n", tmp_path).checks
    assert problems(data + "checks: [{contains: {text: a, times: '{{ s }}'}}]\n", tmp_path) == [
        'demo.bench.yaml:5:38: checks[0].contains.times must be a whole number, got the text "x"'
    ]


def test_without_a_source_of_parameters_checks_are_taken_as_they_are(tmp_path: Path) -> None:
    scenario = one(BASE + "checks: [{anything: 3}]\n", tmp_path, check_parameters=None, check_names=None)
    assert scenario.checks[0].params == 3


def changed(whole: Scenario, text: str, root: Path) -> bool:
    return one(text, root).digest != whole.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Answer with JSON only", "Answer with JSON"),
        ("seed: 7", "seed: 8"),
        ("rate: 1.08", "rate: 1.09"),
        ("then: repeat", "then: last"),
        ("times: 1", "times: 2"),
        ("accept: strict", "accept: repairable"),
        ("backend: wasm", "backend: docker"),
        ('user: "{{ buyer }}"', 'user: "for {{ buyer }}"'),
        ('["And in euro', '["And then in euro'),
        ("rate: 0.01", "rate: 0.2"),
    ],
)
def test_the_digest_follows_what_is_asked(old: str, new: str, whole: Scenario, tmp_path: Path) -> None:
    assert old in WHOLE
    assert changed(whole, WHOLE.replace(old, new), tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Extract an invoice", "title: another"),
        ("repeats: 20", "repeats: 30"),
        ("temperature: 0.7", "temperature: 0.1"),
        ("max: 0.02", "max: 0.03"),
        ("agentbench: 1\n", "# a comment\nagentbench: 1\n"),
    ],
)
def test_the_digest_leaves_out_how_it_is_run_and_judged(
    old: str, new: str, whole: Scenario, tmp_path: Path
) -> None:
    assert old in WHOLE
    assert not changed(whole, WHOLE.replace(old, new), tmp_path)


def test_the_file_is_named_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.bench.yaml").write_text(BASE, encoding="utf-8")
    (scenario,) = load_file(tmp_path / "sub" / "a.bench.yaml", root=tmp_path)
    assert str(scenario.location) == "sub/a.bench.yaml:2:5"


def test_several_documents_are_several_scenarios(tmp_path: Path) -> None:
    scenarios = load(f"---\n{BASE}---\n{BASE.replace('demo', 'second')}---\n", tmp_path)
    assert [scenario.id for scenario in scenarios] == ["demo", "second"]


def test_a_file_that_is_not_utf8_or_not_there_says_so(tmp_path: Path) -> None:
    from pytest_agentbench.errors import ScenarioError

    file = tmp_path / "a.bench.yaml"
    file.write_bytes(b"agentbench: 1\nid: \xff\n")
    with pytest.raises(
        ScenarioError, match=r"a\.bench\.yaml:2:5: not UTF-8: byte 0xff, save the file as UTF-8"
    ):
        load_file(file, root=tmp_path)
    with pytest.raises(ScenarioError, match=r"b\.bench\.yaml:1:1: cannot be read: No such file or directory"):
        load_file(tmp_path / "b.bench.yaml", root=tmp_path)


def test_scenarios_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        one(BASE, tmp_path).id = "x"  # type: ignore[misc]


def test_loading_the_package_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pytest_agentbench.loader, pytest_agentbench.expand, pytest_agentbench.resources;"
        "print(*sorted({'yaml', 'jsonschema', 'jinja2', 'faker', 'pytest'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_faker_is_imported_only_for_its_values(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "a.bench.yaml").write_text(BASE, encoding="utf-8")
    code = (
        "import sys, pathlib; from pytest_agentbench.loader import load_file;"
        "root = pathlib.Path(sys.argv[1]); load_file(root / 'a.bench.yaml', root=root);"
        "print('faker' in sys.modules, 'jinja2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


REFERENCE = BASE + "answer:\n  json: {accept: strict}\nreference: [{assistant: '1'}]\n"


def test_explained_mutants_keep_their_pattern_reason_and_place(tmp_path: Path) -> None:
    scenario = one(
        REFERENCE + "equivalent_mutants:\n  - {mutant: 'answer.*', why: ' any number will do '}\n", tmp_path
    )
    (explained,) = scenario.equivalent_mutants
    assert (explained.mutant, explained.why) == ("answer.*", "any number will do")
    assert str(explained.location) == "demo.bench.yaml:8:14"


def test_the_places_of_answer_and_reference_are_kept_and_survive_the_cache(tmp_path: Path) -> None:
    scenario = one(REFERENCE, tmp_path)
    assert {name: str(place) for name, place in scenario.places.items()} == {
        "answer": "demo.bench.yaml:4:1",
        "answer.json": "demo.bench.yaml:5:3",
        "answer.json.accept": "demo.bench.yaml:5:10",
        "reference": "demo.bench.yaml:6:1",
    }
    assert from_wire(Scenario, to_wire(scenario)) == scenario


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("equivalent_mutants: [{mutant: x}]\n", "missing key 'why'"),
        ("equivalent_mutants: [{mutant: x, why: ''}]\n", "why must not be empty"),
        ("equivalent_mutants: [{mutants: x, why: y}]\n", "did you mean 'mutant'?"),
        ("equivalent_mutants: []\n", "equivalent_mutants"),
    ],
)
def test_an_explained_mutant_without_its_reason_is_a_mistake(tmp_path: Path, text: str, said: str) -> None:
    assert said in "\n".join(problems(REFERENCE + text, tmp_path))


def test_explained_mutants_without_a_reference_are_a_mistake(tmp_path: Path) -> None:
    told = problems(BASE + "equivalent_mutants: [{mutant: x, why: y}]\n", tmp_path)
    assert told == ["demo.bench.yaml:4:1: mutants are changes of a reference: add reference"]
