"""Draws that are no new evidence (METRICS 2)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_agentbench.sample import Sample


def repeated_draws(samples: Sequence[Sample], deterministic: bool) -> frozenset[int]:
    """The ``index`` of every sample that only repeats an earlier one; the first counts.

    A draw is repeated when the request is the same and either ``deterministic`` holds (the effective
    temperature is 0, or a constant seed was sent) or the response id is one seen before. Equal
    replies alone prove nothing: a good model gives the same tool call fifty times. X samples are
    neither repeated nor repeat anything; an empty digest equals no other.
    """
    seen: set[tuple[str, str | None]] = set()
    repeated = set()
    for sample in sorted(samples, key=lambda sample: (sample.index, sample.redraw)):
        if sample.status == "x" or not sample.request_digest:
            continue
        response_id = sample.turns[0].reply.response_id if sample.turns else None
        if not deterministic and not response_id:
            continue
        key = (sample.request_digest, None if deterministic else response_id)
        if key in seen:
            repeated.add(sample.index)
        seen.add(key)
    return frozenset(repeated)
