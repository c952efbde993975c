"""Numbers and texts that suit the key they stand under: a price, a city, a date."""

from __future__ import annotations

import datetime as dt
import functools
import math
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.merging import Node, matches
from pytest_agentbench.simulation.pattern_text import text_matching

_RANGES: Sequence[tuple[str, int, int]] = (
    ("age", 18, 90), ("year", 1995, 2026), ("month", 1, 12), ("day", 1, 28), ("hour", 0, 23),
    ("minute", 0, 59), ("percent", 0, 100), ("quantity", 1, 12), ("count", 0, 20), ("cents", 100, 50_000),
    ("price", 1, 500), ("amount", 1, 500), ("total", 1, 2_000), ("lat", -60, 70), ("latitude", -60, 70),
    ("lon", -170, 170), ("lng", -170, 170), ("longitude", -170, 170), ("rate", 0, 3), ("score", 0, 1),
    ("confidence", 0, 1), ("temperature", -5, 35), ("celsius", -5, 35),
)  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    """The words of a key, lower case: ``unitPrice_cents`` is unit, price, cents."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))


@functools.lru_cache(maxsize=4096)
def _usual_range(name: str) -> tuple[int, int]:
    words = _words(name)
    return next(((low, high) for word, low, high in _RANGES if word in words), (1, 1_000))


def number_for(one: Node, name: str, rng: random.Random, *, whole: bool) -> Json:
    """A number that ``one`` allows and that suits the key ``name``."""
    least, most = _bounds(one, whole=whole)
    low, high = _usual_range(name)
    span = high - low
    if low > most:
        low, high = max(least, most - span), most
    elif high < least:
        low, high = least, min(most, least + span)
    else:
        low, high = cast("int", max(low, least)), cast("int", min(high, most))
    if "multipleOf" in one:
        return _multiple(one["multipleOf"], (low, high), (least, most), rng, whole=whole)
    if whole:
        return rng.randint(math.ceil(low), max(math.ceil(low), math.floor(high)))
    drawn = round(rng.uniform(low, high), 2)
    shut = drawn in (one.get("exclusiveMinimum"), one.get("exclusiveMaximum"))
    return drawn if low <= drawn <= high and not shut else (low + high) / 2


def _bounds(one: Node, *, whole: bool) -> tuple[Any, Any]:
    """Smallest and largest number, infinite where none is set; exclusive ones are counted in for integers."""
    least, most = one.get("minimum", -math.inf), one.get("maximum", math.inf)
    above, below = one.get("exclusiveMinimum", -math.inf), one.get("exclusiveMaximum", math.inf)
    if not whole:
        return max(least, above), min(most, below)
    return max(_up(least), -_up(-above, beyond=True)), min(-_up(-most), _up(below, beyond=True))


def _up(bound: float, *, beyond: bool = False) -> Any:
    """The whole number at or above ``bound``; ``beyond``: the one that is strictly below it."""
    if math.isinf(bound):
        return bound
    return math.ceil(bound) - 1 if beyond else math.ceil(bound)


def _multiple(
    of: Json, near: tuple[Any, Any], bounds: tuple[Any, Any], rng: random.Random, *, whole: bool
) -> Json:
    step = Fraction(str(of))
    step = Fraction(step.numerator) if whole else step
    first, last = math.ceil(Fraction(near[0]) / step), math.floor(Fraction(near[1]) / step)
    if first > last:  # none near by: the first one within the bounds
        first = last = 0 if bounds[0] == -math.inf else math.ceil(Fraction(bounds[0]) / step)
    drawn = step * rng.randint(first, last)
    return int(drawn) if drawn.denominator == 1 and (whole or isinstance(of, int)) else float(drawn)


_MEANT: Mapping[str, str] = {
    "email": "ascii_safe_email", "mail": "ascii_safe_email", "firstname": "first_name", "first": "first_name",
    "lastname": "last_name", "last": "last_name", "surname": "last_name", "username": "user_name",
    "user": "name", "city": "city", "town": "city", "place": "city", "country": "country", "state": "state",
    "street": "street_address", "address": "street_address", "postcode": "postcode", "zip": "postcode",
    "phone": "phone_number", "company": "company", "organisation": "company", "organization": "company",
    "vendor": "company", "seller": "company", "buyer": "company", "currency": "currency_code",
    "language": "language_code", "locale": "locale", "job": "job", "role": "job", "url": "url",
    "link": "url", "website": "url", "color": "color_name", "colour": "color_name", "sku": "ean13",
    "ean": "ean13", "barcode": "ean13", "iban": "iban", "name": "name", "person": "name", "author": "name",
    "customer": "name", "title": "sentence", "subject": "sentence", "description": "sentence",
    "text": "sentence", "summary": "sentence", "comment": "sentence", "note": "sentence", "notes": "sentence",
    "reason": "sentence", "message": "sentence", "body": "sentence", "about": "sentence",
    "query": "sentence", "question": "sentence", "answer": "sentence",
}  # fmt: skip
_CODES = frozenset({"id", "number", "code", "ref", "reference", "order", "invoice", "key", "token"})
_DATES = frozenset({"date", "day", "birthday", "since", "until", "due", "deadline"})
_POOL_SIZE = 200


@functools.lru_cache(maxsize=1)
def _faker() -> Any:
    from faker import Faker

    return Faker("en_US")


@functools.cache
def pool(provider: str) -> tuple[str, ...]:
    """Values of one of Faker's providers, always the same: to draw from them costs a fiftieth of Faker."""
    faker = _faker()
    faker.seed_instance(0)
    return tuple(getattr(faker, provider)() for _ in range(_POOL_SIZE))


