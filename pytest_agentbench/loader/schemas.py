"""JSON Schemas of answers and tools: file references inlined, checked, never from the network."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from pytest_agentbench.loader.data import shown_path
from pytest_agentbench.loader.document import Document, Path_, dotted
from pytest_agentbench.loader.explain import Finding, explain
from pytest_agentbench.loader.keywords import silent_mistakes
from pytest_agentbench.loader.records import parse_json
from pytest_agentbench.loader.yaml_core import parse
from pytest_agentbench.scenario import Json

_ONE = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class SchemaProblem(ValueError):  # noqa: N818 - it is a mistake in a file, reported as a Problem
    """A schema cannot be used; ``path`` is the place in the document that holds it."""

    def __init__(self, message: str, path: Path_ = ()) -> None:
        super().__init__(message)
        self.path = path


def read_schema(document: Document, path: Path_) -> Json:
    """The schema at ``path`` (inline, or the name of a file), self-contained; None after a problem."""
    value = document.get(*path)
    try:
        if isinstance(value, str):
            file = document.resolve(value)
            resolver = _Resolver(document, file.parent, _load(file), file)
        else:
            resolver = _Resolver(document, document.folder, value, None)
        schema = resolver.self_contained()
    except SchemaProblem as problem:
        document.problem((*path, *problem.path), f"{dotted(path)}: {problem}")
    except RecursionError:
        document.problem(path, f"{dotted(path)}: nested too deeply")
    except ValueError as error:
        document.problem(path, f"{dotted(path)}: {error}")
    else:
        found = schema_mistakes(schema, path)
        for finding in found:
            document.problem(
                finding.path,
                f"not a JSON Schema: {finding.message}",
                key=finding.kind not in {"value", "type"},
            )
        return None if found else schema
    return None


def schema_mistakes(schema: Json, path: Path_ = ()) -> list[Finding]:
    """Where ``schema``, which stands at ``path``, is no JSON Schema of draft 2020-12."""
    if _is_schema(json.dumps(schema)):
        return list(silent_mistakes(subschemas(schema, path), path))
    return list(explain(_of_schemas().iter_errors(schema), path))


@functools.lru_cache(maxsize=256)
def _is_schema(text: str) -> bool:
    return _of_schemas().is_valid(json.loads(text))


@functools.cache
def _of_schemas() -> Draft202012Validator:
    meta = Draft202012Validator.META_SCHEMA
    return Draft202012Validator(meta, format_checker=Draft202012Validator.FORMAT_CHECKER)


def read_json_file(file: Path) -> Json:
    """The JSON or YAML of ``file``.

    Raises:
        ValueError: it is neither; the text names line and column.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
        if file.suffix.lower() not in {".yaml", ".yml"}:
            return parse_json(text)
    except (ValueError, OSError) as error:
        raise ValueError(f"'{file.name}' is not JSON: {error}") from None
    nodes, problems = parse(text, file.name)
    if problems:
        raise ValueError(str(problems[0]))
    if len(nodes) != 1:
        raise ValueError(f"'{file.name}' must hold one document, it has {len(nodes)}")
    return nodes[0].value


def _load(file: Path) -> Json:
    schema = read_json_file(file)
    if not isinstance(schema, Mapping | bool):
        message = f"'{file.name}' is not a JSON Schema: it must be a mapping"
        raise ValueError(message)  # noqa: TRY004 - a mistake in the user's file
    return schema


