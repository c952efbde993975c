from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from any_run import runs
from fabricated_runs import empty_run, make_case, make_gate, make_tally, models_run, one_model_run
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agentbench.errors import StorageError
from pytest_agentbench.reports import markdown
from pytest_agentbench.verdict import RunResult


def test_the_verdict_stands_on_the_first_line() -> None:
    assert markdown.text(one_model_run()).startswith("**agentbench: FAIL**: 7 cases: 1 pass, 2 fail")
    assert markdown.text(empty_run()).startswith("**agentbench: NOTHING MEASURED**")


def test_it_holds_the_tables_of_the_terminal() -> None:
    text = markdown.text(models_run("a", "b"))
    for title in (
        "Scenario x model",
        "Prompt sensitivity",
        "How JSON and tool calls came",
        "Not passed",
        "Notes",
    ):
        assert f"### {title}" in text
    assert "| nested-invoice-depth-5 | parse failures | 2.0 | 7.3 +5.3 [+0.4, +10.8] worse |" in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for run in (one_model_run(), models_run("a", "b", "c")):
        for block in re.findall(r"(?:^\|.*\n)+", markdown.text(run), re.MULTILINE):
            assert len({line.count("|") for line in block.splitlines()}) == 1


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a | b", "a &#124; b"),
        ("`x`", "&#96;x&#96;"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("&amp;", "&amp;amp;"),
        ("@octocat", "&#64;&#8203;octocat"),
        ("fix #12", "fix &#35;&#8203;12"),
        ("GH-12", "GH&#8203;-12"),
        ("deadbee1", "d&#8203;eadbee1"),
        ("https://evil.example", "https&#58;//evil.example"),
        ("www.evil.example", "www&#8203;.evil.example"),
        ("![i](u)", "&#33;[i&#93;(u)"),
        ("**b** _i_ snake_case", "&#42;&#42;b&#42;&#42; &#95;i&#95; snake_case"),
        ("two\nlines\x1b[0m", "two⏎lines␛[0m"),
        ("$x$ ~~s~~ \\|", "&#36;x&#36; &#126;&#126;s&#126;&#126; &#92;&#124;"),
    ],
)
def test_what_a_model_wrote_is_text(written: str, shown: str) -> None:
    assert markdown.escape(written) == shown


@given(st.text(max_size=60))
def test_no_text_opens_markup_html_or_a_mention(written: str) -> None:
    shown = markdown.escape(written)
    assert not re.search(r"[`<>|*~$\n\\]|@\w|\]\(|\]\[|!\[|://|(?<!&)#\w", shown)
    assert not re.search(r"&(?!#\d+;|lt;|gt;|amp;)", shown)


def test_a_long_report_is_cut_at_a_line_and_says_so() -> None:
    gates = (make_gate("parse_failure_rate", 9, 50, "FAIL"),)
    cases = tuple(
        make_case(f"scenario-{place}", "a", make_tally(50), "fail", gates=gates) for place in range(900)
    )
    text = markdown.text(replace(models_run("a", "b"), cases=cases))
    assert 60_000 < len(text) <= 65_000
    assert text.startswith("**agentbench: FAIL**")
    assert text.rstrip().endswith("_Shortened: the whole report is in the JSON document._")


@settings(max_examples=30, deadline=None)
@given(run=runs())
def test_any_run_gives_markdown_that_can_be_written_as_utf_8(run: RunResult) -> None:
    text = markdown.text(run)
    assert len(text) <= 65_000
    text.encode("utf-8")


def test_the_step_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n", encoding="utf-8")
    markdown.append_step_summary(path, markdown.text(one_model_run()))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n\n**agentbench: FAIL**")
    assert "发票提取" in text


def test_a_step_summary_that_cannot_be_written_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="check GITHUB_STEP_SUMMARY"):
        markdown.append_step_summary(tmp_path, "x")
