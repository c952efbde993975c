"""The Jinja2 environment of the templates. Import this module only when a template is compiled."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Generator, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from pytest_agentbench.expand.bounds import (
    Ranges,
    check_bits,
    check_method,
    check_product,
    check_size,
    check_width,
    guarded,
)
from pytest_agentbench.expand.templates import TemplateError
from pytest_agentbench.loader.suggest import did_you_mean
from pytest_agentbench.scenario import Json

_REFUSED: Final = {
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.Extends: "{% extends %}",
    nodes.Block: "{% block %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.EvalContextModifier: "{% autoescape %}",
}
_ATOMS = frozenset({str, int, float, bool, type(None)})
_VIEWS = (Iterator, Generator, range, KeysView, ValuesView, ItemsView)


class Inserted(str):
    """Text that came out of an expression: the transforms of variants leave it alone.

    ``json`` is the value when the expression ended in ``| tojson``.
    """

    __slots__ = ("is_json", "json")
    json: Json
    is_json: bool

    def __str__(self) -> str:
        return self


class JsonText(str):
    """What ``tojson`` gives: text that still knows its value."""

    __slots__ = ("value",)
    value: Json


class Compiled:
    """One compiled template; ``names`` are those that it takes from outside."""

    __slots__ = ("_expression", "_is_ranged", "_template", "names")

    def __init__(self, template: jinja2.Template, *, is_expression: bool, names: frozenset[str]) -> None:
        self._template = template
        self._expression = is_expression
        self._is_ranged = "range" in names
        self.names = names - _environment().globals.keys()

    def parts(self, values: Mapping[str, Json]) -> list[str]:
        """The rendered text in pieces; those that came from expressions are :class:`Inserted`."""
        if self._expression:
            return [_finalize(self._result(values))]
        template = self._template
        pieces: list[str] = []
        length = 0
        try:
            for piece in template.root_render_func(template.new_context(self._names(values))):
                length += len(piece)
                check_size(length)
                pieces.append(piece)
        except Exception as error:  # noqa: BLE001 - whatever a template of the user does
            raise _explained(error, values) from None
        return pieces

    def text(self, values: Mapping[str, Json]) -> str:
        """The rendered text."""
        return "".join(self.parts(values))

    def value(self, values: Mapping[str, Json]) -> Json:
        """The value of the one expression with its type, else the rendered text."""
        if not self._expression:
            return self.text(values)
        result = self._result(values)
        return result if type(result) in _ATOMS and type(result) is not float else _json(result)

    def _result(self, values: Mapping[str, Json]) -> Any:
        context = self._template.new_context(self._names(values))
        try:
            for _ in self._template.root_render_func(context):
                pass
            result = context.vars["result"]
            if isinstance(result, jinja2.Undefined):
                str(result)  # raises
        except Exception as error:  # noqa: BLE001 - whatever a template of the user does
            raise _explained(error, values) from None
        return result

    def _names(self, values: Mapping[str, Json]) -> dict[str, Any]:
        return {"range": Ranges(), **values} if self._is_ranged else dict(values)


def compile_template(source: str) -> Compiled:
    """See :func:`pytest_agentbench.expand.templates.compiled`."""
    environment = _environment()
    try:
        tree = environment.parse(source)
        _refuse(tree)
        names = frozenset(meta.find_undeclared_variables(tree)) - _tested(tree)
        tree = _Bounded().visit(tree)
        expression = _one_expression(tree)
        if expression is not None:
            assign = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
            tree = nodes.Template([assign], lineno=1)
            tree.set_environment(environment)
        template = environment.from_string(tree)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"template syntax: {(error.message or '').rstrip('.')}", error.lineno) from None
    except RecursionError:
        raise TemplateError("template syntax: nested too deeply") from None
    except TemplateError:
        raise
    except Exception as error:  # noqa: BLE001 - the compiler evaluates constants
        raise TemplateError(f"template: {error}") from None
    return Compiled(template, is_expression=expression is not None, names=names)


def _refuse(tree: nodes.Template) -> None:
    for refused in tree.find_all(tuple(_REFUSED)):
        raise TemplateError(f"{_REFUSED[type(refused)]} is not allowed in a template", refused.lineno)
    for const in tree.find_all(nodes.Const):
        if isinstance(const.value, float) and not math.isfinite(const.value):
            raise TemplateError("a number in the template is too large", const.lineno)


def _one_expression(tree: nodes.Template) -> nodes.Expr | None:
    match tree.body:
        case [nodes.Output(nodes=[expression])] if not isinstance(expression, nodes.TemplateData):
            return expression
    return None


def _tested(tree: nodes.Template) -> frozenset[str]:
    return frozenset(
        test.node.name
        for test in tree.find_all(nodes.Test)
        if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name)
    )


class _Bounded(NodeTransformer):
    """``a ~ b`` cannot be intercepted, a filter can."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        items = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(items, "join", [], [], None, None, lineno=node.lineno)


