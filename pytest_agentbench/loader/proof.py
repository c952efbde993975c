"""Every template of a scenario rendered once per row, at load time, and the digest of the result."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from pytest_agentbench.expand import TemplateError, render, render_messages, render_value
from pytest_agentbench.expand.templates import is_template, names_in
from pytest_agentbench.loader.build import CheckParameters
from pytest_agentbench.loader.data import Rows
from pytest_agentbench.loader.document import Document, Path_
from pytest_agentbench.loader.explain import explain
from pytest_agentbench.loader.structure import note, scenario_schema
from pytest_agentbench.loader.suggest import did_you_mean
from pytest_agentbench.scenario import Json, Scenario, Variant

_OF_TOOLS = {"args", "n"}
"""What a tool's templates may use beside the names of the row."""


class UnchangedError(Exception):
    """A transform changes no message of any row; the text is the id of the variant."""


def digest_of(scenario: Scenario) -> str:
    """SHA-256 over what the scenario asks: prompts, data, tools, checks, answer, sandbox backend.

    Raises:
        TemplateError: a template fails for some row. ``reference`` and ``files`` are rendered too.
        UnchangedError: a transform changes no message.
        UnicodeEncodeError: a rendered text holds half of a surrogate pair.
    """
    digest = hashlib.sha256()

    def feed(value: Json) -> None:
        digest.update(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())
        digest.update(b"\n")

    base, *others = scenario.variants
    unchanged = {variant.id for variant in others if variant.transform is not None}
    for row, values in enumerate(scenario.rows):
        rendering = render(scenario, base, row)
        expect = rendering.answer_json.expect if rendering.answer_json else None
        feed([values, rendering.messages, rendering.then, expect, rendering.files])
        feed([[check.name, check.params] for check in rendering.checks])
        for variant in others:
            messages = render_messages(scenario, variant, row)
            feed(messages)
            if messages != rendering.messages:
                unchanged.discard(variant.id)
    for variant in others:
        if variant.id in unchanged:
            raise UnchangedError(variant.id)
    answer = scenario.answer_json
    feed([answer.schema, answer.request, answer.accept] if answer else None)
    feed([variant.id for variant in scenario.variants])
    for tool in scenario.tools:
        responses = [[response.kind, response.value] for response in tool.sequence]
        rules = [[rule.args, rule.response.kind, rule.response.value] for rule in tool.rules]
        feed([tool.name, tool.description, tool.parameters, tool.strict, rules, responses, tool.then])
    feed([scenario.sandbox.backend, scenario.row_keys])
    return digest.hexdigest()


def prove(
    document: Document, scenario: Scenario | None, rows: Rows | None, check: CheckParameters | None
) -> str:
    """The digest of ``scenario``; notes every template that fails and every wrong parameter of a check."""
    digest = ""
    if scenario is not None and not document.problems:
        try:
            digest = digest_of(scenario)
        except TemplateError:
            pass
        except UnchangedError as error:
            _unchanged(document, scenario, str(error))
        except UnicodeEncodeError:
            document.problem((), "a rendered text holds half of a surrogate pair, which is no character")
    if not digest and rows is not None:
        _find_faults(document, rows[0])
    if rows is not None:
        _check_tool_templates(document, set.intersection(*map(set, rows[0])))
        if check is not None:
            _check_parameters(document, rows[0], check)
    return digest


def _unchanged(document: Document, scenario: Scenario, variant_id: str) -> None:
    variants = [variant for variant in scenario.variants if variant.variant_class != "base"]
    for n, variant in enumerate(variants):
        if variant.id == variant_id:
            document.problem(
                ("variants", n, "transform"),
                f"transform '{variant.transform}' changes nothing in this prompt: it would measure nothing"
                f"{_advice(variant)}",
            )


def _advice(variant: Variant) -> str:
    needs = {
        "bullets": "needs lines that begin with '- '",
        "casing": "needs sentences that begin with a capital",
        "casing_labels": "needs lines that begin with a label like 'Buyer:'",
        "json_indent": "needs a value inserted by '| tojson'",
        "order": "needs several lines that begin with '- ', or with a label like 'Buyer: '",
        "separator": "needs labels like 'Buyer: '",
        "separator_newline": "needs labels like 'Buyer: ' before a value",
        "typos": "needs words of four letters or more, outside code and JSON",
        "whitespace": "needs line breaks",
    }
    found = needs.get(variant.transform or "")
    return f" ({found})" if found else ""


