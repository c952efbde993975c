"""A scenario that uses every section, broken at every single place: always messages, never a crash."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loading import HEAD, load

from pytest_agentbench import checks
from pytest_agentbench.errors import ScenarioError

WHOLE: dict[str, Any] = {
    "agentbench": 1,
    "id": "whole",
    "title": "All sections",
    "about": "Nothing left out.",
    "tags": ["json"],
    "data": {
        "seed": 3,
        "rows": 2,
        "locale": ["en_US", "de_DE"],
        "now": "2026-01-01T00:00:00Z",
        "values": {
            "buyer": {"faker": "company"},
            "n": {"int": [1, 9]},
            "price": {"float": [0.5, 2.5], "digits": 1},
            "kind": {"choice": ["a", "b"]},
            "lines": {"list": 2, "of": {"sku": {"const": "x"}, "text": {"template": "{{ n }}"}}},
            "box": {"object": {"w": {"int": [1, 2]}}},
        },
    },
    "prompt": {
        "messages": [
            {"system": "Be brief."},
            {"user": [{"text": "Buyer: {{ buyer }}"}, {"image": "a.png"}]},
            {"assistant": "Yes?"},
            {"user": "Count: {{ n }}\n{{ lines | tojson }}"},
        ],
        "then": ["And {{ kind }}?"],
    },
    "variants": [
        {"id": "terse", "class": "paraphrase", "user": "{{ n }}"},
        {"class": "paraphrase", "id": "all", "messages": [{"user": "Count {{ n }}"}]},
        {"class": "format", "transform": "separator"},
        {"class": "noise", "transform": "typos", "rate": 0.2},
    ],
    "sampling": {
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "thinking": "off", "seed": "per_sample",
        "tool_choice": "auto", "parallel_tool_calls": True, "stop": ["END"], "extra_body": {"k": 1},
    },
    "models": {"gpt-5*": {"sampling": {"temperature": None}}, "old-*": {"skip": "no tools"}},
    "answer": {
        "json": {
            "schema": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}},
            "request": "json_schema", "accept": "strict", "expect": {"n": "{{ n }}", "s": {"$regex": "^a"}},
        },
        "text": {"contains": ["{{ n }}"], "number": {"value": "{{ n }}", "tolerance": 1}, "regex": "\\d"},
        "tool_calls": {
            "expect": [{"name": "rate", "args": {"from": "EUR", "n": {"$number": {"value": 1, "tolerance": 2}}}}],
            "order": "any", "forbidden": ["stop", {"name": "rate", "args": {"from": "X"}}], "n": {"min": 1},
        },
        "code": {"language": "python", "tests": ["assert f() == 1"], "entry": "f"},
    },
    "tools": [
        {
            "name": "rate", "description": "A rate.", "strict": True, "polling": True,
            "parameters": {"type": "object", "properties": {"from": {"type": "string"}}},
            "when": [{"args": {"from": "{{ kind }}"}, "value": {"rate": 1}}],
            "returns": {"sequence": [{"error": "no"}, {"template": "{{ args.x }} {{ n }}"}], "then": "repeat"},
        },
        {"name": "stop", "returns": {"function": "halt"}},
        {"name": "python", "returns": {"sandbox": "python"}},
    ],
    "agent": {"max_turns": 4, "max_seconds": 20, "max_tokens": 99, "stall_s": 5},
    "sandbox": {"backend": "any", "timeout_s": 5, "memory_mb": 64, "output_bytes": 4096, "files": {"a.txt": "{{ n }}"}},
    "checks": [{"text": {"not_contains": "x"}}, {"tool_calls": {"n": 1}}],
    "gates": {
        "parse_failure_rate": {"max": 0.02, "decide": "fixed"},
        "pass_rate": {"min": 0.9, "max_repeats": 400, "inconclusive": "pass"},
        "prompt_sensitivity": {"max_spread": 0.1},
    },
    "repeats": 20,
    "reference": [
        {"assistant": {"tool_calls": [{"name": "rate", "args": {"from": "EUR"}}]}},
        {"assistant": '{"n": {{ n }}}'},
    ],
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None,
    "",
    "text",
    "{{ nothing }}",
    0,
    -1,
    1.5,
    True,
    [],
    [1],
    {},
    {"xyzzy": 1},
    {"$ref": "#/x"},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, step)
        yield from places(value[step], (*path, step))


def broken() -> Iterator[dict[str, Any]]:
    for n, path in enumerate(places(WHOLE)):
        for odd in (ODD[n % len(ODD)], "missing", "renamed"):
            document = copy.deepcopy(WHOLE)
            parent = document
            for step in path[:-1]:
                parent = parent[step]
            last = path[-1]
            if odd == "missing":
                del parent[last]
            elif odd == "renamed" and isinstance(last, str):
                parent[f"{last}_url"] = parent.pop(last)
            else:
                parent[last] = odd
            yield document


def messages_of(text: str, root: Path) -> str:
    try:
        load(text, root, check_parameters=checks.parameters, check_names=checks.names)
    except ScenarioError as error:
        return str(error)
    return ""


def test_the_whole_scenario_is_right(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert messages_of(json.dumps(WHOLE), tmp_path) == ""


def test_any_single_mistake_gives_messages_of_one_line_and_never_a_crash(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    n_wrong = 0
    for document in broken():
        found = messages_of(json.dumps(document), tmp_path)
        n_wrong += bool(found)
        for line in found.splitlines():
            assert line.startswith("demo.bench.yaml:1:"), line
            assert "as the schema demands" not in line, line
    assert n_wrong > 300


def test_a_content_part_of_an_unknown_kind_is_named(tmp_path: Path) -> None:
    text = HEAD + "prompt: {user: [{text: a}, {image_url: a.png}]}\n"
    assert messages_of(text, tmp_path) == (
        "demo.bench.yaml:3:29: unknown key 'image_url' in prompt.user[1], did you mean 'image'?"
    )