class _Missing(jinja2.StrictUndefined):
    """Says which keys there are."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        owner: Any = self._undefined_obj
        name: Any = self._undefined_name
        if isinstance(owner, Mapping):
            return f"there is no '{name}' here{did_you_mean(str(name), map(str, owner), otherwise_list=True)}"
        if isinstance(owner, list) and isinstance(name, int):
            return f"there is no item {name} in a list of {len(owner)}"
        message: str = super()._undefined_message
        return message


class _Environment(ImmutableSandboxedEnvironment):
    """Item before method (``order.items`` is the key of the data), and nothing that explodes."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            check_size(len(left) + len(right))
        elif operator == "*":
            check_product(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            check_bits(left.bit_length() * abs(right))
        elif operator == "%" and isinstance(left, str):
            check_width(left)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            check_method(owner, obj.__name__, (*args, *kwargs.values()))
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text = value.__self__
        original: Callable[..., str] = wrapped

        def guarded(*args: Any, **kwargs: Any) -> str:
            check_method(text, "format", (*args, *kwargs.values()))
            return original(*args, **kwargs)

        return guarded


@functools.cache
def _environment() -> _Environment:
    environment = _Environment(
        undefined=_Missing, autoescape=False, keep_trailing_newline=True, finalize=_finalize, cache_size=0
    )
    environment.globals.pop("lipsum")  # random
    environment.globals["range"] = Ranges()
    filters = environment.filters
    filters.pop("random")
    for name in ("center", "indent", "wordwrap", "format", "replace", "join", "truncate"):
        filters[name] = guarded(name, filters[name])
    filters["tojson"] = _tojson
    return environment


def _tojson(value: Any, indent: int | None = None) -> JsonText:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises
    data = _json(value)
    text = JsonText(json.dumps(data, ensure_ascii=False, indent=indent))
    text.value = data
    return text


def _finalize(value: Any) -> str:
    if isinstance(value, _VIEWS) and not isinstance(value, range):
        raise TemplateError("an expression gives an iterator: add '| list' or '| join(\", \")'")
    if type(value) not in _ATOMS and not isinstance(value, jinja2.Undefined):
        if isinstance(value, JsonText):
            return _inserted(str.__str__(value), value.value, is_json=True)
        value = str(value) if isinstance(value, str) else _json(value)
    return _inserted(str(value))


def _inserted(text: str, value: Json = None, *, is_json: bool = False) -> Inserted:
    inserted = Inserted(text)
    inserted.json, inserted.is_json = value, is_json
    return inserted


def _json(value: Any) -> Json:
    """``value`` as plain JSON data, always a copy."""
    if isinstance(value, bool | int | type(None)):
        return value
    if isinstance(value, str):
        return str.__str__(value) if type(value) is not str else value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise TemplateError(f"the expression gives {value}, which is not a number of JSON")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TemplateError(f"the expression gives a mapping with the key {key!r}, which is not text")
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, *_VIEWS)):
        return [_json(item) for item in value]
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises
    raise TemplateError(f"the expression gives a {type(value).__name__}, which is not data")


_UNDEFINED = re.compile(r"'(.+)' is undefined")


def _explained(error: Exception, values: Mapping[str, Json]) -> TemplateError:
    if isinstance(error, TemplateError):
        return error
    if isinstance(error, jinja2.UndefinedError):
        message = str(error.message)
        if match := _UNDEFINED.fullmatch(message):
            hint = did_you_mean(match[1], values, otherwise_list=True) or ", the scenario has no data"
            return TemplateError(f"'{match[1]}' is undefined{hint}")
        return TemplateError(message)
    if isinstance(error, RecursionError):
        return TemplateError("the template recurses without end")
    return TemplateError(f"{error}" or type(error).__name__)
