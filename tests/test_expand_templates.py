"""Templates: types and letters are kept, undefined is an error, nothing is rendered twice, nothing explodes."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agentbench.expand.templates import TemplateError, names_in, render_text, render_value

VALUES: dict[str, Any] = {
    "n": 3, "x": 1.5, "yes": True, "nothing": None, "name": "Café 日本 <&'\">", "result": 5,
    "lines": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 3}], "order": {"items": [1], "keys": "k", "b": 1, "a": 2},
    "looks": "{{ n }} {% if %}",
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ n }}", 3),
        ("{{- n -}}", 3),
        ("{{ x }}", 1.5),
        ("{{ yes }}", True),
        ("{{ nothing }}", None),
        ("{{ lines }}", VALUES["lines"]),
        ("{{ order }}", VALUES["order"]),
        ("{{ name }}", VALUES["name"]),
        ("{{ n + 1 }}", 4),
        ("{{ result * 2 }}", 10),
        ("{{ lines | map(attribute='qty') | list }}", [2, 3]),
        ("{{ lines | map(attribute='qty') }}", [2, 3]),
        ("{{ lines | sum(attribute='qty') }}", 5),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ {'a': n} }}", {"a": 3}),
        ("{{ 'a' if n > 2 else 'b' }}", "a"),
        ("{{ '}}' }}", "}}"),
        ("{{ lines | tojson }}", json.dumps(VALUES["lines"])),
        ("{{ order.items }}", [1]),  # the key of the data, not dict.items
        ("{{ order.keys }}", "k"),
        ("{{ missing | default(7) }}", 7),
        ("{{ 1 if missing is defined else 2 }}", 2),
    ],
)
def test_exactly_one_expression_keeps_its_type(template: str, expected: Any) -> None:
    value = render_value(template, VALUES)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (" {{ n }}", " 3"),
        ("{{ n }}\n", "3\n"),
        ("{{ n }}{{ n }}", "33"),
        ("{{ n }}{# comment #}", "3"),
        ("{% if yes %}{{ n }}{% endif %}", "3"),
        ("{{ nothing }}!", "None!"),
        ("{{ name }}", VALUES["name"]),
        ("a ~ {{ name ~ n }}", f"a ~ {VALUES['name']}3"),
        ("{% for line in lines %}{{ loop.index }}:{{ line.sku }} {% endfor %}", "1:a 2:b "),
        ("{% raw %}{{ n }}{% endraw %}", "{{ n }}"),
        ("no template", "no template"),
        ("{ n }", "{ n }"),
        ("two\r\nlines {{ n }}", "two\nlines 3"),
    ],
)
def test_everything_else_is_text(template: str, expected: str) -> None:
    assert render_text(template, VALUES) == expected


def test_what_was_inserted_is_never_rendered_again() -> None:
    assert render_value("{{ looks }}", VALUES) == VALUES["looks"]
    assert render_text("see {{ looks }}", VALUES) == f"see {VALUES['looks']}"
    assert render_value({"a": ["{{ looks }}"]}, VALUES) == {"a": [VALUES["looks"]]}


def test_mappings_and_lists_are_rendered_below_but_keys_are_not() -> None:
    template = {"{{ n }}": ["{{ n }}", {"b": "{{ n }}!"}], "c": 1}
    assert render_value(template, VALUES) == {"{{ n }}": [3, {"b": "3!"}], "c": 1}
    assert template["c"] == 1


def test_tojson_keeps_letters_key_order_and_makes_no_html() -> None:
    assert render_text("{{ name | tojson }}", VALUES) == '"Café 日本 <&\'\\">"'
    assert render_text("{{ order | tojson }}", VALUES) == '{"items": [1], "keys": "k", "b": 1, "a": 2}'
    assert render_text("{{ lines | tojson(indent=1) }}", VALUES) == json.dumps(VALUES["lines"], indent=1)
    assert render_text("{{ name }}", VALUES) == VALUES["name"]


def test_values_are_copies_so_that_rows_stay_as_they_are() -> None:
    value = render_value("{{ lines }}", VALUES)
    value[0]["sku"] = "changed"
    assert VALUES["lines"][0]["sku"] == "a"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ nam }}", "'nam' is undefined, did you mean 'name'?"),
        ("{{ zzz }}", "'zzz' is undefined, known: lines, looks, n, name, nothing, order, result, x, yes"),
        ("a {{ nam }}", "'nam' is undefined, did you mean 'name'?"),
        ("{{ order.itms }}", "there is no 'itms' here, did you mean 'items'?"),
        ("{{ lines[0].qt }}", "there is no 'qt' here, did you mean 'qty'?"),
        ("{{ lines[7] }}", "there is no item 7 in a list of 2"),
        ("{{ n.x }}", "'int object' has no attribute 'x'"),
        ("{{ n", "template syntax: unexpected end of template, expected 'end of print statement'"),
        ("{{ n | nosuch }}", "template syntax: No filter named 'nosuch'"),
        ("{{ n }}\n{% if %}", "template syntax: Expected an expression, got 'end of statement block' (line 2 of the template)"),
        ("{{ " + "(" * 3000 + " }}", "template syntax: nested too deeply"),
        ("{% include 'x' %}", "{% include %} is not allowed in a template"),
        ("{% extends 'x' %}", "{% extends %} is not allowed in a template"),
        ("{% import 'x' as y %}", "{% import %} is not allowed in a template"),
        ("{% filter upper %}a{% endfilter %}", "{% filter %} is not allowed in a template"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ order.update }}", "there is no 'update' here, known: a, b, items, keys"),
        ("{{ lines | map(attribute='sku') }}!", "an expression gives an iterator: add '| list' or '| join(\", \")'"),
        ("{{ lines.append }}", "access to attribute 'append' of 'list' object is unsafe."),
        ("{{ ''.__class__ }}", "access to attribute '__class__' of 'str' object is unsafe."),
        ("{{ name.upper }}", "the expression gives a builtin_function_or_method, which is not data"),
        ("{{ {1: 2} }}", "the expression gives a mapping with the key 1, which is not text"),
        ("{{ 1e999 }}", "a number in the template is too large"),
        ("{{ 1e308 * 10 }}", "the expression gives inf, which is not a number of JSON"),
        ("{{ lines | random }}", "template syntax: No filter named 'random'"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_that_says_what_to_do(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render_value(template, VALUES)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "template",
    [
        "{{ range(10**9) | list }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{{ 2 ** 1000000 }}",
        "{{ 2 ** 4000 ** 4000 }}",
        "{{ 'x'.center(10**9) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x' | indent(10**9) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (10**9, 1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 10**9) }}",
        "{{ ('x' * 9999).replace('x', 'y' * 9999) }}",
        "{{ ('x' * 9999) | replace('x', 'y' * 9999) }}",
        "{{ ('x' * 99999).join(['a'] * 9999) }}",
        "{{ (['a'] * 9999) | join('x' * 9999) }}",
        "{% set ns = namespace(s='x' * 99) %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x' * 99) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 999 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_bomb_is_refused_at_once(template: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError):
        render_value(template, VALUES)
    assert time.process_time() - started < 60


def test_names_are_those_that_a_template_takes_from_outside() -> None:
    assert names_in(
        {"a": ["{{ n + args.x }}"], "b": "{% for i in range(3) %}{{ i }}{{ m }}{% endfor %}"}
    ) == {"n", "args", "m"}
    assert names_in("{{ n if n is defined else 1 }}") == frozenset()
    assert names_in("plain") == frozenset()
    with pytest.raises(TemplateError):
        names_in("{{")


TEXT = st.text(st.sampled_from("{}%#|ab()'\" .\n[]~*1é"), max_size=30)


@given(TEXT)
@settings(deadline=None, max_examples=300)
def test_no_template_raises_anything_but_a_template_error(template: str) -> None:
    with contextlib.suppress(TemplateError):
        json.dumps(render_value(template, {"a": 1, "b": "x"}), allow_nan=False)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    )
)
@settings(deadline=None)
def test_any_data_come_through_as_they_are(value: Any) -> None:
    values = {"value": value}
    assert render_value("{{ value }}", values) == value
    assert json.loads(render_text("{{ value | tojson }}", values)) == value
