"""The replies of a recorded run, to be judged again without any call.

Only an index is held: a journal of a million replies is read line by line as they are asked for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pytest_agentbench.errors import LimitReachedError, StorageError, TransportError, UsageError
from pytest_agentbench.sample import Reply
from pytest_agentbench.scenario import Json
from pytest_agentbench.storage import FOLDER
from pytest_agentbench.wire import from_wire

LAST = "last"
_REPLY = b'{"kind":"reply","sample":'
_RUN = b'{"kind":"run",'

Key: TypeAlias = tuple[str, str, str, int]
"""Scenario, model, variant, row."""


class Recording:
    """One recorded run.

    The k-th draw of a (scenario, model, variant, row) gets a recorded sample of the same: that of the
    same place in the sending order if there is one, else the first that was not given out. Of a sample
    that was drawn anew after a fault the last draw counts.

    Attributes:
        run_id: Of the recorded run.
        options: Its command-line options.
        n_samples: Samples given out; ``n_changed`` of them now have another first request.

    Raises:
        UsageError: there is no such run, or its journal cannot be read.
    """

    def __init__(self, run: str, root: Path) -> None:
        self.path = _journal_of(run, root)
        self.run_id = self.path.parent.name
        self.options: Mapping[str, Json] = {}
        self.n_samples = 0
        self.n_changed = 0
        self._samples: dict[Key, dict[int, list[int]]] = defaultdict(dict)
        self._digests: dict[Key, dict[int, str]] = defaultdict(dict)
        self._given: dict[tuple[str, str, int], list[int]] = {}
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            raise UsageError(f"the journal {self.path} cannot be read: {error.strerror}") from None
        try:
            self._read_index()
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._file.close()
            raise UsageError(f"the journal {self.path} cannot be read: {error}") from None

    def close(self) -> None:
        """Close the journal."""
        self._file.close()

    def reply(self, sample: Mapping[str, Json]) -> Reply:
        """The recorded reply to one turn of a sample (``CallRequest.sample``).

        Raises:
            LimitReachedError: all recorded samples of this kind were given out.
            TransportError: kind ``not_recorded``: the agent asks on where the recorded one had ended.
            StorageError: the journal has gone bad since it was opened.
        """
        place = (str(sample["scenario"]), str(sample["model"]), int(sample["index"]))
        turn = int(sample["turn"])
        if turn == 0:
            self._given[place] = self._give(sample, place)
        turns = self._given.get(place, [])
        if turn >= len(turns):
            raise TransportError(
                "not_recorded",
                f"the recorded run {self.run_id} has no turn {turn + 1} of this sample",
                n_attempts=0,
                n_transport_errors=0,
            )
        return self._read(turns[turn])

    def _give(self, sample: Mapping[str, Json], place: tuple[str, str, int]) -> list[int]:
        key = _key(sample)
        left = self._samples[key]
        index = place[2] if place[2] in left else next(iter(left), None)
        if index is None:
            raise LimitReachedError(
                f"the recorded run {self.run_id} has no more replies of {key[1]} to {key[0]}, "
                f"{key[2]}, row {key[3]}"
            )
        self.n_samples += 1
        self.n_changed += self._digests[key].get(index) != sample.get("request")
        return left.pop(index)

    def _read(self, offset: int) -> Reply:
        try:
            self._file.seek(offset)
            return from_wire(Reply, json.loads(self._file.readline())["reply"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"cannot read the journal {self.path}: {error}") from error

    def _read_index(self) -> None:
        decoder, offset = json.JSONDecoder(), 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break  # torn: the writer was killed in it
            if line.startswith(_REPLY):
                sample, _ = decoder.raw_decode(line.decode("ascii"), len(_REPLY))
                self._note(sample, offset)
            elif line.startswith(_RUN):
                self.options = json.loads(line)["run"].get("options", {})
            offset += len(line)

    def _note(self, sample: Mapping[str, Any], offset: int) -> None:
        key, index = _key(sample), int(sample["index"])
        if sample["turn"] == 0:
            self._samples[key][index] = [offset]
            self._digests[key][index] = str(sample.get("request"))
        else:
            self._samples[key][index].append(offset)


def _key(sample: Mapping[str, Json]) -> Key:
    return str(sample["scenario"]), str(sample["model"]), str(sample["variant"]), int(sample["row"])


def _journal_of(run: str, root: Path) -> Path:
    """The journal of ``run``: ``last``, an id, a run's folder, or a journal."""
    runs = root / FOLDER / "runs"
    known = sorted(path.parent.name for path in runs.glob("*/journal.jsonl"))
    if run == LAST and known:
        return runs / known[-1] / "journal.jsonl"
    for path in (runs / run, Path(run)):
        if (path / "journal.jsonl").is_file():
            return (path / "journal.jsonl").resolve()
        if path.is_file():
            return path.resolve()
    there = f"the newest are {', '.join(known[-3:])}" if known else f"there is none in {runs}"
    raise UsageError(f"--agentbench-replay={run}: no such run; {there}; or give a run's folder or journal")
