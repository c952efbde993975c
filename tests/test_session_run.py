"""Whole sessions against a loopback server, with and without xdist."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from bench_project import WORDINGS, BenchProject
from loopback import LoopbackServer, completion, cut_stream, endless, quota_exhausted, rate_limited, tool_call

WORKERS = pytest.mark.parametrize("workers", [["-n0"], ["-n2"]], ids=["n0", "n2"])


@pytest.mark.parametrize("workers", ["0", "2", "16"])
def test_the_counts_equal_what_the_server_counted(project: BenchProject, workers: str) -> None:
    project.write("wordings.bench.yaml", WORDINGS)
    project.simple("plain", repeats=50)
    with LoopbackServer(completion('{"n": 7} ok')) as server:
        server.reply = lambda body, n: completion('{"n": 7}' if n % 5 else "no json", response_id=f"r{n}")
        project.run("-n", workers, base_url=server.base_url, model="model-a,model-b")
        by_model = Counter(body["model"] for body in server.bodies)
        by_text = Counter((body["model"], body["messages"][-1]["content"]) for body in server.bodies)
    results = project.results
    assert results["run"]["n_calls"] == server.count
    for model in ("model-a", "model-b"):
        cases = [case for case in results["cases"] if case["model"] == model]
        assert len(cases) == 2
        assert sum(case["n_attempts"] for case in cases) == by_model[model]
        wordings = project.case("wordings", model)
        assert wordings["n_samples"] == 150
        assert [(v["id"], v["n_samples"]) for v in wordings["variants"]] == [
            ("base", 50),
            ("polite", 50),
            ("short", 50),
        ]
        assert by_text[model, "Please answer as JSON with a number n."] == 50
        assert wordings["json"]["n"] == 150
        assert wordings["json"]["parse"]["strict"] + wordings["json"]["parse_failures"] == 150
    sent = sum(project.case("wordings", model)["json"]["parse_failures"] for model in ("model-a", "model-b"))
    assert sent > 0
    assert len(results["comparisons"]) > 0


@WORKERS
def test_outcomes_and_exit_status(project: BenchProject, workers: list[str]) -> None:
    project.simple("good")
    with LoopbackServer(completion("ok")) as server:
        result = project.run(*workers, base_url=server.base_url)
        assert result.ret == 0
        assert project.case("good")["outcome"] == "pass"
        result.assert_outcomes(passed=1)
        server.reply = completion("wrong")
        result = project.run(*workers, base_url=server.base_url)
        assert result.ret == 1
        assert project.case("good")["outcome"] == "fail"
        result.stdout.fnmatch_lines(["*scenarios/good.bench.yaml:2: *"])
        server.reply = lambda _body, n: completion("ok" if n % 2 else "wrong")
        project.simple("good", repeats=4)
        result = project.run(*workers, "--agentbench-max-calls=6", base_url=server.base_url)
        assert result.ret == 10, result.stdout.str()
        assert project.case("good")["outcome"] == "inconclusive"
        result.stdout.fnmatch_lines(["*[?]*"])
        result = project.run(
            *workers, "--agentbench-max-calls=6", "--agentbench-inconclusive=pass", base_url=server.base_url
        )
        assert result.ret == 0


@WORKERS
def test_selection_works_as_everywhere_in_pytest(project: BenchProject, workers: list[str]) -> None:
    project.simple("alpha", "beta")
    project.simple("gamma", tag="slow-tag")
    with LoopbackServer(completion("ok")) as server:
        # xdist does not report how many its workers deselected.
        project.run(*workers, "-k", "alpha", base_url=server.base_url).assert_outcomes(
            passed=1, deselected=None
        )
        assert [case["scenario"] for case in project.results["cases"]] == ["alpha"]
        project.run(*workers, "-m", "slow-tag", base_url=server.base_url).assert_outcomes(
            passed=1, deselected=None
        )
        assert [case["scenario"] for case in project.results["cases"]] == ["gamma"]
        node = "scenarios/beta.bench.yaml::beta::test-model"
        project.run(*workers, node, base_url=server.base_url).assert_outcomes(passed=1)
        assert [case["scenario"] for case in project.results["cases"]] == ["beta"]
        project.run(*workers, "--junitxml=junit.xml", base_url=server.base_url).assert_outcomes(passed=3)
        junit = (project.path / "junit.xml").read_text(encoding="utf-8")
        assert '<property name="agentbench.' in junit
        (project.path / "test_python.py").write_text("def test_it(): pass")
        project.run(*workers, base_url=server.base_url).assert_outcomes(passed=3)


@WORKERS
def test_last_failed_and_first_failure(project: BenchProject, workers: list[str]) -> None:
    project.pytester.makeini("[pytest]\n")
    project.simple("alpha", "beta", "gamma")

    def reply(body: dict[str, list[dict[str, str]]], _n: int) -> object:
        return completion("ok" if "beta" not in body["messages"][-1]["content"] else "wrong")

    with LoopbackServer(reply) as server:  # type: ignore[arg-type]
        project.run(*workers, base_url=server.base_url).assert_outcomes(passed=2, failed=1)
        before = server.count
        project.run(*workers, "--lf", base_url=server.base_url).assert_outcomes(failed=1)
        assert {body["messages"][-1]["content"] for body in server.bodies[before:]} == {"Say the word beta"}
        project.run("-x", base_url=server.base_url).assert_outcomes(passed=1, failed=1)


def test_it_works_where_xdist_is_not_loaded(project: BenchProject) -> None:
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        project.run("-p", "no:xdist", base_url=server.base_url).assert_outcomes(passed=1)


def test_a_project_without_scenarios_runs_those_of_the_package(project: BenchProject) -> None:
    (project.path / "scenarios").rmdir()
    result = project.run("--collect-only", "-q", base_url="http://127.0.0.1:9/v1")
    result.stdout.fnmatch_lines(["*quickstart.bench.yaml::quickstart-json::test-model"])


def test_gates_that_cannot_be_decided_are_one_warning(project: BenchProject) -> None:
    for name in ("alpha", "beta", "gamma"):
        project.write(
            f"{name}.bench.yaml",
            WORDINGS.replace("id: wordings", f"id: {name}").replace("max: 0.2", "max: 0.01"),
        )
    with LoopbackServer(completion("ok")) as server:
        result = project.run("-n2", "--agentbench-max-calls=1", base_url=server.base_url)
    text = result.stdout.str()
    assert text.count("needs at least 299 samples, has 150") == 1, text
    assert "(and 2 more gates like it)" in text


def test_collect_only_shows_file_scenario_and_case_and_calls_nobody(project: BenchProject) -> None:
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        result = project.run("--collect-only", base_url=server.base_url, model="a,b")
        assert server.count == 0
    result.stdout.fnmatch_lines(
        ["*<ScenarioFile alpha.bench.yaml>", "*<ScenarioNode alpha>", "*<CaseItem a>", "*<CaseItem b>"]
    )
    assert result.ret == 0
    assert not (project.path / ".agentbench").exists()


@WORKERS
def test_a_bad_file_is_reported_once_with_its_place(project: BenchProject, workers: list[str]) -> None:
    project.simple("alpha")
    project.write("bad.bench.yaml", "agentbench: 1\nid: bad\npromt: {user: hi}\n")
    with LoopbackServer(completion("ok")) as server:
        result = project.run(*workers, base_url=server.base_url)
    text = result.stdout.str()
    problem = "scenarios/bad.bench.yaml:3:1: unknown key 'promt', did you mean 'prompt'?"
    assert text.splitlines().count(problem) == 1, text
    assert result.ret != 0


def test_two_files_with_one_id_are_an_error(project: BenchProject) -> None:
    project.simple("alpha")
    project.write("other.bench.yaml", (project.path / "scenarios" / "alpha.bench.yaml").read_text())
    with LoopbackServer(completion("ok")) as server:
        result = project.run(base_url=server.base_url)
    result.stdout.fnmatch_lines(["*the scenario id 'alpha' is taken by scenarios/alpha.bench.yaml:2:5*"])


def test_before_the_first_call_the_number_of_calls_is_said(project: BenchProject) -> None:
    project.simple("alpha", repeats=8)
    with LoopbackServer(completion("ok")) as server:
        result = project.run(base_url=server.base_url)
    result.stdout.fnmatch_lines(["agentbench: calls at least 8 (up to *"])


def test_the_limit_of_calls_is_exact_with_many_workers(project: BenchProject) -> None:
    project.simple("alpha", "beta", "gamma", "delta", repeats=30)
    for path in (project.path / "scenarios").iterdir():
        # 36 clean samples are the fewest that show 90 %: 50 calls are not enough for four cases.
        path.write_text(path.read_text().replace("min: 0.5", "min: 0.9"))
    with LoopbackServer(completion("ok")) as server:
        result = project.run("-n4", "--agentbench-max-calls=50", base_url=server.base_url)
        assert server.count == 50
    assert result.ret == 10
    assert project.results["run"]["n_calls"] == 50
    assert sum(case["n_attempts"] for case in project.results["cases"]) == 50


def test_retries_are_counted_and_no_model_metric_moves(project: BenchProject) -> None:
    project.simple("alpha", repeats=20)
    with LoopbackServer(lambda _body, n: rate_limited("0.05") if n % 4 == 0 else completion("ok")) as server:
        result = project.run(base_url=server.base_url)
        case = project.case("alpha")
        assert case["n_attempts"] == server.count
        assert case["n_transport_errors"] == sum(1 for n in range(server.count) if n % 4 == 0)
    assert case["pass"]["passed"] == case["pass"]["n"] == case["n_samples"]
    assert result.ret == 0


def test_an_exhausted_quota_stops_the_session_and_fails_nobody(project: BenchProject) -> None:
    project.simple("alpha", "beta", "gamma", repeats=20)
    with LoopbackServer(lambda _body, n: completion("ok") if n < 25 else quota_exhausted()) as server:
        result = project.run("--agentbench-concurrency=1", base_url=server.base_url)
        assert server.count == 26
    assert result.ret == 10
    assert [case["outcome"] for case in project.results["cases"]] == ["pass", "inconclusive", "inconclusive"]
    assert "quota" in project.results["run"]["stopped"].lower()


def test_a_cut_stream_is_x_and_an_endless_one_is_the_models(project: BenchProject) -> None:
    scenario = """\
