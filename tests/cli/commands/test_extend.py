"""`evenly extend`: more rows after those of a manifest."""

import json
from pathlib import Path

import pytest

from evenly import Selection, select_uniform
from tests.support.command_line import (
    RECORDS,
    fail,
    ids_of,
    make_manifest,
    select,
    succeed,
    write_lines,
)
from tests.support.encoders import TopicEncoder


def extend(*arguments, input=None):
    return succeed("extend", *arguments, input=input)


@pytest.mark.parametrize(
    "options", [[], ["--no-normalize", "--start", "medoid"], ["--start", "random", "--seed", "9"]]
)
def test_the_rows_are_those_of_the_larger_budget(options):
    manifest = make_manifest("-b", "8", *options)
    select("train.jsonl", "-b", "0.5", *options, "-o", "long.jsonl")

    ran = extend(manifest, "-b", "0.5", "-o", "second.jsonl")

    assert ids_of("second.jsonl") == ids_of("long.jsonl")
    assert "20 rows (50.0%)" in ran.stdout
    long, second = (Selection.load(f"{name}.manifest.json") for name in ("long", "second"))
    for part in ("options", "input", "text"):
        assert getattr(second.provenance, part) == getattr(long.provenance, part)
    assert second.provenance.taken_over == 8
    assert second.provenance.encoder.computed == 0
    # The result can itself be extended, reproduced and measured.
    extend("second.manifest.json", "-b", "30", "-o", "third.jsonl", "--order", "file")
    assert ids_of("third.jsonl") == sorted(ids_of("third.jsonl"))
    assert set(ids_of("third.jsonl")) > set(ids_of("second.jsonl"))
    succeed("select", "--from-manifest", "third.manifest.json", "-o", "again.jsonl")
    succeed("measure", "train.jsonl", "third.manifest.json")


def test_the_input_may_have_moved():
    manifest = make_manifest("-b", "8")
    content = Path("train.jsonl").read_bytes()
    Path("train.jsonl").rename("moved.jsonl")

    assert "there is no file train.jsonl" in fail("extend", manifest, "-b", "9")
    extend(manifest, "moved.jsonl", "-b", "9", "-o", "moved-9.jsonl")
    piped = extend(manifest, "-", "-b", "9", "-o", "-", input=content)

    assert [json.loads(line)["id"] for line in piped.stdout.splitlines()] == ids_of("moved-9.jsonl")
    assert Selection.load("moved-9.manifest.json").provenance.input.path == "moved.jsonl"
    write_lines("moved.jsonl", RECORDS[::-1])
    assert "moved.jsonl is not what this selection was made from: input: train.jsonl" in fail(
        "extend", manifest, "moved.jsonl", "-b", "9"
    )


def test_what_cannot_be_extended_is_rejected():
    manifest = make_manifest("-b", "8")
    select_uniform("train.jsonl", 3, encoder=TopicEncoder()).save("object.json")

    assert "this selection has 8 rows, and a budget of 8 means 8" in fail(
        "extend", manifest, "-b", "8"
    )
    assert "encoder was a Python object (TopicEncoder)" in fail("extend", "object.json", "-b", "9")
    assert "engine must be one of" in fail("extend", manifest, "-b", "9", "--engine", "x")
    assert "first.jsonl already exists" in fail("extend", manifest, "-b", "9", "-o", "first.jsonl")
    assert "is the input itself" in fail(
        "extend", manifest, "-b", "9", "-o", "first.jsonl", "--force"
    )


def test_a_manifest_does_not_grant_trust_in_code():
    manifest = make_manifest("-b", 3, "--prompt", "abc: ", "--batch-size", 5, "--trust-remote-code")

    def extended(*arguments):
        extend(manifest, "-b", 4, "-o", "second.jsonl", "--force", *arguments)
        return Selection.load("second.manifest.json").provenance

    alone = extended()
    trusted = extended("--trust-remote-code", "--batch-size", 9, "--device", "cpu")

    kept = {"prompt": "abc: ", "batch_size": 5}
    assert alone.options["encoder_options"] == kept
    changed = kept | {"batch_size": 9, "trust_remote_code": True}
    assert trusted.options["encoder_options"] == changed
    assert alone.encoder.fingerprint != trusted.encoder.fingerprint
