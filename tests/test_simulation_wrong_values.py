"""Answers that look right and are wrong: values, prose and code."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from requirements import ROOT
from test_simulation_conforming import SNIPPETS, obj, shipped_schemas, validator

from pytest_agentbench.checks.matching.values import mismatches
from pytest_agentbench.simulation.broken_code import broken_code
from pytest_agentbench.simulation.conforming import conforming
from pytest_agentbench.simulation.wrong_values import wrong_text, wrong_value

FUNCTIONS = [
    json.loads(line)
    for line in (ROOT / "scenarios" / "data" / "functions.jsonl").read_text("utf-8").splitlines()
]


def wrong(value: Any, schema: Any = None, seed: int = 0, expect: Any = None) -> Any:
    made = wrong_value(value, schema, random.Random(seed), expect=expect)
    return None if made is None else made[0]


def leaves(value: Any, at: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {path: leaf for step, inner in pairs for path, leaf in leaves(inner, (*at, step)).items()}
    return {at: value}


@pytest.mark.parametrize("name", [*shipped_schemas(), "recursive", "condition", "all of", "optional keys"])
def test_one_leaf_differs_and_the_value_still_fits(name: str) -> None:
    schema = (shipped_schemas() | SNIPPETS)[name]
    n = 0
    for seed in range(60):
        value = conforming(schema, random.Random(seed))
        before = json.dumps(value)
        made = wrong_value(value, schema, random.Random(seed))
        assert json.dumps(value) == before
        if made is None:
            continue
        n += 1
        old, new = leaves(value), leaves(made[0])
        assert old.keys() == new.keys()
        assert len([path for path in old if old[path] != new[path]]) == 1
        assert validator(schema).is_valid(made[0])
        assert mismatches(value, made[0], extra_keys=False)
    assert n >= 58  # an object without any optional key has no leaf


def test_only_what_the_expectation_names_is_changed() -> None:
    value = {"a": 1, "b": {"c": "Ada", "d": "free"}, "e": [{"f": 1, "g": 2}, 5], "h": True}
    expect = {"b": {"c": "Ada"}, "e": [{"f": 1}, 5]}
    changed: Counter[Any] = Counter()
    for seed in range(300):
        new = leaves(wrong(value, None, seed, expect))
        changed.update(path for path, leaf in leaves(value).items() if new[path] != leaf)
        assert mismatches(expect, wrong(value, None, seed, expect), extra_keys=True)
    assert set(changed) == {("b", "c"), ("e", 0, "f"), ("e", 1)}
    assert min(changed.values()) > 60


def test_what_a_matcher_looks_at_is_left_alone_while_there_is_something_else() -> None:
    value = {"city": "Tromsø", "n": 3, "free": "x"}
    expect = {"city": {"$regex": "^Troms"}, "n": 3, "free": {"$any": True}}
    for seed in range(100):
        made = wrong(value, None, seed, expect)
        assert (made["city"], made["free"]) == ("Tromsø", "x")
        assert made["n"] != 3


@pytest.mark.parametrize(
    ("expect", "value"),
    [
        ({"$regex": "^Troms[øo]$"}, "Tromsø"),
        ({"$fold": "ada"}, "Ada"),
        ({"$number": {"value": 3.5, "tolerance": 0.5}}, 3.4),
        ({"$number": {"value": 100, "relative": 0.5}}, 90),
        ({"$one_of": ["a", "b", {"$regex": "x"}]}, "b"),
        ({"$schema": {"type": "string", "enum": ["a", "b"]}}, "b"),
        ({"$equals": {"$gt": 5}}, {"$gt": 5}),
        ({"$optional": 7}, 7),
    ],
)
def test_where_there_are_matchers_only_they_refuse_the_new_value(expect: Any, value: Any) -> None:
    for seed in range(60):
        made = wrong({"x": value}, None, seed, {"x": expect})
        assert mismatches({"x": expect}, made, extra_keys=True)


@pytest.mark.parametrize(
    ("value", "schema", "expect"),
    [
        ({}, None, None),
        ({"a": []}, None, None),
        ({"a": "x"}, obj(a={"const": "x"}), None),
        ({"a": "x", "b": 1}, obj(a={"const": "x"}, b={"type": "integer"}), {"a": "x"}),
        ({"a": "x"}, None, {"a": {"$any": True}}),
    ],
)
def test_where_nothing_can_be_wrong_there_is_none(value: Any, schema: Any, expect: Any) -> None:
    assert wrong_value(value, schema, random.Random(0), expect=expect) is None


def test_a_wrong_value_is_a_plausible_one() -> None:
    schema = obj(
        date={"type": "string", "format": "date"}, currency={"enum": ["EUR", "USD"]}, age={"type": "integer"}
    )
    value = {"date": "2024-03-15", "currency": "EUR", "age": 40}
    for seed in range(60):
        made = wrong(value, schema, seed)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["date"])
        assert made["currency"] in {"EUR", "USD"}
    assert re.fullmatch("[A-Z]{3}", wrong({"from": "NOK"})["from"])


def test_false_is_not_taken_for_zero() -> None:
    assert wrong({"a": False}, expect={"a": False}) == {"a": True}
    assert wrong({"a": 0}, expect={"a": 0})["a"] not in (0, False)


RIGHT = [
    "It is warmest in Warsaw, with 23 degrees.",
    "One euro is 11.62 Norwegian kroner.",
    "The answer is 42, and I am sure about that: there is no doubt, everything was given to you.",
    (
        "I am not sure about that. Sorry, this cannot be determined from what was given. My best guess: roughly "
        "half of them. Unfortunately nothing came back, so there is no result to report. It depends on several "
        "things; please check with the people in charge. Everything went fine and has been taken care of."
    ),
    "",
]


@pytest.mark.parametrize("right", RIGHT)
def test_wrong_prose_has_no_number_and_no_telling_word_of_the_right_one(right: str) -> None:
    words = {word for word in re.findall(r"\w+", right.lower()) if len(word) > 3 or not word.isalpha()}
    for seed in range(40):
        text = wrong_text(right, random.Random(seed))
        assert text
        assert not words & set(re.findall(r"\w+", text.lower()))


def runs(code: str) -> bool:
    return (
        subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, timeout=60, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("task", FUNCTIONS, ids=lambda task: task["name"])
def test_broken_code_looks_alike_and_fails_the_tests(task: Any) -> None:
    text = f"Here it is:\n\n```python\n{task['solution']}\n```\nDone."
    made = {broken_code(text, random.Random(seed)) for seed in range(4)}
    for broken in made:
        assert broken.startswith("Here it is:\n\n```python\n")
        assert broken.endswith("```\nDone.")
        assert len(broken.splitlines()) == len(text.splitlines())
        code = broken.split("```python\n")[1].split("```")[0]
        compile(code, "x", "exec")
        assert not runs(f"{code}\n{task['tests']}"), broken
    assert runs(f"{task['solution']}\n{task['tests']}")


def test_code_is_broken_in_place() -> None:
    code = 'def é(a, b):\n    "ü"\n    x = "ä" if a  not   in b else "ö"\n    return x'
    made = {broken_code(code, random.Random(seed)) for seed in range(40)}
    assert made == {code.replace("not   in", "in"), code.replace("return x", "return None")}


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("```python\nprint('a')\nprint('b')\n```", "```python\nprint('a')\n```"),
        ("```js\nconst a = 1;\nreturn a;\n```\nSo.", "```js\nconst a = 1;\n```\nSo."),
        ("def f(", ""),
        ("", ""),
        ("```python\nx = 1\n```\nor\n```python\nprint(1 + 1 - 0)\n```", None),
    ],
)
def test_code_without_a_place_for_a_mistake_loses_its_last_line(text: str, broken: str | None) -> None:
    made = broken_code(text, random.Random(1))
    if broken is None:
        assert made != text
        assert made.startswith("```python\nx = 1\n```\nor\n")
    else:
        assert made == broken


def test_a_loop_is_not_made_endless() -> None:
    code = "def f(n):\n    while n > 0:\n        n = n - 1\n    return n + 5"
    for seed in range(30):
        assert "while n > 0:\n        n = n - 1\n" in broken_code(code, random.Random(seed))
