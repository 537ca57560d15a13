"""`evenly select`: what it prints, writes and rejects."""

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, errors, measure, select_uniform
from evenly.cli.outputs import manifest_path
from tests.support.command_line import (
    RECORDS,
    TEXTS,
    VECTORS,
    as_json,
    fail,
    ids_of,
    select,
    select_texts,
    succeed,
    write_lines,
)


def test_select_prints_a_table_and_writes_records_and_manifest():
    ran = select("train.jsonl", "--budget", "8", "-o", "subset.jsonl")

    expected = select_texts(8)
    assert ids_of("subset.jsonl") == expected.indices.tolist()
    manifest = Selection.load("subset.manifest.json")
    np.testing.assert_array_equal(manifest.indices, expected.indices)
    np.testing.assert_array_equal(manifest.radii, expected.radii)
    assert ran.stderr == ""
    table = dict(
        line.split("  ", 1) for line in ran.stdout.split("\n\n")[0].splitlines() if line[0] != " "
    )
    told = {name: value.strip() for name, value in table.items()}
    assert told["input"] == "train.jsonl: 40 rows, 27 dimensions"
    assert told["text"] == "text, embedded with letters"
    assert told["chosen"] == "8 rows (20.0%); none dropped"
    cosine = expected.h_min**2 / 2
    assert told["h_min"] == f"{expected.h_min:.4f} (cosine distance {cosine:.4f})"
    assert told["coverage radius"].startswith(f"{expected.coverage_radius:.4f} ")
    assert told["seconds"].split(", ")[-1].startswith("measuring ")
    assert "random subsets" in ran.stdout
    assert "times as far apart" in ran.stdout


@pytest.mark.parametrize(("budget", "rows"), [("1", 1), ("1.0", 40), ("0.5", 20), ("40", 40)])
def test_a_point_makes_a_budget_a_fraction(budget, rows):
    select("train.jsonl", "-b", budget, "-o", "subset.jsonl")

    assert len(ids_of("subset.jsonl")) == rows


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("0", "at least 1 row, got 0"),
        ("-3", "at least 1 row, got -3"),
        ("41", "between 1 and the pool size 40, got 41"),
        ("1.5", "in (0, 1], got 1.5"),
        ("0.0", "in (0, 1], got 0.0"),
        ("nan", "in (0, 1], got nan"),
        ("half", "'half' is neither a number of rows (500) nor a fraction (0.5)"),
    ],
)
def test_a_wrong_budget_is_rejected(budget, message):
    assert message in fail("select", "vectors.npy", "-b", budget, "-o", "subset.npy")


def test_records_can_be_written_in_the_order_of_the_file():
    select("train.jsonl", "-b", "8", "-o", "subset.jsonl", "--order", "file")

    assert ids_of("subset.jsonl") == sorted(select_texts(8).indices.tolist())


@pytest.mark.parametrize(
    "suffix", ["jsonl", "jsonl.gz", "json", "json.gz", "csv", "csv.gz", "tsv", "parquet"]
)
def test_every_format_can_be_read_and_written(suffix):
    select("train.jsonl", "-b", "1.0", "-o", f"all.{suffix}", "--order", "file")
    assert manifest_path(f"all.{suffix}").name == "all.manifest.json"

    select(f"all.{suffix}", "-b", "8", "-o", f"subset.{suffix}")
    select(f"subset.{suffix}", "-b", "1.0", "-o", "back.jsonl", "--order", "file")

    expected = select_texts(8).indices.tolist()
    assert [int(row) for row in ids_of("back.jsonl")] == expected


def test_vectors_can_be_read_and_written():
    succeed(
        "select", "vectors.npy", "-b", "8", "-o", "subset.npy", "--no-normalize", "--start", "3"
    )

    expected = select_uniform(VECTORS, 8, normalize=False, start=3)
    np.testing.assert_array_equal(np.load("subset.npy"), VECTORS[expected.indices])


def test_a_folder_and_a_glob_of_shards_are_one_data_set():
    Path("shards").mkdir()
    for part in range(4):
        write_lines(f"shards/{part}.jsonl", RECORDS[part * 10 : part * 10 + 10])

    select("shards", "-b", "8", "-o", "folder.jsonl")
    select("shards/*.jsonl", "-b", "8", "-o", "glob.jsonl")

    expected = select_texts(8).indices.tolist()
    assert ids_of("folder.jsonl") == ids_of("glob.jsonl") == expected


def test_standard_input_and_output_are_written_as_a_hyphen():
    ran = select("-", "-b", "8", "-o", "-", input=Path("train.jsonl").read_bytes())

    found = [json.loads(line)["id"] for line in ran.stdout.splitlines()]
    assert found == select_texts(8).indices.tolist()
    assert "input" in ran.stderr
    assert "standard input" in ran.stderr
    assert list(Path().glob("*manifest*")) == []


def test_numbers_can_be_printed_as_json():
    told = json.loads(select("train.jsonl", "-b", "8", "--json").stdout)

    expected = select_texts(8)
    assert told["selection"]["h_min"] == expected.h_min
    assert told["selection"]["coverage_radius"] == expected.coverage_radius
    assert told["selection"]["provenance"]["options"]["budget"] == 8
    assert told["selection"]["indices"] == expected.indices.tolist()
    assert told["measures"]["size"] == 8
    assert told["measures"]["random"]["subsets"] == 3
    assert told["output"] is None
    assert json.loads(succeed("select", "vectors.npy", "-b", "1", "--json").stdout)


