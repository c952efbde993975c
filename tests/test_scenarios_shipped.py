"""The shipped scenarios are complete, decidable as they stand, and about what they say."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from shipped import FILES, IDS, draws_of, shipped

from pytest_agentbench import gate
from pytest_agentbench.expand import render
from pytest_agentbench.scenario import Json, Scenario

HEAD = "# yaml-language-server: $schema=../schemas/scenario.schema.json\n"


@pytest.fixture(params=IDS)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return shipped()[request.param]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_a_file_names_the_schema_that_editors_check_it_by(file: Path) -> None:
    assert file.read_text("utf-8").startswith(HEAD)


def test_a_scenario_says_what_it_is(scenario: Scenario) -> None:
    assert scenario.title
    assert len(scenario.about) > 40
    assert scenario.tags
    assert scenario.reference
    assert scenario.gates


def test_every_gate_is_decidable_as_it_stands(scenario: Scenario) -> None:
    draws = draws_of(scenario)
    for spec in scenario.gates:
        plan = gate.plan(
            spec,
            n_variants=draws.n_variants,
            n_rows=draws.n_rows,
            repeats=draws.repeats,
            round_size=draws.round_size,
        )
        assert plan.decidable, f"{scenario.id}: {plan.warning}"
        assert not plan.warning
        if scenario.sampling.temperature == 0:
            # Equal requests are one draw: only different ones count.
            assert plan.needed is not None
            assert plan.needed <= draws.n_distinct


def test_its_claims_are_about_whole_rounds(scenario: Scenario) -> None:
    draws = draws_of(scenario)
    assert draws.planned % draws.round_size == 0
    assert len(set(scenario.row_keys)) == len(scenario.rows)


def test_the_twelve_subjects_are_there() -> None:
    ids = set(shipped())
    assert {f"nested-json-depth-{depth}" for depth in range(1, 7)} <= ids
    assert {"invoice", "support-tickets", "one-tool-call", "parallel-tool-calls", "tool-fails-first"} <= ids
    assert {"python-functions", "long-text", "ten-wordings"} <= ids


@pytest.mark.parametrize("depth", range(1, 7))
def test_nested_json_has_twelve_leaves_all_at_the_depth_it_names(depth: int) -> None:
    scenario = shipped()[f"nested-json-depth-{depth}"]
    rendering = render(scenario, scenario.variants[0], 0)
    assert rendering.answer_json is not None
    assert [len(path) for path in leaves(rendering.answer_json.expect)] == [depth] * 12


def test_nested_json_differs_in_depth_only_not_in_its_values() -> None:
    rows = [json.dumps(shipped()[f"nested-json-depth-{depth}"].rows, default=str) for depth in range(1, 7)]
    assert len(set(rows)) == 1


def test_invoices_come_in_english_chinese_and_japanese() -> None:
    rows = shipped()["invoice"].rows
    buyers = [
        " ".join([row["buyer"], row["street"], row["city"], *(line["name"] for line in row["lines"])])
        for row in rows
    ]
    assert all(text.isascii() for text in buyers[0::3])
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in buyers[1::3])
    assert all(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", text) for text in buyers[2::3])
    assert any(re.search(r"[\u3040-\u30ff]", text) for text in buyers[2::3])


def test_the_names_of_an_invoice_reach_the_model_as_they_are_in_every_wording() -> None:
    scenario = shipped()["invoice"]
    for variant in scenario.variants:
        for row in range(3):
            rendering = render(scenario, variant, row)
            asked = rendering.messages[-1]["content"]
            for key in ("number", "date", "buyer", "street", "city"):
                assert str(rendering.values[key]) in asked, f"{variant.id}: {key}"


def test_fifty_tickets_are_one_scenario() -> None:
    scenario = shipped()["support-tickets"]
    assert len(scenario.rows) == 50
    assert min(Counter(row["category"] for row in scenario.rows).values()) >= 7


def test_one_question_comes_in_ten_wordings_of_two_classes() -> None:
    scenario = shipped()["ten-wordings"]
    assert len(scenario.variants) == 10
    classes = Counter(variant.variant_class for variant in scenario.variants)
    # tau needs three wordings of a class, the base among them (METRICS 4).
    assert classes["paraphrase"] + 1 >= 3
    assert classes["format"] + 1 >= 3
    asked = [json.dumps(list(render(scenario, variant, 0).messages)) for variant in scenario.variants]
    assert len(set(asked)) == 10


def test_a_wording_changes_nothing_of_what_is_asked_about() -> None:
    scenario = shipped()["ten-wordings"]
    for variant in scenario.variants:
        rendering = render(scenario, variant, 1)
        asked = rendering.messages[-1]["content"].casefold()
        for key in ("departs", "takes", "start", "end"):
            assert str(rendering.values[key]).casefold() in asked, f"{variant.id}: {key}"


def test_the_quickstart_asks_at_most_four_thousand_tokens() -> None:
    asked = 0
    for scenario in shipped().values():
        if "quickstart" in scenario.tags:
            draws = draws_of(scenario)
            assert scenario.sampling.max_tokens is not None
            caps = [spec.max_repeats or 0 for spec in scenario.gates]
            for spec in scenario.gates:
                assert spec.max_repeats or spec.decide == "fixed" or spec.metric == "prompt_sensitivity"
            turns = scenario.agent.max_turns if scenario.tools else 1
            asked += max(draws.planned, *caps) * turns * scenario.sampling.max_tokens
    assert 2_000 < asked <= 4_000


def test_the_quickstart_covers_json_loops_wordings_and_code() -> None:
    quick = [scenario for scenario in shipped().values() if "quickstart" in scenario.tags]
    assert any(scenario.answer_json and scenario.answer_json.schema for scenario in quick)
    assert any(scenario.sampling.temperature == 0 and "loops" in scenario.tags for scenario in quick)
    assert any(len(scenario.variants) >= 3 for scenario in quick)
    assert any(scenario.needs_sandbox for scenario in quick)
    assert not any("deep" in scenario.tags for scenario in quick)


def leaves(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of everything in ``value`` that is no object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path