def _find_faults(document: Document, rows: Sequence[Mapping[str, Json]]) -> None:
    """Renders string by string to tell where the fault is."""
    for path, text in _templates(document):
        _first_fault(document, path, functools.partial(render_value, text), rows)


def _first_fault(
    document: Document,
    path: Path_,
    rendered: Callable[[Mapping[str, Json]], Any],
    rows: Sequence[Mapping[str, Json]],
) -> None:
    failed: list[int] = []
    message = ""
    for number, row in enumerate(rows):
        try:
            rendered(row)
        except TemplateError as error:
            failed.append(number)
            message = message or str(error)
    if failed:
        some = "" if len(failed) == len(rows) else f" (row {failed[0]}{_and_others(len(failed) - 1)})"
        document.problem(path, f"{message}{some}")


def _and_others(n: int) -> str:
    return f" and {n} more" if n else ""


def _templates(document: Document) -> Iterator[tuple[Path_, str]]:
    sections: list[Path_] = [("prompt",), ("answer", "json", "expect"), ("sandbox", "files"), ("reference",)]
    sections += [("answer", name) for name in ("text", "tool_calls", "code")]
    for section in sections:
        if document.present(*section):
            yield from _strings(document, section)
    for path, variant in document.items("variants"):
        for key in ("system", "user", "messages"):
            if key in variant:
                yield from _strings(document, (*path, key))
    for path, _ in document.items("checks"):
        yield from _strings(document, path)


def _strings(document: Document, path: Path_) -> Iterator[tuple[Path_, str]]:
    """The strings with templates at and below ``path``."""
    if not document.readable(*path):
        return
    value = document.node.find(path).value
    if isinstance(value, str):
        if is_template(value) and path[-1] != "image":
            yield path, value
    elif isinstance(value, dict | list):
        for step in value if isinstance(value, dict) else range(len(value)):
            yield from _strings(document, (*path, step))


def _check_tool_templates(document: Document, names: set[str]) -> None:
    """Tools are rendered per call, with its arguments: here only the names in them are checked.

    ``names`` are those that every row has; what a call must hold (``when``) cannot use the call.
    """
    below: list[Path_] = [path for path, _ in document.items("tools")]
    if isinstance(document.get("tools"), Mapping):
        below = [path for path, _ in document.items("tools", "mocks")]
    for tool in below:
        for key in ("when", "returns"):
            if not document.has(*tool, key):
                continue
            for path, text in _strings(document, (*tool, key)):
                is_condition = "args" in path[len(tool) :]
                _check_names(document, path, text, names if is_condition else names | _OF_TOOLS)


def _check_names(document: Document, path: Path_, text: str, known: set[str]) -> None:
    try:
        unknown = sorted(names_in(text) - known)
    except TemplateError as error:
        document.problem(path, str(error))
        return
    if unknown:
        hint = did_you_mean(unknown[0], known, otherwise_list=True)
        document.problem(path, f"'{unknown[0]}' is undefined{hint}")


def _check_parameters(document: Document, rows: Sequence[Mapping[str, Json]], check: CheckParameters) -> None:
    """The parameters of every check, rendered for the first row, against the schema of the check."""
    checks: list[tuple[Path_, str]] = [
        (("answer", name), name) for name in ("text", "tool_calls", "code") if document.has("answer", name)
    ]
    for path, value in document.items("checks"):
        name = next(iter(value))
        if document.ok(*path, name):
            checks.append(((*path, name), name))
    schemas = [(path, check(name)) for path, name in checks]
    if document.has("answer", "json", "expect"):
        expected = scenario_schema()["$defs"]["expected"]
        schemas.append((("answer", "json", "expect"), {**expected, "$defs": {"expected": expected}}))
    for path, schema in schemas:
        if schema is None:
            continue
        try:
            params = render_value(document.node.find(path).value, rows[0])
        except TemplateError:
            continue
        for finding in explain(_validator_of(json.dumps(schema)).iter_errors(params), path):
            note(document, finding)


@functools.lru_cache(maxsize=64)
def _validator_of(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)
