"""The tools of a document and how their mocks answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_agentbench.loader.document import Document, Path_
from pytest_agentbench.loader.schemas import read_json_file, read_schema, schema_mistakes
from pytest_agentbench.loader.suggest import did_you_mean, shown
from pytest_agentbench.scenario import Json, Tool, ToolResponse, ToolRule

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NO_PARAMETERS: Json = {"type": "object", "properties": {}}


def read_tools(document: Document) -> tuple[Tool, ...]:
    """The tools, in the order in which they stand."""
    if isinstance(document.get("tools"), Mapping):
        return _from_file(document)
    tools: dict[str, Tool] = {}
    for path, value in document.items("tools"):
        name = value["name"]
        if name in tools:
            document.problem((*path, "name"), f"tool '{name}' stands twice")
            continue
        parameters = read_schema(document, (*path, "parameters")) if "parameters" in value else None
        tools[name] = _tool(document, path, value, {**value, "parameters": parameters})
    return tuple(tools.values())


def _from_file(document: Document) -> tuple[Tool, ...]:
    value = document.get("tools")
    where = ("tools", "file")
    try:
        content = read_json_file(document.resolve(value["file"]))
        functions = [_function(item, n) for n, item in enumerate(_list(content))]
    except ValueError as error:
        document.problem(where, f"tools: {error}")
        return ()
    names = [function["name"] for function in functions]
    for function in functions:
        for mistake in schema_mistakes(function.get("parameters") or {}, (function["name"], "parameters")):
            document.problem(where, f"tools: not a JSON Schema in '{value['file']}': {mistake.message}")
    for path, _ in document.items("tools", "mocks"):
        if path[-1] not in names:
            hint = did_you_mean(str(path[-1]), names, otherwise_list=True)
            document.problem(path, f"no tool '{path[-1]}' in '{value['file']}'{hint}", key=True)
    for name in sorted({name for name in names if names.count(name) > 1}):
        document.problem(where, f"tools: '{name}' stands twice in '{value['file']}'")
    return tuple(
        _tool(
            document,
            ("tools", "mocks", function["name"]),
            document.get("tools", "mocks", function["name"], default={}),
            function,
        )
        for function in functions
    )


def _list(content: Json) -> list[Json]:
    if isinstance(content, Mapping) and isinstance(content.get("tools"), list):
        content = content["tools"]
    if not isinstance(content, list):
        message = "the file must be a list of tools in OpenAI's format"
        raise ValueError(message)  # noqa: TRY004 - a mistake in the user's file
    return content


def _function(item: Json, n: int) -> Mapping[str, Json]:
    function = item.get("function") if isinstance(item, Mapping) else None
    if not isinstance(function, Mapping) or item.get("type") != "function":
        raise ValueError(
            f"item {n} is not a tool of OpenAI's format, {{type: function, function: {{name, ...}}}}"
        )
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"item {n} has the name {shown(name)}, it must be of at most 64 letters, digits, '_' and '-'"
        )
    if not isinstance(function.get("parameters", {}), Mapping | type(None)):
        message = f"the parameters of '{name}' must be a JSON Schema"
        raise ValueError(message)  # noqa: TRY004 - a mistake in the user's file
    return function


def _tool(document: Document, path: Path_, mock: Mapping[str, Json], function: Mapping[str, Json]) -> Tool:
    """The tool of ``function`` (OpenAI's keys) with the answers of ``mock``, which stands at ``path``."""
    returns = mock.get("returns")
    if not document.ok(*path):
        mock, returns = {}, None
    if returns is None:
        sequence: list[Json] = []
    else:
        sequence = returns.get("sequence", [returns])
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or _NO_PARAMETERS,
        strict=function.get("strict"),
        rules=tuple(ToolRule(args=rule["args"], response=_response(rule)) for rule in mock.get("when", ())),
        sequence=tuple(_response(item) for item in sequence),
        then=returns.get("then", "last") if returns else "last",
        polling=mock.get("polling", False),
    )


def _response(value: Mapping[str, Json]) -> ToolResponse:
    for kind in ("value", "template", "error", "function", "sandbox"):
        if kind in value:
            return ToolResponse(kind=kind, value=value[kind])
    return ToolResponse(kind="value")
