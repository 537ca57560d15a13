"""`evenly select --from-manifest`: the same rows, or the reason why not."""

from pathlib import Path

import pytest

from evenly import Selection, select_uniform
from tests.support.command_line import (
    RECORDS,
    VECTORS,
    fail,
    ids_of,
    make_manifest,
    succeed,
    write_lines,
)
from tests.support.encoders import TopicEncoder


@pytest.mark.parametrize(
    "options",
    [
        ["-b", "8"],
        ["-b", "0.25", "--no-normalize", "--start", "5"],
        [
            "-b",
            "6",
            "--start",
            "random",
            "--seed",
            "9",
            "--text",
            "id,text",
            "--on-invalid",
            "drop",
        ],
    ],
)
def test_a_selection_can_be_reproduced(options):
    if "id,text" in options:
        write_lines("train.jsonl", [record | {"id": str(record["id"])} for record in RECORDS])
    manifest = make_manifest(*options)

    succeed("select", "--from-manifest", manifest, "-o", "second.jsonl")

    assert Path("first.jsonl").read_bytes() == Path("second.jsonl").read_bytes()
    one, two = Selection.load(manifest), Selection.load("second.manifest.json")
    assert one.provenance.options == two.provenance.options


def test_the_input_may_have_moved():
    manifest = make_manifest("-b", "8")
    Path("train.jsonl").rename("moved.jsonl")

    assert "there is no file train.jsonl" in fail("select", "--from-manifest", manifest)
    succeed("select", "moved.jsonl", "--from-manifest", manifest, "-o", "second.jsonl")

    assert ids_of("second.jsonl") == ids_of("first.jsonl")


def test_another_input_is_rejected():
    manifest = make_manifest("-b", "8")
    write_lines("train.jsonl", [*RECORDS[:-1], {"id": 99, "text": "other"}])

    assert "its content has changed since" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl"
    )


def test_an_option_that_changes_the_rows_is_an_error():
    manifest = make_manifest("-b", "8")

    assert f"the chosen rows differ from those of {manifest}, from pick 0 on" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "--start", "1"
    )
    assert "from pick 5 on. Then" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "-b", "5"
    )
    assert "from pick 8 on. For more rows: evenly extend. Then" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "-b", "9"
    )


def test_python_objects_and_data_in_memory_must_be_given_again():
    select_uniform("train.jsonl", 3, encoder=TopicEncoder()).save("object.json")
    select_uniform(VECTORS, 3).save("memory.json")

    assert "encoder was a Python object (TopicEncoder)" in fail(
        "select", "--from-manifest", "object.json"
    )
    assert "cannot be opened again" in fail("select", "--from-manifest", "memory.json")
    succeed("select", "vectors.npy", "--from-manifest", "memory.json")
    assert "not a saved selection" in fail("select", "--from-manifest", "train.jsonl")


def test_a_manifest_does_not_grant_trust_in_code():
    manifest = make_manifest("-b", "3", "--batch-size", "5", "--trust-remote-code")
    before = Selection.load(manifest).provenance
    assert before.options["encoder_options"] == {"batch_size": 5, "trust_remote_code": True}

    def reproduced(*arguments):
        succeed("select", "--from-manifest", manifest, "-o", "second.jsonl", "--force", *arguments)
        return Selection.load("second.manifest.json").provenance

    alone, trusted = reproduced(), reproduced("--trust-remote-code")

    assert alone.options["encoder_options"] == {"batch_size": 5}
    assert alone.encoder.fingerprint != before.encoder.fingerprint
    assert trusted.options["encoder_options"] == before.options["encoder_options"]
    assert trusted.encoder.fingerprint == before.encoder.fingerprint
