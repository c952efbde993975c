"""A small project of scenarios in a pytester folder, run by `pytest --agentbench`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

SIMPLE = """\
agentbench: 1
id: {id}
tags: [{tag}]
prompt: {{user: "Say the word {id}"}}
sampling: {{temperature: 0.7, max_tokens: 50}}
answer: {{text: {{contains: ok}}}}
gates: {{pass_rate: {{min: 0.5}}}}
repeats: {repeats}
"""

WORDINGS = """\
agentbench: 1
id: wordings
prompt: {user: "Answer as JSON with a number n."}
variants:
  - {id: polite, class: paraphrase, user: "Please answer as JSON with a number n."}
  - {id: short, class: paraphrase, user: "JSON, number n."}
sampling: {temperature: 0.7, max_tokens: 50}
answer:
  json: {schema: {type: object, required: [n], properties: {n: {type: integer}}}, request: none}
gates: {parse_failure_rate: {max: 0.2, decide: fixed}}
repeats: 50
"""


class BenchProject:
    """Scenario files under ``scenarios/`` and runs on them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        (self.path / "scenarios").mkdir()
        pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")

    def write(self, name: str, text: str) -> Path:
        """A file under ``scenarios/``."""
        path = self.path / "scenarios" / name
        path.write_text(text, encoding="utf-8")
        return path

    def simple(self, *ids: str, repeats: int = 8, tag: str = "fast") -> None:
        """Scenarios that pass when the answer contains "ok"."""
        for name in ids:
            self.write(f"{name}.bench.yaml", SIMPLE.format(id=name, repeats=repeats, tag=tag))

    def run(
        self, *args: str, base_url: str | None = None, model: str = "test-model", timeout: float = 120
    ) -> pytest.RunResult:
        """``pytest --agentbench`` in a process of its own; results in ``out.json``."""
        options = ["--agentbench", f"--model={model}", "--agentbench-json=out.json"]
        if base_url is not None:
            options.append(f"--agentbench-base-url={base_url}")
        return self.pytester.runpytest_subprocess(*options, *args, timeout=timeout)

    @property
    def results(self) -> dict[str, Any]:
        """What the last run wrote."""
        document: dict[str, Any] = json.loads((self.path / "out.json").read_text(encoding="utf-8"))
        return document

    def case(self, scenario: str, model: str = "test-model") -> dict[str, Any]:
        """One case of the last run."""
        found: Sequence[dict[str, Any]] = [
            case for case in self.results["cases"] if case["scenario"] == scenario and case["model"] == model
        ]
        assert len(found) == 1, [case["id"] for case in self.results["cases"]]
        return found[0]

    def journal(self) -> list[dict[str, Any]]:
        """The lines of the only journal."""
        from pytest_agentbench.storage import read_journal

        (path,) = (self.path / ".agentbench" / "runs").glob("*/journal.jsonl")
        return list(read_journal(path))
