"""Standard streams that are closed, full, or broken."""

import subprocess
import sys

import pytest

from tests.support.command_line import ids_of

SELECT = "select train.jsonl --encoder letters --text text -b 3"


def run_in_shell(arguments):
    command = f"{sys.executable} -c 'from evenly.cli import main; main()' {arguments}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("select - --encoder letters --text text -b 3 <&-", "standard input, which is closed"),
        (f"{SELECT} -o - >&-", "standard output, which is closed"),
    ],
)
def test_a_closed_stream_that_is_needed_is_an_error(arguments, message):
    ran = run_in_shell(arguments)
    assert ran.returncode == 2
    assert ran.stderr.startswith("evenly: error: the ")
    assert ran.stderr.count("\n") == 1
    assert message in ran.stderr


@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_the_output_is_written_whoever_reads_the_messages(streams):
    whole = run_in_shell(f"{SELECT} -o whole.jsonl").returncode
    ran = run_in_shell(f"{SELECT} -o out.jsonl {streams}")
    assert (whole, ran.returncode) == (0, 0)
    assert len(ids_of("out.jsonl")) == 3
    assert ids_of("out.jsonl") == ids_of("whole.jsonl")


def test_an_error_without_stderr_is_an_exit_status():
    assert run_in_shell("select gone.jsonl -b 3 2>&-").returncode == 2
    assert run_in_shell("select --wrong 2>&-").returncode == 2
