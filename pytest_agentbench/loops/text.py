"""Repetition loops in a text: exact, near and counter (METRICS 5)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pytest_agentbench.loops.context import Context
from pytest_agentbench.loops.near import near_segments
from pytest_agentbench.loops.runs import Grams, Run, runs
from pytest_agentbench.loops.tokens import Tokens
from pytest_agentbench.sample import Loop

EXCERPT_CHARACTERS = 240
SHORTEST_LOOP = 32
"""Tokens of the shortest loop that any rule knows."""
MIN_WORDS_OF_COUNTER = 6
CUT = 2
"""Tokens at the very end that may differ: the token limit cuts a word in two."""


class _Searched:
    """A text with what the rules ask of it; the context is worked out when a rule needs it."""

    def __init__(self, text: str, tokens: Tokens, *, structured: bool, truncated: bool) -> None:
        self.text = text
        self.tokens = tokens
        self.structured = structured
        self.truncated = truncated
        self._context: Context | None = None

    def in_structure(self, run: Run) -> bool:
        if self.structured:
            return True
        if self._context is None:
            self._context = Context(self.text)
        return self._context.is_structured(*self.tokens.spans(run.start, run.end))

    def runs_into_the_cut(self, run: Run) -> bool:
        """Whether the limit, not the model, ended it."""
        return self.truncated and run.end >= len(self.tokens) - CUT

    def is_prose(self, run: Run) -> bool:
        """Mostly words, and in no structure."""
        n_words = sum(map(_has_letter, self.tokens.words[run.start : run.end]))
        return n_words >= run.length / 2 and not self.in_structure(run)


def find_loop(text: str, *, structured: bool, truncated: bool) -> Loop | None:
    """The loop in ``text`` that wastes most tokens, None when there is none; linear time.

    ``structured``: all of it is JSON or code, where more repetition is ordinary. ``truncated``: it was
    cut at a token or time limit; a loop that runs into its end is then ``unterminated``. ``where`` is
    ``answer``; the caller that searches something else replaces it.
    """
    if len(text) < SHORTEST_LOOP:
        return None
    tokens = Tokens(text)
    if len(tokens) < SHORTEST_LOOP:
        return None
    searched = _Searched(text, tokens, structured=structured, truncated=truncated)
    grams = Grams(tokens.ids)
    exact = _first(run for run in _by_waste(runs(grams)) if _is_exact(run, searched))
    if exact is not None:
        return _loop("exact", exact, searched)
    if structured:
        return None
    near = _first(run for run in _by_waste(near_segments(grams)) if searched.is_prose(run))
    if near is not None:
        return _loop("near", near, searched)
    masked = tokens.masked()
    candidates = [] if masked is tokens.ids else _by_waste(runs(Grams(masked)))
    counter = _first(run for run in candidates if _is_counter(run, tokens) and searched.is_prose(run))
    return None if counter is None else _loop("counter", counter, searched)


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


def _first(found: Iterator[Run]) -> Run | None:
    return next(found, None)


def _by_waste(found: list[Run]) -> list[Run]:
    return sorted(found, key=_wasted, reverse=True)


def _wasted(run: Run) -> int:
    return run.length - run.period


def _is_exact(run: Run, searched: _Searched) -> bool:
    """The thresholds of METRICS 5; cheap rules first, the context only where it decides."""
    repeats, length = run.repeats, run.length
    if not ((repeats >= 4 and length >= 64) or (repeats >= 10 and length >= 32)):
        return False
    unit = searched.tokens.words[run.start : run.start + run.period]
    if not any(map(_has_letter, unit)):
        return repeats >= 50 and length >= (150 if searched.runs_into_the_cut(run) else 400)
    return (repeats >= 16 and length >= 100) or not searched.in_structure(run)


def _is_counter(run: Run, tokens: Tokens) -> bool:
    """One number of the unit goes up or down by a constant step, the other numbers stay."""
    if run.repeats < 4 or run.length < 64:
        return False
    words = tokens.words[run.start : run.end]
    unit = words[: run.period]
    if sum(map(_has_letter, unit)) < MIN_WORDS_OF_COUNTER:
        return False
    moving = 0
    for slot in (index for index, word in enumerate(unit) if word.isdigit()):
        numbers = [int(word) for word in words[slot :: run.period] if word.isdigit()]
        steps = {after - before for before, after in pairwise(numbers)}
        if steps != {0}:
            moving += 1
            if len(steps) != 1:
                return False
    return moving == 1


def _loop(kind: str, run: Run, searched: _Searched) -> Loop:
    begin, end = searched.tokens.spans(run.start, run.end)
    excerpt = searched.text[begin:end].lstrip(" .,;:!?\n\t") or searched.text[begin:end]
    return Loop(
        kind=kind,
        where="answer",
        period=run.period,
        repeats=run.repeats,
        start=run.start,
        unterminated=searched.runs_into_the_cut(run),
        wasted_tokens=_wasted(run),
        excerpt=excerpt if len(excerpt) <= EXCERPT_CHARACTERS else excerpt[: EXCERPT_CHARACTERS - 1] + "…",
    )
