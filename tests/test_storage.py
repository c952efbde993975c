"""The journal of a run."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agentbench.errors import StorageError
from pytest_agentbench.storage import Journal, new_run_id, read_journal


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run-1")
    journal.append("run", {"id": 1})
    journal.append("sample", {"text": "lone surrogate \ud800, newline \n"})
    journal.close()
    assert list(read_journal(journal.path)) == [
        {"kind": "run", "id": 1},
        {"kind": "sample", "text": "lone surrogate \ud800, newline \n"},
    ]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run-1")
    journal.append("sample", {"n": 1})
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"kind":"sample","n":')
    assert [line["n"] for line in read_journal(journal.path)] == [1]


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, pathlib\n"
        "from pytest_agentbench.storage import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]), 'killed')\n"
        "for n in range(100): journal.append('sample', {'n': n})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    path = tmp_path / ".agentbench" / "runs" / "killed" / "journal.jsonl"
    assert [line["n"] for line in read_journal(path)] == list(range(100))


def test_the_folder_keeps_itself_out_of_git_and_the_journal_out_of_other_hands(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run-1")
    assert (tmp_path / ".agentbench" / ".gitignore").read_text() == "*\n"
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".agentbench").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot create the journal .*journal\.jsonl"):
        Journal(tmp_path, "run-1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / ".agentbench" / "runs" / "full"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").symlink_to("/dev/full")
    journal = Journal(tmp_path, "full")
    with pytest.raises(StorageError, match="No space left on device"):
        journal.append("sample", {"n": 1})
    journal.close()


def test_run_ids_sort_by_time() -> None:
    early = new_run_id(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    late = new_run_id(dt.datetime(2026, 1, 2, 3, 4, 6, tzinfo=dt.UTC))
    assert early < late
    assert early.startswith("20260102-030405-")
