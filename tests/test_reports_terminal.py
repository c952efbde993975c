from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

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
from hypothesis import strategies as st

from pytest_agentbench.reports import junit
from pytest_agentbench.reports.plain import clip, display_width, neutralise, wrap
from pytest_agentbench.reports.progress import Announcement, Progress, announcement, line
from pytest_agentbench.reports.terminal import lines
from pytest_agentbench.verdict import RunResult


def page(run: RunResult, width: int = 120, verbosity: int = 0) -> str:
    return "\n".join(text for text, _ in lines(run, width=width, verbosity=verbosity))


def row(text: str, start: str) -> str:
    return next(found for found in text.splitlines() if found.startswith(start))


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_no_line_is_wider_than_the_terminal(width: int, verbosity: int) -> None:
    for run in (
        empty_run(),
        one_model_run(),
        models_run("deepseek-v4-pro", "llama-4-maverick"),
        models_run(*"abcdef"),
    ):
        for text, _ in lines(run, width=width, verbosity=verbosity):
            assert display_width(text) <= width, text


@settings(max_examples=40, deadline=None)
@given(run=runs(), width=st.integers(80, 200), verbosity=st.integers(0, 1))
def test_whatever_was_written_no_line_holds_a_control_character_or_is_too_wide(
    run: RunResult, width: int, verbosity: int
) -> None:
    for text, markup in lines(run, width=width, verbosity=verbosity):
        assert display_width(text) <= width, text
        bad = [
            char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        ]
        assert not bad, ascii(text)
        assert set(markup) <= {"red", "green", "yellow", "bold", "light"}


def test_a_row_shows_every_figure_of_its_case_in_the_order_of_the_columns() -> None:
    found = row(page(one_model_run(), 200), "nested-invoice-depth-5 ")
    numbers = re.sub(r"\s+", " ", found)
    assert numbers == (
        "nested-invoice-depth-5 150 10.7 [6.7, 16.6] 2.0 [0.7, 5.8] 12.7 [8.3, 18.9] 2.7 [1.0, 6.7] "
        "87.3 [81.1, 91.7] 1.2 / 3.4 88 0.012 FAIL"
    )


def test_the_narrow_table_keeps_the_interval_on_a_second_line_rounded_outwards() -> None:
    found = page(one_model_run(), 80).splitlines()
    place = next(i for i, text in enumerate(found) if text.startswith("nested-invoice"))
    assert "10.7" in found[place]
    assert found[place + 1].split()[:2] == ["depth-5", "6-17"]


def test_what_does_not_apply_is_a_dash_and_what_was_not_measured_a_question_mark() -> None:
    text = page(one_model_run())
    assert row(text, "code-generation").split()[1:] == ["?"] * 9 + ["not", "measured"]
    assert row(text, "with-images").split()[1:] == ["–"] * 9 + ["not", "applicable"]
    assert row(text, "tool-that-fails").split()[1:] == ["?"] * 9 + ["no", "data"]
    assert row(text, "parallel-tool-calls").split()[1:6] == ["50", "–", "–", "–", "0.0"]
    assert "no sandbox: no Docker engine answers" in text


def test_rows_per_variant_come_with_v() -> None:
    assert "  terse (paraphrase)" not in page(one_model_run())
    assert row(page(one_model_run(), verbosity=1), "  terse (paraphrase)").split()[2] == "50"


def test_wide_characters_keep_the_columns_in_line() -> None:
    text = page(one_model_run(), 120)
    plain, wide = row(text, "classify-tickets"), row(text, "发票提取")
    verdicts = display_width(plain[: plain.index("PASS")]), display_width(wide[: wide.index("FAIL")])
    assert verdicts[0] == verdicts[1]


def test_a_case_that_stopped_early_says_that_its_interval_is_not_a_fixed_n_interval() -> None:
    text = page(one_model_run())
    assert "312*" in text
    assert "no interval of this row is a fixed-n" in text
    fixed = make_case("s", "a", make_tally(50), gates=(make_gate("parse_failure_rate", 0, 50, "PASS"),))
    assert "fixed-n" not in page(
        RunResult(run=make_info(), models=(make_model("a"),), cases=(fixed,), exit_status=0)
    )


