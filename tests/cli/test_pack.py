"""Choosing by quality and removing duplicates on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Deduplication, Selection, deduplicate, select_by_quality
from tests.cli.test_commands import (
    evenly_,
    fail,
    in_a_folder_of_its_own,  # noqa: F401
    succeed,
    write_lines,
)
from tests.support.encoders import TopicEncoder, texts_of

TEXTS = [*texts_of(20), *texts_of(4)]  # the last four repeat the first
RECORDS = [
    {"id": row, "text": text, "quality": row % 5, "stars": str(row % 3)}
    for row, text in enumerate(TEXTS)
]
TOPICS = ("--encoder", "topics", "--text", "text")
OF_TEXTS = {"text": "text", "encoder": TopicEncoder(), "cache_dir": False}


@pytest.fixture(autouse=True)
def data(in_a_folder_of_its_own):  # noqa: F811
    write_lines("train.jsonl", RECORDS)


def read_ids(path):
    return [json.loads(line)["id"] for line in Path(path).read_text().splitlines()]


def test_the_best_rows_are_written_with_a_manifest_that_gives_them_again():
    ran = succeed(
        *("select-by-quality", "train.jsonl", "--quality", "quality", "-b", 6, *TOPICS),
        *("--exclude", "4", "-o", "best.jsonl"),
    )

    chosen = select_by_quality(RECORDS, 6, quality="quality", exclude=[4], **OF_TEXTS)
    assert read_ids("best.jsonl") == chosen.indices.tolist()
    assert "by decreasing quality, each at least h_min from all before it" in ran.stdout
    assert "random subsets" in ran.stdout
    manifest = Selection.load("best.manifest.json")
    assert manifest.indices.tolist() == chosen.indices.tolist()

    succeed("select", "--from-manifest", "best.manifest.json", "-o", "again.jsonl")
    assert read_ids("again.jsonl") == chosen.indices.tolist()
    measured = succeed("measure", "train.jsonl", "best.manifest.json", "--json")
    assert json.loads(measured.stdout)["h_min"] == pytest.approx(chosen.h_min)
    said = fail("select", "--from-manifest", "best.manifest.json", "--checkpoint", "c")
    assert "keep no checkpoint" in said


def test_a_distance_and_gist_by_options():
    succeed(
        *("select-by-quality", "train.jsonl", "--quality", "stars", "--min-distance", 0.4),
        *(*TOPICS, "-o", "best.jsonl", "--order", "file"),
    )
    chosen = select_by_quality(RECORDS, quality="stars", min_distance=0.4, **OF_TEXTS)
    assert read_ids("best.jsonl") == sorted(chosen.indices.tolist())

    gist = ("--method", "gist", "--diversity-weight", 3, "-b", 4)
    ran = succeed(
        *("select-by-quality", "train.jsonl", "--quality", "quality", *gist, *TOPICS, "--json")
    )
    told = json.loads(ran.stdout)["selection"]
    best = select_by_quality(
        RECORDS, 4, quality="quality", method="gist", diversity_weight=3, **OF_TEXTS
    )
    assert told["h_min"] == pytest.approx(best.h_min)
    assert told["provenance"]["by_quality"] == best.provenance.by_quality


def test_what_is_wrong_with_a_quality_is_one_line():
    assert "no column" in fail(
        "select-by-quality", "train.jsonl", "--quality", "score", "-b", 3, *TOPICS
    )
    assert "nothing says how many rows" in fail(
        "select-by-quality", "train.jsonl", "--quality", "quality", *TOPICS
    )
    write_lines("train.jsonl", [*RECORDS, {"id": 24, "text": "a", "quality": -1}])
    said = fail("select-by-quality", "train.jsonl", "--quality", "quality", "-b", 3, *TOPICS)
    assert "train.jsonl, line 25 is -1" in said


def test_exact_duplicates_need_no_encoder():
    ran = succeed("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "kept.jsonl")

    assert read_ids("kept.jsonl") == list(range(20))
    assert "20 rows (83.3%)" in ran.stdout
    assert "4 rows repeat another exactly" in ran.stdout
    assert "row 0 represents 1 other, at most" in ran.stdout
    assert Deduplication.load("kept.manifest.json").groups == {n: [20 + n] for n in range(4)}
    assert "exists" in fail("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "kept.jsonl")


def test_near_duplicates_by_distance_or_number():
    best = ("--keep", "best", "--quality", "quality")
    succeed("deduplicate", "train.jsonl", "--min-distance", 0.4, *best, *TOPICS, "-o", "a.jsonl")
    ran = succeed("deduplicate", "train.jsonl", "--to", 0.5, *TOPICS, "-o", "b.jsonl", "--json")

    near = deduplicate(RECORDS, 0.4, keep="best", quality="quality", **OF_TEXTS)
    half = deduplicate(RECORDS, to=0.5, **OF_TEXTS)
    assert read_ids("a.jsonl") == near.indices.tolist()
    assert read_ids("b.jsonl") == half.indices.tolist()
    told = json.loads(ran.stdout)
    assert told["kept"] == len(half) == 12
    assert told["min_distance"] == pytest.approx(half.min_distance)
    assert (told["merged"], told["exact_duplicates"], told["output"]) == (12, 4, "b.jsonl")


def test_kept_records_go_to_stdout_and_the_table_does_not():
    ran = evenly_("deduplicate", "train.jsonl", "--min-distance", 0, "-o", "-")

    assert ran.exit_code == 0
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == list(range(20))
    assert "20 rows (83.3%)" in ran.stderr


def test_vectors_and_arrays_of_qualities():
    np.save("vectors.npy", np.repeat(np.eye(3), 2, axis=0))
    np.save("quality.npy", np.array([1, 2, 1, 1, 0, 3]))

    ran = succeed(
        *("deduplicate", "vectors.npy", "--min-distance", 0.5, "--keep", "best"),
        *("--quality", "quality.npy", "-o", "kept.npy"),
    )

    assert Deduplication.load("kept.manifest.json").indices.tolist() == [1, 2, 5]
    assert np.load("kept.npy").tolist() == np.eye(3).tolist()
    assert "0 more are nearer than 0.5000 (cosine distance 0.1250)" in ran.stdout


def test_what_cannot_be_deduplicated_is_one_line():
    assert "give one of min_distance=" in fail("deduplicate", "train.jsonl", *TOPICS)
    assert "got 1.5" in fail("deduplicate", "train.jsonl", "--to", 1.5, *TOPICS)
    assert "without quality=" in fail(
        "deduplicate", "train.jsonl", "--to", 3, "--keep", "best", *TOPICS
    )
