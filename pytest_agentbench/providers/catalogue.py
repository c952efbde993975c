"""Names of models -> where they are, what they take, what they cost.

A name is a preset (``deepseek-v4-pro``), an entry of the project's settings
(``[tool.agentbench.models."NAME"]``), ``provider:model-id``, ``gguf:PATH``, ``simulated:PROFILE``,
or, with a base URL of one's own, anything that the server behind it understands. Needs no network
and no client: xdist workers resolve the same names while they collect.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import UsageError
from pytest_agentbench.model import Model, ParameterRules, Prices
from pytest_agentbench.providers.addresses import address_problem, is_loopback, origin
from pytest_agentbench.providers.entry import check_entry, merge_entries
from pytest_agentbench.providers.presets import Presets, load_presets
from pytest_agentbench.scenario import Json

OWN_KEY = "AGENTBENCH_API_KEY"
OWN_URL = "AGENTBENCH_BASE_URL"
SIMULATED = "simulated"


def resolve(
    names: Sequence[str],
    *,
    settings: Mapping[str, Json],
    base_url: str | None,
    env: Mapping[str, str],
    require_keys: bool = True,
) -> tuple[Model, ...]:
    """The models behind ``names``, in order, each once.

    Args:
        names: As on the command line; each may be a comma list.
        settings: ``[tool.agentbench]`` of the project.
        base_url: Address of a gateway or server of one's own, for all models; None: what
            ``AGENTBENCH_BASE_URL`` says, else each model's own.
        env: The environment, where keys come from.
        require_keys: Whether a missing key is an error (see :func:`missing_key`).

    Raises:
        UsageError: everything that is wrong with any of the names, in one message.
    """
    wanted = dict.fromkeys(name.strip() for listed in names for name in listed.split(",") if name.strip())
    problems: list[str] = []
    if not wanted:
        problems.append(f"no model named; known: {', '.join(sorted(load_presets().models))}")
    own_url = base_url or env.get(OWN_URL, "").strip() or None
    if own_url is not None:
        what = "--agentbench-base-url" if base_url else OWN_URL
        problem = address_problem(own_url)
        if problem:
            raise UsageError(f"{what}: {problem}")
    entries = settings.get("models", {})
    if not isinstance(entries, Mapping):
        problems.append(f"[tool.agentbench.models]: a table per model was expected, got {entries!r}")
        entries = {}
    models: list[Model] = []
    for name in wanted:
        model = _find(name, entries, own_url, problems)
        if model is not None:
            models.append(model)
            lacking = missing_key(model, env) if require_keys else None
            if lacking:
                problems.append(lacking)
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)))
    return _with_unique_slugs(models)


def known_names(settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Every name that can be given without an address: presets, then the project's own."""
    own = settings.get("models", {})
    return tuple(dict.fromkeys([*load_presets().models, *(own if isinstance(own, Mapping) else ())]))


def key_of(model: Model, env: Mapping[str, str]) -> str | None:
    """The API key of a model from the environment; None where there is none."""
    value = env.get(model.api_key_env, "").strip() if model.api_key_env else ""
    return value or None


def missing_key(model: Model, env: Mapping[str, str]) -> str | None:
    """What is wrong with a model's key and what to do; None when nothing is."""
    variable = model.api_key_env
    if model.served_here or not variable:
        return None
    value = key_of(model, env)
    if value is None:
        if is_loopback(model.base_url):
            return None
        where = f" for {origin(model.base_url)}" if variable == OWN_KEY and model.base_url else ""
        no_need = " (any word, if the server wants none)" if variable == OWN_KEY else ""
        return f"{model.name}: no API key{where}; set it with: export {variable}=...{no_need}"
    if not (value.isascii() and value.isprintable()):
        return f"{model.name}: the value of {variable} is no API key (characters outside ASCII); set it anew"
    return None


def _find(name: str, entries: Mapping[str, Json], own_url: str | None, problems: list[str]) -> Model | None:
    presets = load_presets()
    if name.startswith("gguf:"):
        return _gguf(name, problems)
    if own_url is None and (name == SIMULATED or name.startswith(f"{SIMULATED}:")):
        return _simulated(name)
    if name in presets.retired and name not in entries and own_url is None:
        problems.append(f"{name}: {presets.retired[name]}")
        return None
    entry: Mapping[str, Any] | None
    if name in entries:
        what = f'[tool.agentbench.models."{name}"]'
        found = check_entry(entries[name], what=what, name=name, presets=presets)
        if found:
            problems += found
            return None
        entry, source = _inherit(name, entries[name], presets), what
    else:
        entry, source = _preset(name, presets), "preset"
        if entry is None:
            entry, source = _by_provider(name, presets, own_url, problems), "provider"
        if entry is None and own_url is not None:
            entry, source = {"model": name}, "base URL"
        if entry is None:
            if not any(line.startswith(f"{name}: ") for line in problems):
                problems.append(_unknown(name, entries, presets))
            return None
    return _model(name, entry, source, own_url, problems)


def _preset(name: str, presets: Presets) -> Mapping[str, Any] | None:
    alias = presets.aliases.get(name)
    if alias is None:
        return presets.entry(name)
    entry = presets.entry(alias["model"])
    assert entry is not None, f"alias {name} of presets.toml leads nowhere"
    return {**entry, "warning": alias["hint"]} if "hint" in alias else entry


