"""Our data survives the way to builtins and back."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agentbench import model, sample, scenario, verdict, wire
from pytest_agentbench.errors import Location

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type hint as our dataclasses use them."""
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{f.name: strategy(hints[f.name]) for f in dataclasses.fields(hint)})
    if origin in (Union, types.UnionType):
        return st.one_of([strategy(option) for option in get_args(hint)])
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin is tuple:
        args = get_args(hint)
        if args[-1] is Ellipsis:
            return st.lists(strategy(args[0]), max_size=2).map(tuple)
        return st.tuples(*[strategy(arg) for arg in args])
    if origin is frozenset:
        return st.frozensets(strategy(get_args(hint)[0]), max_size=2)
    if origin is not None:
        return st.dictionaries(st.text(max_size=3), strategy(get_args(hint)[1]), max_size=2)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=8),
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        type(None): st.none(),
        Any: JSON,
    }
    return simple[hint]


@pytest.mark.parametrize(
    "cls",
    [sample.Sample, sample.CallRequest, sample.Execution, verdict.CaseResult, verdict.RunInfo, model.Model],
)
def test_every_value_comes_back_as_it_was(cls: type) -> None:
    @settings(max_examples=25, deadline=None)
    @given(strategy(cls))
    def check(value: Any) -> None:
        assert wire.from_wire(cls, json.loads(json.dumps(wire.to_wire(value)))) == value

    check()


def test_a_missing_field_takes_its_default_and_an_unknown_one_is_ignored() -> None:
    usage = wire.from_wire(sample.Usage, {"prompt_tokens": 3, "of_the_future": 1})
    assert usage == sample.Usage(prompt_tokens=3)


def test_what_is_not_ours_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot put a object on the wire"):
        wire.to_wire({"a": object()})


def test_a_sandbox_is_needed_by_a_code_check_or_a_sandbox_tool() -> None:
    location = Location(file="a", line=1, col=1)
    base = scenario.Variant(id="base", variant_class="base", messages=())
    plain = scenario.Scenario(id="a", location=location, variants=(base,))
    check = scenario.CheckSpec(name="code", params={}, location=location)
    tool = scenario.Tool(name="t", sequence=(scenario.ToolResponse(kind="sandbox", value="python"),))
    assert not plain.needs_sandbox
    assert dataclasses.replace(plain, checks=(check,)).needs_sandbox
    assert dataclasses.replace(plain, tools=(tool,)).needs_sandbox
