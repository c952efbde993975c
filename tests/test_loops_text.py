"""Loops in text: what is one, what is not, and what it costs to tell."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.loops.runs import Grams, Run, runs
from pytest_agentbench.loops.text import find_loop
from pytest_agentbench.loops.tokens import Tokens
from pytest_agentbench.sample import Loop

GIRL = "She loved to play with her friends and loved to play with her toys. "
STORY = (
    "The ferry left at six and nobody waved. On deck a man counted his luggage, found one bag too many, and "
    "spent the crossing asking strangers whether they had lost something. "
)


def find(text: str, **changes: Any) -> Loop | None:
    return find_loop(text, **{"structured": False, "truncated": False, **changes})


def kind(text: str, **changes: Any) -> str | None:
    loop = find(text, **changes)
    return None if loop is None else loop.kind


def test_tokens_are_words_digit_runs_single_cjk_characters_and_marks() -> None:
    tokens = Tokens("It's 2024, 你好 ÄRGER Ärger!")
    assert tokens.words == ["It", "'", "s", "2024", ",", "你", "好", "ÄRGER", "Ärger", "!"]
    assert tokens.ids[7] == tokens.ids[8]
    assert len(set(tokens.ids)) == 9


def test_a_loop_is_described_by_what_repeats_and_where_it_starts() -> None:
    loop = find(STORY + GIRL * 20, truncated=True)
    assert loop is not None
    assert (loop.kind, loop.where, loop.period, loop.repeats) == ("exact", "answer", 15, 20)
    # The full stop before the first repetition ends every one of them, so the run begins with it.
    assert loop.start == len(Tokens(STORY)) - 1
    assert loop.unterminated
    assert loop.wasted_tokens == len(Tokens(GIRL * 20)) + 1 - 15
    assert loop.excerpt.startswith("She loved to play with her friends")


def test_a_loop_that_the_model_left_is_not_unterminated() -> None:
    loop = find(GIRL * 8 + STORY, truncated=True)
    assert loop is not None
    assert not loop.unterminated
    assert find(GIRL * 8, truncated=False).unterminated is False  # type: ignore[union-attr]


def test_a_loop_cut_inside_a_word_is_unterminated() -> None:
    loop = find((GIRL * 9)[:-20] + " wi", truncated=True)
    assert loop is not None
    assert loop.unterminated


def words(n: int) -> str:
    return " ".join("abcdefghijklmnopqrstuvwxyz"[index] * 2 for index in range(n))


@pytest.mark.parametrize(
    ("unit", "repeats", "is_loop"),
    [
        (words(16), 4, True),  # r = 4, L = 64
        (words(15), 4, False),  # L = 60
        (words(22), 3, False),  # r = 3
        (words(3), 11, True),  # r = 11, L = 33
        (words(3), 10, False),  # L = 30
        (words(8), 8, True),
        (words(8), 7, False),  # r = 7, L = 56
    ],
)
def test_in_prose_four_times_and_64_tokens_or_ten_times_and_32_are_a_loop(
    unit: str, repeats: int, is_loop: bool
) -> None:
    assert (kind(f"{unit} " * repeats) == "exact") is is_loop


@pytest.mark.parametrize(("repeats", "is_loop"), [(15, False), (16, True)])
@pytest.mark.parametrize(
    "frame",
    [
        lambda body: f"```\n{body}\n```",
        lambda body: f'{{"text": "{body}"}}',
        lambda body: f'Here it is: {{"text": "{body}',
    ],
    ids=["fence", "JSON", "bracket that never closes"],
)
def test_inside_structure_it_takes_sixteen_times_and_100_tokens(
    frame: Any, repeats: int, is_loop: bool
) -> None:
    assert (kind(frame(f"{words(7)} " * repeats)) == "exact") is is_loop
    assert (kind(f"{words(7)} " * repeats, structured=True) == "exact") is is_loop


def test_a_table_takes_as_much_as_code() -> None:
    row = "| north | open | none | yes |\n"
    assert kind("| region | state | note | ok |\n|---|---|---|---|\n" + row * 12) is None
    assert kind(row * 20) == "exact"


@pytest.mark.parametrize(
    ("n", "truncated", "is_loop"),
    [(399, False, False), (400, False, True), (149, True, False), (150, True, True)],
)
def test_units_without_letters_take_400_tokens_or_150_when_cut(
    n: int, truncated: bool, is_loop: bool
) -> None:
    assert (kind("- " * n, truncated=truncated) == "exact") is is_loop


def test_a_word_without_end_is_a_loop() -> None:
    assert kind("ha" * 1_000) == "exact"
    assert kind("哈" * 100) == "exact"


def test_a_unit_that_repeats_itself_inside_is_found_whole() -> None:
    unit = "go left and go left and go left and then go right . "
    loop = find(unit * 10)
    assert loop is not None
    assert loop.period == len(Tokens(unit))


def test_near_repetition_is_found_where_nothing_repeats_exactly() -> None:
    chance = random.Random(3)
    names = ["Ann", "Bob", "Cid", "Dora", "Eve", "Finn", "Gwen"]
    middle = (
        "walked slowly into the dark forest behind the old mill and looked for the lost silver key near the river"
        " until the moon came up over the hills and the owls began to call from the trees, but there was nothing"
    )
    text = " ".join(f"{chance.choice(names)} {middle}." for _ in range(20))
    assert find(text) is not None
    repeated = find(
        "".join(chance.choice([GIRL, "She went home with her friends and slept. "]) for _ in range(60))
    )
    assert repeated is not None
    assert repeated.kind in {"near", "exact"}


def test_a_counter_is_a_loop_whose_number_moves() -> None:
    text = "".join(f"On day {day} we went to the big park with our dog. " for day in range(1, 30))
    loop = find(text)
    assert loop is not None
    assert (loop.kind, loop.period, loop.repeats) == ("counter", 13, 29)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{n} x {factor} = {n * factor}\n" for n in range(1, 13) for factor in range(1, 13)),
        "".join(f"| {n} | {n * n} | {n**3} |\n" for n in range(1, 80)),
        "".join(f"2024-01-{n:02},shop-{n % 7},{n * 3}.50,EUR\n" for n in range(1, 29)),
        "".join(f"{n}. {word}\n" for n, word in enumerate(["apple", "pear", "plum", "fig", "kiwi", "lime", "date", "nut"], 1)),
        "".join(f"- [{'x' if n % 3 else ' '}] task number {n}\n" for n in range(40)),
        ", ".join(str(n) for n in range(300)),
        "\n".join(f"    self.{name} = {name}" for name in ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta"]),
        "```python\n" + "".join(f"    def test_{n}(self):\n        self.assertEqual(f({n}), {n * n})\n\n" for n in range(30)) + "```",
        "".join(f'{{"id": {n}, "name": "item", "ok": true}}\n' for n in range(40)),
        "-" * 200 + "\nTitle\n" + "=" * 200 + "\nAnd so on it goes.",
        "| --- | --- | --- |\n" * 2 + "| a | b | c |\n" * 5,
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream. " * 3,
        "\n".join(
            f"{n} bottles of beer on the wall, {n} bottles of beer. Take one down and pass it around, "
            f"{n - 1} bottles of beer on the wall."
            for n in range(99, 60, -1)
        ),
        "<ul>\n" + "  <li>item</li>\n" * 10 + "</ul>",
        "0 1 0 0 1 1 1 0 " * 20,
        ("The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is Madrid. "
        "The capital of Norway is Oslo. The capital of Poland is Warsaw. The capital of Ireland is Dublin."),
        "import os\nimport sys\nimport re\nimport json\nimport time\nimport math\nimport enum\nimport abc\n",
        STORY * 3,
        "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。" * 3,
    ],
    ids=[
        "times table", "table of powers", "CSV", "list", "check boxes", "counting", "assignments", "unit tests",
        "JSON lines", "rulers", "table of equal rows", "round", "bottles of beer", "HTML list", "bits", "capitals",
        "imports", "text three times", "poem three times",
    ],
)  # fmt: skip
def test_ordinary_repetition_is_no_loop(text: str) -> None:
    assert find(text) is None
    assert find(text, truncated=True) is None


def test_a_cumulative_song_is_no_loop() -> None:
    gifts = [f"{count} {thing}" for count, thing in zip(
        ["a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        ["partridge in a pear tree", "turtle doves", "French hens", "calling birds", "gold rings", "geese a laying", "swans a swimming", "maids a milking", "ladies dancing", "lords a leaping", "pipers piping", "drummers drumming"],
        strict=True,
    )]  # fmt: skip
    days = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
    ]
    song = "\n".join(
        f"On the {day} day of Christmas my true love sent to me {', '.join(reversed(gifts[: number + 1]))}."
        for number, day in enumerate(days)
    )
    assert find(song) is None


def test_truncation_alone_is_no_loop() -> None:
    assert find(STORY, truncated=True) is None
    assert find("", truncated=True) is None


@given(st.text(max_size=300), st.booleans(), st.booleans())
def test_no_text_makes_it_raise(text: str, structured: bool, truncated: bool) -> None:
    loop = find(text * 20, structured=structured, truncated=truncated)
    if loop is not None:
        assert loop.wasted_tokens > 0
        assert loop.repeats >= 2


@given(
    st.lists(st.integers(0, 3), max_size=10),
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.integers(2, 8),
    st.lists(st.integers(0, 3), max_size=10),
)
def test_runs_are_maximal_and_no_long_one_is_missed(
    before: list[int], unit: list[int], repeats: int, after: list[int]
) -> None:
    ids = [*before, *unit * repeats, *after]
    found = runs(Grams(ids))
    for run in found:
        assert all(ids[at] == ids[at - run.period] for at in range(run.start + run.period, run.end))
        assert run.end == len(ids) or ids[run.end] != ids[run.end - run.period]
        assert run.start == 0 or ids[run.start - 1] != ids[run.start - 1 + run.period]
    if len(unit) * repeats >= 64 and repeats >= 4:
        assert any(
            run.start <= len(before)
            and run.end >= len(before) + len(unit) * repeats
            and run.repeats >= repeats
            for run in found
        )


def test_a_run_counts_whole_repetitions() -> None:
    assert Run(start=3, end=20, period=5).repeats == 3


def fibonacci_word(length: int) -> str:
    first, second = "a ", "a b "
    while len(second) < 2 * length:
        first, second = second, second + first
    return second


@pytest.mark.parametrize(
    "make",
    [
        lambda n: " ".join(f"w{chr(97 + value % 26)}{chr(97 + value // 26 % 26)}x" for value in random.Random(1).choices(range(676), k=n)),
        lambda n: GIRL * (n // 16),
        lambda n: "x " * n,
        lambda n: ("a b " * 20 + "c ") * (n // 41),
        fibonacci_word,
        lambda n: "\n".join(f"| {value} | open |" for value in range(n // 5)),
        lambda n: " ".join(random.Random(2).choices("ab", k=n)),
        lambda n: "{ [ " * (n // 2),
        lambda n: "x " * 40 + ("```\n" + "y " * 20) * (n // 22),
    ],
    ids=["chance", "loop", "one word", "nested", "Fibonacci", "table", "two words", "brackets", "fences"],
)  # fmt: skip
def test_the_time_is_linear(make: Any) -> None:
    text = make(200_000)
    started = time.process_time()
    find(text)
    # 300,000 tokens a second; quadratic time would be hours. No test fails for a slow machine.
    assert time.process_time() - started < 60
