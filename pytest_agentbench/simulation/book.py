"""Which scenario, wording and row a request belongs to.

Our own client says it in a header, the sample's number with it, so that every sample has its own
draws whatever else is in flight. Other clients are recognised by their prompt: then samples are
numbered as they arrive, and a later turn by the ids of its tool calls.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_agentbench.expand import render
from pytest_agentbench.providers.client import SAMPLE_HEADER
from pytest_agentbench.scenario import Json, Rendering, Scenario

_CALL_ID = re.compile(r"call_sim-(\d+)-\d+_\d+")
_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a request is about.

    Attributes:
        scenario, rendering: None for a prompt of no known scenario.
        key: Names scenario, wording and row, or the unknown prompt.
        index: The number of the sample.
        turn: How often the model has spoken in this sample.
    """

    scenario: Scenario | None
    rendering: Rendering | None
    key: str
    index: int
    turn: int


class Book:
    """The scenarios whose references are played."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._scenarios = {scenario.id: scenario for scenario in scenarios}
        self._variants = {
            scenario.id: {variant.id: number for number, variant in enumerate(scenario.variants)}
            for scenario in self._scenarios.values()
        }
        self._arrived: Counter[tuple[str, str]] = Counter()
        self._render = functools.lru_cache(_KEPT)(self._render_anew)

    def find(self, body: Mapping[str, Json], headers: Mapping[str, str]) -> Place:
        """The place of one request; total: what is not known gives a place without scenario."""
        messages = body.get("messages")
        messages = messages if isinstance(messages, list) else []
        told = _told(headers)
        if told is not None and told["variant"] in self._variants.get(told["scenario"], ()):
            scenario, variant, row = str(told["scenario"]), told["variant"], int(told["row"])
            rendering = self._render(scenario, self._variants[scenario][variant], row)
            n_prompt = len(rendering.messages)
        else:
            found = self._recognised(messages)
            if found is None:
                return self._unknown(body, messages, told)
            scenario, rendering, n_prompt = found[0], self._render(*found), 0
            n_prompt = len(rendering.messages)
            variant = rendering.variant
        key = f"{scenario}/{variant}/{rendering.row}"
        turn = sum(_role(message) == "assistant" for message in messages[n_prompt:])
        return Place(
            scenario=self._scenarios[scenario],
            rendering=rendering,
            key=key,
            index=self._index(told, key, str(body.get("model")), messages, turn),
            turn=turn,
        )

    def _unknown(self, body: Mapping[str, Json], messages: Sequence[Json], told: Json) -> Place:
        last_user = max((n for n, message in enumerate(messages) if _role(message) == "user"), default=-1)
        key = _digest(messages[: last_user + 1])
        turn = sum(_role(message) == "assistant" for message in messages[last_user + 1 :])
        index = self._index(told, key, str(body.get("model")), messages, turn)
        return Place(scenario=None, rendering=None, key=key, index=index, turn=turn)

    def _index(self, told: Json, key: str, model: str, messages: Sequence[Json], turn: int) -> int:
        if told is not None:
            return int(told["index"])
        if turn:
            for message in reversed(messages):
                for call in (isinstance(message, dict) and message.get("tool_calls")) or ():
                    found = _CALL_ID.fullmatch(str(call.get("id"))) if isinstance(call, dict) else None
                    if found is not None:
                        return int(found[1])
            return max(0, self._arrived[model, key] - 1)
        self._arrived[model, key] += 1
        return self._arrived[model, key] - 1

    def _recognised(self, messages: Sequence[Json]) -> tuple[str, int, int] | None:
        for length in self._prompts[1]:
            if length <= len(messages):
                found = self._prompts[0].get(_digest(messages[:length]))
                if found is not None:
                    return found
        return None

    @functools.cached_property
    def _prompts(self) -> tuple[dict[str, tuple[str, int, int]], list[int]]:
        """Digest of a prompt -> (scenario, variant, row), and the numbers of messages, longest first."""
        places: dict[str, tuple[str, int, int]] = {}
        lengths: set[int] = set()
        for scenario in self._scenarios.values():
            for number, variant in enumerate(scenario.variants):
                for row in range(len(scenario.rows)):
                    messages = render(scenario, variant, row).messages
                    lengths.add(len(messages))
                    places.setdefault(_digest(messages), (scenario.id, number, row))
        return places, sorted(lengths, reverse=True)

    def _render_anew(self, scenario: str, variant: int, row: int) -> Rendering:
        whole = self._scenarios[scenario]
        return render(whole, whole.variants[variant], row)


def _told(headers: Mapping[str, str]) -> Json:
    """The header's object, None without one that says all."""
    value = headers.get(SAMPLE_HEADER)
    if not value:
        return None
    try:
        told = json.loads(value)
    except ValueError:
        return None
    wanted = {"scenario": str, "variant": str, "row": int, "index": int}
    is_whole = isinstance(told, dict) and all(isinstance(told.get(key), kind) for key, kind in wanted.items())
    return told if is_whole else None


def _role(message: Json) -> Json:
    return message.get("role") if isinstance(message, dict) else None


def _digest(messages: Sequence[Json]) -> str:
    return json.dumps(messages, sort_keys=True)
