from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from any_run import runs
from fabricated_runs import (
    HOSTILE,
    empty_run,
    make_case,
    make_gate,
    make_info,
    make_model,
    make_tally,
    models_run,
    one_model_run,
)
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from requirements import ROOT
from statsmodels.stats.proportion import confint_proportions_2indep

from pytest_agentbench.errors import StorageError
from pytest_agentbench.reports.json_document import document, write
from pytest_agentbench.verdict import RunResult

SCHEMA = json.loads((ROOT / "schemas" / "results.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

TOP_LEVEL = [
    "schema_version",
    "run",
    "models",
    "cases",
    "sensitivity",
    "comparisons",
    "verdicts",
    "totals",
    "exit_status",
]
CASE_KEYS = {
    "id",
    "scenario",
    "model",
    "n_samples",
    "n_transport_errors",
    "outcome",
    "json",
    "loops",
    "pass",
    "latency_s",
    "tokens",
    "cost_usd",
    "variants",
}
JSON_KEYS = {
    "n",
    "levels",
    "parse",
    "parse_failures",
    "parse_failure_rate",
    "schema_failures",
    "schema_failure_rate",
    "contract_failures",
    "contract_failure_rate",
    "interval",
    "tags",
}


def valid(found: dict[str, Any]) -> None:
    VALIDATOR.validate(json.loads(json.dumps(found, allow_nan=False)))


def objects(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    if isinstance(schema, dict):
        if "properties" in schema:
            found.append((path, schema))
        for key, value in schema.items():
            found += objects(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            found += objects(value, f"{path}/{place}")
    return found


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_object_of_ours_in_the_schema_is_closed_and_every_property_described() -> None:
    for path, schema in objects(SCHEMA):
        if path != "/$defs/model":  # what a preset says about a model is free
            assert schema.get("additionalProperties") is False, path
        for name, value in schema["properties"].items():
            target = SCHEMA["$defs"][value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else value
            assert target.get("description"), f"{path}/{name}"


@pytest.mark.parametrize(
    "run", [empty_run(), one_model_run(), models_run("a", "b"), models_run("a", "b", "c", "d")]
)
def test_the_document_of_a_run_is_valid_and_has_exactly_its_top_level_keys(run: RunResult) -> None:
    found = document(run)
    assert list(found) == TOP_LEVEL
    valid(found)


def test_a_case_and_its_variants_have_the_keys_that_readers_rely_on() -> None:
    case = document(one_model_run())["cases"][0]
    assert case.keys() >= CASE_KEYS
    assert case["id"] == "scenarios/cases.bench.yaml::nested-invoice-depth-5::smollm2-135m"
    assert case["json"].keys() >= JSON_KEYS
    assert case["loops"].keys() == {"n", "looped", "rate", "interval", "kinds"}
    assert case["pass"].keys() == {"n", "passed", "rate", "interval"}
    assert [variant["class"] for variant in case["variants"]] == ["base", "paraphrase", "paraphrase"]
    for variant in case["variants"]:
        assert variant["json"].keys() == case["json"].keys()
        assert variant.keys() >= {"loops", "pass", "latency_s", "tokens", "cost_usd", "n_transport_errors"}


def test_levels_and_parses_that_did_not_occur_are_counted_as_0() -> None:
    json_part = document(one_model_run())["cases"][0]["json"]
    assert json_part["levels"] == {"L0": 131, "L1": 14, "L2": 0, "L3": 3, "L4": 2, "L5": 0}
    assert set(json_part["parse"]) == {"strict", "extractable", "repairable", "unparseable", "none"}


def test_what_was_not_measured_is_null_and_never_0() -> None:
    case = next(case for case in document(one_model_run())["cases"] if case["outcome"] == "not_measured")
    assert case["json"]["parse_failure_rate"] is None
    assert case["pass"]["rate"] is None
    assert case["latency_s"] is None


def test_comparisons_hold_every_pair_and_metric_with_newcombes_interval() -> None:
    found = document(models_run("a", "b", "c"))["comparisons"]
    assert len(found) == 3 * 3 * 4
    first = found[0]
    assert (first["model_a"], first["model_b"], first["metric"]) == ("a", "b", "parse_failure_rate")
    assert first["a"] == {"x": 3, "n": 150, "rate": 0.02}
    assert first["difference"] == pytest.approx(8 / 150)
    oracle = confint_proportions_2indep(11, 150, 3, 150, method="newcomb")
    assert first["interval"] == pytest.approx(list(oracle), abs=1e-9)
    early = {item["scenario"]: item["fixed_n"] for item in found}
    assert early == {"nested-invoice-depth-5": True, "classify-tickets": False, "parallel-tool-calls": True}


def test_a_comparison_without_data_says_which_model_lacks_it() -> None:
    cases = (
        make_case("s", "a", make_tally(50)),
        make_case("s", "b", make_tally(0), "not_measured", reason="no sandbox"),
    )
    run = RunResult(run=make_info(), models=(make_model("a"), make_model("b")), cases=cases, exit_status=10)
    found = document(run)["comparisons"]
    valid(document(run))
    assert {item["difference"] for item in found} == {None}
    assert {item["reason"] for item in found} == {"b: not measured (no sandbox)"}


def test_totals_add_up_and_an_unknown_cost_makes_the_sum_unknown() -> None:
    found = document(one_model_run())
    totals = found["totals"]
    assert totals["n_samples"] == sum(case["n_samples"] for case in found["cases"]) == 562
    assert totals["outcomes"]["fail"] == 2
    assert totals["verdicts"] == {"PASS": 1, "FAIL": 2, "INCONCLUSIVE": 2}
    assert totals["n_gates"] == len(found["verdicts"]) == 5
    assert totals["cost_usd"] is None
    assert totals["known_cost_usd"] == pytest.approx(3 * 0.0123)
    assert totals["error_budget"]["false_fail_at_most"] == pytest.approx(0.25)
    assert totals["error_budget"]["false_pass_at_most"] == 0.05


def test_a_case_that_did_not_end_at_its_planned_number_is_marked() -> None:
    gates = (make_gate("parse_failure_rate", 0, 312, "PASS"),)
    fixed = (make_gate("parse_failure_rate", 0, 312, "PASS", decide="fixed"),)
    cases = (
        make_case("early", "a", make_tally(312), gates=gates),
        make_case("planned", "a", make_tally(50), gates=gates),
        make_case("fixed", "a", make_tally(312), gates=fixed),
    )
    found = document(RunResult(run=make_info(), models=(make_model("a"),), cases=cases, exit_status=0))
    assert [case["stopped_early"] for case in found["cases"]] == [True, False, False]


def test_credentials_in_an_endpoints_address_stay_out() -> None:
    assert "user:pw" not in json.dumps(document(models_run("a", "b")))


def test_an_e_value_that_is_not_finite_stays_readable_and_a_nan_measured_is_refused(tmp_path: Path) -> None:
    gate = replace(make_gate("loop_rate", 0, 50, "PASS"), evidence={"e_pass": math.inf})
    run = RunResult(
        run=make_info(),
        models=(make_model("a"),),
        cases=(make_case("s", "a", make_tally(50), gates=(gate,)),),
        exit_status=0,
    )
    found = document(run)
    assert found["verdicts"][0]["evidence"] == {"e_pass": "inf"}
    valid(found)
    found["totals"]["known_cost_usd"] = math.nan
    path = tmp_path / "results.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match=r"[Nn]a[Nn]|JSON compliant"):
        write(path, found)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_written_file_is_utf_8_without_lone_surrogates(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    found = document(one_model_run())
    write(path, found)
    text = path.read_bytes().decode("utf-8")
    assert "发票" in text
    again = json.loads(text)
    assert again == json.loads(json.dumps(found))
    assert again["cases"][0]["failures"][0]["excerpt"] == (HOSTILE * 4).replace("\ud800", "\ufffd")
    assert [entry.name for entry in path.parent.iterdir()] == ["results.json"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match=r"file/results\.json: the results cannot be written"):
        write(tmp_path / "file" / "results.json", document(empty_run()))


@settings(max_examples=40, deadline=None)
@given(run=runs())
def test_any_run_gives_a_valid_document(run: RunResult) -> None:
    found = document(run)
    valid(found)
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")
