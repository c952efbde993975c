"""What stands around an answer and is no part of it: byte order mark, reasoning, special tokens."""

from __future__ import annotations

import re

from pytest_agentbench.parsing.mend import SPECIAL_TOKEN

_THINK = r"think|thinking|thought|reasoning|reflection|analysis|scratchpad"
_REASONING = re.compile(
    rf"(?:\s*<({_THINK})>.*?</\1>|\s*\[THINK\].*?\[/THINK\])++", re.DOTALL | re.IGNORECASE
)
_OPEN_REASONING = re.compile(rf"\s*(?:<(?:{_THINK})>|\[THINK\])", re.IGNORECASE)
_END_OF_REASONING = re.compile(rf"</(?:{_THINK})>|\[/THINK\]", re.IGNORECASE)
_FINAL_CHANNEL = re.compile(r"<\|channel\|>final[^<]{0,80}<\|message\|>")
_TOKENS_AT_START = re.compile(rf"(?:\s*+(?:{SPECIAL_TOKEN.pattern}))++")


def peel(text: str) -> tuple[str, list[str]]:
    """``text`` without byte order mark, outer white space, special tokens and reasoning, and the tags."""
    tags: list[str] = []
    if text.startswith("\ufeff"):
        tags.append("bom")
    body = text.strip().strip("\ufeff").strip()
    if "<|channel|>" in body:
        channels = list(_FINAL_CHANNEL.finditer(body))
        if channels:
            tags += ["reasoning_block", "special_tokens"]
            body = body[channels[-1].end() :]
    at = 0
    for pattern, tag in (
        (_TOKENS_AT_START, "special_tokens"),
        (_REASONING, "reasoning_block"),
        (_TOKENS_AT_START, "special_tokens"),
    ):
        if (match := pattern.match(body, at)) is not None:
            tags.append(tag)
            at = match.end()
    if _OPEN_REASONING.match(body, at) is not None:  # it never stopped thinking
        return "", [*tags, "reasoning_block"]
    body, more = _without_late_end(body[at:].lstrip())
    tags += more
    end = _end_before_tokens(body)
    if end < len(body):
        tags.append("special_tokens")
    return body[:end].strip(), tags


def _without_late_end(body: str) -> tuple[str, list[str]]:
    """Chat templates that open the reasoning in the prompt leave only its end in the reply."""
    if body.startswith(("{", "[")):
        return body, []
    ends = list(_END_OF_REASONING.finditer(body))
    if not ends:
        return body, []
    body = body[ends[-1].end() :]
    token = _TOKENS_AT_START.match(body)
    if token is None:
        return body, ["reasoning_block"]
    return body[token.end() :], ["reasoning_block", "special_tokens"]


def _end_before_tokens(body: str) -> int:
    """Index in ``body`` after which there are only special tokens; its length when there are none."""
    result = end = len(body)
    while True:
        while end and body[end - 1].isspace():
            end -= 1
        first = max(0, end - 70)
        last = [match for match in SPECIAL_TOKEN.finditer(body, first, end) if match.end() == end]
        if not last:
            return result
        result = end = last[-1].start()
