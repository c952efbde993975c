"""Mutants of an answer that is Python code."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

from pytest_agentbench.checks.code import extract
from pytest_agentbench.mutation.mutant import Mutant, place_of
from pytest_agentbench.mutation.script import Script, with_text
from pytest_agentbench.scenario import Scenario

N_OPERATORS = 3
N_CONSTANTS = 2
SHORT_S = 2.0
"""With a longer time limit an endless loop costs more than it shows."""

_INSTEAD: dict[type[ast.AST], type[Any]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(scenario: Scenario, script: Script, row: str) -> Iterator[Mutant]:
    """Every mutant of the code in the last text of ``script``.

    ``row`` names the row where there are several, since each may have code of its own; else ''.
    """
    code, _ = extract(script[-1].content or "")
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for kind, what, text in _changes(code, tree, endless=scenario.sandbox.timeout_s <= SHORT_S):
        name, _, rest = kind.partition(":")
        yield Mutant(
            id=":".join(part for part in (f"code.{name}", row, rest) if part),
            what=what,
            script=with_text(script, f"```python\n{text}\n```" if text else ""),
            place=place_of(scenario, "code"),
            advice="add a test to `tests` that fails with it",
        )


def _changes(code: str, tree: ast.Module, *, endless: bool) -> Iterator[tuple[str, str, str]]:
    yield "delete", "the code is missing", ""
    yield "syntax", "the code breaks off", code.rstrip()[: max(1, len(code) // 2)] + "\n(("
    same = ast.unparse(tree)
    bodies = [("none", "return None"), *([("endless", "while True: pass")] if endless else [])]
    for kind, body in bodies:
        text = _with_bodies(tree, body)
        if text != same:
            yield kind, f"the functions only do `{body}`", text
    looping = set() if endless else {id(part) for node in ast.walk(tree) for part in _of_while(node)}
    nodes = [(number, node) for number, node in enumerate(ast.walk(tree)) if id(node) not in looping]
    yield from _first(tree, nodes, "operator", N_OPERATORS, _other_operator)
    yield from _first(tree, nodes, "constant", N_CONSTANTS, _other_constant)


def _with_bodies(tree: ast.Module, body: str) -> str:
    changed = copy.deepcopy(tree)
    for node in ast.walk(changed):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # Not parsed as a module: a return stands outside of a function there.
            (function,) = ast.parse(f"def f():\n    {body}").body
            assert isinstance(function, ast.FunctionDef)
            node.body = function.body
    return ast.unparse(ast.fix_missing_locations(changed))


def _first(
    tree: ast.Module,
    nodes: list[tuple[int, ast.AST]],
    kind: str,
    n: int,
    change: Callable[[ast.AST], bool],
) -> Iterator[tuple[str, str, str]]:
    """The first ``n`` places where ``change`` does something, one at a time."""
    for number, node in nodes:
        if n == 0:
            return
        changed = copy.deepcopy(tree)
        target = list(ast.walk(changed))[number]
        if change(target):
            n -= 1
            at = f"{getattr(node, 'lineno', 0)}.{getattr(node, 'col_offset', 0) + 1}"
            old, new = ast.unparse(node), ast.unparse(ast.fix_missing_locations(target))
            yield f"{kind}:{at}", f"`{old}` is `{new}` in line {at.partition('.')[0]}", ast.unparse(changed)


def _of_while(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a ``while``: with a change there it may never end."""
    if isinstance(node, ast.While):
        yield from ast.walk(node)


def _other_operator(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        new = _INSTEAD.get(type(node.op))
        if new is not None:
            node.op = new()
        return new is not None
    if isinstance(node, ast.Compare):
        new = _INSTEAD.get(type(node.ops[0]))
        if new is not None:
            node.ops[0] = new()
        return new is not None
    return False


def _other_constant(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    value = node.value
    if isinstance(value, bool):
        node.value = not value
    elif isinstance(value, int | float):
        node.value = value + 1
    else:
        return False
    return True