def test_an_excerpt_is_one_line_without_escapes_bidi_or_zero_width_characters() -> None:
    text = row(page(one_model_run()), "  | ")
    assert text.startswith('  | ```json⏎{"a": ␛[31m1␛[0m, <U+202E>"b"<U+200B>: \'发票\'')
    assert text.endswith("…")
    assert "[unbalanced]" in page(one_model_run())


def test_two_models_are_compared_with_newcombe_intervals_and_the_worse_one_is_named() -> None:
    text = page(models_run("deepseek-v4-pro", "llama-4-maverick"), 120)
    found = row(text[text.index("scenario x model") :], "nested-invoice-depth-5")
    assert (
        re.sub(r"\s+", " ", found) == "nested-invoice-depth-5 parse failures 2.0 7.3 +5.3 [+0.4, +10.8] worse"
    )
    assert "not like for like: temperature" in text
    assert "answered by another model" in text
    assert "llama-4-maverick-0301 @ host-7 (612)" in text
    assert "temperature: asked 0.7, sent nothing (only 1 is taken)" in text


def test_one_model_is_compared_with_nobody() -> None:
    assert "scenario x model" not in page(one_model_run())


def test_the_sensitivity_table_shows_variance_interval_p_and_wordings() -> None:
    text = page(one_model_run(), 200)
    found = re.sub(r"\s+", " ", row(text[text.index("prompt sensitivity") :], "nested-invoice-depth-5"))
    assert found == (
        "nested-invoice-depth-5 paraphrase 3 50 24.0 21.2 0.0144 12.0 [5.0, 71.0] <.001 terse 94.0 "
        "polite-long-form 70.0 SENSITIVE"
    )


def test_open_gates_come_with_estimate_and_explanation_and_fails_come_first() -> None:
    text = page(one_model_run(), 160)
    assert (
        "FAIL  nested-invoice-depth-5 x smollm2-135m  parse failures at most 2 %: 10.7 % [6.7, 16.6], 16 of 150"
        in text
    )
    assert "  16 of 150 samples failed: FAIL at 5 %" in text
    assert text.index("FAIL  nested") < text.index("INCONCLUSIVE  nested") < text.index("not measured  code")


def test_faults_sandbox_and_error_budget_are_said() -> None:
    text = page(
        replace(one_model_run(), cases=(replace(one_model_run().cases[0], sandbox_backend="docker"),)), 160
    )
    assert "2 of 152 samples X, 4 of 154 requests failed (http_500 3, connect 1)" in text
    assert "sandbox: docker" in text
    assert (
        "2 gates, each wrong with probability at most 5 %: a false PASS of the whole run at most 5 %" in text
    )
    assert text.splitlines()[-1].startswith(
        "PASS: shown to meet the gate; FAIL: shown to miss it; INCONCLUSIVE (?)"
    )


@pytest.mark.parametrize(
    ("outcomes", "status", "stopped", "verdict"),
    [
        (["pass"], 0, "", "PASS"),
        (["pass", "fail"], 1, "", "FAIL"),
        (["pass", "no_data"], 1, "", "FAIL"),
        (["pass", "inconclusive"], 10, "", "INCONCLUSIVE"),
        (["pass", "not_measured"], 10, "", "INCONCLUSIVE"),
        (["pass", "not_measured"], 0, "", "PASS"),
        (["pass"], 2, "", "INCONCLUSIVE"),
        (["pass"], 0, "quota exhausted", "INCONCLUSIVE"),
        (["not_measured"], 0, "", "NOTHING MEASURED"),
        ([], 5, "", "NOTHING MEASURED"),
    ],
)
def test_the_verdict_of_the_run_follows_its_cases(
    outcomes: list[str], status: int, stopped: str, verdict: str
) -> None:
    cases = tuple(make_case(f"s{i}", "a", make_tally(50), outcome) for i, outcome in enumerate(outcomes))
    run = RunResult(
        run=make_info(stopped=stopped), models=(make_model("a"),), cases=cases, exit_status=status
    )
    assert f"\n{verdict}: " in page(run)


