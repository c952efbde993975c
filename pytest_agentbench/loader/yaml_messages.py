"""What the C parser of YAML complains about, in words that say what to do."""

from __future__ import annotations

import re
from typing import Any

from pytest_agentbench.errors import Location, Problem

_UNQUOTED = re.compile(r"""(?:^|[:\-\[,?]\s+|[\[{,])(?P<open>\{[{%#])""")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_ADVICE = (
    # (part of libyaml's problem, part of its context, our words)
    ("exceeded maximum nesting depth", "", "nested more than 100 levels deep"),
    (
        "mapping values are not allowed",
        "",
        "a ':' inside unquoted text, or a wrong indent: put the text in quotes, or below '|'",
    ),
    ("unexpected end of stream", "quoted scalar", "a quote is opened here and never closed"),
    ("expected ',' or ']'", "", "a list '[' is opened here and not closed: ',' or ']' is missing"),
    ("expected ',' or '}'", "", "a mapping '{' is opened here and not closed: ',' or '}' is missing"),
    (
        "unknown escape character",
        "",
        "an unknown escape in double quotes: write \\\\ for a backslash, or use single quotes",
    ),
    ("invalid Unicode character escape", "", "a \\u escape that is no character: write the character itself"),
    (
        "could not find expected ':'",
        "",
        "text where a key is expected: a ':' is missing, or the line needs more indent",
    ),
    ("did not find expected key", "", "a key is expected here: wrong indent, or text after a closing quote"),
    ("did not find expected '-'", "", "a '-' is expected here: a key stands at the indent of a list"),
    (
        "did not find expected node content",
        "",
        "a value is missing here, or a '[' or '{' above is not closed",
    ),
    ("undefined tag handle", "", "an unknown tag: put text that begins with '!' in quotes"),
    ("incompatible YAML document", "", "only YAML 1.1 and 1.2 can be read"),
    (
        "did not find expected <document start>",
        "",
        "text after the end of a document: a '---' is missing, or wrong indent",
    ),
)
_AT_CONTEXT = ("unexpected end of stream", "expected ',' or ']'", "expected ',' or '}'")
"""Problems that libyaml notices far below the place where the mistake is."""


def unquoted_template(text: str, index: int) -> str:
    """The message for a ``{{`` at ``index`` that YAML took for a mapping."""
    line = _LINE_BREAK.split(text[index : index + 200], maxsplit=1)[0]
    end = line.find("}}")
    excerpt = line[: end + 2] if end > 0 else line
    quote = "'" if '"' in excerpt else '"'
    return f"unquoted {{{{ is a mapping in YAML: write {quote}{excerpt}{quote} in quotes"


def syntax_problem(error: Exception, text: str, file: str) -> Problem:
    """The problem for an exception of the parser, at the place where the mistake was made."""

    def problem(line: int, col: int, message: str) -> Problem:
        return Problem(location=Location(file=file, line=line, col=col), message=message)

    if isinstance(error, UnicodeEncodeError):
        return problem(*_line_and_col(text, error.start), "half of a surrogate pair is not a character")
    position = getattr(error, "position", None)
    if position is not None:  # a ReaderError
        character = getattr(error, "character", 0)
        code = character if isinstance(character, int) else ord(character[0])
        message = f"character U+{code:04X} is not allowed, write it as an escape in double quotes"
        return problem(*_line_and_col(text, position), message)
    mark: Any = getattr(error, "problem_mark", None)
    if mark is None:
        return problem(1, 1, f"not YAML: {error}")
    context_mark: Any = getattr(error, "context_mark", None) or mark
    lines = _LINE_BREAK.split(text)
    for number in dict.fromkeys((mark.line, context_mark.line)):
        found = _unquoted_on(lines, number)
        if found is not None:
            return problem(number + 1, found[0] + 1, found[1])
    return _advised(error, mark, context_mark, lines, problem)


def _advised(error: Exception, mark: Any, context_mark: Any, lines: list[str], problem: Any) -> Problem:
    what = str(getattr(error, "problem", ""))
    context = str(getattr(error, "context", "") or "")
    if "cannot start any token" in what:
        line = lines[mark.line] if mark.line < len(lines) else ""
        character = line[mark.column : mark.column + 1]
        if character == "\t":
            message = "a tab cannot indent in YAML: use spaces"
        else:
            message = f"text cannot begin with {character!r} in YAML: put it in quotes"
        found: Problem = problem(mark.line + 1, mark.column + 1, message)
        return found
    place = context_mark if any(part in what for part in _AT_CONTEXT) else mark
    if "could not find expected ':'" in what:
        place = context_mark
    for part, in_context, advice in _ADVICE:
        if part in what and in_context in context:
            advised: Problem = problem(place.line + 1, place.column + 1, advice)
            return advised
    other: Problem = problem(mark.line + 1, mark.column + 1, f"not YAML: {f'{context} {what}'.strip()}")
    return other


def _unquoted_on(lines: list[str], number: int) -> tuple[int, str] | None:
    """Column and message of a template that begins an unquoted value on line ``number``."""
    if number >= len(lines):
        return None
    line = lines[number]
    match = _UNQUOTED.search(line)
    if match is None or '"' in line[: match.start()] or "'" in line[: match.start()]:
        return None
    col = match.start("open")
    if line.startswith("{{", col):
        value = line[col:].split(" #")[0].rstrip()
        quote = "'" if '"' in value else '"'
        return col, f"unquoted {{{{ is a mapping in YAML: write {quote}{value}{quote} in quotes"
    if line.startswith("{%", col):
        return (
            col,
            "a value cannot begin with {% unquoted: put it in quotes, or below '|'",
        )
    return None


def _line_and_col(text: str, index: int) -> tuple[int, int]:
    before = _LINE_BREAK.split(text[:index])
    return len(before), len(before[-1]) + 1
