"""Texts that go round, and texts that do not."""

from __future__ import annotations

import random

KINDS = ("exact", "near", "counter")

_WHO = [
    "The baker",
    "A fisherman",
    "The old teacher",
    "Her neighbour",
    "The night porter",
    "A young doctor",
    "The gardener",
    "His sister",
    "The pilot",
    "A stranger",
    "The clerk",
    "Somebody",
    "My uncle",
    "The captain",
    "A student",
    "The painter",
]
_DOES = [
    "carried",
    "found",
    "lost",
    "painted",
    "described",
    "repaired",
    "hid",
    "sold",
    "opened",
    "forgot",
    "returned",
    "borrowed",
    "counted",
    "measured",
    "buried",
    "admired",
    "wrapped",
    "questioned",
    "followed",
    "remembered",
]
_WHAT = [
    "a letter",
    "the blue lamp",
    "an empty box",
    "two umbrellas",
    "the map",
    "a broken clock",
    "the ladder",
    "some bread",
    "an old coat",
    "the key",
    "a silver coin",
    "the photograph",
    "a basket",
    "three books",
    "the violin",
    "a wet hat",
    "the parcel",
    "an orange",
    "a list",
    "the mirror",
]
_WHERE = [
    "near the harbour",
    "behind the church",
    "in the garden",
    "on the second floor",
    "at the station",
    "under the bridge",
    "before breakfast",
    "after the storm",
    "without a word",
    "late at night",
    "in the snow",
    "on the way home",
    "beside the river",
    "among the trees",
    "at noon",
    "by the window",
]
_WHY = [
    "because nobody asked",
    "although it rained",
    "while the others slept",
    "since the shop was closed",
    "before anyone noticed",
    "as if it mattered",
    "so that all could see",
    "until the bell rang",
    "when the lights went out",
    "though it was late",
]
_UNITS = (
    "I am sorry, I cannot do that.",
    "She loved to play in the garden.",
    "The answer is the same as before, and it will stay the same.",
    "Let me think about it again.",
    "and then he went home, ",
    "Ich weiß es nicht mehr genau.",
    "再见，朋友。",  # noqa: RUF001  as it is written
    "Yes, of course, yes. ",
)


def plain_text(rng: random.Random, n_words: int = 80) -> str:
    """Ordinary sentences of about ``n_words`` words in all; none comes twice."""
    said: list[str] = []
    used: set[str] = set()
    while sum(len(sentence.split()) for sentence in said) < n_words:
        sentence = _sentence(rng)
        if sentence not in used:
            used.add(sentence)
            said.append(sentence)
    return " ".join(said)


def looping_text(kind: str, rng: random.Random) -> str:
    """An ordinary beginning, and then a loop of this ``kind`` that runs to the end.

    ``exact`` repeats a unit of words as it is; ``near`` says the same few sentences again in ever other
    order; ``counter`` repeats a sentence with a number that moves by the same step.

    Raises:
        KeyError: there is no such kind.
    """
    return f"{plain_text(rng, rng.randint(15, 60))} {_LOOPS[kind](rng)}"


def _exact(rng: random.Random) -> str:
    unit = rng.choice((*_UNITS, _sentence(rng), f"{_sentence(rng)} {_sentence(rng)}"))
    n_tokens = max(2, len(unit.split()) + 1)
    repeats = max(10, 160 // n_tokens) + rng.randint(0, 20)
    return (unit.rstrip() + " ") * repeats


def _near(rng: random.Random) -> str:
    """A few sentences again and again, never twice in the same order running."""
    unit = [_sentence(rng) for _ in range(rng.randint(5, 7))]
    rounds: list[str] = []
    last: list[str] = []
    for _ in range(rng.randint(7, 10)):
        order = rng.sample(unit, len(unit))
        while last and order[0] == last[-1]:
            order = rng.sample(unit, len(unit))
        rounds += order
        last = order
    return " ".join(rounds)


def _counter(rng: random.Random) -> str:
    start, step = rng.randint(1, 40), rng.choice((1, 1, 1, 2, 5, 10))
    who, does, what, where = (rng.choice(words) for words in (_WHO, _DOES, _WHAT, _WHERE))
    head = rng.choice(("Day", "Step", "Chapter", "Attempt"))
    numbers = range(start, start + step * rng.randint(20, 40), step)
    return " ".join(f"{head} {n}: {who.lower()} {does} {what} {where}." for n in numbers)


_LOOPS = {"exact": _exact, "near": _near, "counter": _counter}


def _sentence(rng: random.Random) -> str:
    parts = [rng.choice(_WHO), rng.choice(_DOES), rng.choice(_WHAT)]
    if rng.random() < 0.7:
        parts.append(rng.choice(_WHERE))
    if rng.random() < 0.5:
        parts.append(rng.choice(_WHY))
    return " ".join(parts) + "."
