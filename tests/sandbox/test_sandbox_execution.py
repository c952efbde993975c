"""What holds in every backend: how programs end, and what they are given."""

from __future__ import annotations

import pytest
from open_backend import OpenBackend

from pytest_agentbench.errors import SandboxError
from pytest_agentbench.sample import ExecutionRequest

SLACK_S = 2.0
"""Every execution ends this much after its time limit at the latest."""


def test_a_program_that_ends_by_itself_is_ok(backend: OpenBackend) -> None:
    done = backend.run("print('grüß dich')")
    assert (done.outcome, done.exit_code, done.stdout, done.stderr) == ("ok", 0, "grüß dich\n", "")
    assert done.backend == backend.name
    assert 0 < done.duration_s < 10


@pytest.mark.parametrize(
    ("code", "exit_code"), [("raise SystemExit(3)", 3), ("raise SystemExit('no')", 1), ("1/0", 1)]
)
def test_a_program_that_ends_with_another_status_has_failed(
    backend: OpenBackend, code: str, exit_code: int
) -> None:
    done = backend.run(code)
    assert (done.outcome, done.exit_code) == ("failed", exit_code)


def test_a_traceback_shows_the_programs_lines_and_none_of_ours(backend: OpenBackend) -> None:
    done = backend.run("def f():\n    raise KeyError('k')\n\nf()")
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "/work/main.py", line 4, in <module>'
    assert lines[2] == "    f()"
    assert '  File "/work/main.py", line 2, in f' in lines
    assert lines[-1] == "KeyError: 'k'"


def test_a_program_that_is_no_python_has_failed_with_its_syntax_error(backend: OpenBackend) -> None:
    done = backend.run("```python\nprint(1)\n```")
    assert done.outcome == "failed"
    assert "SyntaxError" in done.stderr
    assert done.stderr.splitlines()[0] == '  File "/work/main.py", line 1'


def test_the_program_is_the_main_module_in_its_work_folder(backend: OpenBackend) -> None:
    done = backend.run(
        "import os, sys\nprint(__name__, __file__, os.getcwd(), sys.argv, sorted(os.listdir()))"
    )
    assert done.stdout == "__main__ /work/main.py /work ['/work/main.py'] ['main.py']\n"


def test_standard_input_arrives_and_ends(backend: OpenBackend) -> None:
    done = backend.run("import sys\nprint(input())\nprint(repr(sys.stdin.read()))", stdin="älpha\nb\nc")
    assert done.stdout == "älpha\n'b\\nc'\n"
    assert backend.run("import sys\nprint(repr(sys.stdin.read()))").stdout == "''\n"


def test_files_lie_beside_the_program_and_modules_can_be_imported(backend: OpenBackend) -> None:
    done = backend.run(
        "import helper\nprint(helper.answer(), open('data/in.txt', encoding='utf-8').read())",
        files={"helper.py": "def answer():\n    return 42\n", "data/in.txt": "größe"},
    )
    assert (done.outcome, done.stdout) == ("ok", "42 größe\n")


def test_a_file_of_the_programs_own_name_is_kept(backend: OpenBackend) -> None:
    done = backend.run("print(open('main.py').read(), __file__)", files={"main.py": "theirs"})
    assert done.stdout == "theirs /work/_main.py\n"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.txt", "a/../../up.txt", "", "a\0b", "main.py/x"])
def test_a_file_name_that_leads_elsewhere_is_refused_before_anything_runs(
    backend: OpenBackend, name: str
) -> None:
    with pytest.raises(SandboxError, match="sandbox file name"):
        backend.run("print(1)", files={name: "x"})


@pytest.mark.parametrize("code", ["while True: pass", "import time\ntime.sleep(60)"])
def test_a_program_that_does_not_end_is_stopped_at_its_time_limit(backend: OpenBackend, code: str) -> None:
    done = backend.run(f"print('so far')\n{code}", timeout_s=1.0)
    assert (done.outcome, done.exit_code) == ("timeout", None)
    assert done.stdout == "so far\n"
    assert 1.0 <= done.duration_s < 1.0 + SLACK_S


def test_catching_every_exception_does_not_lift_the_time_limit(backend: OpenBackend) -> None:
    done = backend.run(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass", timeout_s=1.0
    )
    assert done.outcome == "timeout"


@pytest.mark.parametrize(
    "code",
    [
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "kept = []\nwhile True: kept.append([1])",
        "b'x' * 10**9",
    ],
)
def test_a_program_that_takes_too_much_memory_is_stopped(backend: OpenBackend, code: str) -> None:
    done = backend.run(code, memory_mb=128, timeout_s=30.0)
    assert done.outcome == "out_of_memory"