agentbench: 1
id: ID
prompt: {user: "Write"}
sampling: {temperature: 0.7}
agent: {max_seconds: 2, stall_s: 5}
answer: {json: {schema: {type: object}, request: none}}
gates: {parse_failure_rate: {max: 0.3, decide: fixed}}
repeats: 2
"""
    project.write("endless.bench.yaml", scenario.replace("ID", "endless"))
    with LoopbackServer(lambda _body, n: endless(f"She loved to play {n}. ")) as server:
        project.run(base_url=server.base_url)
    case = project.case("endless")
    assert case["n_x"] == 0
    assert case["n_samples"] == 2
    assert case["json"]["parse_failures"] == 2
    assert case["loops"]["looped"] == 2 or "deadline" in case["json"]["tags"]
    (project.path / "scenarios" / "endless.bench.yaml").unlink()
    project.write("cut.bench.yaml", scenario.replace("ID", "cut"))
    with LoopbackServer(cut_stream()) as server:
        result = project.run(base_url=server.base_url)
    case = project.case("cut")
    assert case["n_samples"] == 0
    assert case["n_x"] > 0
    assert case["json"]["parse_failures"] == 0
    assert case["outcome"] == "inconclusive"
    assert result.ret == 10


def test_a_presets_own_parameters_arrive_on_the_wire(project: BenchProject) -> None:
    project.simple("alpha", repeats=4)
    with LoopbackServer(completion("ok")) as server:
        project.run(base_url=server.base_url, model="deepseek-v4-pro")
        assert {body["model"] for body in server.bodies} == {"deepseek-v4-pro"}
        assert all(body["max_tokens"] == 50 for body in server.bodies)
        project.run(base_url=server.base_url, model="gpt-5")
        assert all("max_tokens" not in body for body in server.bodies if body["model"] == "gpt-5")
        assert all(body["max_completion_tokens"] == 50 for body in server.bodies if body["model"] == "gpt-5")
        assert all("temperature" not in body for body in server.bodies if body["model"] == "gpt-5")
    (entry,) = [item for item in project.case("alpha", "gpt-5")["honoured"] if item["key"] == "temperature"]
    assert entry["asked"] == 0.7


def test_the_journal_holds_every_reply_sample_and_case(project: BenchProject) -> None:
    project.simple("alpha", repeats=8)
    with LoopbackServer(completion("ok", provider="host-1")) as server:
        project.run("-n2", base_url=server.base_url)
        lines = project.journal()
        kinds = Counter(line["kind"] for line in lines)
        assert kinds["run"] == 1
        assert kinds["reply"] == kinds["sample"] == server.count
        assert kinds["case"] == 1
    sample = next(line["sample"] for line in lines if line["kind"] == "sample")
    assert sample["turns"][0]["reply"]["host"] == "host-1"
    assert sample["turns"][0]["reply"]["model"] == "test-model"
    assert project.case("alpha")["answered_by"] == {"test-model @ host-1": server.count}


def test_a_killed_worker_is_no_data_for_its_case_only(project: BenchProject) -> None:
    project.simple("alpha", "beta", repeats=8)
    project.pytester.makeconftest(
        """
        import os, signal
        def die(args):
            os.kill(os.getpid(), signal.SIGKILL)
        def pytest_agentbench_register(registry):
            registry.tool("die", die)
        """
    )
    project.write(
        "killer.bench.yaml",
        """\
