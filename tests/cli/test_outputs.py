"""Outputs: records and manifest, both or neither, and never over something else."""

import errno
import io
import json
import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, select_uniform
from evenly.cli.outputs import is_plain, manifest_path
from tests.support.command_line import LETTERS, VECTORS, fail, ids_of, run_evenly, succeed


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("subset.jsonl", "subset.manifest.json"),
        ("subset.jsonl.gz", "subset.manifest.json"),
        ("deep/train.v2.csv", "deep/train.v2.manifest.json"),
        ("train.2024.json.gz", "train.2024.manifest.json"),
    ],
)
def test_the_manifest_is_beside_the_output(output, expected):
    assert str(manifest_path(output)) == expected


class NeverRead(io.BytesIO):
    """Standard input that must not be read."""

    def read(self, size=-1):
        assert size == 0, "the command read its input"  # click tries whether it is binary
        return b""

    readline = readinto = read


@pytest.mark.parametrize("taken", ["subset.jsonl", "subset.manifest.json"])
def test_an_existing_output_is_rejected_before_any_work(taken):
    Path(taken).write_text("mine")
    arguments = ["-b", "3", "-o", "subset.jsonl", "--encoder", "letters"]

    assert f"{taken} already exists" in fail("select", "-", *arguments, input=NeverRead())
    succeed("select", "train.jsonl", *arguments, "--force")

    assert len(ids_of("subset.jsonl")) == 3
    assert len(Selection.load("subset.manifest.json")) == 3


def test_an_unknown_suffix_is_rejected_before_any_work():
    assert "x.text" in fail("select", "-", "-b", "3", "-o", "x.text", input=NeverRead())


def test_the_input_is_never_the_output():
    assert "is the input itself" in fail(
        "select", "train.jsonl", "-b", "3", "-o", "train.jsonl", "--force", "--encoder", "letters"
    )


@pytest.mark.parametrize("forced", [False, True])
def test_a_full_disk_leaves_neither_records_nor_manifest(monkeypatch, forced):
    options = ["-o", "subset.jsonl", "--encoder", "letters", "--no-cache"]
    if forced:
        succeed("select", "train.jsonl", "-b", "3", *options)
        options.append("--force")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said = fail("select", "train.jsonl", "-b", "5", *options)

    assert "cannot write subset.jsonl: No space left on device" in said


def test_radii_of_a_selection_with_rules_are_not_covering_radii():
    plain = select_uniform(VECTORS, 9)
    ruled = select_uniform(VECTORS, 9, include=[4, 8])

    assert is_plain(plain)
    assert not is_plain(ruled)
    ruled.save("ruled.manifest.json")
    assert "best possible" in succeed("measure", "vectors.npy", "ruled.manifest.json").stdout


NOTHING = "\n\nNothing was written: -o FILE writes the records, and a manifest beside them.\n"


@pytest.mark.parametrize(
    "command",
    [
        ("select", "vectors.npy", "-b", "4"),
        ("deduplicate", "vectors.npy", "--min-distance", "0.5"),
        ("stream", "vectors.npy", "-b", "4"),
    ],
)
def test_a_command_says_what_it_wrote_and_where(command):
    assert succeed(*command).stdout.endswith(NOTHING)

    told = succeed(*command, "-o", "out/kept.npy").stdout
    count = len(np.load("out/kept.npy"))
    assert told.endswith(
        f"\n\nWritten: {count} records to out/kept.npy, and the manifest out/kept.manifest.json.\n"
    )
    shown = json.loads(succeed(*command, "-o", "out/kept.npy", "--force", "--json").stdout)
    assert (shown["output"], shown["manifest"]) == ("out/kept.npy", "out/kept.manifest.json")


def test_one_record_on_standard_output_is_said_on_stderr():
    ran = succeed("select", "train.jsonl", "-b", "1", *LETTERS, "-o", "-")

    assert json.loads(ran.stdout)
    assert ran.stderr.endswith("\n\nWritten: 1 record to standard output.\n")


def test_a_stream_says_where_it_is_kept():
    told = succeed("stream", "vectors.npy", "-b", "4", "--state", "state.npz").stdout

    assert "\n\nKept: the stream is in state.npz, to be continued.\nNothing was written" in told


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("step", ["measure_prepared", "measure_random", "UpperBounds"])
def test_interrupted_measuring_leaves_the_records_and_prints_what_is_known(
    monkeypatch, step, as_json
):
    def interrupt(*_, **__):
        assert Path("nine.npy").exists()
        raise KeyboardInterrupt

    options = ["--json"] if as_json else []

    with monkeypatch.context() as patch:
        patch.setattr(import_module("evenly.metrics.measure"), step, interrupt)
        ran = run_evenly("select", "vectors.npy", "-b", "9", "-o", "nine.npy", *options)

    assert ran.exit_code == 130
    selection = Selection.load("nine.manifest.json")
    assert np.load("nine.npy").tolist() == VECTORS[selection.indices].tolist()
    if as_json:
        assert json.loads(ran.stdout)["measures"] is None
    else:
        assert f"{selection.h_min:.4f}" in ran.stdout
        assert f"{selection.coverage_radius:.4f}" in ran.stdout
        assert "not measured" in ran.stdout
    assert "`evenly measure DATA nine.manifest.json` does that" in ran.stderr
    assert "h_min" in succeed("measure", "vectors.npy", "nine.manifest.json").stdout
