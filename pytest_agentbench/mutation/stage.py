"""Where references and mutants are played: a server on loopback that says what each script says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_agentbench.mutation.script import Script
from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.response import Response, completion, error
from pytest_agentbench.simulation.server import SimulatedServer


@dataclass(slots=True)
class _Play:
    script: Script
    n_before: int
    """Assistant messages of the prompt itself."""
    n_said: int = 0
    asked_on: bool = False


class Stage:
    """Many plays at a time; each has a model id of its own, by which its requests are told apart."""

    def __init__(self) -> None:
        self._server = SimulatedServer(self._answer)
        self._plays: dict[str, _Play] = {}
        self._n_plays = 0

    async def open(self) -> str:
        """Listen; returns the base URL."""
        return await self._server.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._server.close()

    def enter(self, script: Script, prompt: Sequence[Mapping[str, Json]]) -> str:
        """Begin a play of ``script`` after ``prompt``; returns the model id to ask for."""
        self._n_plays += 1
        name = f"play-{self._n_plays}"
        self._plays[name] = _Play(script=script, n_before=_n_assistant(prompt))
        return name

    def leave(self, name: str) -> tuple[int, bool]:
        """End a play; returns how many turns were said, and whether more were asked for than there are."""
        play = self._plays.pop(name)
        return play.n_said, play.asked_on

    def _answer(self, body: dict[str, Json], _headers: Mapping[str, str], _path: str) -> Response:
        play = self._plays[str(body["model"])]
        turn = _n_assistant(body["messages"]) - play.n_before
        if turn >= len(play.script):
            play.asked_on = True
            text = f"the script has {len(play.script)} turns, turn {turn + 1} was asked for"
            return error(400, text, code="script_ended", kind="invalid_request_error")
        play.n_said = max(play.n_said, turn + 1)
        # Without a usage: a reference is as long as it is, whatever max_tokens says.
        return completion(play.script[turn], body, response_id=f"{body['model']}-{turn}", tokens={})


def _n_assistant(messages: Sequence[Mapping[str, Json]]) -> int:
    return sum(message["role"] == "assistant" for message in messages)