@functools.lru_cache(maxsize=4096)
def _maker(name: str) -> Callable[[random.Random], str]:
    """How to make a text that suits the key ``name``."""
    words = _words(name)
    if words and words[-1] in _CODES:
        return _code
    if words and words[-1] in _DATES:
        return _date
    provider = next((_MEANT[word] for word in reversed(words) if word in _MEANT), "word")
    return lambda rng: rng.choice(pool(provider))


def text_for(name: str, rng: random.Random) -> str:
    """A text such as may stand under the key ``name``: a name, a city, a code, a sentence."""
    return _maker(name)(rng)


def string_for(one: Node, name: str, rng: random.Random) -> str | None:
    """A text for an alternative; None when none was found."""
    least, most = one.get("minLength", 0), one.get("maxLength", math.inf)
    for drawn in _candidates(one, name, rng):
        if least <= len(drawn) <= most and ("pattern" not in one or matches(one["pattern"], drawn)):
            return drawn
    return None


def _candidates(one: Node, name: str, rng: random.Random) -> Iterator[str]:
    least, most = one.get("minLength", 0), one.get("maxLength", math.inf)
    if one.get("format") in _FORMATS:
        for _ in range(20):
            yield _FORMATS[one["format"]](rng)
    elif "pattern" not in one:
        drawn = text_for(name, rng)
        while len(drawn) < least:
            drawn = f"{drawn} {rng.choice(pool('word'))}"
        yield drawn if len(drawn) <= most else drawn[: int(most)].rstrip().ljust(least, "a")
    if "pattern" in one:
        for span in (3, 3, 0, 1, 8):
            yield text_matching(one["pattern"], rng, span) or ""
        shortest = len(text_matching(one["pattern"], rng, 0) or "")
        for n_parts in (1, 2, 3, 4, 1, 2, 3, 4):
            lacking = rng.randint(least, int(min(most, least + 5))) - shortest
            yield text_matching(one["pattern"], rng, max(0, lacking // n_parts), full=True) or ""


def _code(rng: random.Random) -> str:
    return f"{''.join(rng.choices(string.ascii_uppercase, k=2))}-{rng.randrange(10_000, 100_000)}"


def _date(rng: random.Random) -> str:
    return (dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(900))).isoformat()


def _time(rng: random.Random) -> str:
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"


def _of(provider: str, pattern: str = "{}") -> Callable[[random.Random], str]:
    return lambda rng: pattern.format(rng.choice(pool(provider)))


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda rng: f"{_date(rng)}T{_time(rng)}",
    "duration": lambda rng: f"P{rng.randint(1, 30)}D",
    **dict.fromkeys(("email", "idn-email"), _of("ascii_safe_email")),
    **dict.fromkeys(("hostname", "idn-hostname"), _of("domain_name")),
    **dict.fromkeys(("uri", "iri"), _of("domain_name", "https://{}/")),
    **dict.fromkeys(("uri-reference", "iri-reference"), _of("word", "/{}")),
    "uri-template": _of("domain_name", "https://{}/{{id}}"),
    "ipv4": lambda rng: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "ipv6": lambda rng: "2001:db8::" + ":".join(f"{rng.getrandbits(16):x}" for _ in range(4)),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": _of("word", "/{}/0"),
    "relative-json-pointer": _of("word", "1/{}"),
    "regex": _of("word", "^{}$"),
}
