"""Progress on a real terminal (a pty) and elsewhere: pytest's own lines stay whole."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import pytest
from bench_project import BenchProject
from loopback import LoopbackServer, completion

if sys.platform == "win32":
    pytest.skip("terminals", allow_module_level=True)

from bench_process import BenchProcess
from screen import shown

PROGRESS = re.compile(r"agentbench \d+/\d+ samples")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAMES = ("alpha", "beta", "gamma")


def run(
    project: BenchProject, *args: str, columns: int | None = 80, env: Mapping[str, str] | None = None
) -> str:
    """What is written by a session of three cases, each long enough for its progress to be shown."""
    project.simple(*NAMES, repeats=20)
    with (
        LoopbackServer(completion("ok", delay_s=0.15)) as server,
        BenchProcess(
            project,
            "--agentbench-concurrency=4",
            *args,
            base_url=server.base_url,
            columns=columns,
            env=env or {},
        ) as session,
    ):
        assert session.wait() == 0, session.text
        session.until(lambda: "passed" in session.text)
        return session.text


def test_the_screen_of_these_tests_is_one() -> None:
    assert shown("abc\rX\r\n\x1b[31mred\x1b[0m\r\x1b[Kgone\r\x1b[K.", 80) == ["Xbc", "."]
    assert shown("abcde", 3) == ["abc", "de"]
    with pytest.raises(ValueError, match="unknown code"):
        shown("\x1b[2J", 80)


@pytest.mark.parametrize(("workers", "columns"), [("-n0", 80), ("-n2", 80), ("-n2", 50)])
def test_verbose_lines_stay_whole_and_the_progress_goes_away(
    project: BenchProject, workers: str, columns: int
) -> None:
    text = run(project, workers, "-v", columns=columns)
    assert len(PROGRESS.findall(text)) > 2
    screen = shown(text, columns)
    assert not [line for line in screen if PROGRESS.search(line)], screen
    # At 50 columns pytest's own lines are longer than the terminal is wide.
    joined = "\n".join(screen) if columns == 80 else "".join(screen)
    for name in NAMES:
        node = f"scenarios/{name}.bench.yaml::{name}::test-model"
        before, after = (r"\[gw\d\] \[ *\d+%\] ", "") if workers == "-n2" else ("", r" PASSED")
        whole = rf"{before}(PASSED )?{re.escape(node)}{after}"
        assert re.search(whole, joined), joined
    assert joined.count("agentbench: calls at least 60") == 1


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_dots_stay_and_percent_is_reached(project: BenchProject, workers: str) -> None:
    text = run(project, workers, env={"NO_COLOR": "1"})
    assert PROGRESS.search(text)
    assert not COLOUR.search(text)
    screen = shown(text, 80)
    assert not [line for line in screen if PROGRESS.search(line)]
    dots = [re.fullmatch(r"(?:scenarios/\w+\.bench\.yaml )?(\.+)(?: +\[ *\d+%\])?", line) for line in screen]
    assert sum(len(match[1]) for match in dots if match) == 3, screen
    assert any(line.endswith("[100%]") and len(line) in {79, 80} for line in screen), screen


def test_quiet_is_quiet(project: BenchProject) -> None:
    text = run(project, "-n0", "-q")
    assert not PROGRESS.search(text)
    assert "calls at least" not in text
    assert shown(text, 80)[0].startswith("...")


@pytest.mark.parametrize("where", ["pipe", "dumb terminal"])
def test_elsewhere_there_are_no_codes(project: BenchProject, where: str) -> None:
    text = run(
        project,
        "-n2",
        "-v",
        columns=None if where == "pipe" else 80,
        env={"TERM": "dumb"},
    )
    assert "\x1b" not in text
    assert "agentbench: calls at least 60" in text
    assert len(re.findall(r"^\[gw\d\] \[ *\d+%\] PASSED scenarios/", text, re.MULTILINE)) == 3


def test_without_a_terminal_reporter_nothing_is_said(project: BenchProject) -> None:
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        result = project.run("-p", "no:terminal", "-n0", base_url=server.base_url)
    assert result.ret == 0
    assert result.stdout.str() + result.stderr.str() == ""
    assert project.case("alpha")["outcome"] == "pass"
