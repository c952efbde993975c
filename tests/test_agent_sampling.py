from __future__ import annotations

from typing import Any

import pytest

from pytest_agentbench.agent import merge_sampling, sample_seed, skip_reason
from pytest_agentbench.errors import Location, UsageError
from pytest_agentbench.model import Model
from pytest_agentbench.scenario import ModelRule, Sampling, Scenario, Variant


def model(name: str = "gpt-5-mini", **sampling: Any) -> Model:
    return Model(name=name, slug=name, model_id=name, sampling=sampling)


def asked(**values: Any) -> Sampling:
    return Sampling(**values, set_keys=frozenset(values))


def test_the_command_line_wins_over_the_models_section_over_the_scenario_over_the_preset() -> None:
    rules = (ModelRule(pattern="gpt-5*", sampling={"top_p": 0.3, "max_tokens": 30}),)
    merged = merge_sampling(
        asked(temperature=0.2, top_p=0.2, max_tokens=20),
        rules,
        model(temperature=0.1, top_p=0.1, max_tokens=10, parallel_tool_calls=False),
        {"max_tokens": 40},
    )
    assert merged == Sampling(
        temperature=0.2,
        top_p=0.3,
        max_tokens=40,
        parallel_tool_calls=False,
        set_keys=frozenset({"temperature", "top_p", "max_tokens"}),
    )


def test_a_null_takes_back_what_a_lower_layer_set() -> None:
    rules = (ModelRule(pattern="gpt-5*", sampling={"temperature": None, "seed": None, "thinking": None}),)
    merged = merge_sampling(
        asked(temperature=0.7, seed=3, thinking="on"), rules, model(temperature=1, stop=["x"]), {"stop": None}
    )
    assert (merged.temperature, merged.seed, merged.thinking, merged.stop) == (None, "none", "default", ())
    assert merged.set_keys == {"temperature", "seed", "thinking", "stop"}


def test_a_null_in_the_scenario_hides_the_preset_and_a_default_does_not() -> None:
    assert merge_sampling(asked(temperature=None), (), model(temperature=0.6), {}).temperature is None
    assert merge_sampling(Sampling(), (), model(temperature=0.6), {}).temperature == 0.6


def test_all_rules_that_fit_the_name_count_and_later_ones_win() -> None:
    rules = (
        ModelRule(pattern="*", sampling={"temperature": 0.1, "top_p": 0.5}),
        ModelRule(pattern="gpt-5*", sampling={"temperature": 0.2}),
        ModelRule(pattern="llama-*", sampling={"temperature": 0.9}),
    )
    merged = merge_sampling(Sampling(), rules, model(), {})
    assert (merged.temperature, merged.top_p) == (0.2, 0.5)


def test_extra_body_is_merged_key_by_key() -> None:
    rules = (ModelRule(pattern="*", sampling={"extra_body": {"b": 3, "c": 3}}),)
    merged = merge_sampling(
        asked(extra_body={"a": 2, "b": 2}),
        rules,
        model(extra_body={"a": 1, "z": 1}),
        {"extra_body": {"c": 4}},
    )
    assert merged.extra_body == {"z": 1, "a": 2, "b": 3, "c": 4}


def test_stop_may_be_one_text() -> None:
    assert merge_sampling(Sampling(), (), model(), {"stop": "END"}).stop == ("END",)
    assert merge_sampling(Sampling(), (), model(stop=["a", "b"]), {}).stop == ("a", "b")


def test_an_unknown_key_is_a_usage_error_that_names_its_place() -> None:
    with pytest.raises(UsageError, match="sampling of model gpt-5-mini: unknown key 'temprature'"):
        merge_sampling(Sampling(), (), model(temprature=1), {})
    with pytest.raises(UsageError, match="sampling options: unknown key 'k'; there are: temperature, top_p"):
        merge_sampling(Sampling(), (), model(), {"k": 1})


def scenario(*rules: ModelRule) -> Scenario:
    return Scenario(
        id="s",
        location=Location(file="s.bench.yaml", line=1, col=1),
        variants=(Variant(id="base", variant_class="base", messages=()),),
        models=rules,
    )


def test_a_scenario_is_skipped_with_its_own_words() -> None:
    rules = (ModelRule(pattern="gpt-*"), ModelRule(pattern="llama-3*", skip="no images"))
    assert skip_reason(scenario(*rules), model("llama-3.1")) == "no images"
    assert skip_reason(scenario(*rules), model("gpt-5")) is None
    assert skip_reason(scenario(), model()) is None


def test_the_seed_of_a_sample_is_stable_and_differs_by_scenario_variant_and_index() -> None:
    sampling = Sampling(seed="per_sample")
    places = [(s, v, i) for s in ("a", "b") for v in ("base", "terse") for i in range(50)]
    seeds = [sample_seed(sampling, seed=7, scenario=s, variant=v, index=i) for s, v, i in places]
    assert len(set(seeds)) == 200
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    # Hand-checked: sha256("7\0a\0base\0" + "0"), first four bytes without the sign bit.
    assert sample_seed(sampling, seed=7, scenario="a", variant="base", index=0) == seeds[0]
    assert sample_seed(sampling, seed=8, scenario="a", variant="base", index=0) != seeds[0]


def test_without_per_sample_no_seed_is_derived() -> None:
    for sampling in (Sampling(), Sampling(seed=4)):
        assert sample_seed(sampling, seed=7, scenario="a", variant="base", index=0) is None