def test_neutralising_twice_changes_nothing_and_plain_text_stays() -> None:
    once = neutralise(HOSTILE)
    assert neutralise(once) == once
    assert neutralise("plain ASCII, 发票 and é") == "plain ASCII, 发票 and é"
    assert neutralise("a" + "\u0301" * 50).startswith("a\u0301\u0301<U+0301>")


@given(text=st.text(max_size=80), width=st.integers(2, 40))
def test_wrapped_and_clipped_lines_keep_within_the_width_and_lose_no_letter(text: str, width: int) -> None:
    clean = neutralise(text)
    assert all(display_width(piece) <= width for piece in wrap(clean, width))
    assert "".join("".join(wrap(clean, width)).split()) == "".join(clean.split())
    assert display_width(clip(clean, width)) <= width


def test_progress_says_what_is_done_and_drops_what_matters_least_on_a_narrow_terminal() -> None:
    state = Progress(n_done=312, n_planned=2000, per_s=41.2, n_failed=7, n_x=3, left_s=40.4)
    assert line(state, 80) == "agentbench 312/2000 samples, 41/s, 7 failed, 3 X, 40 s left"
    assert line(state, 55) == "agentbench 312/2000 samples, 7 failed, 3 X, 40 s left"
    assert len(line(state, 20)) == 20
    assert line(Progress(n_done=0, n_planned=10), 80) == "agentbench 0/10 samples, 0 failed"


def test_the_announcement_says_calls_cost_and_time() -> None:
    plan = Announcement(
        n_calls=2000, n_calls_most=24_000, cost_usd=3.1, unpriced=("smollm2-135m",), about_s=240
    )
    assert announcement(plan) == (
        "calls at least 2,000 (up to 24,000 while undecided), at most $3.10 (n/a for smollm2-135m), about 4 min"
    )
    assert (
        announcement(Announcement(n_calls=5, n_calls_most=5, unpriced=("x",)))
        == "calls at least 5, cost n/a for x"
    )


def test_junit_properties_are_scalars_and_leave_out_what_was_not_measured() -> None:
    cases = one_model_run().cases
    found = dict(junit.properties(cases[0]))
    assert found["agentbench.parse_failure_rate"] == pytest.approx(16 / 150)
    assert found["agentbench.gate.parse_failure_rate"] == "FAIL"
    assert all(isinstance(value, (str, int, float, bool)) for value in found.values())
    assert "agentbench.pass_rate" not in dict(junit.properties(cases[4]))


def test_a_number_is_never_wrapped_away_from_its_percent_sign() -> None:
    assert wrap("a rate of 10.7 % of all", 14) == ["a rate of", "10.7 % of all"]
    assert wrap("a rate of 10.7 % of all", 15) == ["a rate of", "10.7 % of all"]
    assert wrap("a rate of 10.7 % of all", 16) == ["a rate of 10.7 %", "of all"]


def test_the_error_budget_follows_the_alpha_that_a_gate_says() -> None:
    gate = replace(make_gate("loop_rate", 0, 50, "PASS"), evidence={"needed": 20.0, "needed_fail": 200.0})
    case = make_case("s", "a", make_tally(50), gates=(gate, gate))
    text = page(RunResult(run=make_info(), models=(make_model("a"),), cases=(case,), exit_status=0), 160)
    assert "2 gates, each wrong with probability at most 5 %" in text
    assert "any false FAIL at most 1 %" in text


def test_what_was_honoured_is_not_listed_and_the_reason_of_a_gate_not_said_twice() -> None:
    gates = (make_gate("pass_rate", 44, 50, "INCONCLUSIVE", threshold=0.9),)
    case = make_case(
        "s",
        "a",
        make_tally(50),
        "inconclusive",
        gates=gates,
        reason=f"{gates[0].explanation} (and 1 more gate)",
    )
    case = replace(case, honoured=({"key": "top_p", "asked": 1, "sent": 1, "honoured": True, "note": ""},))
    text = page(RunResult(run=make_info(), models=(make_model("a"),), cases=(case,), exit_status=10))
    assert "top_p" not in text
    assert text.count(gates[0].explanation) == 1