def _by_provider(
    name: str, presets: Presets, own_url: str | None, problems: list[str]
) -> Mapping[str, Any] | None:
    """``provider:model-id``."""
    provider, colon, model_id = name.partition(":")
    if not colon or not model_id:
        return None
    if provider in presets.providers:
        if model_id in presets.retired and own_url is None:
            problems.append(f"{name}: {presets.retired[model_id]}")
            return None
        return {**presets.providers[provider], "provider": provider, "model": model_id}
    if own_url is None:
        near = _nearest(provider, presets.providers)
        problems.append(
            f"{name}: unknown provider {provider!r}{near}; known: {', '.join(sorted(presets.providers))}"
        )
    return None


def _inherit(name: str, entry: Mapping[str, Any], presets: Presets) -> Mapping[str, Any]:
    """A checked entry of the settings over the preset or provider that it builds on."""
    base: Mapping[str, Any] = {}
    parent = entry.get("preset", name)
    found = _preset(parent, presets)
    if found is not None:
        base = found
    if "provider" in entry:
        base = {**base, **presets.providers[entry["provider"]]}
    merged = merge_entries(base, entry)
    merged.setdefault("model", name)
    if "base_url" in entry and "api_key_env" not in entry:
        merged["api_key_env"] = OWN_KEY
    if "weights" in entry:
        merged["kind"] = "local"
    elif "base_url" in entry:
        merged["kind"] = "openai"
    return merged


def _model(
    name: str, entry: Mapping[str, Any], source: str, own_url: str | None, problems: list[str]
) -> Model | None:
    kind = entry.get("kind", "openai")
    base_url = entry.get("base_url")
    api_key_env = entry.get("api_key_env") or None
    if own_url is not None:
        # The preset's key belongs to the preset's own endpoint only.
        kind, base_url, api_key_env = "openai", own_url, OWN_KEY
    if kind == "openai" and base_url is None and api_key_env is None:
        problems.append(
            f"{name}: {source} says neither base_url nor provider nor preset, so there is nowhere to call"
        )
        return None
    prices = entry.get("prices")
    return Model(
        name=name,
        slug=slug_of(name),
        model_id=entry["model"],
        kind=kind,
        base_url=base_url,
        api_key_env=api_key_env,
        weights=entry.get("weights") if kind == "local" else None,
        context_tokens=entry.get("context_tokens"),
        output_tokens=entry.get("output_tokens"),
        prices=Prices(**prices) if prices is not None else None,
        concurrency=entry.get("concurrency", 64),
        rules=rules_of(entry.get("rules", {})),
        sampling=dict(entry.get("sampling", {})),
        extra_body=dict(entry.get("extra_body", {})),
        source=source,
        warning=entry.get("warning", ""),
    )


def rules_of(table: Mapping[str, Any]) -> ParameterRules:
    """Parameter rules from a table whose keys were checked."""
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return replace(ParameterRules(), **{**table, **lists})


def _gguf(name: str, problems: list[str]) -> Model | None:
    path = Path(name.removeprefix("gguf:")).expanduser()
    if not path.is_file():
        problems.append(f"{name}: there is no file {path} (gguf:PATH names a GGUF file on this machine)")
        return None
    return Model(
        name=name,
        slug=slug_of(path.stem),
        model_id=path.stem,
        kind="local",
        weights=str(path.resolve()),
        concurrency=4,
        prices=Prices(input=0.0, output=0.0, cached_input=0.0, source="runs on this machine"),
        source="gguf",
    )


def _simulated(name: str) -> Model:
    """``simulated``, ``simulated:PROFILE`` or ``simulated:PROFILE:MODEL``."""
    profile, _, model = name.partition(":")[2].partition(":")
    profile = profile or "perfect"
    model_id = Path(profile).stem + (f":{model}" if model else "")
    return Model(
        name=name,
        slug=slug_of(f"{SIMULATED}-{model_id}" if ":" in name else name),
        model_id=model_id,
        kind="simulated",
        weights=profile,
        prices=Prices(input=0.0, output=0.0, cached_input=0.0, source="runs on this machine"),
        source="simulated",
    )


def slug_of(name: str) -> str:
    """``name`` in [a-z0-9._-], as used in node ids."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "model"


def _with_unique_slugs(models: Iterable[Model]) -> tuple[Model, ...]:
    seen: set[str] = set()
    unique = []
    for model in models:
        slug, number = model.slug, 2
        while slug in seen:
            slug, number = f"{model.slug}-{number}", number + 1
        seen.add(slug)
        unique.append(replace(model, slug=slug))
    return tuple(unique)


def _unknown(name: str, entries: Mapping[str, Json], presets: Presets) -> str:
    known = [*presets.models, *presets.aliases, *entries]
    listed = ", ".join(sorted({*presets.models, *entries}))
    return (
        f"{name}: unknown model{_nearest(name, known)}; known: {listed}; "
        "or provider:model-id, gguf:PATH, simulated[:PROFILE], any name with --agentbench-base-url, "
        f'or an entry [tool.agentbench.models."{name}"]'
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""
