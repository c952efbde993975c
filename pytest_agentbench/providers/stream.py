"""A streamed chat completion: bytes -> events -> one message.

Parsed by us, from bytes: the client's typed events cost 11 ms of CPU per 120 chunks where this
costs about 1 (PERFORMANCE), and hide what must be told apart (PROVIDERS, fact 9).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pytest_agentbench.providers.faults import AttemptError, fault_in_body
from pytest_agentbench.providers.reply import assemble
from pytest_agentbench.sample import Reply
from pytest_agentbench.scenario import Json


class EventParser:
    """Server-sent events out of pieces of bytes, cut anywhere (inside a character too)."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The ``data`` of every event that this piece completes."""
        text = self._rest + piece
        # A lone CR at the end may be half of a CRLF.
        held = text.endswith(b"\r")
        if b"\r" in text:
            body = text[:-1] if held else text
            text = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + (b"\r" if held else b"")
        *lines, self._rest = text.split(b"\n")
        for line in lines:
            if line:
                if line.startswith(b"data:"):
                    self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif self._data:
                yield b"\n".join(self._data)
                self._data = []

    def end(self) -> Iterator[bytes]:
        """The last event, when the stream ended without an empty line behind it."""
        yield from self.feed(b"\n\n")


class Assembler:
    """The message that the chunks of a stream make."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.done = False
        """``[DONE]`` came."""
        self.has_output = False
        """Any text, reasoning or tool call came."""
        self._frame: dict[str, Json] = {}
        self._text: dict[str, list[str]] = {}
        self._other: dict[str, Json] = {}
        self._order: dict[str, None] = {}
        self._calls: list[_Call] = []

    def add(self, data: bytes) -> None:
        """Take one event.

        Raises:
            AttemptError: it is no chunk of a chat completion, or it reports an error.
        """
        if data.strip() in {b"", b"[DONE]"}:
            self.done = self.done or bool(data.strip())
            return
        chunk = _parsed(data)
        for name in ("id", "model", "provider", "usage"):
            if chunk.get(name):
                self._frame[name] = chunk[name]
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or (choices and not isinstance(choices[0], dict)):
            raise AttemptError("undecodable", f"choices[0] of a chunk is no object: {data[:120]!r}")
        for choice in choices:
            if isinstance(choice, dict) and not choice.get("index"):
                self._add_choice(choice)

    def reply(self) -> Reply:
        """What has come until now."""
        message: dict[str, Json] = {}
        for name in self._order:
            if name == "tool_calls":
                message[name] = [call.whole() for call in self._calls]
            elif name in self._text:
                message[name] = "".join(self._text[name])
            else:
                message[name] = self._other[name]
        return assemble(message, self._frame, self.finish_reason)

    def _add_choice(self, choice: dict[str, Json]) -> None:
        problem = fault_in_body(choice)
        if problem is not None:
            raise problem
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for name, value in delta.items():
                if value is not None:
                    self._add_field(name, value)
        reason = choice.get("finish_reason")
        if reason == "error":
            raise AttemptError("error_in_body", "the stream ended with finish_reason error")
        if isinstance(reason, str) and reason:
            self.finish_reason = reason

    def _add_field(self, name: str, value: Json) -> None:
        self._order.setdefault(name)
        if name == "tool_calls" and isinstance(value, list):
            for piece in value:
                if isinstance(piece, dict):
                    self.has_output = True
                    self._call_of(piece).add(piece)
        elif name == "role":
            self._other[name] = value
        elif isinstance(value, str) and name not in self._other:
            self.has_output = self.has_output or bool(value)
            self._text.setdefault(name, []).append(value)
        else:
            self.has_output = True
            old = "".join(self._text.pop(name)) if name in self._text else self._other.get(name)
            self._other[name] = _merge(name, old, value)

    def _call_of(self, piece: dict[str, Json]) -> _Call:
        """The call that a piece belongs to.

        By index; but some endpoints (Gemini's among them) give every call the index 0 or none,
        and a new id.
        """
        index, call_id = piece.get("index"), piece.get("id")
        for call in reversed(self._calls):
            same_index = index is None or call.index == index
            if same_index and (not call_id or not call.id or call.id == call_id):
                return call
        call = _Call(index)
        self._calls.append(call)
        return call


def _parsed(data: bytes) -> dict[str, Json]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise AttemptError("undecodable", f"an event of the stream is not JSON: {data[:120]!r}") from None
    if not isinstance(chunk, dict):
        raise AttemptError("undecodable", f"an event of the stream is no object: {data[:120]!r}")
    problem = fault_in_body(chunk)
    if problem is not None:
        raise problem
    return chunk


class _Call:
    """One tool call out of its pieces."""

    def __init__(self, index: Json) -> None:
        self.index = index
        self.id = ""
        self._name = ""
        self._arguments: list[str] = []
        self._odd_arguments: Json = None
        self._function: dict[str, Json] = {}
        self._other: dict[str, Json] = {}

    def add(self, piece: dict[str, Json]) -> None:
        for name, value in piece.items():
            if value is None or name == "index":
                continue
            if name == "id":
                self.id = self.id or str(value)
            elif name == "function" and isinstance(value, dict):
                self._add_function(value)
            else:
                self._other[name] = _merge(name, self._other.get(name), value)

    def _add_function(self, piece: dict[str, Json]) -> None:
        for name, value in piece.items():
            if value is None:
                continue
            if name == "name" and isinstance(value, str):
                # Some endpoints repeat the whole name with every piece.
                if value != self._name:
                    self._name += value
            elif name == "arguments":
                if isinstance(value, str):
                    self._arguments.append(value)
                else:
                    self._odd_arguments = _merge(name, self._odd_arguments, value)
            else:
                self._function[name] = _merge(name, self._function.get(name), value)

    def whole(self) -> dict[str, Json]:
        arguments = "".join(self._arguments)
        function = {
            "name": self._name,
            "arguments": arguments if self._odd_arguments is None else self._odd_arguments,
            **self._function,
        }
        return {"id": self.id, "type": "function", **self._other, "function": function}


_LABELS = frozenset({"type", "id", "format", "role", "name", "object"})


def _merge(name: str, old: Json, new: Json) -> Any:
    """Two pieces of a field that we do not know: text grows, labels stay, mappings and lists merge."""
    if old is None:
        return new
    if new is None:
        return old
    if isinstance(old, str) and isinstance(new, str):
        return new if name in _LABELS else old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merge(key, old.get(key), value) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        return _merge_lists(old, new)
    return new


def _merge_lists(old: list[Json], new: list[Json]) -> list[Json]:
    """Elements with the same ``index`` and ``type`` are pieces of one (``reasoning_details``)."""
    merged = list(old)
    for element in new:
        place = None
        if isinstance(element, dict) and element.get("index") is not None:
            for position, known in enumerate(merged):
                if isinstance(known, dict) and all(
                    known.get(key) == element.get(key, known.get(key)) for key in ("index", "type")
                ):
                    place = position
        if place is None:
            merged.append(element)
        else:
            merged[place] = _merge("", merged[place], element)
    return merged