agentbench: 1
id: killer
prompt: {user: "Use the tool"}
tools: [{name: die, parameters: {type: object}, returns: {function: die}}]
answer: {text: {contains: ok}}
repeats: 20
""",
    )

    with_tools = itertools.count()

    def reply(body: dict[str, object], _n: int) -> object:
        if "tools" in body and next(with_tools) >= 6:
            return completion(tool_calls=[tool_call("die", {})])
        return completion("ok")

    with LoopbackServer(reply) as server:  # type: ignore[arg-type]
        result = project.run("-n2", "--agentbench-concurrency=2", base_url=server.base_url)
        lines = project.journal()
        assert sum(line["kind"] == "reply" for line in lines) == server.count
    assert result.ret == 1
    assert project.case("killer")["outcome"] == "no_data"
    assert project.case("killer")["n_samples"] == 0
    assert {project.case(name)["outcome"] for name in ("alpha", "beta")} == {"pass"}
    finished = [line for line in lines if line["kind"] == "sample" and line["sample"]["scenario"] == "killer"]
    assert finished, "samples that ended before the kill are in the journal"


def test_a_step_summary_is_written_where_github_asks_for_it(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.simple("alpha")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    with LoopbackServer(completion("ok")) as server:
        project.run(base_url=server.base_url)
    assert "alpha" in (project.path / "summary.md").read_text(encoding="utf-8")


def test_a_bug_of_ours_is_no_data_and_never_a_failure_of_the_model(project: BenchProject) -> None:
    project.write(
        "tool.bench.yaml",
        """\
agentbench: 1
id: tool
prompt: {user: "Use the tool"}
tools: [{name: t, parameters: {type: object}, returns: {function: nobody_registered_this}}]
answer: {text: {contains: ok}}
repeats: 2
""",
    )
    with LoopbackServer(completion(tool_calls=[tool_call("t", {})])) as server:
        result = project.run(base_url=server.base_url)
    assert result.ret == 1
    assert project.case("tool")["outcome"] == "no_data"
    result.stdout.fnmatch_lines(["*nobody_registered_this*"])


def test_the_results_are_strict_json_and_keep_the_exit_status(project: BenchProject) -> None:
    project.simple("alpha")
    with LoopbackServer(completion("ok")) as server:
        project.run(base_url=server.base_url)
    text = (project.path / "out.json").read_text(encoding="utf-8")
    assert json.loads(text)["exit_status"] == 0
    assert "NaN" not in text
