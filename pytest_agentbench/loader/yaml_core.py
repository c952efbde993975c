"""Text to data by the core schema of YAML 1.2, with the position of every key and value.

PyYAML's C parser gives the events; its resolvers, which are those of YAML 1.1 (``NO`` false, ``on``
true, ``0777`` 511, ``2026-01-01`` a date), are not used. Only what JSON can hold is let through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from yaml import YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from pytest_agentbench.errors import Location, Problem
from pytest_agentbench.loader.suggest import shown
from pytest_agentbench.loader.yaml_messages import syntax_problem, unquoted_template
from pytest_agentbench.scenario import Json

MAX_DEPTH = 100
"""Levels of nesting: far above any scenario, far below Python's limit of recursion."""
MAX_ALIASED_NODES = 20_000
"""Nodes that aliases may add to a file: nine lines of ``[*a,*a,...]`` make a billion."""

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)
_CONSTANTS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NUMBER = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Node:
    """A value with its place: ``line`` and ``col`` count from 1.

    ``children`` are the nodes of a mapping by key, or of a list by index; ``keys`` the places of
    the keys. ``n_nodes`` counts this node and all below it, aliases expanded, ``height`` the levels
    below it. A ``broken`` node has a problem already noted, and None for its value.
    """

    __slots__ = ("broken", "children", "col", "height", "keys", "line", "n_nodes", "value")

    def __init__(self, value: Json, line: int, col: int) -> None:
        self.value = value
        self.line = line
        self.col = col
        self.children: dict[str, Node] | list[Node] | None = None
        self.keys: dict[str, tuple[int, int]] = {}
        self.n_nodes = 1
        self.height = 0
        self.broken = False

    def find(self, path: Sequence[str | int]) -> Node:
        """The node at ``path``, or the deepest one above it that there is."""
        node = self
        for step in path:
            child = node.child(step)
            if child is None:
                break
            node = child
        return node

    def child(self, step: str | int) -> Node | None:
        """The node of a key or an index; None where there is none."""
        children = self.children
        if isinstance(children, dict):
            return children.get(step) if isinstance(step, str) else None
        if children and isinstance(step, int) and 0 <= step < len(children):
            return children[step]
        return None

    def place(self, path: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at ``path``, with ``key`` those of its key."""
        if key and path and isinstance(path[-1], str):
            found = self.find(path[:-1]).keys.get(path[-1])
            if found is not None:
                return found
        node = self.find(path)
        return node.line, node.col


def parse(text: str, file: str) -> tuple[list[Node], list[Problem]]:
    """The documents of ``text`` and every problem found; a document after a syntax error is lost.

    Empty documents are left out. Raises nothing for any text.
    """
    return _Parser(text, file).documents()


class _StopError(Exception):
    """The rest of the file cannot be read; the problem is already noted."""


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}
        self.n_aliased = 0
        self.next: Callable[[], Any]

    def documents(self) -> tuple[list[Node], list[Problem]]:
        nodes: list[Node] = []
        try:
            self.next = CParser(self.text).get_event
            while type(event := self.next()) is not StreamEndEvent:
                if type(event) is DocumentStartEvent:
                    self.anchors = {}
                    node = self.node(self.next(), 0)
                    if node.value is not None:
                        nodes.append(node)
        except _StopError:
            pass
        except (YAMLError, UnicodeEncodeError) as error:
            problem = syntax_problem(error, self.text, self.file)
            same = [other for other in self.problems if other.location.line == problem.location.line]
            if problem.location in [other.location for other in same]:
                self.problems.remove(same[-1])  # an unquoted {{, now with the text behind it
                same = []
            if not same:
                self.problems.append(problem)
        return nodes, self.problems

    def problem(self, line: int, col: int, message: str) -> None:
        self.problems.append(Problem(location=Location(file=self.file, line=line, col=col), message=message))

    def node(self, event: Any, depth: int) -> Node:
        mark = event.start_mark
        line, col = mark.line + 1, mark.column + 1
        if type(event) is AliasEvent:
            return self.alias(str(event.anchor), line, col, depth)
        self.check_depth(depth, line, col)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node = Node(None, line, col)
        tag = event.tag
        if tag is not None and tag not in _CORE_TAGS and tag != "!":
            self.problem(
                line, col, f"tag {_short(tag)} is not allowed, only what JSON can hold: remove the tag"
            )
            tag = None
        if type(event) is ScalarEvent:
            n_problems = len(self.problems)
            node.value = self.scalar(event, tag, line, col)
            node.broken = len(self.problems) > n_problems
        elif type(event) is MappingStartEvent:
            self.mapping(node, depth, mark.index)
        else:
            self.sequence(node, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def sequence(self, node: Node, depth: int) -> None:
        children: list[Node] = []
        while type(event := self.next()) is not SequenceEndEvent:
            child = self.node(event, depth + 1)
            children.append(child)
            node.n_nodes += child.n_nodes
            node.height = max(node.height, child.height + 1)
        node.children = children
        node.value = [child.value for child in children]

    def mapping(self, node: Node, depth: int, index: int) -> None:
        children: dict[str, Node] = {}
        value: dict[str, Json] = {}
        is_template = False
        while type(event := self.next()) is not MappingEndEvent:
            place = event.start_mark.index
            key = self.node(event, depth + 1)
            child = self.node(self.next(), depth + 1)
            node.n_nodes += key.n_nodes + child.n_nodes
            node.height = max(node.height, key.height + 1, child.height + 1)
            if type(event) is MappingStartEvent and place == index + 1 and self.text.startswith("{{", index):
                is_template = True
            elif is_template or (name := self.key(key, node)) is None:
                continue
            else:
                node.keys[name] = (key.line, key.col)
                children[name] = child
                value[name] = child.value
        if is_template:
            node.broken = True
            self.problem(node.line, node.col, unquoted_template(self.text, index))
            return
        node.children = children
        node.value = value

    def key(self, key: Node, mapping: Node) -> str | None:
        if key.broken:
            return None
        name = key.value
        if not isinstance(name, str):
            what = "a mapping or list" if isinstance(name, dict | list) else shown(name)
            quoted = "" if isinstance(name, dict | list) else f', write "{shown(name)}" in quotes'
            self.problem(key.line, key.col, f"a key must be text, got {what}{quoted}")
            return None
        if name in mapping.keys:
            first = mapping.keys[name][0]
            self.problem(key.line, key.col, f"duplicate key '{name}', it stands already in line {first}")
            return None
        if name == "<<":
            self.problem(key.line, key.col, "merge key '<<' is not in YAML 1.2: write the keys out")
            return None
        return name

    def alias(self, anchor: str, line: int, col: int, depth: int) -> Node:
        if anchor not in self.anchors:
            self.problem(line, col, f"alias *{anchor} has no anchor &{anchor} before it in this document")
            return self.broken(line, col)
        target = self.anchors[anchor]
        if target is None:
            self.problem(line, col, f"alias *{anchor} stands inside its own anchor &{anchor}")
            return self.broken(line, col)
        self.n_aliased += target.n_nodes
        if self.n_aliased > MAX_ALIASED_NODES:
            self.problem(
                line, col, f"aliases expand to more than {MAX_ALIASED_NODES} values (alias *{anchor})"
            )
            raise _StopError
        self.check_depth(depth + target.height, line, col)
        return target

    def broken(self, line: int, col: int) -> Node:
        node = Node(None, line, col)
        node.broken = True
        return node

    def check_depth(self, depth: int, line: int, col: int) -> None:
        if depth > MAX_DEPTH:
            self.problem(line, col, f"nested more than {MAX_DEPTH} levels deep")
            raise _StopError

    def scalar(self, event: Any, tag: str | None, line: int, col: int) -> Json:
        value: str = event.value
        if tag is None:
            return self.plain(value, line, col) if event.implicit[0] else value
        if tag == "!" or tag.endswith(":str"):
            return value
        result = self.plain(value, line, col)
        name = tag.rpartition(":")[2]
        if name == "float" and type(result) is int:
            return float(result)
        wanted: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if type(result) is not wanted.get(name):
            self.problem(line, col, f"{shown(value)} is not a value of the tag !!{name}")
            return None
        return result

    def plain(self, value: str, line: int, col: int) -> Json:
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if value[0] not in _FIRST_OF_NUMBER:
            return value
        if _INT.fullmatch(value):
            try:
                return int(value, 0) if value[:2] in {"0o", "0x"} else int(value)
            except ValueError:  # Python's limit of 4,300 digits
                self.problem(line, col, f"a number of {len(value)} digits is too long, put it in quotes")
                return None
        if _FLOAT.fullmatch(value):
            number = float(value)
            if math.isfinite(number):
                return number
            self.problem(line, col, f"{shown(value)} is too large for a number of JSON, put it in quotes")
            return None
        if _NOT_FINITE.fullmatch(value):
            self.problem(line, col, f"{value} is not a number of JSON, put it in quotes")
            return None
        return value


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
