"""Profiles: the shipped ones, and what is said of mistakes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from requirements import ROOT

from pytest_agentbench.errors import ScenarioError, UsageError
from pytest_agentbench.simulation.profile import Fault, Pace, Spread, load_profile, read_profile, shipped


def read(text: str) -> object:
    return read_profile(text, name="own", file="own.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_six_profiles_are_shipped_and_say_what_they_are_for() -> None:
    wanted = {
        "deepseek-thinking",
        "flaky-provider",
        "looping",
        "perfect",
        "production-2pct",
        "wording-sensitive",
    }
    assert set(shipped()) == wanted
    assert all(load_profile(name).about for name in wanted)


def test_production_breaks_two_per_cent_of_its_json_and_flaky_fails_in_a_fifth_of_the_requests() -> None:
    production = load_profile("production-2pct").behaviour
    assert math.isclose(sum(f.rate for f in production.faults if f.family == "syntax"), 0.02)
    assert math.isclose(sum(load_profile("flaky-provider").behaviour.transport.values()), 0.20)


def test_everything_that_a_profile_may_say_is_read() -> None:
    profile = read_profile(
        """\
profile: 1
about: all keys
seed: 5
syntax: {fence: 0.1, bom: 0}
schema: {enum: 0.02, missing_required: {rate: 0.03, depth: 3}}
loops: {cycle: 0.01}
calls: {no_call: 0.01}
success: {rate: 0.9, classes: {format: 0.8}, variants: {terse: 0.7}}
latency:
  first_token_s: {median: 0.1, p95: 0.4}
  tokens_per_s: 50
  by_context: [{from_tokens: 1000, first_token_s: 1.5}]
transport: {http_500: 0.1, reset: 0}
retry_after_s: 2
reasoning: always
strict: [reasoning_content]
models:
  weak: {success: 0.5, syntax: {}}
""",
        name="own",
        file="own.yaml",
    )
    found = profile.behaviour
    assert (profile.name, profile.seed, found.success) == ("own", 5, 0.9)
    assert found.faults == (
        Fault(family="syntax", tag="fence", rate=0.1),
        Fault(family="schema", tag="enum", rate=0.02),
        Fault(family="schema", tag="missing_required", rate=0.03, depth=3),
        Fault(family="loops", tag="cycle", rate=0.01),
        Fault(family="calls", tag="no_call", rate=0.01),
    )
    assert found.success_of("terse", "format") == 0.7
    assert found.success_of("other", "format") == 0.8
    assert found.success_of("base", "base") == 0.9
    assert found.paces == (
        Pace(first_token_s=Spread(median=0.1, p95=0.4), tokens_per_s=Spread(median=50, p95=50)),
        Pace(from_tokens=1000, first_token_s=Spread(median=1.5, p95=1.5)),
    )
    assert found.transport == {"http_500": 0.1}
    assert found.wants_reasoning_back
    assert profile.models["weak"].success == 0.5
    assert [fault.tag for fault in profile.models["weak"].faults] == [
        "enum",
        "missing_required",
        "cycle",
        "no_call",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "profile: 1\nsyntax: {fense: 0.1}\n",
            "own.yaml:2:10: unknown key 'fense' in syntax, did you mean 'fence'",
        ),
        ("profile: 1\nsyntax: {fence: 2}\n", "own.yaml:2:17: syntax.fence"),
        ("profile: 1\nsyntax: {fence: often}\n", "own.yaml:2:17: syntax.fence"),
        ("syntax: {fence: 0.1}\n", "own.yaml:1:1: missing key 'profile'"),
        ("profile: 1\nsuccess: 90\n", "own.yaml:2:10: success"),
        (
            "profile: 1\nsyntax: {fence: 0.6}\nloops: {exact: 0.6}\n",
            "own.yaml:1:1: a sample has at most one fault",
        ),
        (
            "profile: 1\ntransport: {reset: 0.6, http_500: 0.6}\n",
            "own.yaml:2:12: a request has at most one fault",
        ),
        (
            "profile: 1\nlatency: {first_token_s: {median: 2, p95: 1}}\n",
            "own.yaml:2:43: p95 1 is below the median",
        ),
        ("- profile\n", "own.yaml:1:1: a profile is a mapping"),
        ("profile: 1\n---\nprofile: 1\n", "one profile a file, this one has 2"),
        ("profile: [\n", "own.yaml:2:1: "),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert told in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems("profile: 1\nsyntax: {fense: 0.1}\nloops: {near: -1}\nreasoning: maybe\n")) == 3


def test_an_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"there is no profile 'flakey'.*flaky-provider.*ending in \.yaml"):
        load_profile("flakey")


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: "):
        load_profile(str(tmp_path / "none.yaml"))


def test_the_schema_has_every_tag_of_the_code_that_makes_faults() -> None:
    from pytest_agentbench.simulation import call_faults, looping, schema_faults, syntax

    schema = json.loads((ROOT / "schemas" / "profile.schema.json").read_text("utf-8"))["properties"]
    assert set(schema["syntax"]["properties"]) == set(syntax.TAGS)
    assert set(schema["schema"]["properties"]) == set(schema_faults.TAGS)
    assert set(schema["calls"]["properties"]) == set(call_faults.TAGS)
    assert set(looping.KINDS) < set(schema["loops"]["properties"])
