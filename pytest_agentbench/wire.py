"""Our data to builtins and back: the form on the sockets, on pytest reports and on disk.

``to_wire`` makes dicts, lists, strings, numbers and None out of our dataclasses; ``from_wire``
makes the dataclass again from its type. The classes name their field types, so nothing but the
type is needed: no class names travel, and no code is ever loaded from data.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

T = TypeVar("T")

_ATOMS = (str, int, float, bool, type(None))


def to_wire(value: Any) -> Any:
    """Builtins for ``value``; shares nothing mutable of our own classes.

    Raises:
        TypeError: for anything that is neither one of our dataclasses nor JSON-like.
    """
    if isinstance(value, _ATOMS):
        return value
    if isinstance(value, Mapping):
        return {key: to_wire(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_wire(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_wire(getattr(value, name)) for name in _field_names(type(value))}
    raise TypeError(f"cannot put a {type(value).__name__} on the wire")


def from_wire(cls: type[T], data: Any) -> T:
    """An instance of the dataclass ``cls`` from what ``to_wire`` made of one.

    Fields missing in ``data`` take their defaults, so files of older versions stay readable;
    unknown keys are ignored for the same reason.
    """
    result: T = _converter(cast("Hashable", cls))(data)
    return result


@functools.cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _converter(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        converters = {name: _converter(hints[name]) for name in _field_names(hint)}

        def build(data: Any) -> Any:
            return hint(**{key: converters[key](item) for key, item in data.items() if key in converters})

        return build
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        structured = [_converter(option) for option in options if _is_structured(option)]
        if len(structured) == 1:
            convert = structured[0]
            return lambda data: convert(data) if isinstance(data, (dict, list)) else data
        return lambda data: data
    if origin is tuple:
        args = get_args(hint)
        item = _converter(args[0])
        return lambda data: tuple(item(element) for element in data)
    if origin is frozenset:
        return frozenset
    if origin is Literal or hint is Any:
        return lambda data: data
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = _converter(get_args(hint)[1])
        return lambda data: {key: item(element) for key, element in data.items()}
    return lambda data: data


def _is_structured(hint: Any) -> bool:
    origin = get_origin(hint)
    return (
        dataclasses.is_dataclass(hint)
        or origin in (tuple, frozenset)
        or (isinstance(origin, type) and issubclass(origin, Mapping))
    )
