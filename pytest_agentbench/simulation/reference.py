"""A scenario's reference, or an answer made up from the request, as drafts: one a turn."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

from pytest_agentbench.scenario import Json, Rendering, Scenario, Tool
from pytest_agentbench.simulation.draft import Draft, DraftCall


def drafts_of(reference: Sequence[Mapping[str, Json]]) -> tuple[Draft, ...]:
    """The turns of a rendered reference."""
    return tuple(_draft(turn["assistant"]) for turn in reference)


def made_up(
    body: Mapping[str, Json], scenario: Scenario | None, tools: Sequence[Tool], rng: random.Random
) -> tuple[Draft, ...]:
    """Turns for a request without a reference: a valid tool call where there are tools, then an answer.

    The answer fits the schema that the scenario, else the request has; without one it is prose.
    """
    from pytest_agentbench.simulation.conforming import NotPossibleError, conforming
    from pytest_agentbench.simulation.looping import plain_text

    turns = []
    tool = _chosen(body, tools)
    if tool is not None:
        try:
            args = conforming(tool.parameters, rng)
        except NotPossibleError:
            args = {}
        turns.append(Draft(calls=(DraftCall(name=tool.name, arguments=_text(args)),)))
    schema = schema_of(body, scenario)
    if schema is None:
        turns.append(Draft(content=plain_text(rng)))
    else:
        try:
            turns.append(Draft(content=_text(conforming(schema, rng))))
        except NotPossibleError as problem:
            turns.append(Draft(refusal=f"I cannot fill this schema: {problem}"))
    return tuple(turns)


def schema_of(body: Mapping[str, Json], scenario: Scenario | None) -> Json:
    """The schema of the answer; ``{"type": "object"}`` where any object will do; None for prose."""
    if scenario is not None and scenario.answer_json is not None:
        return scenario.answer_json.schema or {"type": "object"}
    form = body.get("response_format")
    if not isinstance(form, Mapping) or form.get("type") not in {"json_schema", "json_object"}:
        return None
    named = form.get("json_schema")
    schema = named.get("schema") if isinstance(named, Mapping) else None
    return schema if isinstance(schema, Mapping | bool) else {"type": "object"}


def tools_of(body: Mapping[str, Json], rendering: Rendering | None) -> tuple[Tool, ...]:
    """The tools of the scenario, else those that the request lists."""
    if rendering is not None:
        return rendering.tools
    listed = body.get("tools")
    functions = [
        entry["function"]
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("function"), Mapping)
    ]
    return tuple(
        Tool(name=str(function.get("name")), parameters=function.get("parameters") or {"type": "object"})
        for function in functions
    )


def _chosen(body: Mapping[str, Json], tools: Sequence[Tool]) -> Tool | None:
    choice = body.get("tool_choice")
    if not tools or choice == "none":
        return None
    if isinstance(choice, Mapping):
        named = choice.get("function")
        name = named.get("name") if isinstance(named, Mapping) else choice.get("name")
        return next((tool for tool in tools if tool.name == name), tools[0])
    return tools[0]


def _draft(turn: Json) -> Draft:
    if not isinstance(turn, dict):  # a lone expression keeps its type: {{ 4 }} is a number
        return Draft(content=_text(turn))
    calls = turn.get("tool_calls", ())
    return Draft(
        content=turn.get("text"),
        calls=tuple(DraftCall(name=call["name"], arguments=_text(call.get("args", {}))) for call in calls),
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