def test_the_seed_decides_random_subsets_and_a_random_start():
    told = [
        json.loads(succeed("select", "vectors.npy", "-b", "5", "--json", *more).stdout)["measures"]
        for more in (
            ["--random-subsets", "0"],
            ["--seed", "1"],
            ["--seed", "2"],
            ["--seed", "2", "--random-subsets", "1"],
        )
    ]

    assert told[0]["random"] is None
    assert told[1]["random"] != told[2]["random"]
    assert told[3]["random"]["h_min"]["std"] == 0
    random = ("select", "vectors.npy", "-b", "2", "--start", "random", "--json", "--seed")
    starts = {
        tuple(json.loads(succeed(*random, seed).stdout)["measures"]["closest_pair"])
        for seed in range(6)
    }
    assert len(starts) > 1


def test_dropped_rows_are_reported():
    write_lines("bad.jsonl", [*RECORDS, {"id": 40, "text": None}, {"id": 41, "text": "a" * 99}])

    ran = select("bad.jsonl", "-b", "1.0", "-o", "subset.jsonl", "--on-invalid", "drop")

    assert sorted(ids_of("subset.jsonl")) == [*range(40), 41]
    assert "41 rows (97.6%); 1 row dropped as unusable" in ran.stdout
    assert (
        "1 of 42 rows dropped for their text: bad.jsonl, line 41 column 'text' is null"
        in ran.stderr
    )
    assert all(line.startswith("evenly: ") for line in ran.stderr.splitlines())
    assert Selection.load("subset.manifest.json").provenance.dropped == {
        40: "column 'text' is None"
    }
    assert "bad.jsonl, line 41 column 'text' is null" in fail(
        "select", "bad.jsonl", "-b", "3", "--encoder", "letters", "-o", "other.jsonl"
    )


def test_several_columns_are_joined():
    write_lines("two.jsonl", [{"q": text, "a": text[::-1]} for text in TEXTS])

    select("two.jsonl", "-b", "5", "--text", "q, a", "-o", "subset.jsonl")

    provenance = Selection.load("subset.manifest.json").provenance
    assert provenance.text == "q + a"
    assert provenance.options["text"] == ["q", "a"]
    assert "no column 'b'. " in fail("select", "two.jsonl", "-b", "5", "--text", "q,b")


@pytest.mark.parametrize("start", ["medoid", "random"])
def test_the_first_pick_can_be_named(start):
    select("train.jsonl", "-b", "8", "--start", start, "--seed", "3", "-o", "subset.jsonl")

    expected = select_texts(8, start=start, seed=3)
    assert ids_of("subset.jsonl") == expected.indices.tolist()


def test_options_of_the_encoder_are_passed_on():
    options = {"batch_size": 3, "dtype": "float16", "prompt": "abc: "}
    flags = [("--" + name.replace("_", "-"), value) for name, value in options.items()]

    select("train.jsonl", "-b", "2", "--device", "cpu", *sum(flags, ()), "-o", "subset.jsonl")

    found = Selection.load("subset.manifest.json")
    assert found.provenance.options["encoder_options"] == options
    expected = select_texts(2, encoder_options=options)
    assert found.provenance.encoder.fingerprint == expected.provenance.encoder.fingerprint
    np.testing.assert_array_equal(found.radii, expected.radii)
    with pytest.raises(errors.OptionError, match="dtype='float16' cannot be combined with"):
        select_texts(2, encoder_options={"backend": "onnx", "dtype": "float16"})
    onnx = ("--encoder", "letters", "--backend", "onnx", "--dtype", "float16")
    said = fail("select", "train.jsonl", "-b", "2", *onnx)
    assert "--dtype float16 cannot be combined with --backend onnx. Leave it out." in said


def test_a_checkpoint_is_written_and_continued():
    command = ("train.jsonl", "-b", "8", "--checkpoint", "run.ckpt")
    select(*command, "-o", "one.jsonl")
    before = Path("run.ckpt").read_bytes()

    select(*command, "-o", "two.jsonl")

    assert Path("one.jsonl").read_bytes() == Path("two.jsonl").read_bytes()
    assert Path("run.ckpt").read_bytes() == before
    assert Selection.load("two.manifest.json").provenance.taken_over == 8
    assert "run.ckpt is the checkpoint of another selection: start: farthest-from-mean then" in (
        fail("select", *command, "--encoder", "letters", "--start", "3")
    )
    succeed("extend", "one.manifest.json", "-b", "9", "--checkpoint", "run.ckpt")
    assert Path("run.ckpt").read_bytes() != before
    succeed("select", "--from-manifest", "one.manifest.json", "--checkpoint", "run.ckpt")


def test_a_certificate_can_be_left_out():
    assert "at least" in succeed("select", "vectors.npy", "-b", 6).stdout
    without = succeed("select", "vectors.npy", "-b", 6, "--certificate", "no")
    assert "at least" not in without.stdout


def test_the_radii_of_a_selection_certify_it():
    found = as_json("select", "vectors.npy", "-b", 9)["measures"]

    expected = measure(VECTORS, select_uniform(VECTORS, 9), random_subsets=3)
    assert found["bounds"] == pytest.approx(expected.as_dict()["bounds"])
