"""What was asked of a model -> the body that goes over the wire, and what had to be left out.

Only what somebody set is sent. What an endpoint rejects would be a 400 and measure nothing; what it
ignores would be told as if it had been in force: both are left out and reported as not honoured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pytest_agentbench.errors import UsageError
from pytest_agentbench.model import Model, ParameterRules
from pytest_agentbench.providers.response_format import is_strict_schema, response_format_for
from pytest_agentbench.scenario import Json, JsonAnswer, Sampling, Tool

Honoured = dict[str, Json]
"""{key, asked, sent, honoured, note}: ``sent`` is None for what was left out."""

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DEFAULTS = Sampling()
_SAMPLING_KEYS = tuple(field.name for field in fields(Sampling) if field.name != "set_keys")
_OURS = frozenset({"model", "messages", "tools", "stream", "stream_options"})
"""Keys of the body that ``extra_body`` cannot replace: the sample is made of them."""


def build(
    model: Model,
    *,
    messages: Sequence[Mapping[str, Json]],
    tools: Sequence[Tool] = (),
    sampling: Sampling = _DEFAULTS,
    answer_json: JsonAnswer | None = None,
    request_seed: int | None = None,
) -> tuple[dict[str, Json], tuple[Honoured, ...]]:
    """(body, one entry per thing that was asked).

    Args:
        model: Its rules decide; its ``sampling`` counts where ``sampling`` set nothing.
        messages: In wire form, sent as they are.
        tools: Of the scenario.
        sampling: Scenario, its ``models:`` section and command line, merged.
        answer_json: ``request`` and ``schema`` of the answer.
        request_seed: Seed of this one sample, for ``seed: per_sample``.

    Raises:
        UsageError: a tool's name is nothing that providers accept.
    """
    asked = _asked(model, sampling)
    body: dict[str, Json] = {"model": model.model_id, "messages": list(messages)}
    told: list[Honoured] = []
    builder = _Builder(model.rules, body, told)
    thinks = builder.thinking(asked)
    builder.parameters(asked, model, thinks=thinks, request_seed=request_seed)
    builder.tools(tools, asked)
    builder.response_format(answer_json)
    builder.extra_body(asked.get("extra_body", {}), model.extra_body)
    return body, tuple(told)


def tool_in_wire_form(tool: Tool, *, strict: bool | None = None) -> dict[str, Json]:
    """A tool as OpenAI writes it.

    Raises:
        UsageError: its name is not 1 to 64 of letters, digits, ``_`` and ``-``.
    """
    if not _TOOL_NAME.fullmatch(tool.name):
        raise UsageError(
            f"tool name {tool.name!r}: providers accept 1 to 64 of the characters a-z A-Z 0-9 _ -"
        )
    function: dict[str, Json] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def _asked(model: Model, sampling: Sampling) -> dict[str, Json]:
    """Every key that somebody set, with its value; null where it was unset on purpose."""
    asked = dict(model.sampling)
    for key in _SAMPLING_KEYS:
        value = getattr(sampling, key)
        if key in sampling.set_keys or value != getattr(_DEFAULTS, key):
            asked[key] = value
    preset_extra, own_extra = model.sampling.get("extra_body") or {}, sampling.extra_body
    if preset_extra or own_extra:
        asked["extra_body"] = {**preset_extra, **own_extra}
    return asked


class _Builder:
    """Fills one body under the rules of one endpoint."""

    def __init__(self, rules: ParameterRules, body: dict[str, Json], told: list[Honoured]) -> None:
        self._rules = rules
        self._body = body
        self._told = told
        self._switch: Mapping[str, Json] = {}

    def thinking(self, asked: Mapping[str, Json]) -> bool:
        """Whether the model will think; remembers what switches it."""
        rules, wish = self._rules, asked.get("thinking") or "default"
        if wish == "default":
            extra = asked.get("extra_body") or {}
            for switch, thinks in ((rules.thinking_off, False), (rules.thinking_on, True)):
                if switch and all(extra.get(key) == value for key, value in switch.items()):
                    return thinks  # switched by hand
            return rules.thinks_by_default
        wanted = wish == "on"
        switch = rules.thinking_on if wanted else rules.thinking_off
        if switch is not None:
            self._switch = switch
            self._tell("thinking", wish, dict(switch))
            return wanted
        if wanted == rules.thinks_by_default:
            self._tell("thinking", wish, wish, note="its default, nothing to send")
        else:
            always = "always thinks" if rules.thinks_by_default else "cannot be made to think"
            self._tell("thinking", wish, None, honoured=False, note=f"the model {always} at this endpoint")
        return rules.thinks_by_default

    def parameters(
        self, asked: Mapping[str, Json], model: Model, *, thinks: bool, request_seed: int | None
    ) -> None:
        """Sampling keys that are plain parameters of the request."""
        for key in ("temperature", "top_p"):
            if asked.get(key) is not None:
                self._parameter(key, asked[key], thinks=thinks)
        if asked.get("stop"):
            stop = asked["stop"]
            self._parameter("stop", [stop] if isinstance(stop, str) else list(stop), thinks=thinks)
        self._max_tokens(asked.get("max_tokens"), model.output_tokens)
        seed = asked.get("seed")
        if seed == "per_sample":
            seed = request_seed
        if isinstance(seed, int):
            self._parameter("seed", seed, thinks=thinks)

    def tools(self, tools: Sequence[Tool], asked: Mapping[str, Json]) -> None:
        """Tools and what may be said about their use."""
        choice, parallel = asked.get("tool_choice"), asked.get("parallel_tool_calls")
        if not tools:
            for key, value in (("tool_choice", choice), ("parallel_tool_calls", parallel)):
                if value is not None and value != "none":
                    self._tell(key, value, None, honoured=False, note="the scenario has no tools")
            return
        ignores_strict = "strict" in self._rules.ignored
        self._body["tools"] = [
            tool_in_wire_form(tool, strict=None if ignores_strict else tool.strict) for tool in tools
        ]
        if ignores_strict and any(tool.strict for tool in tools):
            self._tell("strict", asked=True, sent=None, honoured=False, note="ignored by this endpoint")
        if choice is not None:
            self._parameter("tool_choice", _tool_choice(choice, tools), thinks=False)
        if parallel is not None:
            self._parameter("parallel_tool_calls", parallel, thinks=False)

    def response_format(self, answer: JsonAnswer | None) -> None:
        """``request: json_schema | json_object``, or the strongest form below that is enforced."""
        if answer is None or answer.request == "none":
            return
        form, note = response_format_for(answer, self._rules, self._body["messages"])
        if form is not None:
            self._body["response_format"] = form
        sent = form["type"] if form is not None else None
        if sent == "json_schema" and not is_strict_schema(answer.schema):
            note = "sent with strict: false, the schema is outside of the strict subset"
        self._tell("request", answer.request, sent, honoured=sent == answer.request, note=note)

    def extra_body(self, asked: Mapping[str, Json] | None, always: Mapping[str, Json]) -> None:
        """Fields that only this endpoint knows; what the user wrote wins over the preset."""
        self._body.update(always)
        self._body.update(self._switch)
        for key, value in (asked or {}).items():
            if key in _OURS:
                note = "belongs to the sample, extra_body cannot replace it"
                self._tell(f"extra_body.{key}", value, None, honoured=False, note=note)
            elif key == "n" and value != 1:
                note = "one sample is one reply" + (
                    ", and the endpoint gives no more" * self._rules.one_choice
                )
                self._tell("extra_body.n", value, None, honoured=False, note=note)
            else:
                self._parameter(key, value, thinks=False, told_as=f"extra_body.{key}")

    def _max_tokens(self, asked: Json, limit: int | None) -> None:
        if asked is None:
            return
        sent = min(asked, limit) if limit is not None else asked
        self._body[self._rules.max_tokens_key] = sent
        note = "" if sent == asked else f"the model writes {limit} tokens at most"
        self._tell("max_tokens", asked, sent, honoured=sent == asked, note=note)

    def _parameter(self, key: str, value: Json, *, thinks: bool, told_as: str = "") -> None:
        rules, name = self._rules, told_as or key
        note = ""
        if key in rules.rejected:
            note = "rejected by this endpoint"
        elif key in rules.fixed and value != rules.fixed[key]:
            note = f"this endpoint takes {rules.fixed[key]!r} only"
        elif key in rules.ignored:
            note = "ignored by this endpoint"
        elif thinks and key in rules.ignored_when_thinking:
            note = "ignored while the model thinks (sampling: {thinking: off})"
        if note:
            self._tell(name, value, None, honoured=False, note=note)
        else:
            self._body[key] = value
            self._tell(name, value, value)

    def _tell(self, key: str, asked: Json, sent: Json, *, honoured: bool = True, note: str = "") -> None:
        self._told.append({"key": key, "asked": asked, "sent": sent, "honoured": honoured, "note": note})


def _tool_choice(choice: Json, tools: Sequence[Tool]) -> Any:
    """``auto``, ``none``, ``required``, a tool's name, ``{name: ...}``, or OpenAI's own form."""
    if isinstance(choice, str) and choice not in {"auto", "none", "required"}:
        if choice in {tool.name for tool in tools}:
            return {"type": "function", "function": {"name": choice}}
    elif isinstance(choice, Mapping) and set(choice) == {"name"}:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice
