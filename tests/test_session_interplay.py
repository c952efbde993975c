"""Other options of pytest and of its plugins beside ours."""

from __future__ import annotations

import pytest
from bench_project import BenchProject
from loopback import LoopbackServer, completion


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only"])
def test_what_runs_nothing_calls_nobody_and_writes_nothing(project: BenchProject, option: str) -> None:
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        result = project.run(option, "-n0", base_url=server.base_url)
        assert server.count == 0
    assert result.ret == 0
    assert "did not finish" not in result.stdout.str()
    assert not (project.path / ".agentbench").exists()


def test_every_worker_drawing_every_case_is_refused(project: BenchProject) -> None:
    project.simple("alpha")
    result = project.run("-n2", "--dist=each", base_url="http://127.0.0.1:9/v1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--dist=each runs every case once in each worker*"])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_timeout_of_another_plugin_is_no_data_and_the_next_case_runs(
    project: BenchProject, workers: str
) -> None:
    project.pytester.makeconftest(
        """
        import signal
        import pytest
        def ring(*_):
            pytest.fail("Timeout after 1 s", pytrace=False)
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 1 if "slow" in item.nodeid else 0)
            try:
                return (yield)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        """
    )
    project.simple("slow", "then")
    with LoopbackServer(completion("ok")) as server:
        server.reply = lambda body, _n: completion("ok", delay_s=3 if "slow" in str(body) else 0)
        result = project.run(workers, base_url=server.base_url)
    assert result.ret == 1
    assert project.case("slow")["outcome"] == "no_data"
    assert project.case("then")["outcome"] == "pass"
    result.stdout.fnmatch_lines(["*Timeout after 1 s*"])


def test_a_path_with_spaces_and_other_letters_is_run_and_can_be_pasted_back(project: BenchProject) -> None:
    folder = project.path / "scenarios" / "mit Leerzeichen é"
    folder.mkdir()
    project.simple("alpha")
    (project.path / "scenarios" / "alpha.bench.yaml").rename(folder / "größe 1.bench.yaml")
    node = "scenarios/mit Leerzeichen é/größe 1.bench.yaml::alpha::test-model"
    with LoopbackServer(completion("ok")) as server:
        result = project.run("-n2", "-v", base_url=server.base_url)
        result.assert_outcomes(passed=1)
        assert node in result.stdout.str()
        project.run("-n2", node, base_url=server.base_url).assert_outcomes(passed=1)
    assert project.case("alpha")["outcome"] == "pass"


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_folder_that_takes_no_journal_is_a_usage_error(project: BenchProject, workers: str) -> None:
    project.simple("alpha")
    (project.path / ".agentbench").write_text("a file")
    result = project.run(workers, base_url="http://127.0.0.1:9/v1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: cannot create the journal *"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
