from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.agent.mock_tools import Answered, MockTools, ToolContext, ToolFunctionError, is_subset
from pytest_agentbench.errors import SandboxError, UsageError
from pytest_agentbench.sample import Execution, ExecutionRequest, ToolCall, ToolResult
from pytest_agentbench.scenario import Rendering, SandboxSpec, Tool, ToolResponse, ToolRule


def value(content: Any) -> ToolResponse:
    return ToolResponse(kind="value", value=content)


def failing(text: str) -> ToolResponse:
    return ToolResponse(kind="error", value=text)


def call(name: str = "get_rate", arguments: Any = "{}") -> ToolCall:
    return ToolCall(
        id="c1", name=name, arguments=json.dumps(arguments) if isinstance(arguments, dict) else arguments
    )


async def no_sandbox(request: ExecutionRequest) -> Execution:
    raise AssertionError(request)


def mocks(
    *tools: Tool,
    values: Mapping[str, Any] | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    execute: Any = no_sandbox,
) -> MockTools:
    rendering = Rendering(
        scenario="s",
        variant="base",
        variant_class="base",
        row=3,
        row_key="INV-3",
        values=values or {},
        messages=(),
        tools=tools,
        files={"data.csv": "1,2"},
    )
    return MockTools(rendering=rendering, sandbox=SandboxSpec(), execute=execute, functions=functions or {})


def answers(tools: MockTools, *calls: ToolCall, timeout_s: float = 10.0) -> list[ToolResult]:
    """Results of calls made in one turn each."""

    async def turns() -> list[Answered]:
        return [(await tools.answer_all((one,), timeout_s=timeout_s))[0] for one in calls]

    return [answer.result for answer in asyncio.run(turns())]


def contents(tools: MockTools, *calls: ToolCall) -> list[str]:
    return [result.content for result in answers(tools, *calls)]


def test_a_value_is_sent_as_json_and_a_text_as_it_is() -> None:
    tool = Tool(name="get_rate", sequence=(value({"rate": 1.1, "name": "é中"}), value("plain"), value(None)))
    assert contents(mocks(tool), call(), call(), call()) == ['{"rate": 1.1, "name": "é中"}', "plain", "null"]


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("last", ["a", "b", "b", "b", "b"]),
        ("repeat", ["a", "b", "a", "b", "a"]),
        ("error", ["a", "b", *['{"error": "there are no more results"}'] * 3]),
    ],
)
def test_after_a_sequence_comes_what_then_says(then: Any, expected: list[str]) -> None:
    tool = Tool(name="get_rate", sequence=(value("a"), value("b")), then=then)
    assert contents(mocks(tool), *[call()] * 5) == expected


def test_each_tool_and_each_sample_plays_its_own_sequence() -> None:
    tools = (
        Tool(name="a", sequence=(value("1"), value("2"))),
        Tool(name="b", sequence=(value("3"), value("4"))),
    )
    for _sample in range(2):
        assert contents(mocks(*tools), call("a"), call("b"), call("a"), call("b")) == ["1", "3", "2", "4"]


def test_an_error_reaches_the_model_as_an_error_and_is_marked() -> None:
    tool = Tool(name="get_rate", sequence=(failing("503 try again"), value("ok")), polling=True)
    first, second = answers(mocks(tool), call(), call())
    assert (first.content, first.error, first.polling) == ('{"error": "503 try again"}', True, True)
    assert (second.content, second.error, second.polling) == ("ok", False, True)


def test_rules_are_tried_first_and_do_not_use_up_the_sequence() -> None:
    rules = (
        ToolRule(args={"from": "EUR", "to": {"code": "USD"}}, response=value("both")),
        ToolRule(args={"from": "{{ base }}"}, response=value("rule of {{ args['from'] }}")),
    )
    tool = Tool(name="get_rate", rules=rules, sequence=(value("first"), value("second")))
    assert contents(
        mocks(tool, values={"base": "EUR"}),
        call(arguments={"from": "GBP"}),
        call(arguments={"from": "EUR", "to": {"code": "USD", "x": 1}}),
        call(arguments={"from": "EUR", "to": {"code": "JPY"}}),
        call(arguments={}),
    ) == ["first", "both", "rule of EUR", "second"]


