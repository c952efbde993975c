"""Transforms: each changes the wording's form and never the data, the code or the JSON in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import HEAD, one

from pytest_agentbench.expand import render
from pytest_agentbench.expand.transforms import FORMAT, NOISE, Piece, apply
from pytest_agentbench.scenario import Scenario

DATA = [
    'Label: A b.C\n- d: `e` {"f": 1}',
    "Straße: 日本. Next Sentence\n\n* x",
    '{"a": [1, 2]}',
    "- - : - Aaaa Bbbb",
]
PROMPT = """\
Task: Read the order. Answer in German.
Buyer: {{ data }}
Rules:
- First: keep the order of lines
- Second: {{ data }} stays
- Third one
Lines: {{ obj | tojson }}

Use `Code: x. Yes` and
```
Keep: This. As is
- this: too
```
Form: {"Total: ": "Number. Here"}
Answer:"""


def scenario_with(variants: str, root: Path, prompt: str = PROMPT) -> Scenario:
    rows = "\n".join(json.dumps({"data": text, "obj": {"k": text, "n": [1, {"m": None}]}}) for text in DATA)
    (root / "rows.jsonl").write_text(rows, encoding="utf-8")
    return one(
        f"{HEAD}data: {{rows: {{file: rows.jsonl}}}}\nprompt:\n  system: {json.dumps('System: Be brief. Use JSON.')}\n"
        f"  user: {json.dumps(prompt)}\nvariants: [{variants}]\n",
        root,
    )


def user_text(scenario: Scenario, variant: int, row: int) -> str:
    text: str = render(scenario, scenario.variants[variant], row).messages[-1]["content"]
    return text


@pytest.mark.parametrize("transform", sorted({*FORMAT, *NOISE}))
def test_a_transform_changes_the_form_but_no_value_code_or_json(transform: str, tmp_path: Path) -> None:
    kind = "noise" if transform in NOISE else "format"
    scenario = scenario_with(f"{{class: {kind}, transform: {transform}}}", tmp_path)
    for row, data in enumerate(DATA):
        base, text = user_text(scenario, 0, row), user_text(scenario, 1, row)
        assert text != base
        assert text.count(data) == base.count(data) >= 2
        if transform != "json_indent":
            assert json.dumps({"k": data, "n": [1, {"m": None}]}, ensure_ascii=False) in text
        assert "`Code: x. Yes`" in text
        assert "```\nKeep: This. As is\n- this: too\n```" in text
        assert '{"Total: ": "Number. Here"}' in text
        assert text.endswith(":")


def test_every_transform_does_what_its_name_says(tmp_path: Path) -> None:
    prompt = "Task: Read it. Then answer.\nBuyer: {{ data }}\n- First\n- Second\n\nEnd {{ obj.n | tojson }}"
    made = {}
    for transform in FORMAT:
        scenario = scenario_with(f"{{class: format, transform: {transform}}}", tmp_path, prompt)
        made[transform] = user_text(scenario, 1, 2)
    data, obj = '{"a": [1, 2]}', '[1, {"m": null}]'
    assert made == {
        "separator": f"Task:: Read it. Then answer.\nBuyer:: {data}\n- First\n- Second\n\nEnd {obj}",
        "separator_newline": f"Task:\nRead it. Then answer.\nBuyer:\n{data}\n- First\n- Second\n\nEnd {obj}",
        "casing": f"task: Read it. then answer.\nbuyer: {data}\n- First\n- Second\n\nend {obj}",
        "casing_labels": f"TASK: Read it. Then answer.\nBUYER: {data}\n- First\n- Second\n\nEnd {obj}",
        "whitespace": f"Task: Read it. Then answer.\n\nBuyer: {data}\n\n- First\n\n- Second\nEnd {obj}",
        "bullets": f"Task: Read it. Then answer.\nBuyer: {data}\n* First\n* Second\n\nEnd {obj}",
        "order": f"Buyer: {data}\nTask: Read it. Then answer.\n- Second\n- First\n\nEnd {obj}",
        "json_indent": f'Task: Read it. Then answer.\nBuyer: {data}\n- First\n- Second\n\nEnd [\n  1,\n  {{\n    "m": null\n  }}\n]',
    }  # fmt: skip


def test_text_that_is_json_is_not_laid_out_anew_only_what_tojson_made(tmp_path: Path) -> None:
    scenario = scenario_with(
        "{class: format, transform: json_indent}", tmp_path, "{{ data }} {{ obj | tojson }}"
    )
    assert user_text(scenario, 1, 2).startswith('{"a": [1, 2]} {\n  "k"')


def test_assistant_messages_are_never_transformed(tmp_path: Path) -> None:
    text = HEAD + (
        "prompt: {messages: [{user: 'Buyer: x'}, {assistant: 'Total: 3'}, {user: 'Tax: y'}]}\n"
        "variants: [{class: format, transform: separator}]\n"
    )
    scenario = one(text, tmp_path)
    contents = [message["content"] for message in render(scenario, scenario.variants[1], 0).messages]
    assert contents == ["Buyer:: x", "Total: 3", "Tax:: y"]


def test_typos_depend_on_scenario_variant_row_and_message_and_nothing_else(tmp_path: Path) -> None:
    long = "please extract every line of the following order and answer with nothing else " * 3
    variants = "{class: noise, transform: typos, rate: 0.05}, {id: other, class: noise, transform: typos, rate: 0.05}"
    scenario = scenario_with(variants, tmp_path, long)
    first = user_text(scenario, 1, 0)
    assert user_text(scenario_with(variants, tmp_path, long), 1, 0) == first
    assert len({first, user_text(scenario, 1, 1), user_text(scenario, 2, 0)}) == 3


def test_the_rate_says_how_many_typos_there_are() -> None:
    words = [f"{letter * 4}word" for letter in "abcdefghijklmnopqrst"]  # 160 letters
    text = " ".join(words)
    for rate, expected in ((0.02, 3), (0.05, 8), (0.0001, 1), (0.5, 20)):
        changed = apply("typos", [Piece(text=text)], rate=rate, seed="s").split()
        assert sum(a != b for a, b in zip(words, changed, strict=True)) <= expected
        # a swap of two equal letters is a doubled one, so every typo is a change
        assert sum(a != b for a, b in zip(words, changed, strict=True)) == expected


def test_the_first_letter_of_a_word_and_short_words_are_left_alone() -> None:
    text = "the cat sat on a mat by itself because nobody wanted company"
    for n in range(50):
        changed = apply("typos", [Piece(text=text)], rate=0.5, seed=str(n)).split()
        assert [word[0] for word in changed] == [word[0] for word in text.split()]
        assert changed[:7] == text.split()[:7]


PIECES = st.lists(
    st.builds(
        Piece,
        text=st.text(st.sampled_from('Aab:.- \n`{}[]"1é*'), max_size=20)
        | st.sampled_from(["Label: ", "\n- item", "word words "]),
        fixed=st.booleans(),
    ),
    max_size=6,
)


@given(PIECES, st.sampled_from(sorted({*FORMAT, *NOISE})))
@settings(deadline=None, max_examples=400)
def test_fixed_pieces_come_through_whole_for_any_text(pieces: list[Piece], transform: str) -> None:
    text = apply(transform, pieces, rate=0.5, seed="s")
    fixed = [piece.text for piece in pieces if piece.fixed and piece.text]
    if transform == "order":  # whole lines move, so only their number is certain
        for part in fixed:
            assert text.count(part) >= 1
        return
    place = 0
    for part in fixed:
        place = text.find(part, place)
        assert place >= 0
        place += len(part)
