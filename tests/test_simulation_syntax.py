"""Each fault of syntax that is put in is found as what it is, and as nothing else."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.parsing.outcome import judge
from pytest_agentbench.simulation import syntax
from pytest_agentbench.simulation.draft import Draft
from pytest_agentbench.simulation.json_tokens import joined, tokens

PARSE = {
    "empty": {"none"},
    "truncated": {"unparseable"},
    "no_json": {"unparseable"},
    "fence": {"extractable"},
    "reasoning_block": {"extractable"},
    "prose_around": {"extractable"},
    "special_tokens": {"extractable"},
    "bom": {"extractable"},
    "multiple_values": {"unparseable"},
    # With a bracket too many the value is there; with one missing it is not known where it ends.
    "unbalanced": {"repairable", "unparseable"},
    "single_quotes": {"repairable"},
    "smart_quotes": {"repairable"},
    "python_literal": {"repairable"},
    "nan_inf": {"unparseable"},
    "trailing_comma": {"repairable"},
    "missing_comma": {"repairable"},
    "comment": {"repairable"},
    "unquoted_key": {"repairable"},
    # An escape of Python's may stand for a character or for itself: that would be guessing.
    "bad_escape": {"repairable", "unparseable"},
    "control_char": {"repairable"},
    "unescaped_quote": {"repairable"},
    # Repairable only when both values are equal.
    "duplicate_key": {"repairable", "unparseable"},
    "too_deep": {"unparseable"},
    "other": {"repairable"},
}
SCALARS = [
    True,
    False,
    None,
    0,
    -3,
    1.5,
    1e20,
    "Graz",
    "Tokyo 東京",
    'a "b" c',
    "x{y}",
    "line\nbreak",
    "it's",
    "",
    "back\\slash",
    "emoji 🙂",
    "[1, 2]",
    "a: b, c",
]
KEYS = ["name", "city", "a b", "größe", "x1", "zip_code", "名前"]


def value_of(rng: random.Random, depth: int = 0) -> Any:
    if depth == 0 or (depth < 3 and rng.random() < 0.5):
        if rng.random() < 0.7:
            names = [rng.choice(KEYS) + str(n) for n in range(rng.randint(1, 4))]
            return {name: value_of(rng, depth + 1) for name in names}
        return [value_of(rng, depth + 1) for _ in range(rng.randint(1, 4))]
    return rng.choice(SCALARS)


def draws(tag: str) -> list[tuple[str, Draft | None, Any]]:
    found = []
    for seed in range(300):
        rng = random.Random(f"{tag}/{seed}")
        value = value_of(rng)
        text = json.dumps(value, ensure_ascii=rng.random() < 0.3, indent=rng.choice((None, 2)))
        found.append((text, syntax.spoil(tag, Draft(content=text), value, rng), value))
    return found


@pytest.mark.parametrize("tag", [tag for tag in syntax.TAGS if tag != "refusal"])
def test_a_fault_is_found_under_its_tag_and_no_other(tag: str) -> None:
    leaks: Counter[tuple[str, ...]] = Counter()
    spoiled = 0
    for text, draft, value in draws(tag):
        if draft is None:
            continue
        spoiled += 1
        assert draft.content != text
        root = "object" if isinstance(value, dict) else "array"
        outcome = judge(draft.content or "", schema={"type": root}, accept="strict")
        assert not outcome.contract_holds
        if outcome.tags != (tag,):
            leaks[outcome.tags] += 1
        else:
            assert outcome.parse in PARSE[tag]
    assert spoiled >= 60, "many texts offer a place for it"
    assert sum(leaks.values()) <= 0.01 * spoiled, leaks


def test_the_same_seed_breaks_the_same_way_and_another_seed_in_another() -> None:
    text = '{"a": "one two", "b": [1, 2, true]}'
    value = json.loads(text)
    for tag in syntax.TAGS:
        one, again = (syntax.spoil(tag, Draft(content=text), value, random.Random(1)) for _ in range(2))
        assert one == again
    ways = {
        spoiled.content
        for seed in range(50)
        if (spoiled := syntax.spoil("fence", Draft(content=text), value, random.Random(seed)))
    }
    assert len(ways) > 2


def test_a_refusal_is_in_its_own_field_and_blank_content_is_no_text() -> None:
    refused = syntax.spoil("refusal", Draft(content="{}"), {}, random.Random(0))
    assert refused is not None
    assert refused.refusal
    assert refused.content is None
    for seed in range(20):
        blank = syntax.spoil("empty", Draft(content="{}"), {}, random.Random(seed))
        assert blank is not None
        assert not (blank.content or "").strip()


def test_a_cut_answer_has_used_all_its_tokens_and_at_times_says_it_had_stopped() -> None:
    reasons = Counter(draft.finish_reason for _, draft, _ in draws("truncated") if draft is not None)
    assert set(reasons) == {"length", "stop"}
    assert all(draft.cut for _, draft, _ in draws("truncated") if draft is not None)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("nan_inf", '{"a": "b"}'),
        ("python_literal", '{"a": 1}'),
        ("missing_comma", "[1, 2]"),
        ("trailing_comma", "{}"),
        ("single_quotes", "[1]"),
        ("control_char", '[1, ""]'),
        ("duplicate_key", '{"a": {}}'),
        ("other", "[-1, 1.5]"),
    ],
)
def test_a_text_without_a_place_for_a_fault_is_left_alone(tag: str, text: str) -> None:
    assert syntax.spoil(tag, Draft(content=text), json.loads(text), random.Random(0)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_the_tokens_of_any_json_are_the_text_and_its_keys_are_known(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    pieces = tokens(text)
    assert joined(pieces) == text
    n_keys = sum(piece.kind == "key" for piece in pieces)
    assert n_keys == sum(len(part) for part in _objects(value))


def _objects(value: Any) -> list[dict[str, Any]]:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) else []
    return own + [part for item in below for part in _objects(item)]


@given(value=JSON.filter(lambda value: isinstance(value, dict | list)), seed=st.integers(0, 10_000))
def test_any_json_can_be_spoiled_with_any_tag_without_a_crash(value: Any, seed: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    for tag in syntax.TAGS:
        spoiled = syntax.spoil(tag, Draft(content=text), value, random.Random(seed))
        assert spoiled is None or spoiled.content != text


def test_what_is_no_json_has_no_tokens() -> None:
    with pytest.raises(ValueError, match="no JSON at character 1"):
        tokens("[nope]")