def test_rules_that_do_not_fit_and_no_returns_give_an_error() -> None:
    tool = Tool(name="get_rate", rules=(ToolRule(args={"from": "EUR"}, response=value(1)),))
    (result,) = answers(mocks(tool), call(arguments={"from": "GBP"}))
    assert (result.content, result.error) == ('{"error": "there is no result for these arguments"}', True)


def test_a_tool_without_any_answer_accepts_the_call() -> None:
    assert contents(mocks(Tool(name="get_rate")), call()) == ['{"status": "ok"}']


def test_templates_see_the_row_the_arguments_and_the_number_of_earlier_calls() -> None:
    template = ToolResponse(kind="template", value="{{ buyer }}: {{ args.q }} ({{ n }})")
    typed = value({"n": "{{ n }}", "q": "{{ args.q }}"})
    tool = Tool(name="find", sequence=(template, typed))
    assert contents(
        mocks(tool, values={"buyer": "Ann"}), call("find", {"q": "tea"}), call("find", {"q": [1]})
    ) == ["Ann: tea (0)", '{"n": 1, "q": [1]}']


def test_a_template_that_needs_a_missing_argument_tells_the_model() -> None:
    tool = Tool(name="find", sequence=(ToolResponse(kind="template", value="{{ args.q }}"),))
    (result,) = answers(mocks(tool), call("find", {}))
    assert result.error
    assert json.loads(result.content)["error"].startswith("invalid arguments: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"from": "EUR",}', "the arguments are not valid JSON: "),
        ("", "the arguments are not valid JSON: "),
        ("[1]", "the arguments must be a JSON object, not list"),
        (["EUR"], "the arguments must be a JSON text, not list"),
        (None, "the arguments must be a JSON text, not NoneType"),
    ],
)
def test_arguments_that_do_not_parse_are_refused_as_a_real_harness_does(
    arguments: Any, expected: str
) -> None:
    tool = Tool(name="get_rate", sequence=(value("a"), value("b")))
    bad, good = answers(mocks(tool), call(arguments=arguments), call())
    assert bad.error
    assert json.loads(bad.content)["error"].startswith(expected)
    assert good.content == "a"


def test_an_unknown_tool_is_refused_with_the_names_of_the_real_ones() -> None:
    (result,) = answers(mocks(Tool(name="a"), Tool(name="b")), call("c"))
    assert result.error
    assert json.loads(result.content) == {"error": "there is no tool 'c'; tools: a, b"}


def functional(name: str = "lookup") -> Tool:
    return Tool(name="get_rate", sequence=(ToolResponse(kind="function", value=name),))


def test_a_function_gets_the_arguments_and_the_context_if_it_takes_one() -> None:
    async def with_context(args: dict[str, Any], context: ToolContext) -> Any:
        seen = context.state.setdefault("seen", [])
        seen.append(args["id"])
        return {"seen": seen, "n": context.n, "row": context.row_key, "buyer": context.values["buyer"]}

    functions: dict[str, Callable[..., Any]] = {
        "plain": lambda args: f"id {args['id']}",
        "context": with_context,
    }
    tools = mocks(functional("context"), functions=functions, values={"buyer": "Ann"})
    assert contents(tools, call(arguments={"id": 1}), call(arguments={"id": 2}))[1] == json.dumps(
        {"seen": [1, 2], "n": 1, "row": "INV-3", "buyer": "Ann"}
    )
    assert contents(mocks(functional("plain"), functions=functions), call(arguments={"id": 4})) == ["id 4"]


def test_a_function_that_blocks_does_not_hold_up_the_others() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def meet(args: dict[str, Any]) -> str:
        barrier.wait()
        return str(args["id"])

    tools = mocks(functional(), functions={"lookup": meet})

    async def turn() -> list[str]:
        calls = tuple(call(arguments={"id": n}) for n in range(2))
        return [answer.result.content for answer in await tools.answer_all(calls, timeout_s=10)]

    assert asyncio.run(turn()) == ["0", "1"]


