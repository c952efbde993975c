"""The simulated models of one server: requests in, responses out, all draws seeded."""

from __future__ import annotations

import dataclasses
import functools
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pytest_agentbench.scenario import Json, Scenario
from pytest_agentbench.simulation.book import Book, Place
from pytest_agentbench.simulation.draft import Draft
from pytest_agentbench.simulation.plan import Plan, Task, plan
from pytest_agentbench.simulation.profile import Behaviour, Pace, Profile, Spread
from pytest_agentbench.simulation.reference import drafts_of, made_up, schema_of, tools_of
from pytest_agentbench.simulation.response import Response, completion, encoded, error
from pytest_agentbench.simulation.transport import faulty

_THOUGHT = "The user wants an answer in a given form. I look at the data once more, and then I write it down."
_CHARACTERS_A_TOKEN = 4
_Z95 = 1.6448536269514722


class Simulation:
    """Answers chat completions as the models of ``profiles``.

    The ``model`` of a request is ``PROFILE`` or ``PROFILE:NAME``; any other name gets the first
    profile. What a sample is and what befalls it depends on the profile's seed, the model, scenario,
    wording, row and number of the sample alone: never on time or on what else is in flight.

    Attributes:
        befell: (model, what was put in: ``syntax:fence``, ..., ``wrong``, ``""``) -> samples whose
            first turn was answered.
        failed: (model, kind of transport fault) -> requests.
    """

    def __init__(
        self, profiles: Sequence[Profile], scenarios: Iterable[Scenario] = (), *, seed: int | None = None
    ) -> None:
        if not profiles:
            raise ValueError("at least one profile is needed")
        self._book = Book(scenarios)
        self._models = {
            name: (behaviour, profile.seed if seed is None else seed)
            for profile in profiles
            for name, behaviour in (
                (profile.name, profile.behaviour),
                *((f"{profile.name}:{model}", own) for model, own in profile.models.items()),
            )
        }
        self._default = profiles[0].name
        self._attempts: Counter[tuple[str, str, int, int]] = Counter()
        self.befell: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()

    @property
    def models(self) -> tuple[str, ...]:
        """The names that a request's ``model`` may have to be told apart."""
        return tuple(self._models)

    def answer(self, body: dict[str, Json], headers: Mapping[str, str], path: str) -> Response:
        """The response to one request."""
        if path.endswith("/chat/completions"):
            if not isinstance(body.get("messages"), list) or not body["messages"]:
                return _refused("messages: a list with at least one message is required")
            return self._complete(body, headers)
        if path.endswith("/models"):
            models = [{"id": name, "object": "model", "owned_by": "simulated"} for name in self._models]
            return Response(body=encoded({"object": "list", "data": models}))
        return error(404, f"no such address: {path}", code="not_found", kind="invalid_request_error")

    def _complete(self, body: dict[str, Json], headers: Mapping[str, str]) -> Response:
        model = str(body.get("model")).removeprefix("simulated:")
        behaviour, seed = self._models.get(model) or self._models[self._default]
        place = self._book.find(body, headers)
        if behaviour.wants_reasoning_back and (problem := _without_reasoning(body)):
            return _refused(problem)
        name = f"{seed}/{model}/{place.key}/{place.index}"
        rng = random.Random(name)  # noqa: S311  a draw, not a secret
        planned = self._plan(body, place, behaviour, rng)
        draft = planned.at(place.turn)
        if behaviour.reasoning and draft.reasoning is None and not _thinking_off(body):
            draft = dataclasses.replace(draft, reasoning=_THOUGHT)
        tokens = _usage(draft, body)
        response = completion(draft, body, response_id=f"sim-{place.index}-{place.turn}", tokens=tokens)
        if behaviour.paces:
            response = _paced(response, behaviour.paces, tokens, random.Random(f"{name}/{place.turn}"))  # noqa: S311
        kind = self._fault(behaviour, model, place, name) if behaviour.transport else None
        if kind is not None:
            self.failed[model, kind] += 1
            streamed = bool(body.get("stream"))
            return faulty(kind, response, streamed=streamed, retry_after_s=behaviour.retry_after_s)
        if place.turn == 0:
            self.befell[model, planned.befell] += 1
        return response

    def _plan(self, body: Mapping[str, Json], place: Place, behaviour: Behaviour, rng: random.Random) -> Plan:
        reference = place.rendering.reference if place.rendering is not None else None
        tools = tools_of(body, place.rendering)
        turns = drafts_of(reference) if reference else made_up(body, place.scenario, tools, rng)
        task = Task(
            turns=turns,
            scenario=place.scenario,
            rendering=place.rendering,
            tools=tools,
            schema=schema_of(body, place.scenario),
        )
        return plan(task, behaviour, rng)

    def _fault(self, behaviour: Behaviour, model: str, place: Place, name: str) -> str | None:
        """What befalls this request; each attempt is a draw of its own."""
        key = (model, place.key, place.index, place.turn)
        attempt = self._attempts[key]
        chance = random.Random(f"{name}/{place.turn}/{attempt}").random()  # noqa: S311  a draw, not a secret
        for kind, rate in behaviour.transport.items():
            chance -= rate
            if chance < 0:
                self._attempts[key] += 1
                return kind
        self._attempts.pop(key, None)
        return None


