"""Names of models: presets, aliases, the project's own, providers, files, addresses, keys."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.errors import UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.providers.catalogue import key_of, known_names, missing_key, resolve, slug_of
from pytest_agentbench.providers.presets import load_presets

KEYS = {
    provider["api_key_env"]: f"key-of-{name}"
    for name, provider in load_presets().providers.items()
    if "api_key_env" in provider
}
NINE = (
    "deepseek-v4-pro",
    "deepseek-v3.1",
    "deepseek-r1",
    "llama-4-maverick",
    "llama-4-scout",
    "gpt-5",
    "claude-opus-4.7",
    "gemini-3-pro",
    "smollm2-135m",
)


def one(
    name: str, *, base_url: str | None = None, env: dict[str, str] | None = None, models: Any = None
) -> Model:
    (model,) = resolve(
        [name], settings={"models": models or {}}, base_url=base_url, env=KEYS if env is None else env
    )
    return model


def refused(*names: str, settings: Any = None, base_url: str | None = None, env: Any = None) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(names, settings=settings or {}, base_url=base_url, env=env or {})
    return str(caught.value)


def test_the_presets_are_the_nine_with_their_limits_and_dated_prices() -> None:
    assert known_names({}) == NINE
    for model in resolve(NINE, settings={}, base_url=None, env=KEYS):
        assert model.slug == model.name
        assert model.context_tokens
        assert model.prices is not None
        assert model.prices.as_of == "2026-11-24"
        assert model.prices.source
        assert model.base_url or model.api_key_env == "OPENAI_API_KEY" or model.kind == "local"


@pytest.mark.parametrize(
    ("name", "model_id", "host", "prices", "limits"),
    [
        ("deepseek-v4-pro", "deepseek-v4-pro", "api.deepseek.com", (1.32, 3.96), (1_000_000, 384_000)),
        ("deepseek-v3.1", "deepseek/deepseek-chat-v3.1", "openrouter.ai", (0.21, 0.79), (164_000, 33_000)),
        ("deepseek-r1", "deepseek/deepseek-r1-0528", "openrouter.ai", (0.5, 2.15), (164_000, 33_000)),
        (
            "llama-4-maverick",
            "meta-llama/llama-4-maverick",
            "openrouter.ai",
            (0.15, 0.6),
            (1_050_000, 16_000),
        ),
        ("claude-opus-4.7", "claude-opus-4-7", "api.anthropic.com", (5, 25), (1_000_000, 128_000)),
        ("gemini-3-pro", "gemini-3.1-pro-preview", "generativelanguage", (2, 12), (1_050_000, 65_000)),
    ],
)
def test_a_preset_is_where_the_facts_say(
    name: str, model_id: str, host: str, prices: tuple[float, float], limits: tuple[int, int]
) -> None:
    model = one(name)
    assert model.model_id == model_id
    assert model.base_url is not None
    assert host in model.base_url
    assert model.prices is not None
    assert (model.prices.input, model.prices.output) == prices
    assert (model.context_tokens, model.output_tokens) == limits


def test_gpt_5_is_called_at_the_clients_default_and_warns_of_its_end() -> None:
    model = one("gpt-5")
    assert (model.base_url, model.api_key_env) == (None, "OPENAI_API_KEY")
    assert "2026-12-11" in model.warning
    assert "gpt-5.4" in model.warning


def test_the_local_preset_needs_no_key_and_few_slots() -> None:
    model = one("smollm2-135m", env={})
    assert (model.kind, model.weights, model.base_url) == ("local", "bundled:smollm2-135m", None)
    assert (model.concurrency, model.context_tokens) == (4, 8192)


def test_a_retired_alias_leads_to_the_model_in_its_place_and_says_so() -> None:
    model = one("gemini-3-pro-preview")
    assert model.model_id == "gemini-3.1-pro-preview"
    assert (model.name, model.slug) == ("gemini-3-pro-preview", "gemini-3-pro-preview")
    assert "retired" in model.warning


@pytest.mark.parametrize("name", ["deepseek-chat", "deepseek-reasoner", "deepseek:deepseek-chat"])
def test_a_retired_name_is_an_error_with_a_hint(name: str) -> None:
    assert "use deepseek-v4-pro" in refused(name, env=KEYS)


def test_all_that_is_wrong_is_one_error_with_what_to_do() -> None:
    text = refused(
        "deepsek-v4-pro", "gpt-5,claude-opus-4.7", "deepseek-chat", "gguf:/no/such.gguf", "opnai:gpt-5.5"
    )
    lines = text.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("deepsek-v4-pro: unknown model, did you mean deepseek-v4-pro")
    assert "llama-4-maverick" in lines[0]
    assert lines[1] == "gpt-5: no API key; set it with: export OPENAI_API_KEY=..."
    assert lines[2] == "claude-opus-4.7: no API key; set it with: export ANTHROPIC_API_KEY=..."
    assert lines[3].startswith("deepseek-chat: retired by DeepSeek on 2026-07-24")
    assert (
        lines[4]
        == "gguf:/no/such.gguf: there is no file /no/such.gguf (gguf:PATH names a GGUF file on this machine)"
    )
    assert lines[5].startswith("opnai:gpt-5.5: unknown provider 'opnai', did you mean openai?")


def test_no_model_named_lists_those_there_are() -> None:
    assert "smollm2-135m" in refused()
    assert "smollm2-135m" in refused(" , ")


def test_names_come_as_a_list_and_with_commas_and_each_once_in_order() -> None:
    models = resolve(["gpt-5, smollm2-135m", "gpt-5"], settings={}, base_url=None, env=KEYS)
    assert [model.name for model in models] == ["gpt-5", "smollm2-135m"]


def test_a_missing_key_can_be_left_to_the_caller() -> None:
    (model,) = resolve(["gpt-5"], settings={}, base_url=None, env={}, require_keys=False)
    assert missing_key(model, {}) == "gpt-5: no API key; set it with: export OPENAI_API_KEY=..."
    assert missing_key(model, {"OPENAI_API_KEY": "  "}) is not None
    assert missing_key(model, {"OPENAI_API_KEY": "sk-1"}) is None
    assert key_of(model, {"OPENAI_API_KEY": " sk-1\n"}) == "sk-1"


def test_a_key_that_cannot_be_one_is_told_without_showing_it() -> None:
    text = refused("gpt-5", env={"OPENAI_API_KEY": "sk-geheim-ü"})
    assert "OPENAI_API_KEY" in text
    assert "geheim" not in text


def test_with_an_address_of_ones_own_the_presets_key_stays_home_and_its_rules_stay() -> None:
    env = {**KEYS, "AGENTBENCH_API_KEY": "own"}
    model = one("llama-4-maverick", base_url="https://gateway.example/v1", env=env)
    assert (model.base_url, model.api_key_env) == ("https://gateway.example/v1", "AGENTBENCH_API_KEY")
    assert key_of(model, env) == "own"
    assert model.model_id == "meta-llama/llama-4-maverick"
    assert model.extra_body["provider"]["allow_fallbacks"] is False
    assert one("deepseek-v4-pro", base_url="http://127.0.0.1:1/v1").rules == one("deepseek-v4-pro").rules


def test_the_address_may_stand_in_the_environment_and_the_command_line_wins() -> None:
    env = {"AGENTBENCH_BASE_URL": "http://127.0.0.1:1/v1"}
    assert one("gpt-5", env=env).base_url == "http://127.0.0.1:1/v1"
    assert one("gpt-5", env=env, base_url="http://localhost:2/v1").base_url == "http://localhost:2/v1"


def test_a_gateway_elsewhere_needs_a_key_and_loopback_needs_none() -> None:
    text = refused("gpt-5", base_url="https://gateway.example/v1", env=KEYS)
    assert "export AGENTBENCH_API_KEY=" in text
    for address in (
        "http://127.0.0.1:8000/v1",
        "http://localhost:1/v1",
        "http://[::1]:1/v1",
        "http://127.9.9.9/v1",
    ):
        assert key_of(one("gpt-5", base_url=address), KEYS) is None


def test_behind_an_address_of_ones_own_any_name_is_a_model_with_no_price() -> None:
    model = one("Org/My Model:7B", base_url="http://127.0.0.1:1/v1")
    assert (model.model_id, model.slug, model.prices) == ("Org/My Model:7B", "org-my-model-7b", None)
    assert one("deepseek-chat", base_url="http://127.0.0.1:1/v1").model_id == "deepseek-chat"
    assert one("smollm2-135m", base_url="http://127.0.0.1:1/v1").kind == "openai"


@pytest.mark.parametrize(
    "address", ["127.0.0.1:80", "ftp://x/v1", "http://", "http://[::1/v1", "http://h:99999"]
)
def test_an_address_that_is_none_is_told(address: str) -> None:
    text = refused("gpt-5", base_url=address, env=KEYS)
    assert "--agentbench-base-url" in text
    assert "http://127.0.0.1:8000/v1" in text


def test_a_secret_in_an_address_is_refused_and_not_repeated() -> None:
    text = refused("gpt-5", base_url="https://me:hunter2@gateway.example/v1", env=KEYS)
    assert "hunter2" not in text


def test_a_provider_and_an_id_make_a_model_under_the_providers_rules() -> None:
    model = one("deepinfra:meta-llama/Llama-4-Scout-17B-16E-Instruct")
    assert model.model_id == "meta-llama/Llama-4-Scout-17B-16E-Instruct"
    assert (model.api_key_env, model.prices) == ("DEEPINFRA_API_KEY", None)
    assert one("openai:gpt-5.5").rules.max_tokens_key == "max_completion_tokens"
    assert one("ollama:qwen3:8b", env={}).model_id == "qwen3:8b"


def test_any_gguf_file_is_a_local_model(tmp_path: Path) -> None:
    path = tmp_path / "My Model.Q4.gguf"
    path.write_bytes(b"GGUF")
    model = one(f"gguf:{path}")
    assert (model.kind, model.weights, model.slug) == ("local", str(path), "my-model.q4")


def test_a_project_overrides_a_preset_key_by_key() -> None:
    entry = {
        "prices": {"input": 1, "output": 2},
        "limits": {"output_tokens": 5000},
        "sampling": {"temperature": 0.2},
        "concurrency": 3,
        "rules": {"json_word": False},
    }
    model = one("deepseek-v4-pro", models={"deepseek-v4-pro": entry})
    assert model.model_id == "deepseek-v4-pro"
    assert model.prices is not None
    assert (model.prices.input, model.prices.cached_input, model.prices.as_of) == (1, None, "")
    assert (model.context_tokens, model.output_tokens, model.concurrency) == (1_000_000, 5000, 3)
    assert model.sampling == {"temperature": 0.2}
    assert (model.rules.json_word, model.rules.json_request) == (False, "json_object")


def test_a_project_adds_models_of_its_own() -> None:
    settings = {
        "models": {
            "ours": {"base_url": "https://llm.example/v1", "model_id": "prod-7", "api_key_env": "OUR_KEY"},
            "maverick-fireworks": {
                "preset": "llama-4-maverick",
                "provider": "fireworks",
                "model": "accounts/fireworks/models/llama4-maverick-instruct-basic",
                "extra_body": {},
            },
            "open": {"base_url": "https://llm.example/v1", "api_key_env": ""},
            "gateway": {"preset": "gpt-5", "base_url": "https://gateway.example/v1"},
        }
    }
    env = {**KEYS, "OUR_KEY": "x", "AGENTBENCH_API_KEY": "y"}
    ours, fireworks, without, gateway = resolve(
        ["ours,maverick-fireworks,open,gateway"], settings=settings, base_url=None, env=env
    )
    assert (ours.model_id, ours.api_key_env, ours.base_url) == ("prod-7", "OUR_KEY", "https://llm.example/v1")
    assert fireworks.api_key_env == "FIREWORKS_API_KEY"
    assert fireworks.base_url is not None
    assert "fireworks" in fireworks.base_url
    assert fireworks.extra_body == {}
    assert (without.model_id, without.api_key_env) == ("open", None)
    assert (gateway.api_key_env, gateway.rules.fixed) == ("AGENTBENCH_API_KEY", {"temperature": 1})
    assert "ours" in known_names(settings)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"bas_url": "http://x/v1"}, "unknown key 'bas_url', did you mean base_url?"),
        (
            {"base_url": "http://x/v1", "concurrency": 0},
            "concurrency: a whole number above 0 was expected, got 0",
        ),
        ({"base_url": "x"}, "base_url: 'x' has no http"),
        ({"provider": "deepsek"}, "provider: 'deepsek' is unknown, did you mean deepseek"),
        ({"preset": "gpt5"}, "preset: 'gpt5' is unknown, did you mean gpt-5"),
        ({"model": "x"}, "needs base_url, provider, preset or weights"),
        (
            {"preset": "gpt-5", "sampling": {"temprature": 1}},
            "sampling: unknown key 'temprature', did you mean temperature?",
        ),
        ({"preset": "gpt-5", "rules": {"x": 1}}, "rules: unknown key 'x'"),
        (
            {"preset": "gpt-5", "prices": {"input": "1"}},
            "prices: input: dollars per million tokens were expected, got '1'",
        ),
        ({"preset": "gpt-5", "prices": {"input": 1}}, "prices: output missing"),
        (
            {"preset": "gpt-5", "limits": {"context": 1}},
            "limits: unknown key 'context', did you mean context_tokens",
        ),
        ("gpt-5", "a table was expected, got 'gpt-5'"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_place(entry: Any, words: str) -> None:
    text = refused("mine", settings={"models": {"mine": entry}}, env=KEYS)
    assert text.startswith('[tool.agentbench.models."mine"]: ')
    assert words in text


def test_a_key_pasted_into_the_settings_is_refused_and_not_repeated() -> None:
    entry = {"preset": "gpt-5", "api_key_env": "sk-proj-abcdef"}
    text = refused("mine", settings={"models": {"mine": entry}}, env=KEYS)
    assert "name of an environment variable" in text
    assert "abcdef" not in text


@given(
    st.lists(
        st.text(min_size=1, max_size=12).filter(lambda text: text.strip() and "," not in text), min_size=1
    )
)
def test_slugs_are_safe_for_node_ids_and_unique(names: list[str]) -> None:
    names = [name for name in names if not name.strip().startswith("gguf:")] or ["x"]
    models = resolve(names, settings={}, base_url="http://127.0.0.1:1/v1", env={})
    slugs = [model.slug for model in models]
    assert all(re.fullmatch(r"[a-z0-9._-]+", slug) for slug in slugs)
    assert len(set(slugs)) == len(slugs) == len({name.strip() for name in names})


def test_a_slug_keeps_what_it_can() -> None:
    assert slug_of("Meta/Llama 4:Scout") == "meta-llama-4-scout"
    assert slug_of("世界") == "model"


def test_the_preset_file_is_consistent() -> None:
    path = Path(sys.modules[load_presets.__module__].__file__ or "").with_name("presets.toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {model.get("provider", "") for model in data["models"].values()} <= {*data["providers"], ""}
    assert {alias["model"] for alias in data["aliases"].values()} <= set(data["models"])
    assert not set(data["retired"]) & (set(data["models"]) | set(data["aliases"]))


def test_resolving_is_cheap_and_loads_no_client() -> None:
    code = (
        "import sys\n"
        "from pytest_agentbench.providers.catalogue import resolve\n"
        "resolve(['smollm2-135m'], settings={}, base_url=None, env={})\n"
        "from pytest_agentbench.providers.request import build\n"
        "print([name for name in ('openai', 'httpx2', 'aiohttp', 'yaml', 'jsonschema', 'jinja2') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
    best = min(_resolve_s() for _ in range(5))
    assert best < 0.005


def _resolve_s() -> float:
    load_presets.cache_clear()
    start = time.perf_counter()
    resolve(NINE, settings={}, base_url=None, env=KEYS)
    return time.perf_counter() - start
