"""Which sampling values hold for a scenario on a model, and whether it runs there at all."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_agentbench.errors import UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.scenario import Json, ModelRule, Sampling, Scenario

KEYS = tuple(field.name for field in dataclasses.fields(Sampling) if field.name != "set_keys")

_NOT_SET = Sampling()


def merge_sampling(
    scenario: Sampling, rules: Sequence[ModelRule], model: Model, overrides: Mapping[str, Json]
) -> Sampling:
    """Command line > ``models:`` section of the scenario > scenario > preset, key by key.

    A key that is null in a higher layer is not sent, whatever a lower one says. Every rule whose
    pattern fits the model's name counts, later ones win. ``extra_body`` is merged by its own keys.

    Raises:
        UsageError: the preset, a rule or the command line names an unknown key.
    """
    preset = dict(_checked(model.sampling, f"sampling of model {model.name}"))
    asked: dict[str, Json] = {key: getattr(scenario, key) for key in scenario.set_keys}
    extra = {**(preset.get("extra_body") or {}), **(asked.get("extra_body") or {})}
    for where, layer in [
        *((f"models: {rule.pattern!r}", rule.sampling) for rule in _matching(rules, model)),
        ("sampling options", overrides),
    ]:
        asked.update(_checked(layer, where))
        extra.update(layer.get("extra_body") or {})
    merged = {key: _normal(key, value) for key, value in {**preset, **asked}.items()}
    return Sampling(**{**merged, "extra_body": extra}, set_keys=frozenset(asked))


def skip_reason(scenario: Scenario, model: Model) -> str | None:
    """Why the scenario does not apply to the model (its own words), or None."""
    return next((rule.skip for rule in _matching(scenario.models, model) if rule.skip is not None), None)


def sample_seed(sampling: Sampling, *, seed: int, scenario: str, variant: str, index: int) -> int | None:
    """The ``seed`` of one sample's requests, in [0, 2**31); None unless ``seed: per_sample``."""
    if sampling.seed != "per_sample":
        return None
    digest = hashlib.sha256(f"{seed}\0{scenario}\0{variant}\0{index}".encode()).digest()
    # Some providers take a signed, llama.cpp an unsigned 32-bit number.
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def _matching(rules: Sequence[ModelRule], model: Model) -> Iterator[ModelRule]:
    return (rule for rule in rules if fnmatch.fnmatchcase(model.name, rule.pattern))


def _checked(layer: Mapping[str, Json], where: str) -> Mapping[str, Json]:
    unknown = sorted(set(layer) - set(KEYS))
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r}; there are: {', '.join(KEYS)}")
    return layer


def _normal(key: str, value: Json) -> Any:
    if value is None:
        return getattr(_NOT_SET, key)
    if key == "stop":
        return (value,) if isinstance(value, str) else tuple(value)
    return value
