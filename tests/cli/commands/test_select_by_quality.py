"""`evenly select-by-quality`: the best rows that are far enough apart."""

import json

import pytest

from evenly import Selection, select_by_quality
from tests.support.command_line import (
    LETTERS,
    OF_TEXTS,
    RATED_RECORDS,
    fail,
    ids_of,
    succeed,
    write_lines,
)


@pytest.fixture(autouse=True)
def data(folder_of_data):
    write_lines("train.jsonl", RATED_RECORDS)


def test_the_best_rows_are_written_and_can_be_reproduced():
    ran = succeed(
        *("select-by-quality", "train.jsonl", "--quality", "quality", "-b", 6, *LETTERS),
        *("--exclude", "4", "-o", "best.jsonl"),
    )

    chosen = select_by_quality(RATED_RECORDS, 6, quality="quality", exclude=[4], **OF_TEXTS)
    assert ids_of("best.jsonl") == chosen.indices.tolist()
    assert "by decreasing quality, each at least h_min from all before it" in ran.stdout
    assert "random subsets" in ran.stdout
    manifest = Selection.load("best.manifest.json")
    assert manifest.indices.tolist() == chosen.indices.tolist()

    succeed("select", "--from-manifest", "best.manifest.json", "-o", "again.jsonl")
    assert ids_of("again.jsonl") == chosen.indices.tolist()
    measured = succeed("measure", "train.jsonl", "best.manifest.json", "--json")
    assert json.loads(measured.stdout)["h_min"] == pytest.approx(chosen.h_min)
    said = fail("select", "--from-manifest", "best.manifest.json", "--checkpoint", "c")
    assert "have no checkpoint" in said


def test_a_distance_and_gist_can_be_chosen():
    succeed(
        *("select-by-quality", "train.jsonl", "--quality", "stars", "--min-distance", 0.4),
        *(*LETTERS, "-o", "best.jsonl", "--order", "file"),
    )
    chosen = select_by_quality(RATED_RECORDS, quality="stars", min_distance=0.4, **OF_TEXTS)
    assert ids_of("best.jsonl") == sorted(chosen.indices.tolist())

    gist = ("--method", "gist", "--diversity-weight", 3, "-b", 4)
    ran = succeed(
        *("select-by-quality", "train.jsonl", "--quality", "quality", *gist, *LETTERS, "--json")
    )
    told = json.loads(ran.stdout)["selection"]
    best = select_by_quality(
        RATED_RECORDS, 4, quality="quality", method="gist", diversity_weight=3, **OF_TEXTS
    )
    assert told["h_min"] == pytest.approx(best.h_min)
    assert told["provenance"]["details"]["by_quality"] == best.provenance.by_quality


def test_a_wrong_quality_is_reported_in_one_line():
    assert "no column" in fail(
        "select-by-quality", "train.jsonl", "--quality", "score", "-b", 3, *LETTERS
    )
    assert "nothing says how many rows" in fail(
        "select-by-quality", "train.jsonl", "--quality", "quality", *LETTERS
    )
    write_lines("train.jsonl", [*RATED_RECORDS, {"id": 24, "text": "a", "quality": -1}])
    said = fail("select-by-quality", "train.jsonl", "--quality", "quality", "-b", 3, *LETTERS)
    assert "train.jsonl, line 25 is -1" in said
