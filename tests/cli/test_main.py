"""The group of commands: help, loudness, errors in one line, and interruptions."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evenly
from evenly import Selection, select_uniform
from evenly.selection.greedy.checkpoint import read_checkpoint
from tests.support.command_line import fail, run_evenly, run_process, start_process, succeed


def test_version_and_help():
    assert succeed("--version").stdout == f"evenly, version {evenly.__version__}\n"
    for command in ("", "select", "extend", "measure", "embed", "cache", "demo"):
        assert "Usage: main" in succeed(*command.split(), "--help").stdout


@pytest.mark.parametrize("where", ["before", "after"])
def test_quiet_and_verbose_go_before_and_after_the_command(where):
    np.save("same.npy", np.ones((4, 2)))

    def stderr_with(option, *arguments):
        line = [option, *arguments] if where == "before" else [*arguments, option]
        return succeed(*line).stderr

    same = ("select", "same.npy", "-b", "2")
    train = ("select", "train.jsonl", "-b", "2", "--encoder", "letters")
    assert succeed(*same).stderr == (
        "evenly: warning: only 1 of the rows is distinct, fewer than the 2 requested: "
        "h_min is 0. For distinct rows only, choose 1 row.\n"
    )
    assert stderr_with("-q", *same) == ""
    assert succeed(*train).stderr == ""
    assert "evenly: text column: text (detected automatically)" in stderr_with("-v", *train)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["select"], "missing argument 'DATA'"),
        (["select", "train.jsonl"], "missing option '--budget'"),
        (["select", "gone.jsonl", "-b", "1"], "there is no file gone.jsonl"),
        (["select", "vectors.npy", "-b", "1", "--engine", "x"], "engine must be one of"),
        (["select", "vectors.npy", "-b", "1", "--start", "x"], "start must be"),
        (["select", "vectors.npy", "-b", "1", "--checkpoint", "."], "'.' is a directory"),
        (["select", "vectors.npy", "-b", "1", "--checkpoint", "vectors.npy"], "is the input"),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.npy", "--checkpoint", "x.npy"],
            "x.npy cannot be both output and checkpoint",
        ),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.npy", "--checkpoint", "x.manifest.json"],
            "x.manifest.json cannot be both",
        ),
        (["extend"], "missing argument 'MANIFEST'"),
        (["extend", "gone.json", "-b", "1"], "'gone.json' does not exist"),
        (["extend", "train.jsonl", "-b", "1"], "is not a saved selection"),
        (["extend", "train.jsonl"], "missing option '--budget'"),
        (["select", "vectors.npy", "-b", "1", "--start=--5"], "start must be"),
        (["select", "vectors.npy", "-b", "1", "--start", "-1"], "got -1"),
        (["select", "vectors.npy", "-b", "1", "--seed", "-1"], "seed must be a whole number"),
        (["select", "vectors.npy", "-b", "1", "--on-invalid", "x"], "--on-invalid"),
        (["select", "vectors.npy", "-b", "1", "--text", "q"], "holds vectors, not texts"),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.text"],
            "cannot determine the output format",
        ),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.jsonl"],
            "cannot be written as jsonl. Write .npy",
        ),
        (["select", "train.jsonl", "-b", "1", "--batch-size", "0"], "--batch-size must be"),
        (["select", "train.jsonl", "-b", "1", "--max-length", "0"], "--max-length must be"),
        (["select", "train.jsonl", "-b", "1", "--roles", ","], "roles must name"),
        (["measure", "vectors.npy", "gone.txt"], "'gone.txt' does not exist"),
        (["embed", "train.jsonl", "-o", "x.txt"], "vectors are written as .npy or .safetensors"),
        (["embed", "vectors.npy", "-o", "x.npy"], "holds vectors already"),
        (["demo", "-o", "x.md"], "cannot determine the output format"),
        (["nonsense"], "no such command 'nonsense'"),
    ],
)
def test_wrong_use_is_reported_in_one_line(arguments, message):
    assert message in fail(*arguments)


class Interrupting(io.BytesIO):
    """Standard input that interrupts the command when it is read.

    Attributes:
        handlers: the handler of SIGTERM at each read.
    """

    def __init__(self):
        super().__init__()
        self.handlers = []

    def read(self, size=-1):
        if size == 0:  # click tries whether the stream is binary
            return b""
        self.handlers.append(signal.getsignal(signal.SIGTERM))
        raise KeyboardInterrupt

    readline = readinto = read


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], "finished embeddings are kept in the cache."),
        (["--checkpoint", "not-yet"], "finished embeddings are kept in the cache."),
        (["--no-cache"], "embeddings are not kept, because of --no-cache."),
    ],
)
def test_an_interruption_is_reported_in_one_line(options, kept):
    ran = run_evenly("select", "-", "-b", "3", *options, input=Interrupting())

    assert ran.exit_code == 130
    assert ran.stderr == f"evenly: interrupted; {kept}\n"


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("select", signal.SIGINT, 130), ("extend", signal.SIGTERM, 143)],
)
def test_a_stopped_process_names_its_checkpoint(command, number, code):
    pool = np.random.default_rng(1).normal(size=(60_000, 16))
    np.save("pool.npy", pool)
    arguments = ["select", "pool.npy"]
    if command == "extend":
        select_uniform("pool.npy", 5).save("short.json")
        arguments = ["extend", "short.json"]
    arguments += ["--checkpoint", "run.ckpt", "--random-subsets", "0", "-o", "subset.npy", "-b"]

    process = start_process(*arguments, 30_000)
    while not Path("run.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)  # a few rounds
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert stderr == (
        "evenly: interrupted; the picks so far are in run.ckpt: "
        "the same command again continues from there.\n"
    )
    assert process.returncode == code
    n_kept = len(read_checkpoint("run.ckpt").picks)
    assert n_kept > 0
    assert not Path("subset.npy").exists()
    succeed(*arguments, n_kept + 5)
    expected = select_uniform(pool, n_kept + 5)
    np.testing.assert_array_equal(np.load("subset.npy"), pool[expected.indices])
    assert Selection.load("subset.manifest.json").provenance.taken_over == n_kept


def test_another_handler_of_sigterm_stays():
    def handler(*_):
        pass

    before, stdin = signal.getsignal(signal.SIGTERM), Interrupting()
    try:
        for current in (signal.SIG_DFL, handler, signal.SIG_IGN):
            signal.signal(signal.SIGTERM, current)
            run_evenly("select", "-", "-b", "3", input=stdin)
            assert signal.getsignal(signal.SIGTERM) is current
    finally:
        signal.signal(signal.SIGTERM, before)

    assert stdin.handlers[0] is not signal.SIG_DFL
    assert stdin.handlers[1:] == [handler, signal.SIG_IGN]


def test_a_real_process_writes_and_fails_like_the_command():
    command = ("select", "vectors.npy", "-b", "4", "-o", "subset.npy")

    ran = run_process(*command, stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 rows (10.0%)" in ran.stdout

    again = run_process(*command)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "subset.npy already exists" in again.stderr


def test_a_small_selection_imports_no_large_library():
    code = (
        "import sys; from evenly.cli import main; "
        "main(['select', 'vectors.npy', '-b', '4'], standalone_mode=False); "
        "print({'torch', 'faiss', 'transformers', 'scipy.optimize'} & {*sys.modules})"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.endswith("\nset()\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("output", [["-o", "-"], []])
def test_a_full_standard_output_is_reported_in_one_line(output):
    with Path("/dev/full").open("w") as full:
        ran = run_process("select", "vectors.npy", "-b", "4", *output, stdout=full)

    assert ran.returncode == 2
    assert ran.stderr == "evenly: error: No space left on device\n"


def test_a_closed_pipe_is_not_reported():
    np.save("large.npy", np.random.default_rng(0).normal(size=(20_000, 2)))
    reading, writing = os.pipe()
    os.close(reading)

    ran = run_process(
        "-q", "select", "large.npy", "-b", "1", "--random-subsets", "0", stdout=writing
    )

    os.close(writing)
    assert ran.returncode == 1
    assert ran.stderr == ""


@pytest.mark.model
def test_a_missing_model_is_one_error_with_the_alternatives(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    ran = run_process("select", "train.jsonl", "-b", "3", "--encoder", "no-such-model")

    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "no-such-model" in ran.stderr
    assert "evenly[offline]" in ran.stderr
    assert "path of a model folder" in ran.stderr


def test_an_interruption_before_the_command_begins_is_no_traceback(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    module = sys.modules["evenly.cli.main"]  # the command has the same name
    monkeypatch.setattr(module, "_reporting_on_stderr", interrupted)

    assert run_evenly("select", "train.jsonl", "-b", 3).exit_code == 130
