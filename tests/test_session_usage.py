"""What cannot be done is said before anything runs, with exit status 4."""

from __future__ import annotations

import pytest
from bench_project import BenchProject
from loopback import LoopbackServer, completion


def usage_error(result: pytest.RunResult) -> str:
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str() + result.stderr.str()
    return result.stderr.str()


def test_no_model_is_a_usage_error(project: BenchProject) -> None:
    project.simple("alpha")
    text = usage_error(project.pytester.runpytest_subprocess("--agentbench"))
    assert "--agentbench needs a model" in text


def test_an_unknown_model_and_a_missing_key_are_one_error(project: BenchProject) -> None:
    project.simple("alpha")
    text = usage_error(project.run(model="deepseek-v4-pr0,deepseek-v4-pro"))
    assert "deepseek-v4-pro" in text
    assert "DEEPSEEK_API_KEY" in text


def test_a_missing_key_can_be_skipped_and_is_said_loudly(project: BenchProject) -> None:
    project.simple("alpha")
    result = project.run("--agentbench-missing-key=skip", model="deepseek-v4-pro")
    assert result.ret == 0, result.stdout.str()
    assert project.case("alpha", "deepseek-v4-pro")["outcome"] == "not_measured"
    result.stdout.fnmatch_lines(["*deepseek-v4-pro is NOT MEASURED: *DEEPSEEK_API_KEY*"])


def test_a_missing_key_does_not_hinder_collection(project: BenchProject) -> None:
    project.simple("alpha")
    result = project.run("--collect-only", model="deepseek-v4-pro")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*<CaseItem deepseek-v4-pro>"])


@pytest.mark.parametrize("option", ["--agentbench-repeats=0", "--agentbench-max-calls=-1"])
def test_numbers_below_one_are_refused(project: BenchProject, option: str) -> None:
    project.simple("alpha")
    assert "must be at least 1" in usage_error(project.run(option, base_url="http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("option", ["reruns", "count"])
def test_redrawing_until_green_is_refused(project: BenchProject, option: str) -> None:
    project.pytester.makeconftest(
        f"def pytest_addoption(parser): parser.addoption('--{option}', type=int, default=0)"
    )
    project.simple("alpha")
    text = usage_error(project.run(f"--{option}=3", base_url="http://127.0.0.1:9/v1"))
    assert "draws again until a test is green" in text


def test_a_conftest_with_its_own_model_option_uses_the_canonical_name(project: BenchProject) -> None:
    project.pytester.makeconftest(
        "def pytest_addoption(parser): parser.addoption('--model', default='resnet')"
    )
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        result = project.pytester.runpytest_subprocess(
            "--agentbench", "--agentbench-model=m", f"--agentbench-base-url={server.base_url}"
        )
    result.assert_outcomes(passed=1)


def test_addopts_may_switch_on(project: BenchProject) -> None:
    with LoopbackServer(completion("ok")) as server:
        project.pytester.makeini(
            f"[pytest]\naddopts = --agentbench --model m --agentbench-base-url={server.base_url}\n"
        )
        project.simple("alpha")
        project.pytester.runpytest_subprocess("-n2").assert_outcomes(passed=1)


def test_the_paths_of_the_ini_file_are_taken(project: BenchProject) -> None:
    project.pytester.makeini("[pytest]\nagentbench_paths = mine\n")
    project.simple("alpha")
    (project.path / "mine").mkdir()
    (project.path / "scenarios" / "alpha.bench.yaml").rename(project.path / "mine" / "alpha.bench.yaml")
    with LoopbackServer(completion("ok")) as server:
        project.run("-n2", base_url=server.base_url).assert_outcomes(passed=1)


def test_a_key_never_reaches_a_file(project: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-5f1c0a"
    monkeypatch.setenv("AGENTBENCH_API_KEY", key)
    project.simple("alpha")
    with LoopbackServer(lambda _body, n: completion("ok" if n else f"your key is {key}")) as server:
        result = project.run("-n2", "-l", "--junitxml=junit.xml", base_url=server.base_url)
        assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    for path in project.path.rglob("*"):
        if path.is_file():
            assert key not in path.read_text(encoding="utf-8", errors="replace"), path
    assert key not in result.stdout.str() + result.stderr.str()
