"""``agentbench init``: a first scenario, its data and a CI workflow, ready to be changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_agentbench.errors import UsageError

SCENARIO = """\
# Run it:    pytest --agentbench --model=smollm2-135m
# Check it:  agentbench validate
agentbench: 1
id: route-questions
title: Send a question to the right desk
about: One record of the data file per sample; the answer is a small JSON object.
tags: [json, first]
data:
  rows: {file: data/questions.jsonl, key: id}
prompt:
  system: |-
    You sort questions. Answer with JSON only: {"desk": ...}. The desk is one of sales, support, people.
  user: "{{ question }}"
sampling: {temperature: 0.7, max_tokens: 60}
answer:
  json:
    schema: ../schemas/desk.schema.json
    expect: {desk: "{{ desk }}"}
gates:
  parse_failure_rate: {max: 0.05}
  pass_rate: {min: 0.80}
repeats: 50
reference:
  - assistant: '{"desk": {{ desk | tojson }}}'
"""

QUESTIONS = """\
{"id": "Q1", "question": "What does the plan for ten people cost?", "desk": "sales"}
{"id": "Q2", "question": "The export button does nothing since this morning.", "desk": "support"}
{"id": "Q3", "question": "I would like to work for you. Where do I send my papers?", "desk": "people"}
{"id": "Q4", "question": "Can we pay by the year and get a discount?", "desk": "sales"}
{"id": "Q5", "question": "My password is refused. What can I do?", "desk": "support"}
"""

SCHEMA = """\
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {"desk": {"enum": ["sales", "support", "people"]}},
  "required": ["desk"],
  "additionalProperties": false
}
"""

WORKFLOW = """\
# Runs the scenarios against a model on every pull request. Set MODEL, and the secret that its preset
# names (`agentbench models` lists them). A fork has no secrets: its run says "not measured" and stays green.
name: agentbench
on: [pull_request]
permissions:
  contents: read
env:
  MODEL: deepseek-v4-pro
jobs:
  scenarios:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: pip install pytest-agentbench
      - run: agentbench validate
      - run: >-
          pytest --agentbench --model="$MODEL" -n 4
          --agentbench-max-calls=2000
          --agentbench-missing-key=skip
          --agentbench-json=agentbench.json
        env:
          DEEPSEEK_API_KEY: ${{ secrets.DEEPSEEK_API_KEY }}
      - uses: actions/upload-artifact@v4
        if: always()
        with: {name: agentbench, path: agentbench.json, if-no-files-found: ignore}
"""

SETTINGS = """\
# This file marks the project root: files that scenarios name lie below it.
# Values that a scenario leaves out:
# [defaults]
# repeats = 50
"""

FILES = {
    "scenarios/first.bench.yaml": SCENARIO,
    "scenarios/data/questions.jsonl": QUESTIONS,
    "schemas/desk.schema.json": SCHEMA,
    ".github/workflows/agentbench.yml": WORKFLOW,
}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "init",
        help="write a first scenario, its data file and a CI workflow",
        description="Write a first scenario with its data, schema and CI workflow. No file is overwritten.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="project folder (default: here)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files that are not there yet and say which; returns 0.

    Raises:
        UsageError: a folder or file cannot be written.
    """
    folder: Path = args.folder
    files = dict(FILES)
    if not (folder / "pyproject.toml").exists():
        files["agentbench.toml"] = SETTINGS
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path.parent}: cannot be made a folder ({error.strerror or error})") from error
        try:
            # "x": a file that appeared since is not overwritten either.
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            print(f"kept    {path} (it was there)")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
        else:
            print(f"wrote   {path}")
    print("next:   agentbench validate")
    print("        pip install 'pytest-agentbench[local]'")
    print("        pytest --agentbench --model=smollm2-135m   (a small model on this machine, no key)")
    return 0
