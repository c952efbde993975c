"""Python code made wrong while it still looks alike."""

from __future__ import annotations

import ast
import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_FENCE = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_OPPOSITE: Mapping[str, str] = {
    "<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "in": "not in", "not in": "in",
    "is": "is not", "is not": "is", "+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "//", "&": "|",
    "|": "&", "<<": ">>", ">>": "<<", "**": "*",
}  # fmt: skip
_OPERATOR = re.compile(r"not\s+in\b|is\s+not\b|in\b|is\b|<<|>>|\*\*|//|<=|>=|==|!=|[-+*/%&|<>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """``code[start:end]`` becomes ``text``."""

    start: int
    end: int
    text: str


def broken_code(text: str, rng: random.Random) -> str:
    """``text`` with a mistake in its longest fenced block of Python (without a fence: in all of it).

    One operator, number or return value changes. What does not parse as Python loses its last line.
    """
    blocks = [match.span(1) for match in _FENCE.finditer(text)]
    start, end = max(blocks, key=lambda span: span[1] - span[0], default=(0, len(text)))
    code = text[start:end]
    changes = _changes(code)
    rng.shuffle(changes)
    for change in changes:
        broken = code[: change.start] + change.text + code[change.end :]
        if _parses(broken):
            return text[:start] + broken + text[end:]
    lines = code.rstrip().splitlines()
    return text[:start] + "".join(f"{line}\n" for line in lines[:-1]) + text[end:]


def _parses(code: str) -> bool:
    try:
        compile(code, "answer", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _changes(code: str) -> list[_Change]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return []
    starts = list(itertools.accumulate((len(line) for line in _lines(code)), initial=0))
    lines = _lines(code)

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    return [change for node in _calm(tree) for change in _of_node(node, code, offset)]


def _lines(code: str) -> list[str]:
    """Lines as ast counts them; str.splitlines knows more line ends."""
    return re.findall(r"[^\n]*\n|[^\n]+", code) or [""]


def _calm(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes whose change gives a wrong result as a rule.

    What is in ``while`` might never end then; defaults, annotations and messages change nothing; a start
    value, or one entry of a table of constants, may matter for few inputs only.
    """
    is_table = isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Assign | ast.AnnAssign)
    for child in ast.iter_child_nodes(node):
        if is_table and isinstance(child, ast.Constant):
            continue
        if isinstance(child, ast.While | ast.JoinedStr | ast.arguments | ast.Raise | ast.Assert):
            continue
        if not isinstance(child, ast.expr) or child is not getattr(node, "returns", None):
            yield child
            yield from _calm(child)


def _of_node(node: ast.AST, code: str, offset: Callable[[int, int], int]) -> Iterator[_Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _operator(node.left, node.comparators[0], code, offset)
    elif isinstance(node, ast.BinOp):
        yield from _operator(node.left, node.right, code, offset)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        other = repr(not node.value if isinstance(node.value, bool) else node.value + 1)
        yield _Change(start=_start(node, offset), end=_end(node, offset), text=other)
    elif isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return):
        value = node.body[-1].value
        if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield _Change(start=_start(value, offset), end=_end(value, offset), text="None")


def _operator(
    left: ast.expr, right: ast.expr, code: str, offset: Callable[[int, int], int]
) -> Iterator[_Change]:
    start = _end(left, offset)
    found = _OPERATOR.search(code, start, _start(right, offset))
    if found is not None:
        name = " ".join(found.group().split())
        yield _Change(start=found.start(), end=found.end(), text=_OPPOSITE[name])


def _start(node: ast.expr, offset: Callable[[int, int], int]) -> int:
    return offset(node.lineno, node.col_offset)


def _end(node: ast.expr, offset: Callable[[int, int], int]) -> int:
    return offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
