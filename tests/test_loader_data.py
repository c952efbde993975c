"""Rows: generated the same everywhere, or read from the team's files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import HEAD, one, problems

from pytest_agentbench.loader.records import read_records

ASK = "prompt: {user: hello}\n"


def rows(data: str, root: Path, **options: Any) -> tuple[Any, ...]:
    return one(f"{HEAD}data: {data}\n{ASK}", root, **options).rows


def wrong(data: str, root: Path) -> list[str]:
    return problems(f"{HEAD}data: {data}\n{ASK}", root)


def test_without_data_there_is_one_empty_row(tmp_path: Path) -> None:
    scenario = one(HEAD + ASK, tmp_path)
    assert scenario.rows == ({},)
    assert scenario.row_keys == ("0",)


def test_every_kind_of_generator_gives_its_kind_of_value(tmp_path: Path) -> None:
    found = rows(
        "{rows: 40, values: {a: {choice: [x, 2, null]}, b: {int: [3, 5]}, c: {float: [0, 1], digits: 3}, d: {list: [1, 2], of: {int: [0, 9]}},"
        " e: {object: {f: {const: [1]}, g: {list: 2, of: {h: {const: k}}}}}, i: {template: '{{ b + 1 }}'}, j: {faker: ean13}}}",
        tmp_path,
    )
    assert len(found) == 40
    assert {row["a"] for row in found} == {"x", 2, None}
    assert {row["b"] for row in found} == {3, 4, 5}
    assert all(0 <= row["c"] <= 1 and row["c"] == round(row["c"], 3) for row in found)
    assert {len(row["d"]) for row in found} == {1, 2}
    assert found[0]["e"] == {"f": [1], "g": [{"h": "k"}, {"h": "k"}]}
    assert all(row["i"] == row["b"] + 1 for row in found)
    assert all(len(row["j"]) == 13 for row in found)


def test_values_without_a_number_of_rows_are_fifty_rows(tmp_path: Path) -> None:
    assert len(rows("{values: {a: {int: [0, 9]}}}", tmp_path)) == 50


def test_locales_take_turns_by_row_number(tmp_path: Path) -> None:
    names = [
        row["a"]
        for row in rows("{rows: 6, locale: [en_US, zh_CN, ja_JP], values: {a: {faker: name}}}", tmp_path)
    ]
    assert [name.isascii() for name in names] == [True, False, False, True, False, False]


def test_another_seed_or_scenario_gives_other_values_and_a_new_value_changes_no_old_one(
    tmp_path: Path,
) -> None:
    base = rows("{rows: 5, seed: 1, values: {a: {faker: company}}}", tmp_path)
    assert rows("{rows: 5, seed: 1, values: {a: {faker: company}}}", tmp_path) == base
    assert rows("{rows: 5, seed: 2, values: {a: {faker: company}}}", tmp_path) != base
    more = rows("{rows: 9, seed: 1, values: {z: {faker: name}, a: {faker: company}}}", tmp_path)
    assert [row["a"] for row in more[:5]] == [row["a"] for row in base]
    other = one(
        HEAD.replace("demo", "other") + "data: {rows: 5, seed: 1, values: {a: {faker: company}}}\n" + ASK,
        tmp_path,
    )
    assert other.rows != base


def test_faker_values_are_pinned_to_what_this_version_gave(tmp_path: Path) -> None:
    # Recorded once: a change here changes every team's baselines.
    found = rows(
        "{rows: 2, seed: 7, locale: [en_US, ja_JP], values: {a: {faker: company}, n: {faker: random_int, min: 1, max: 9}}}",
        tmp_path,
    )
    assert [tuple(row.values()) for row in found] == PINNED


PINNED = [("Johnson, Wang and Berg", 9), ("合同会社斎藤銀行", 6)]


PROVIDERS = [
    "company",
    "name",
    "address",
    "ean13",
    "random_int",
    "pyfloat",
    "pydecimal",
    "date_this_year",
    "past_datetime",
    "date_of_birth",
    "credit_card_expire",
    "simple_profile",
    "profile",
    "words",
    "sentence",
    "uuid4",
    "iban",
    "user_agent",
    "unix_time",
    "iso8601",
    "date_object",
    "pydict",
]


def test_data_are_the_same_under_any_hash_seed_time_zone_and_clock(tmp_path: Path) -> None:
    values = ", ".join(f"{name}: {{faker: {name}}}" for name in PROVIDERS if name != "pydict")
    text = f"{HEAD}data: {{rows: 3, now: '2026-01-31', locale: [en_US, fi_FI], values: {{{values}, s: {{faker: ssn}}}}}}\n{ASK}"
    (tmp_path / "a.bench.yaml").write_text(text, encoding="utf-8")
    code = (
        "import sys, pathlib, json; from pytest_agentbench.loader import load_file;"
        "root = pathlib.Path(sys.argv[1]); (s,) = load_file(root / 'a.bench.yaml', root=root);"
        "print(s.digest, json.dumps(s.rows))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
        ).stdout
        for seed, zone in (("0", "UTC"), ("1", "Asia/Tokyo"), ("2", "America/New_York"))
    }  # fmt: skip
    assert len(outputs) == 1
    assert '"date_this_year": "2026-01-' in outputs.pop()


@pytest.mark.parametrize(
    "provider",
    [
        "date_this_year",
        "date_time",
        "past_date",
        "future_datetime",
        "date_of_birth",
        "credit_card_expire",
        "profile",
        "iso8601",
        "passport_full",
    ],
)
def test_a_provider_that_looks_at_the_clock_needs_a_clock(provider: str, tmp_path: Path) -> None:
    data = f"{{rows: 1, values: {{d: {{faker: {provider}}}}}}}"
    assert wrong(data, tmp_path) == [
        f"demo.bench.yaml:3:37: Faker's '{provider}' depends on today's date: set data.now (e.g. 2026-01-31) to pin it"
    ]
    assert rows(data.replace("rows: 1", "rows: 1, now: '2026-01-31T12:00:00'"), tmp_path)


def test_a_provider_that_looks_at_the_clock_in_one_locale_only_is_caught_there(tmp_path: Path) -> None:
    assert rows("{rows: 1, locale: en_US, values: {d: {faker: ssn}}}", tmp_path)
    (message,) = wrong("{rows: 1, locale: fi_FI, values: {d: {faker: ssn}}}", tmp_path)
    assert "'ssn' depends on today's date" in message


def test_faker_sees_the_real_clock_again_afterwards(tmp_path: Path) -> None:
    import datetime as dt
    import importlib

    module: Any = importlib.import_module("faker.providers.date_time")

    rows("{rows: 1, now: '2001-01-01', values: {d: {faker: date_this_year}}}", tmp_path)
    assert module.datetime is dt.datetime


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{rows: 1, values: {a: {faker: compny}}}", "3:37: Faker has no provider 'compny' for en_US, did you mean 'company'?"),
        ("{rows: 1, values: {a: {faker: seed_instance}}}", "3:37: Faker has no provider 'seed_instance' for en_US, did you mean 'sentence'?"),
        ("{rows: 1, values: {a: {faker: random_int, mn: 2}}}", "3:53: Faker's 'random_int' has no argument 'mn', did you mean 'min'?"),
        ("{rows: 1, now: 2026-01-31, values: {a: {faker: pyset}}}", "3:54: Faker's 'pyset' gives a set, which JSON cannot hold"),
        ("{rows: 1, locale: en_USA, values: {a: {faker: name}}}", "3:25: Faker has no locale 'en_USA', did you mean 'en_US'?"),
        ("{rows: 2, locale: [en_US, xx], values: {a: {faker: name}}}", "3:33: Faker has no locale 'xx'"),
        ("{rows: 1, now: today, values: {a: {faker: past_date}}}", "3:22: data.now must be an ISO date or time, e.g. 2026-01-31, got 'today'"),
        ("{rows: 1, values: {a: {int: [3, 1]}}}", "3:35: the lowest value 3 is above the highest 1"),
        ("{rows: 1, values: {a: {list: 1, of: {b: {float: [2, 1]}}}}}", "3:55: the lowest value 2 is above the highest 1"),
        ("{rows: 1, values: {a: {template: '{{ b }}'}}}", "3:40: 'b' is undefined, the scenario has no data (row 0)"),
        ("{rows: 1, values: {a: {fakr: name}}}", "3:30: unknown key 'fakr' in data.values.a, did you mean 'faker'?"),
        ("{rows: 1, values: {a b: {const: 1}}}", "3:26: 'a b' in data.values must be of letters, digits and '_', not beginning with a digit"),
        ("{rows: 3}", "3:14: data.rows generates rows, but there are no data.values to generate"),
        ("{rows: {file: nope.jsonl}}", "3:21: rows: file 'nope.jsonl' does not exist, did you mean 'a.jsonl'?"),
        ("{rows: {file: a.txt}}", "3:21: rows: 'a.txt' must be one of .jsonl, .ndjson, .csv, .yaml, .yml, .json"),
        ("{rows: {file: a.jsonl}, values: {id: {const: 1}}}", "3:40: 'id' is already a column of the file"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_data_says_where_and_what(data: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    assert wrong(data, tmp_path) == [f"demo.bench.yaml:{message}"]


def test_data_that_would_never_end_are_refused(tmp_path: Path) -> None:
    (message,) = wrong("{rows: 1000, values: {a: {list: 1000, of: {list: 1000, of: {const: 1}}}}}", tmp_path)
    assert message.endswith("the data have more than 1000000 values")


CONTENT = {
    "t.jsonl": '{"id": "a", "text": "caf\u00e9 \u65e5", "n": 1}\n\n{"id": "b", "text": "x", "n": 2.5}\n',
    "t.csv": 'id,text,n\na,"caf\u00e9 \u65e5",1\r\n"b","x, ""y""\nz",2\n',
    "t.yaml": "- {id: a, text: NO, n: 1}\n- id: b\n  text: x\n  n: null\n",
    "t.json": '[{"id": "a", "n": [1]}, {"id": "b", "n": {}}]',
}


@pytest.mark.parametrize("file", CONTENT)
def test_rows_come_from_a_file(file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text("\ufeff" + CONTENT[file], encoding="utf-8", newline="")
    scenario = one(
        f"{HEAD}data: {{rows: {{file: {file}, key: id}}}}\nprompt: {{user: '{{{{ id }}}}'}}\n", tmp_path
    )
    assert scenario.row_keys == ("a", "b")
    assert [row["id"] for row in scenario.rows] == ["a", "b"]
    expected = {
        "t.jsonl": [1, 2.5],
        "t.csv": ["1", "2"],
        "t.yaml": [1, None],
        "t.json": [[1], {}],
    }
    assert [row["n"] for row in scenario.rows] == expected[file]
    if file == "t.csv":
        assert scenario.rows[1]["text"] == 'x, "y"\nz'


def test_values_can_be_added_to_the_rows_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    assert rows("{rows: {file: t.jsonl}, values: {b: {template: '{{ a * 10 }}'}}}", tmp_path) == (
        {"a": 1, "b": 10},
        {"a": 2, "b": 20},
    )


@pytest.mark.parametrize(
    ("file", "content", "messages"),
    [
        ("t.jsonl", '{"id": 1}\n{"id": }\n[1]\n{"id": NaN}\n{"a": 1, "a": 2}\n{"a": "\\ud800"}', [
            "t.jsonl:2:8: not JSON: Expecting value",
            "t.jsonl:3:1: a row must be a mapping of columns, got a list",
            "t.jsonl:4:1: not JSON: NaN is not JSON",
            "t.jsonl:5:1: not JSON: duplicate key 'a'",
            "t.jsonl:6:1: not JSON: half of a surrogate pair is not a character",
        ]),
        ("t.csv", "a,b\n1\n1,2\n1,2,3\n", ["t.csv:2:1: 1 fields, but the header has 2 columns", "t.csv:4:1: 3 fields, but the header has 2 columns"]),
        ("t.csv", "a,a,\n", ["t.csv:1:1: column 'a' stands twice in the header", "t.csv:1:1: column 3 has no name in the header"]),
        ("t.csv", 'a,b\n1,"2\n', ["t.csv:2:1: not CSV: unexpected end of data"]),
        ("t.yaml", "- a: 1\n- 2\n- {a: 1, a: 2}\n", ["t.yaml:2:3: a row must be a mapping of columns, got the number 2", "t.yaml:3:10: duplicate key 'a', it stands already in line 3"]),
        ("t.yaml", "a: 1\n", ["t.yaml:1:1: the file must be a list of rows, got a mapping"]),
        ("t.json", "[]", ["t.json:1:1: there are no rows in it"]),
        ("t.csv", "a,b\n", ["t.csv:1:1: there are no rows in it"]),
    ],
)  # fmt: skip
def test_every_bad_line_of_a_file_has_its_own_place(
    file: str, content: str, messages: list[str], tmp_path: Path
) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    assert wrong(f"{{rows: {{file: {file}}}}}", tmp_path) == messages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"id": "a"}\n{"id": "a"}\n',
            "t.jsonl:2:1: column 'id' names the rows, but \"a\" stands already in line 1",
        ),
        ('{"id": 1}\n{"Id": "1"}\n', "t.jsonl:2:1: no column 'id', which names the rows, did you mean 'Id'?"),
        (
            '{"id": null}\n',
            "t.jsonl:1:1: column 'id' names the row and must be text or a number, got nothing (null)",
        ),
    ],
)
def test_names_of_rows_must_be_there_and_differ(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(content, encoding="utf-8")
    assert wrong("{rows: {file: t.jsonl, key: id}}", tmp_path) == [message]


def test_a_file_of_rows_must_be_utf8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a\ncaf\xe9\n")
    assert wrong("{rows: {file: t.csv}}", tmp_path) == [
        "t.csv:2:1: not UTF-8: byte 0xe9, save the file as UTF-8"
    ]


@given(
    st.binary(max_size=80),
    st.sampled_from(["t.jsonl", "t.csv", "t.yaml", "t.json"]),
    st.none() | st.just("a"),
)
@settings(deadline=None)
def test_no_bytes_break_the_reading_of_rows(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, file: str, key: str | None
) -> None:
    path = tmp_path_factory.getbasetemp() / file
    path.write_bytes(content)
    found, names, mistakes = read_records(path, file, key)
    assert mistakes or len(found) == len(names) > 0