def test_a_program_may_use_nearly_the_memory_that_it_was_given(backend: OpenBackend) -> None:
    assert backend.run("x = bytearray(160 << 20)\nprint(len(x))", memory_mb=256).outcome == "ok"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_flood_is_stopped_at_the_limit(backend: OpenBackend, stream: str) -> None:
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 999 + '\\n')"
    done = backend.run(code, output_bytes=10_000, timeout_s=2.0)
    assert done.outcome == "output_limit"
    assert getattr(done, stream) == ("x" * 999 + "\n") * 10
    assert {"stdout": done.stderr, "stderr": done.stdout}[stream] == ""


def test_output_of_just_the_limit_is_all_there_and_one_byte_more_is_not(backend: OpenBackend) -> None:
    code = "import sys\nsys.stdout.write('x' * {})"
    assert backend.run(code.format(1000), output_bytes=1000).outcome == "ok"
    over = backend.run(code.format(1001), output_bytes=1000)
    assert (over.outcome, over.stdout) == ("output_limit", "x" * 1000)


def test_output_that_is_not_utf8_is_replaced(backend: OpenBackend) -> None:
    done = backend.run(
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\xfeb')\nsys.stderr.buffer.write(b'\\xc3')"
    )
    assert (done.outcome, done.stdout, done.stderr) == ("ok", "a\ufffd\ufffdb", "\ufffd")


def test_a_lone_surrogate_in_the_code_is_the_programs_failure(backend: OpenBackend) -> None:
    done = backend.run("x = '\ud800'")
    assert done.outcome == "failed"
    assert "SyntaxError" in done.stderr


def test_nothing_of_our_environment_is_there(backend: OpenBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    done = backend.run("import os\nprint(sorted(os.environ))")
    allowed = {"HOME", "LANG", "LC_CTYPE", "PATH", "PYTHONHASHSEED", "PYTHONTZPATH", "TMPDIR"}
    assert set(eval(done.stdout)) <= allowed


@pytest.mark.parametrize("path", ["/new", "/etc/passwd", "/usr/new", "/opt/agentbench/run.py"])
def test_nothing_outside_its_folders_can_be_written(backend: OpenBackend, path: str) -> None:
    done = backend.run(f"open({path!r}, 'w').write('x')")
    assert done.outcome == "failed" or backend.name == "wasm"  # there, / is the program's own
    assert (
        backend.run(f"import os\nprint(os.path.exists({path!r}) and open({path!r}).read() == 'x')").stdout
        == "False\n"
    )


def test_the_network_cannot_be_reached(backend: OpenBackend) -> None:
    done = backend.run("import socket\nsocket.create_connection(('127.0.0.1', 80), 2)")
    assert done.outcome == "failed"


def test_names_cannot_be_resolved(backend: OpenBackend) -> None:
    assert backend.run("import socket\nsocket.gethostbyname('localhost.example')").outcome == "failed"


def test_the_work_folder_can_be_written_and_is_bounded(backend: OpenBackend) -> None:
    assert backend.run("open('out.txt', 'w').write('x')\nprint(open('out.txt').read())").stdout == "x\n"
    filler = (
        "block = bytes(1 << 20)\nwith open('big', 'wb') as file:\n    for _ in range(200): file.write(block)"
    )
    done = backend.run(filler, memory_mb=512)
    assert done.outcome == "failed"
    assert "OSError" in done.stderr
    done = backend.run("for i in range(10_000): open(f'f{i}', 'w').close()", timeout_s=30.0)
    assert done.outcome == "failed"
    assert "No space left" in done.stderr


def test_an_execution_sees_nothing_of_the_one_before(backend: OpenBackend) -> None:
    backend.run(
        "import builtins\nbuiltins.left = 1\nopen('left', 'w').close()\nopen('/tmp/left', 'w').close()"
    )
    done = backend.run(
        "import builtins, os\nprint(hasattr(builtins, 'left'), os.listdir('/work'), os.listdir('/tmp'))"
    )
    assert done.stdout == "False ['main.py'] []\n"


def test_sets_have_the_same_order_each_time(backend: OpenBackend) -> None:
    code = "print(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    assert backend.run(code).stdout == backend.run(code).stdout


def test_executions_run_beside_each_other_and_keep_their_results(backend: OpenBackend) -> None:
    requests = [ExecutionRequest(code=f"print({number})") for number in range(12)]
    assert [done.stdout for done in backend.run_all(requests)] == [f"{number}\n" for number in range(12)]


def test_a_request_that_demands_this_backend_gets_it(backend: OpenBackend) -> None:
    assert backend.run("print(1)", backend=backend.name).backend == backend.name
