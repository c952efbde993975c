"""Looping texts are found as the loops they are; ordinary ones are not found at all."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pytest_agentbench.loops.text import find_loop
from pytest_agentbench.simulation.looping import KINDS, looping_text, plain_text


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_is_found_as_its_kind(kind: str) -> None:
    found: Counter[str | None] = Counter()
    for seed in range(300):
        loop = find_loop(
            looping_text(kind, random.Random(f"{kind}/{seed}")), structured=False, truncated=False
        )
        found[loop.kind if loop is not None else None] += 1
    assert found[kind] >= 297, found


@pytest.mark.parametrize("n_words", [10, 80, 400])
def test_plain_text_is_no_loop_and_about_as_long_as_asked(n_words: int) -> None:
    for seed in range(200):
        text = plain_text(random.Random(seed), n_words)
        assert find_loop(text, structured=False, truncated=False) is None
        assert n_words <= len(text.split()) <= n_words + 25


def test_texts_differ_by_seed_and_repeat_with_it() -> None:
    for kind in KINDS:
        assert looping_text(kind, random.Random(1)) == looping_text(kind, random.Random(1))
        assert len({looping_text(kind, random.Random(seed)) for seed in range(30)}) == 30


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        looping_text("spiral", random.Random(0))