def subschemas(schema: Json, path: Path_ = ()) -> Iterator[tuple[Path_, Mapping[str, Json]]]:
    """Every schema within ``schema``, itself included; never data such as ``const`` or ``enum``."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, Mapping):
            for name, item in value.items():
                yield from subschemas(item, (*path, key, name))
        elif key in _LISTS and isinstance(value, list):
            for n, item in enumerate(value):
                yield from subschemas(item, (*path, key, n))
        elif key in _ONE:
            yield from subschemas(value, (*path, key))


class _Resolver:
    """Brings every file that a schema refers to under its ``$defs``."""

    def __init__(self, document: Document, folder: Path, schema: Json, file: Path | None) -> None:
        self.document = document
        self.folder = folder
        self.schema = schema
        self.file = file
        self.names: dict[Path, str] = {}
        self.loaded: dict[Path, Json] = {}
        if file is not None:
            self.loaded[file] = schema

    def self_contained(self) -> Json:
        result = self.rewritten(self.schema, self.file, ())
        if not self.names:
            return result
        defs = dict(result.get("$defs", {}))
        done: set[Path] = set()
        while waiting := [file for file in self.names if file not in done]:
            for file in waiting:
                done.add(file)
                defs[self.names[file]] = self.rewritten(self.loaded[file], file, ("$defs", self.names[file]))
        return {**result, "$defs": defs}

    def rewritten(self, schema: Json, file: Path | None, base: Path_) -> Json:
        """A copy of a whole file's ``schema``, to stand at ``base``, with all its references rewritten."""
        targets: dict[int, str] = {}
        for path, part in subschemas(schema):
            where = path if file is None else ()
            self.check_draft(part, where, is_top=not path)
            for key in ("$ref", "$dynamicRef"):
                if key in part:
                    targets[id(part)] = self.target(
                        part[key], schema, file, (*where, key) if file is None else ()
                    )
        result = _copy(schema, targets)
        if isinstance(result, dict):
            result.pop("$id", None)
            result.pop("$schema", None)
            self.check_loops(schema, file)
        elif base:
            return result
        return result

    def check_draft(self, part: Mapping[str, Json], where: Path_, *, is_top: bool) -> None:
        draft = part.get("$schema")
        if isinstance(draft, str) and draft.rstrip("#") != _DRAFT:
            raise SchemaProblem(
                f"$schema '{draft}' is not draft 2020-12: set it to {_DRAFT}", _below(where, "$schema")
            )
        if "$id" in part and not is_top:
            raise SchemaProblem(
                "an $id inside a schema moves its references: remove it", _below(where, "$id")
            )

    def target(self, reference: Json, schema: Json, file: Path | None, where: Path_) -> str:
        if not isinstance(reference, str):
            raise SchemaProblem(f"$ref must be text, got {reference!r}", where)
        name, _, fragment = reference.partition("#")
        if not name:
            pointer = self.pointer(schema, fragment, reference, where)
            return "#" + self.prefix(file) + pointer
        folder = self.folder if file is None else file.parent
        try:
            found = self.document.resolve(unquote(name), folder)
            if found not in self.loaded:
                self.loaded[found] = _load(found)
        except ValueError as error:
            raise SchemaProblem(f"$ref {error}", where) from None
        if found != self.file and found not in self.names:
            self.names[found] = self.free_name(found)
        pointer = self.pointer(self.loaded[found], fragment, reference, where)
        return "#" + self.prefix(found) + pointer

    def prefix(self, file: Path | None) -> str:
        return "" if file == self.file or file is None else f"/$defs/{_escaped(self.names[file])}"

    def free_name(self, file: Path) -> str:
        taken = set(self.names.values())
        if isinstance(self.schema, Mapping):
            taken |= set(self.schema.get("$defs", {}))
        name = wanted = shown_path(file, self.document.root.resolve())
        n = 2
        while name in taken:
            name, n = f"{wanted}~{n}", n + 1
        return name

    def pointer(self, schema: Json, fragment: str, reference: str, where: Path_) -> str:
        if fragment and not fragment.startswith("/"):
            for path, part in subschemas(schema):
                if fragment in {part.get("$anchor"), part.get("$dynamicAnchor")}:
                    return "".join(f"/{_escaped(str(step))}" for step in path)
            raise SchemaProblem(f"$ref '{reference}' points to an $anchor that is not there", where)
        value = schema
        for step in fragment.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise SchemaProblem(f"$ref '{reference}' points to nothing", where)
        return fragment

    def check_loops(self, schema: Json, file: Path | None) -> None:
        """A ``$ref`` that leads to itself without going down into the value never ends."""
        for path, part in subschemas(schema):
            seen: list[int] = []
            step: Json = part
            while (
                isinstance(step, Mapping)
                and isinstance(step.get("$ref"), str)
                and step["$ref"].startswith("#")
            ):
                if id(step) in seen:
                    where = _below(path, "$ref") if file is None else ()
                    raise SchemaProblem(f"$ref '{part['$ref']}' leads back to itself", where)
                seen.append(id(step))
                pointer = self.pointer(schema, step["$ref"][1:], step["$ref"], ())
                step = _at(schema, pointer)


def _at(schema: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        schema = schema[int(key)] if isinstance(schema, list) else schema[key]
    return schema


def _below(path: Path_, key: str) -> Path_:
    return (*path, key)


def _escaped(name: str) -> str:
    return re.sub(
        "[%#]", lambda match: f"%{ord(match.group()):02X}", name.replace("~", "~0").replace("/", "~1")
    )


def _copy(value: Json, targets: Mapping[int, str]) -> Json:
    if isinstance(value, Mapping):
        result = {key: _copy(item, targets) for key, item in value.items()}
        if id(value) in targets:
            for key in ("$ref", "$dynamicRef"):
                if key in result:
                    result[key] = targets[id(value)]
        return result
    return [_copy(item, targets) for item in value] if isinstance(value, list) else value
