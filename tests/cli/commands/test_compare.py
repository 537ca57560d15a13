"""`evenly compare`: subsets side by side."""

from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, compare, measure, select_uniform
from tests.support.command_line import (
    MODEL,
    VECTORS,
    as_json,
    fail,
    succeed,
    without_seconds,
    write_lines,
)


@pytest.fixture(autouse=True)
def subsets(folder_of_data):
    np.save("plain.npy", np.arange(8))
    select_uniform("vectors.npy", 8).save("even.manifest.json")


def run(*arguments):
    return succeed(*arguments).stdout


def test_the_comparison_is_that_of_the_library():
    expected = compare(
        {"even": Selection.load("even.manifest.json"), "plain": np.arange(8)},
        VECTORS,
        random_subsets=2,
        seed=5,
    )
    arguments = ("compare", "vectors.npy", "even.manifest.json", "plain.npy", "--seed", 5)

    printed = as_json(*arguments, "--random-subsets", 2)

    assert without_seconds(printed) == without_seconds(expected.as_dict())
    table = run(*arguments, "--random-subsets", 2)
    assert table == f"{expected}\n"
    assert table.splitlines()[0].split() == ["even", "plain", "2", "random"]


def test_subsets_have_the_shortest_names_that_differ():
    Path("a").mkdir()
    Path("b").mkdir()
    for folder in "ab":
        Path(folder, "rows.txt").write_text("1\n2\n" if folder == "a" else "3\n4\n")

    table = run("compare", "vectors.npy", "a/rows.txt", "b/rows.txt", "--random-subsets", 0)

    assert table.splitlines()[0].split() == ["a/rows.txt", "b/rows.txt"]
    twice = fail("compare", "vectors.npy", "a/rows.txt", "a/rows.txt")
    assert "a subset is named twice" in twice


def test_manifests_of_different_spaces_are_not_compared_by_default():
    select_uniform("vectors.npy", 8, normalize=False).save("raw.manifest.json")
    arguments = ("compare", "vectors.npy", "even.manifest.json", "raw.manifest.json")

    message = fail(*arguments)

    assert (
        "even and raw are of different spaces: normalize is on in the one and off in the other"
        in message
    )
    assert "--normalize" in message
    table = run(*arguments, "--no-normalize", "--random-subsets", 0)
    expected = measure(VECTORS, select_uniform(VECTORS, 8), normalize=False)
    assert f"{expected.h_min:.4f}" in table


def test_a_manifest_of_other_data_is_rejected():
    np.save("shorter.npy", VECTORS[:30])

    assert "shorter.npy has 30 rows" in fail("compare", "shorter.npy", "even.manifest.json")


def test_subsets_may_be_records_rows_and_manifests():
    arguments = ("train.jsonl", "-b", 6, "--encoder", MODEL, "--text", "text")
    succeed("select", *arguments, "-o", "chosen.jsonl")
    rows = Selection.load("chosen.manifest.json").indices.tolist()
    Path("chosen.manifest.json").rename("c.manifest.json")
    Path("chosen.jsonl").rename("a.jsonl")
    Path("b.txt").write_text("".join(f"{row}\n" for row in rows))
    files = ("a.jsonl", "b.txt", "c.manifest.json")

    found = as_json("compare", "train.jsonl", *files, "--random-subsets", 0)["subsets"]

    assert list(found) == ["a", "b", "c"]
    assert found["a"]["size"] == 6
    assert without_seconds(found["a"]) == without_seconds(found["b"]) == without_seconds(found["c"])
    alone = as_json("measure", "train.jsonl", "a.jsonl", "--encoder", MODEL, "--text", "text")
    assert alone["h_min"] == found["a"]["h_min"]
    write_lines("a.jsonl", [{"id": 3, "text": "Unknown."}])
    told = fail("compare", "train.jsonl", *files)
    assert "subset 'a': a.jsonl, line 1: not among the rows of train.jsonl" in told
    assert "name the column of their ids: --id-column" in told
