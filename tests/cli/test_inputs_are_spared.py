"""No input of a command is an output of it, whatever either is called, also with --force."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import (
    LETTERS,
    RECORDS,
    fail,
    make_manifest,
    run_process,
    succeed,
    write_lines,
)


@pytest.fixture(autouse=True)
def files_under_many_names():
    Path("shards").mkdir()
    write_lines("shards/a.jsonl", RECORDS[:20])
    write_lines("shards/b.jsonl", RECORDS[20:])
    write_lines("seen.jsonl", RECORDS[:3])
    Path("rows.txt").write_text("3\n4\n")
    np.save("scores.npy", np.arange(40.0))
    Path("linked").symlink_to("shards")
    Path("soft.jsonl").symlink_to("shards/a.jsonl")
    os.link("shards/a.jsonl", "hard.jsonl")


SELECT = ("select", "train.jsonl", "-b", 3, *LETTERS)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("select", "shards", "-b", 3, *LETTERS), "shards/a.jsonl"),
        (("select", "shards", "-b", 3, *LETTERS), "linked/b.jsonl"),
        (("select", "shards", "-b", 3, *LETTERS), "soft.jsonl"),
        (("select", "linked", "-b", 3, *LETTERS), "hard.jsonl"),
        (("select", "shards/*.jsonl", "-b", 3, *LETTERS), "shards/b.jsonl"),
        (("select", "hard.jsonl", "-b", 3, *LETTERS), "./shards/../shards/a.jsonl"),
        (("stream", "seen.jsonl", "shards/a.jsonl", "-b", 3, *LETTERS), "shards/a.jsonl"),
        (("stream", "seen.jsonl", "shards", "-b", 3, *LETTERS), "hard.jsonl"),
        ((*SELECT, "--away-from", "seen.jsonl"), "seen.jsonl"),
        ((*SELECT, "--away-from", "shards"), "soft.jsonl"),
        (("deduplicate", "shards", *LETTERS), "shards/a.jsonl"),
        (("select-by-quality", "shards", "-b", 3, "--quality", "id", *LETTERS), "shards/a.jsonl"),
        (("embed", "vectors.npy", *LETTERS), "vectors.npy"),
        (("embed", "train.jsonl", *LETTERS), "letters/model.safetensors"),
        ((*SELECT, "--quality", "scores.npy"), "scores.npy"),
    ],
)
def test_an_input_is_never_overwritten(arguments, output):
    assert "is the input itself, or a part of it" in fail(*arguments, "-o", output, "--force")


@pytest.mark.parametrize(
    "arguments",
    [
        ("select", "--from-manifest", "first.manifest.json"),
        ("extend", "first.manifest.json", "-b", 5),
        ("fill", "first.manifest.json"),
        ("assign", "first.manifest.json"),
    ],
)
@pytest.mark.parametrize("output", ["train.jsonl", "first.jsonl", "seen.jsonl"])
def test_neither_a_manifest_nor_what_it_was_made_from_is_overwritten(arguments, output):
    make_manifest("-b", 3, "--away-from", "seen.jsonl")

    if (arguments[0], output) == ("assign", "first.jsonl"):  # it has no manifest of its own
        succeed(*arguments, "-o", output, "--force")
    else:
        assert "is the input itself" in fail(*arguments, "-o", output, "--force")


def test_rows_to_include_are_not_overwritten_by_the_manifest():
    manifest = make_manifest("-b", 3)

    assert "first.manifest.json is the input" in fail(
        *SELECT, "--include", manifest, "-o", "first.csv", "--force"
    )


def test_cached_vectors_are_not_overwritten():
    succeed("embed", "train.jsonl", *LETTERS, "-o", "x.npy")
    [shard] = Path("cache").rglob("*.safetensors")

    assert "is the input" in fail("embed", "train.jsonl", *LETTERS, "-o", shard, "--force")
    succeed("embed", "train.jsonl", *LETTERS, "-o", "cache/new.safetensors", "--force")


@pytest.mark.parametrize("name", ["first.jsonl", "./shards/../first.jsonl", "same.jsonl"])
def test_the_checkpoint_is_not_the_output_under_another_name(name):
    Path("same.jsonl").symlink_to("first.jsonl")
    output = ("-o", "first.jsonl", "--force")

    assert "cannot be both output and checkpoint" in fail(*SELECT, "--checkpoint", name, *output)
    assert "cannot be both output and state" in fail(
        "stream", "train.jsonl", "-b", 3, *LETTERS, "--state", name, *output
    )


def test_the_input_on_standard_input_is_recognised():
    before = Path("train.jsonl").read_bytes()
    with Path("train.jsonl").open("rb") as stream:
        ran = run_process(
            *("select", "-", "-b", 3, *LETTERS, "-o", "train.jsonl", "--force"), stdin=stream
        )

    assert (ran.returncode, "is the input itself" in ran.stderr) == (2, True)
    assert Path("train.jsonl").read_bytes() == before


def test_other_files_are_overwritten():
    for output in ("shards/c.csv", "other.jsonl"):
        arguments = ("select", "shards/*.jsonl", "-b", 3, *LETTERS, "-o", output)
        succeed(*arguments)
        succeed(*arguments, "--force")


def test_a_compressed_input_is_recognised():
    with gzip.open("packed.jsonl.gz", "wb") as stream:
        stream.write(Path("train.jsonl").read_bytes())

    assert "is the input" in fail(
        "select", "packed.jsonl.gz", "-b", 3, *LETTERS, "-o", "packed.jsonl.gz", "--force"
    )
