"""One value from Faker: seeded, JSON only, and never with today's date. Import only when needed."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from faker import Faker

from pytest_agentbench.loader.suggest import did_you_mean
from pytest_agentbench.scenario import Json

_REFUSED = frozenset({
    "add_provider", "binary", "csv", "del_arguments", "dsv", "enum", "fixed_width", "format", "get_arguments",
    "get_formatter", "get_providers", "image", "json_bytes", "parse", "provider", "psv", "pyobject", "random",
    "seed", "seed_instance", "seed_locale", "set_arguments", "set_formatter", "tar", "tsv", "zip",
})  # fmt: skip


class FakeError(Exception):
    """A value cannot be made; ``about`` is the key that is wrong: faker, locale, now, or an argument."""

    def __init__(self, message: str, about: str = "faker") -> None:
        super().__init__(message)
        self.about = about


class _ClockError(Exception):
    """A provider asked for the time."""


def fake(provider: str, arguments: Mapping[str, Json], *, locale: str, seed: int, now: str | None) -> Json:
    """The value of ``provider`` for ``seed``; dates as ISO text, decimals as numbers.

    Raises:
        FakeError: no such provider, locale or argument; a result that is not JSON; the provider
            wants today's date and ``now`` is None.
    """
    generator = _generator(locale)
    names = _providers(locale)
    if provider not in names:
        raise FakeError(f"Faker has no provider '{provider}' for {locale}{did_you_mean(provider, names)}")
    function = getattr(generator, provider)
    generator.seed_instance(seed)
    try:
        with _clock(_moment(now)):
            return _json(function(**arguments), provider)
    except _ClockError:
        message = f"Faker's '{provider}' depends on today's date: set data.now (e.g. 2026-01-31) to pin it"
        raise FakeError(message) from None
    except FakeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a provider does with the arguments
        raise _explained(error, function, provider, arguments) from None


def _explained(error: Exception, function: Any, provider: str, arguments: Mapping[str, Json]) -> FakeError:
    try:
        known = [name for name in inspect.signature(function).parameters if name not in {"args", "kwargs"}]
    except (TypeError, ValueError):
        known = []
    for name in arguments:
        if known and name not in known:
            hint = did_you_mean(name, known, otherwise_list=True)
            return FakeError(f"Faker's '{provider}' has no argument '{name}'{hint}", name)
    return FakeError(f"Faker's '{provider}' fails: {error}")


@functools.cache
def _generator(locale: str) -> Any:
    try:
        return Faker(locale)
    except AttributeError:
        from faker.config import AVAILABLE_LOCALES

        hint = did_you_mean(locale, AVAILABLE_LOCALES)
        raise FakeError(f"Faker has no locale '{locale}'{hint}", "locale") from None


@functools.cache
def _providers(locale: str) -> frozenset[str]:
    return frozenset(
        name
        for provider in _generator(locale).factories[0].providers
        for name in dir(provider)
        if not name.startswith("_") and name not in _REFUSED and callable(getattr(provider, name, None))
    )


def _json(value: Any, provider: str) -> Json:
    if isinstance(value, bool | str | int | type(None)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, decimal.Decimal) and value.is_finite():
        return (
            int(value)
            if value == value.to_integral_value() and value.as_tuple().exponent == 0
            else float(value)
        )
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): _json(item, provider) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item, provider) for item in value]
    raise FakeError(f"Faker's '{provider}' gives a {type(value).__name__}, which JSON cannot hold")


def _moment(now: str | None) -> dt.datetime | None:
    if now is None:
        return None
    try:
        return dt.datetime.fromisoformat(now)
    except ValueError:
        raise FakeError(
            f"data.now must be an ISO date or time, e.g. 2026-01-31, got '{now}'", "now"
        ) from None


class _AnyOf(type):
    """Our classes stand for the real ones in ``isinstance``."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])


@functools.lru_cache(maxsize=8)
def _clock_classes(moment: dt.datetime | None) -> tuple[type, type]:
    def current() -> dt.datetime:
        if moment is None:
            raise _ClockError
        return moment

    class Date(dt.date, metaclass=_AnyOf):
        @classmethod
        def today(cls) -> dt.date:  # type: ignore[override]
            return current().date()

    class DateTime(dt.datetime, metaclass=_AnyOf):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            pinned = current()
            if tz is None:
                return pinned.replace(tzinfo=None)
            return pinned.astimezone(tz) if pinned.tzinfo else pinned.replace(tzinfo=tz)

        @classmethod
        def utcnow(cls) -> dt.datetime:  # type: ignore[override]
            return current().replace(tzinfo=None)

        @classmethod
        def today(cls) -> dt.datetime:  # type: ignore[override]
            return current().replace(tzinfo=None)

    return Date, DateTime


@contextmanager
def _clock(moment: dt.datetime | None) -> Iterator[None]:
    """Inside, Faker's modules see ``moment`` for the time of day; without one, asking for it fails.

    A list of the providers that look at the clock would miss those of the next Faker version, and
    those of single locales (a Finnish ``ssn``): the clock itself is replaced, in Faker's modules only.
    """
    date, datetime = _clock_classes(moment)
    shim = SimpleNamespace(**{**vars(dt), "date": date, "datetime": datetime})
    stand_ins = {id(dt.date): date, id(dt.datetime): datetime, id(dt): shim}
    places = _clock_places(len(sys.modules))
    for module, name, original in places:
        setattr(module, name, stand_ins[id(original)])
    try:
        yield
    finally:
        for module, name, original in places:
            setattr(module, name, original)


@functools.lru_cache(maxsize=1)
def _clock_places(n_modules: int) -> tuple[tuple[ModuleType, str, Any], ...]:  # noqa: ARG001 - new modules, new places
    originals = (dt.date, dt.datetime, dt)
    return tuple(
        (module, name, value)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith("faker.")
        for name, value in list(vars(module).items())
        if any(value is original for original in originals)
    )
