"""``presets.toml`` as data: providers, models, aliases, retired names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_agentbench.providers.entry import merge_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """What is shipped. Entries are plain tables in the form that settings use too."""

    as_of: str
    providers: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    aliases: Mapping[str, Mapping[str, str]]
    retired: Mapping[str, str]

    def entry(self, name: str) -> Mapping[str, Any] | None:
        """A preset with what its provider says under it; None when there is no such preset."""
        model = self.models.get(name)
        if model is None:
            return None
        merged = merge_entries(self.providers.get(model.get("provider", ""), {}), model)
        if "prices" in merged:
            merged["prices"] = {"as_of": self.as_of, **merged["prices"]}
        return merged


@functools.cache
def load_presets() -> Presets:
    """The shipped presets, read once (about 1 ms)."""
    import tomllib

    text = Path(__file__).with_name("presets.toml").read_text(encoding="utf-8")
    return Presets(**tomllib.loads(text))
