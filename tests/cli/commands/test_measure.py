"""`evenly measure`: a subset beside random ones."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import evenly
from evenly import Selection, measure, select_uniform
from tests.support.command_line import (
    VECTORS,
    as_json,
    fail,
    make_manifest,
    select_texts,
    succeed,
    without_seconds,
)


@pytest.mark.parametrize("name", ["rows.txt", "rows.npy"])
def test_rows_are_read_from_text_or_an_array(name):
    if name == "rows.npy":
        np.save(name, np.array([3, 9, 1]))
    else:
        Path(name).write_text("3\n9\n\n1\n")

    found = as_json("measure", "vectors.npy", name, "--seed", "4")

    expected = evenly.measure(VECTORS, [3, 9, 1], random_subsets=3, seed=4)
    assert found | {"seconds": 0} == expected.as_dict() | {"seconds": 0}
    table = succeed("measure", "vectors.npy", name, "--no-normalize").stdout
    assert "3 of 40 rows" in table
    assert "cosine" not in table


@pytest.mark.parametrize("options", [[], ["--no-normalize"], ["--details"]])
def test_the_table_is_what_measures_print(options):
    Path("rows.txt").write_text("3\n9\n1\n")

    table = succeed("measure", "vectors.npy", "rows.txt", *options).stdout

    normalize, details = "--no-normalize" not in options, "--details" in options
    assert table == f"{measure(VECTORS, [3, 9, 1], normalize=normalize, details=details)}\n"


def test_the_options_of_a_manifest_apply():
    manifest = make_manifest("-b", "8", "--no-normalize")
    expected = select_texts(8, normalize=False)

    def h_min_of(*arguments):
        return as_json("measure", *arguments)["h_min"]

    assert h_min_of("train.jsonl", manifest) == pytest.approx(expected.h_min)
    assert h_min_of("train.jsonl", manifest, "--normalize") < 2
    succeed("embed", "train.jsonl", "-o", "embedded.npy", "--encoder", "letters")
    assert h_min_of("embedded.npy", manifest) == pytest.approx(expected.h_min)
    assert "cosine" not in succeed("measure", "train.jsonl", manifest).stdout
    np.save("shorter.npy", VECTORS[:30])
    assert "shorter.npy has 30 rows" in fail("measure", "shorter.npy", manifest)


def test_it_certifies_and_shows_details():
    np.save("plain.npy", np.arange(8))
    arguments = ("measure", "vectors.npy", "plain.npy", "--random-subsets", 0)
    expected = measure(VECTORS, range(8), details=True, random_subsets=0)

    found = as_json(*arguments, "--details")

    assert without_seconds(found) == without_seconds(expected.as_dict())
    table = succeed(*arguments, "--details").stdout
    assert f"{expected.upper_bound:.4f} for any 8 rows" in table
    assert "of the best possible" in table
    for line in ("dimension", "vendi score", "cluster entropy", "random h_min"):
        assert f"\n{line}" in table
    assert "vendi" not in succeed(*arguments).stdout


def test_the_best_possible_subset_is_recognised():
    np.save("all.npy", np.arange(40))

    assert "none are farther apart" in succeed("measure", "vectors.npy", "all.npy").stdout


def test_a_manifest_of_a_distance_matrix_is_measured_in_it():
    distances = cdist(VECTORS, VECTORS, "cityblock")
    np.save("distances.npy", (distances + distances.T) / 2)
    select_uniform("distances.npy", 6, engine="distances").save("distances.manifest.json")

    found = as_json("measure", "distances.npy", "distances.manifest.json")

    assert found["h_min"] == pytest.approx(Selection.load("distances.manifest.json").h_min)
    assert set(found["bounds"]) == {"balls", "clusters"}


def test_a_certificate_can_be_left_out_or_be_thorough():
    np.save("plain.npy", np.arange(8))
    arguments = ("measure", "vectors.npy", "plain.npy", "--random-subsets", 0)

    assert "best possible" not in succeed(*arguments, "--certificate", "no").stdout
    thorough = as_json(*arguments, "--certificate", "thorough")
    assert thorough["certified_fraction"] > 0


def test_manifests_of_every_command_are_measured_in_their_own_space():
    succeed("deduplicate", "vectors.npy", "--to", "8", "--no-normalize", "-o", "kept.npy")
    succeed("stream", "vectors.npy", "-b", "8", "--no-normalize", "-o", "streamed.npy")

    for name in ("kept", "streamed"):
        found = as_json("measure", "vectors.npy", f"{name}.manifest.json")
        rows = evenly.measure(np.load(f"{name}.npy"), range(8), normalize=False)
        assert found["h_min"] == pytest.approx(rows.h_min)
    table = succeed("compare", "vectors.npy", "kept.manifest.json", "streamed.manifest.json").stdout
    assert table.splitlines()[0].split()[:2] == ["kept", "streamed"]
