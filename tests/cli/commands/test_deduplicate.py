"""`evenly deduplicate`: one row of each group of duplicates."""

import json

import numpy as np
import pytest

from evenly import Deduplication, deduplicate
from tests.support.command_line import (
    LETTERS,
    OF_TEXTS,
    RATED_RECORDS,
    fail,
    ids_of,
    run_evenly,
    succeed,
    write_lines,
)


@pytest.fixture(autouse=True)
def data(folder_of_data):
    write_lines("train.jsonl", RATED_RECORDS)


def test_exact_duplicates_need_no_encoder():
    ran = succeed("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "kept.jsonl")

    assert ids_of("kept.jsonl") == list(range(20))
    assert "20 rows (83.3%)" in ran.stdout
    assert "4 rows repeat another exactly" in ran.stdout
    assert "\nMerged:\n  row  0 is kept: " in ran.stdout
    assert f"    0.0000  row 20: {RATED_RECORDS[20]['text']}\n" in ran.stdout
    assert Deduplication.load("kept.manifest.json").groups == {n: [20 + n] for n in range(4)}
    assert "exists" in fail("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "kept.jsonl")


def test_near_duplicates_are_found_by_distance_or_number():
    best = ("--keep", "best", "--quality", "quality")
    succeed("deduplicate", "train.jsonl", "--min-distance", 0.4, *best, *LETTERS, "-o", "a.jsonl")
    ran = succeed("deduplicate", "train.jsonl", "--to", 0.5, *LETTERS, "-o", "b.jsonl", "--json")

    near = deduplicate(RATED_RECORDS, 0.4, keep="best", quality="quality", **OF_TEXTS)
    half = deduplicate(RATED_RECORDS, to=0.5, **OF_TEXTS)
    assert ids_of("a.jsonl") == near.indices.tolist()
    assert ids_of("b.jsonl") == half.indices.tolist()
    told = json.loads(ran.stdout)
    assert told["kept"] == len(half) == 12
    assert told["min_distance"] == pytest.approx(half.min_distance)
    assert (told["merged"], told["exact_duplicates"], told["output"]) == (12, 4, "b.jsonl")


def test_a_similarity_is_printed_with_its_distance_and_the_merged_rows():
    ran = succeed("deduplicate", "train.jsonl", "--similarity", 0.9, *LETTERS)
    told = json.loads(
        succeed("deduplicate", "train.jsonl", "--similarity", 0.9, *LETTERS, "--json").stdout
    )

    found = deduplicate(RATED_RECORDS, similarity=0.9, **OF_TEXTS)
    assert "nearer than 0.4472 (cosine similarity 0.9000) to a kept row" in ran.stdout
    assert told["indices"] == found.indices.tolist()
    assert told["groups"] == {str(row): others for row, others in found.groups.items()}
    largest = max(found.groups, key=lambda row: len(found.groups[row]))
    merged = ran.stdout[ran.stdout.index("Merged") :]
    assert merged.index(f"row {largest:>2} is kept") < 60
    for row in found.groups[largest][:3]:
        assert f"row {row:>2}: {RATED_RECORDS[row]['text']}" in merged


def test_kept_records_go_to_stdout_and_the_table_does_not():
    ran = run_evenly("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "-")

    assert ran.exit_code == 0
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == list(range(20))
    assert "20 rows (83.3%)" in ran.stderr


def test_vectors_and_arrays_of_qualities_are_read():
    np.save("vectors.npy", np.repeat(np.eye(3), 2, axis=0))
    np.save("quality.npy", np.array([1, 2, 1, 1, 0, 3]))

    ran = succeed(
        *("deduplicate", "vectors.npy", "--min-distance", 0.5, "--keep", "best"),
        *("--quality", "quality.npy", "-o", "kept.npy"),
    )

    assert Deduplication.load("kept.manifest.json").indices.tolist() == [1, 2, 5]
    assert np.load("kept.npy").tolist() == np.eye(3).tolist()
    assert "0 more are nearer than 0.5000 (cosine similarity 0.8750)" in ran.stdout


def test_wrong_use_is_reported_in_one_line():
    assert "give one of --min-distance" in fail("deduplicate", "train.jsonl", *LETTERS)
    assert "got 1.5" in fail("deduplicate", "train.jsonl", "--to", 1.5, *LETTERS)
    assert "without --quality" in fail(
        "deduplicate", "train.jsonl", "--to", 3, "--keep", "best", *LETTERS
    )
