"""Templates: Jinja2 in an immutable sandbox, undefined names are errors, types are kept.

Nothing here imports Jinja2 until a string really holds a template.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.scenario import Json

if TYPE_CHECKING:
    from pytest_agentbench.expand.jinja import Compiled

_MARKS = ("{{", "{%", "{#")


class TemplateError(AgentbenchError):
    """A template cannot be compiled or rendered.

    Attributes:
        message: One line for a person.
        line: Line within the template (from 1) of a syntax error, else None.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line in {None, 1} else f"{message} (line {line} of the template)")
        self.message = message
        self.line = line


def is_template(text: str) -> bool:
    """Whether ``text`` has to be rendered: it holds ``{{``, ``{%`` or ``{#``."""
    return any(mark in text for mark in _MARKS)


@functools.lru_cache(maxsize=8192)
def compiled(source: str) -> Compiled:
    """The compiled template.

    Raises:
        TemplateError: a syntax error, or a statement that is not allowed.
    """
    from pytest_agentbench.expand.jinja import compile_template

    return compile_template(source)


def render_text(source: str, values: Mapping[str, Json]) -> str:
    """``source`` rendered as text.

    Raises:
        TemplateError: see :class:`TemplateError`.
    """
    return compiled(source).text(values) if is_template(source) else source


def render_value(template: Json, values: Mapping[str, Json]) -> Json:
    """``template`` with every string in it rendered; keys of mappings are left as they are.

    A string that is exactly one ``{{ expression }}`` becomes the value of the expression with its
    type; any other stays text. What was inserted is never rendered again.

    Raises:
        TemplateError: see :class:`TemplateError`.
    """
    if isinstance(template, str):
        return compiled(template).value(values) if is_template(template) else template
    if isinstance(template, Mapping):
        return {key: render_value(item, values) for key, item in template.items()}
    if isinstance(template, list | tuple):
        return [render_value(item, values) for item in template]
    return template


def names_in(template: Json) -> frozenset[str]:
    """The names that the strings of ``template`` take from outside.

    Those tested with ``is defined`` are left out.

    Raises:
        TemplateError: a syntax error.
    """
    if isinstance(template, str):
        return compiled(template).names if is_template(template) else frozenset()
    if isinstance(template, Mapping):
        return frozenset().union(*(names_in(item) for item in template.values()))
    if isinstance(template, list | tuple):
        return frozenset().union(*(names_in(item) for item in template))
    return frozenset()