def test_an_exception_in_a_function_is_ours_and_says_where() -> None:
    def broken(args: dict[str, Any]) -> Any:
        raise KeyError("id")

    with pytest.raises(
        ToolFunctionError, match=r"tool get_rate: function 'lookup' raised KeyError: 'id' at .*py:\d+"
    ):
        answers(mocks(functional(), functions={"lookup": broken}), call())


def test_a_function_that_returns_no_json_is_ours() -> None:
    with pytest.raises(ToolFunctionError, match="Object of type set is not JSON serializable"):
        answers(mocks(functional(), functions={"lookup": lambda args: {1}}), call())


def test_a_function_that_does_not_return_is_ours() -> None:
    async def hang(args: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ToolFunctionError, match=r"did not return within 0\.05 s"):
        answers(mocks(functional(), functions={"lookup": hang}), call(), timeout_s=0.05)


def test_a_function_that_nobody_registered_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no function is registered as 'lookup'; registered: find, get"):
        answers(mocks(functional(), functions={"get": str, "find": str}), call())


def test_the_sandbox_tool_runs_the_code_argument_and_reports_what_came() -> None:
    asked: list[ExecutionRequest] = []

    async def execute(request: ExecutionRequest) -> Execution:
        asked.append(request)
        failed = "boom" in request.code
        return Execution(
            outcome="failed" if failed else "ok",
            exit_code=int(failed),
            stdout="42\n",
            stderr="",
            duration_s=0.1,
            backend="wasm",
        )

    tool = Tool(name="python", sequence=(ToolResponse(kind="sandbox", value="python"),))
    tools = mocks(tool, execute=execute)
    good, bad, none = answers(
        tools,
        call("python", {"code": "print(42)"}),
        call("python", {"code": "boom"}),
        call("python", {"x": 1}),
    )
    assert [request.code for request in asked] == ["print(42)", "boom"]
    assert asked[0].files == {"data.csv": "1,2"}
    assert json.loads(good.content) == {"outcome": "ok", "exit_code": 0, "stdout": "42\n", "stderr": ""}
    assert (good.error, bad.error, none.error) == (False, True, True)
    assert "'code' must be a string" in none.content


def test_a_fault_of_the_sandbox_propagates() -> None:
    async def execute(request: ExecutionRequest) -> Execution:
        raise SandboxError("the engine is gone")

    tool = Tool(name="python", sequence=(ToolResponse(kind="sandbox", value="python"),))
    with pytest.raises(SandboxError, match="the engine is gone"):
        answers(mocks(tool, execute=execute), call("python", {"code": "1"}))


def test_parallel_calls_take_the_sequence_in_their_order() -> None:
    tool = Tool(name="get_rate", sequence=tuple(value(str(n)) for n in range(4)))

    async def turn() -> list[str]:
        calls = tuple(ToolCall(id=f"c{n}", name="get_rate", arguments="{}") for n in range(4))
        return [
            f"{a.result.call.id}={a.result.content}" for a in await mocks(tool).answer_all(calls, timeout_s=1)
        ]

    assert asyncio.run(turn()) == ["c0=0", "c1=1", "c2=2", "c3=3"]


@pytest.mark.parametrize(
    ("expected", "given_value", "fits"),
    [
        ({}, {"a": 1}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": None}, {}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_a_rule_fits_when_its_args_are_a_deep_subset(expected: Any, given_value: Any, fits: bool) -> None:
    assert is_subset(expected, given_value) is fits


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_every_value_is_a_subset_of_itself(item: Any) -> None:
    assert is_subset(item, item)


@given(st.text())
def test_whatever_the_arguments_are_there_is_an_answer(arguments: str) -> None:
    (result,) = answers(mocks(Tool(name="get_rate", sequence=(value("ok"),))), call(arguments=arguments))
    assert result.error is (result.content != "ok")
