"""``agentbench models`` and ``agentbench models check``, against a real server on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, LoopbackServer, completion, error, tool_call

from pytest_agentbench.cli import main
from pytest_agentbench.commands import models
from pytest_agentbench.model import Model

RIGHT = json.dumps({"zz_capital": "Paris", "zz_confidence": "qhigh"})


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTBENCH_BASE_URL", "AGENTBENCH_API_KEY", "DEEPSEEK_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def good(body: Any, n: int) -> Answer:
    if "tools" in body:
        return completion(tool_calls=[tool_call("get_temperature", {"city": "Paris"})])
    return completion(RIGHT if "response_format" in body else "1 2 3 4 5")


def check(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str], name: str = "any-model", *options: str
) -> tuple[int, dict[str, str], str]:
    """(exit status, what was seen -> answer, the whole output)."""
    status = main(["models", "check", name, "--base-url", server.base_url, *options])
    text = capsys.readouterr().out
    rows = [line.strip().split("  ", 1) for line in text.splitlines() if line.startswith("  ")]
    return status, {what: rest.split()[0] for what, rest in rows}, text


def test_the_list_has_every_preset_with_its_price_date_and_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "DEEPSEEK_API_KEY is set" in rows["deepseek-v4-pro"]
    assert "OPENAI_API_KEY is missing" in rows["gpt-5"]
    assert "none needed" in rows["smollm2-135m"]
    for words in ("1.32", "3.96", "2026-11-24", "1M", "384K", "https://api.deepseek.com"):
        assert words in rows["deepseek-v4-pro"]
    assert "n/a" in rows["llama-4-scout"]
    assert "warning: gpt-5 is retired" in text
    assert "sk-secret" not in text


def test_the_list_has_the_models_of_the_project_and_what_is_wrong_with_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = '[models.ours]\nbase_url = "http://127.0.0.1:1/v1"\n[models.broken]\nprovider = "nobody"\n'
    (tmp_path / "agentbench.toml").write_text(settings)
    assert main(["models"]) == 1
    text = capsys.readouterr().out
    assert "http://127.0.0.1:1/v1" in next(line for line in text.splitlines() if line.startswith("ours"))
    assert "error: [tool.agentbench.models.\"broken\"]: provider: 'nobody' is unknown" in text


def test_a_check_makes_three_calls_and_says_what_is_honoured(capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackServer(good) as server:
        status, seen, text = check(server, capsys)
        tool, schema, streamed = server.bodies
    assert status == 0
    assert set(seen.values()) == {"yes"}
    assert tool["tools"][0]["function"]["name"] == "get_temperature"
    assert tool["tool_choice"] == "required"
    assert schema["response_format"]["type"] == "json_schema"
    assert streamed["stream"] is True
    assert "3 of 3 calls answered" in text


def test_a_check_says_what_is_not_honoured(capsys: pytest.CaptureFixture[str]) -> None:
    def poor(body: Any, n: int) -> Answer:
        text = (
            '{"name": "get_temperature", "parameters": {"city": "Paris"}}'
            if "tools" in body
            else "It is Paris."
        )
        return completion(text, model="another-model", usage={}, provider=f"host-{n}")

    with LoopbackServer(poor) as server:
        status, seen, text = check(server, capsys)
        assert status == 0
        assert check(server, capsys, "any-model", "--strict")[0] == 1
    for what in ("tool_choice", "schema", "usage in the stream", "response.model", "one host"):
        assert seen[what] == "no"
    assert "the call came as text in content" in text
    assert "'another-model' answered for 'any-model'" in text


def test_a_call_that_is_refused_is_shown_with_the_providers_words_and_the_status_is_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_tools(body: Any, n: int) -> Answer:
        return error(400, "tools are not supported") if "tools" in body else good(body, n)

    with LoopbackServer(no_tools) as server:
        status, seen, text = check(server, capsys)
    assert status == 1
    assert (seen["call with a tool"], seen["tool_choice"], seen["schema"]) == ("no", "?", "yes")
    assert "tools are not supported" in text
    assert "2 of 3 calls answered" in text


def test_a_check_obeys_the_rules_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackServer(good) as server:
        status, seen, text = check(server, capsys, "deepseek-v4-pro")
        assert server.bodies[1]["response_format"] == {"type": "json_object"}
        assert server.requests[0].headers["authorization"] == "Bearer none"
    assert status == 0
    assert seen["schema"] == "no"
    assert "json_object was sent in its place" in text


def test_a_local_model_is_served_for_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    served: list[str] = []

    async def serve(model: Model) -> str:
        served.append(model.name)
        return server.base_url

    import argparse

    args = argparse.Namespace(action="check", name="smollm2-135m", base_url=None, strict=False)
    with LoopbackServer(good) as server:
        assert models.run(args, serve=serve) == 0
        assert server.count == 3
    assert served == ["smollm2-135m"]


def test_an_unknown_model_and_a_missing_key_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", "gpt5"]) == 4
    assert "did you mean gpt-5" in capsys.readouterr().err
    assert main(["models", "check", "gpt-5"]) == 4
    assert "export OPENAI_API_KEY=" in capsys.readouterr().err
    assert main(["models", "check", "smollm2-135m,gpt-5", "--base-url", "http://127.0.0.1:1/v1"]) == 4
