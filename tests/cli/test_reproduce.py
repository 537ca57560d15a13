"""`evenly select --from-manifest`: the same rows, or the reason why not."""

from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, select_uniform
from tests.support.command_line import (
    RECORDS,
    VECTORS,
    as_json,
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


def test_it_is_said_that_the_same_rows_came_out():
    manifest = make_manifest("-b", "8")

    told = succeed("select", "--from-manifest", manifest).stdout
    shown = as_json("select", "--from-manifest", manifest)

    assert "\nReproduced: these are the rows of first.manifest.json, in the same order.\n" in told
    assert shown["reproduces"] == manifest
    assert shown["selection"]["indices"] == Selection.load(manifest).indices.tolist()


def test_a_selection_that_includes_another_is_reproduced():
    pool = np.random.default_rng(0).normal(size=(300, 3))
    np.save("pool.npy", pool)
    succeed("select", "pool.npy", "-b", "120", "-o", "first.npy")  # more rows than are kept
    succeed("select", "pool.npy", "-b", 140, "--include", "first.manifest.json", "-o", "two.npy")
    Path("first.manifest.json").unlink()

    told = succeed("select", "--from-manifest", "two.manifest.json", "-o", "three.npy").stdout
    longer = as_json("extend", "two.manifest.json", "-b", 150)

    assert "Reproduced: these are the rows of two.manifest.json" in told
    assert np.array_equal(np.load("three.npy"), np.load("two.npy"))
    rows = Selection.load("two.manifest.json").indices.tolist()
    assert longer["selection"]["indices"][:140] == rows


def test_a_folder_can_be_moved_with_all_that_is_in_it(monkeypatch):
    Path("project/data").mkdir(parents=True)
    np.save("project/data/pool.npy", VECTORS)
    np.save("project/seen.npy", VECTORS[:3] + 0.01)
    monkeypatch.chdir("project")
    succeed(
        *("select", "data/pool.npy", "-b", "5", "--away-from", "seen.npy"),
        *("--include", "4,7", "-o", "out/first.npy"),
    )
    glob = ("select", "data/*.npy", "-b", "5", "-o", "out/glob.npy")
    succeed(*glob)
    monkeypatch.chdir("..")
    Path("project").rename("renamed")

    for name in ("first", "glob"):
        manifest = f"renamed/out/{name}.manifest.json"
        assert "Reproduced: " in succeed("select", "--from-manifest", manifest).stdout
        assert len(as_json("extend", manifest, "-b", 7)["selection"]["indices"]) == 7
        assert "row 4" in succeed("explain", manifest, 4).stdout
    loaded = Selection.load("renamed/out/first.manifest.json")
    loaded.write("again.npy")
    assert np.array_equal(np.load("again.npy"), np.load("renamed/out/first.npy"))


def test_a_file_of_the_same_name_with_other_content_is_refused():
    Path("old").mkdir()
    Path("new").mkdir()
    np.save("old/pool.npy", VECTORS)
    succeed("select", "old/pool.npy", "-b", "5", "-o", "new/first.npy")
    Path("old/pool.npy").unlink()
    np.save("new/pool.npy", VECTORS + 1)

    message = fail("select", "--from-manifest", "new/first.manifest.json")

    assert "its content has changed since" in message


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