def _refused(message: str) -> Response:
    return error(400, message, code="invalid_request_error", kind="invalid_request_error")


def _without_reasoning(body: Mapping[str, Json]) -> str | None:
    """What is wrong with a conversation with tools in which an answer lacks its reasoning."""
    if _thinking_off(body):
        return None
    for message in body["messages"]:
        called = isinstance(message, Mapping) and message.get("tool_calls")
        if called and not message.get("reasoning_content"):
            return "The `reasoning_content` in the thinking mode must be passed back to the API."
    return None


def _thinking_off(body: Mapping[str, Json]) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") == "disabled"


def _usage(draft: Draft, body: Mapping[str, Json]) -> dict[str, int]:
    said = sum(len(text) for text in (draft.content, draft.refusal, draft.reasoning) if text)
    said += sum(len(call.name) + len(str(call.arguments)) for call in draft.calls)
    completion_tokens = max(1, said // _CHARACTERS_A_TOKEN)
    allowed = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(allowed, int) and not isinstance(allowed, bool):
        # A reply that uses all its tokens counts as cut: only one that is may say so.
        completion_tokens = allowed if draft.cut else max(0, min(completion_tokens, allowed - 1))
    prompt_tokens = sum(_length(message) for message in body["messages"]) // _CHARACTERS_A_TOKEN
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _length(message: Json) -> int:
    content = message.get("content") if isinstance(message, Mapping) else None
    return len(content) if isinstance(content, str) else len(str(message))


def _paced(
    response: Response, paces: Sequence[Pace], tokens: Mapping[str, int], rng: random.Random
) -> Response:
    pace = max(
        (pace for pace in paces if pace.from_tokens <= tokens["prompt_tokens"]),
        key=lambda pace: pace.from_tokens,
        default=paces[0],
    )
    first_s = _drawn(pace.first_token_s, rng) if pace.first_token_s else 0.0
    writing_s = tokens["completion_tokens"] / _drawn(pace.tokens_per_s, rng) if pace.tokens_per_s else 0.0
    if response.pieces:
        return dataclasses.replace(response, delay_s=first_s, piece_s=writing_s / len(response.pieces))
    return dataclasses.replace(response, delay_s=first_s + writing_s)


def _drawn(spread: Spread, rng: random.Random) -> float:
    return spread.median * math.exp(rng.gauss(0.0, 1.0) * _sigma(spread))


@functools.lru_cache(maxsize=256)
def _sigma(spread: Spread) -> float:
    return math.log(spread.p95 / spread.median) / _Z95 if spread.median > 0 else 0.0
