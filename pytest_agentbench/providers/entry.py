"""One table of ``[tool.agentbench.models."NAME"]``: which keys it may have, and how two merge."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pytest_agentbench.model import ParameterRules, Prices
from pytest_agentbench.providers.addresses import address_problem
from pytest_agentbench.scenario import Json, Sampling

if TYPE_CHECKING:
    from pytest_agentbench.providers.presets import Presets

_SAMPLING_KEYS = tuple(field.name for field in fields(Sampling) if field.name != "set_keys")
_RULE_KEYS = tuple(field.name for field in fields(ParameterRules))
_PRICE_KEYS = tuple(field.name for field in fields(Prices))


def merge_entries(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base``; ``rules`` and ``sampling`` merge key by key.

    ``limits`` and ``model_id`` are other ways to write ``context_tokens``, ``output_tokens`` and
    ``model``.
    """
    merged = {**base, **over}
    for name in ("rules", "sampling"):
        if name in base and name in over:
            merged[name] = {**base[name], **over[name]}
    merged |= merged.pop("limits", {})
    if "model_id" in merged:
        merged["model"] = merged.pop("model_id")
    return merged


def check_entry(entry: Json, *, what: str, name: str, presets: Presets) -> list[str]:
    """Every mistake in one table, each as ``what: key: what was expected, what came``."""
    if not isinstance(entry, Mapping):
        return [f"{what}: a table was expected, got {entry!r}"]
    problems = _check_keys(entry, _CHECKS, what)
    for key, allowed in (("sampling", _SAMPLING_KEYS), ("rules", _RULE_KEYS), ("prices", _PRICE_KEYS)):
        if isinstance(entry.get(key), Mapping):
            problems += [f"{what}: {key}: {text}" for text in _unknown_keys(entry[key], allowed)]
    if isinstance(entry.get("limits"), Mapping):
        limits = _check_keys(entry["limits"], _LIMITS, f"{what}: limits")
        problems += limits
    if isinstance(entry.get("prices"), Mapping):
        problems += _check_prices(entry["prices"], what)
    if isinstance(entry.get("base_url"), str):
        problem = address_problem(entry["base_url"])
        problems += [f"{what}: base_url: {problem}"] if problem else []
    known = {"provider": presets.providers, "preset": {**presets.models, **presets.aliases}}
    for key, names in known.items():
        value = entry.get(key)
        if isinstance(value, str) and value not in names:
            problems.append(f"{what}: {key}: {value!r} is unknown{_near(value, names)}")
    has_place = {"base_url", "provider", "preset", "weights"} & set(entry)
    if not problems and not has_place and name not in {**presets.models, **presets.aliases}:
        problems.append(f"{what}: needs base_url, provider, preset or weights to say where the model is")
    return problems


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_price(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())


_Check = tuple[Callable[[Json], bool], str]
_TEXT: _Check = (_is_text, "text")
_COUNT: _Check = (_is_count, "a whole number above 0")
_TABLE: _Check = (lambda value: isinstance(value, Mapping), "a table")
_LIMITS: Mapping[str, _Check] = {"context_tokens": _COUNT, "output_tokens": _COUNT}
_CHECKS: Mapping[str, _Check] = {
    "preset": _TEXT,
    "provider": _TEXT,
    "base_url": _TEXT,
    "model": _TEXT,
    "model_id": _TEXT,
    "api_key_env": (
        lambda value: isinstance(value, str) and (not value or value.isidentifier()),
        'the name of an environment variable, or "" where no key is needed (never the key itself)',
    ),
    "weights": _TEXT,
    "context_tokens": _COUNT,
    "output_tokens": _COUNT,
    "limits": _TABLE,
    "prices": _TABLE,
    "concurrency": _COUNT,
    "sampling": _TABLE,
    "extra_body": _TABLE,
    "rules": _TABLE,
    "warning": (lambda value: isinstance(value, str), "text"),
}


def _check_keys(table: Mapping[str, Json], checks: Mapping[str, _Check], what: str) -> list[str]:
    problems = [f"{what}: {text}" for text in _unknown_keys(table, checks)]
    for key, (holds, expected) in checks.items():
        if key in table and not holds(table[key]):
            # A key pasted where the name of its variable belongs must not be repeated in a log.
            shown = "" if key == "api_key_env" else f", got {table[key]!r}"
            problems.append(f"{what}: {key}: {expected} was expected{shown}")
    return problems


def _check_prices(prices: Mapping[str, Json], what: str) -> list[str]:
    problems = [
        f"{what}: prices: {key}: dollars per million tokens were expected, got {prices[key]!r}"
        for key in ("input", "output", "cached_input")
        if key in prices and not _is_price(prices[key])
    ]
    lacking = [key for key in ("input", "output") if key not in prices]
    return problems + ([f"{what}: prices: {' and '.join(lacking)} missing"] if lacking else [])


def _unknown_keys(table: Mapping[str, Json], allowed: Iterable[str]) -> list[str]:
    names = tuple(allowed)
    return [f"unknown key {key!r}{_near(key, names)}" for key in table if key not in names]


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), n=2, cutoff=0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""
