"""`evenly compare`, and the certificate and details on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from evenly.cli.jobs import is_plain
from scipy.spatial.distance import cdist

from evenly import Selection, cli, compare, measure, select_uniform
from evenly.metrics import certificate

VECTORS = np.random.default_rng(0).normal(size=(60, 5))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", VECTORS)
    np.save("plain.npy", np.arange(8))
    select_uniform("vectors.npy", 8).save("even.manifest.json")


def run(*arguments, code=0):
    ran = CliRunner().invoke(cli.main, [*map(str, arguments)], catch_exceptions=False)
    assert ran.exit_code == code, ran.output
    return ran.output if code else ran.stdout


def without_seconds(told):
    if isinstance(told, dict):
        return {key: without_seconds(value) for key, value in told.items() if key != "seconds"}
    return [*map(without_seconds, told)] if isinstance(told, list) else told


def test_compare_is_compare():
    expected = compare(
        {"even": Selection.load("even.manifest.json"), "plain": np.arange(8)},
        VECTORS,
        random_subsets=2,
        seed=5,
    )
    arguments = ("compare", "vectors.npy", "even.manifest.json", "plain.npy", "--seed", 5)

    told = json.loads(run(*arguments, "--random-subsets", 2, "--json"))

    assert without_seconds(told) == without_seconds(expected.as_dict())
    table = run(*arguments, "--random-subsets", 2)
    assert table == f"{expected}\n"
    assert table.splitlines()[0].split() == ["even", "plain", "2", "random"]


def test_files_are_called_by_what_tells_them_apart():
    Path("a").mkdir()
    Path("b").mkdir()
    for folder in "ab":
        Path(folder, "rows.txt").write_text("1\n2\n" if folder == "a" else "3\n4\n")

    table = run("compare", "vectors.npy", "a/rows.txt", "b/rows.txt", "--random-subsets", 0)

    assert table.splitlines()[0].split() == ["a/rows.txt", "b/rows.txt"]
    twice = run("compare", "vectors.npy", "a/rows.txt", "a/rows.txt", code=2)
    assert "a subset is named twice" in twice


def test_manifests_of_different_spaces_are_not_compared_unawares():
    select_uniform("vectors.npy", 8, normalize=False).save("raw.manifest.json")
    arguments = ("compare", "vectors.npy", "even.manifest.json", "raw.manifest.json")

    told = run(*arguments, code=2)

    assert "even and raw are of different spaces: normalize is True in the one" in told
    assert "--normalize" in told
    table = run(*arguments, "--no-normalize", "--random-subsets", 0)
    expected = measure(VECTORS, select_uniform(VECTORS, 8), normalize=False)
    assert f"{expected.h_min:.4f}" in table


def test_manifests_of_other_data_are_refused():
    np.save("shorter.npy", VECTORS[:50])

    assert "shorter.npy has 50 rows" in run("compare", "shorter.npy", "even.manifest.json", code=2)


def test_measure_certifies_and_tells_details():
    arguments = ("measure", "vectors.npy", "plain.npy", "--random-subsets", 0)
    expected = measure(VECTORS, range(8), details=True, random_subsets=0)

    told = json.loads(run(*arguments, "--details", "--json"))

    assert without_seconds(told) == without_seconds(expected.as_dict())
    table = run(*arguments, "--details")
    assert f"{expected.upper_bound:.4f} for any 8 rows" in table
    assert "of the best possible" in table
    for line in ("dimension", "vendi score", "cluster entropy", "random h_min"):
        assert f"\n{line}" in table
    assert "vendi" not in run(*arguments)


def test_a_certificate_can_be_left_out_or_be_thorough():
    arguments = ("measure", "vectors.npy", "plain.npy", "--random-subsets", 0)

    assert "best possible" not in run(*arguments, "--certificate", "no")
    thorough = json.loads(run(*arguments, "--certificate", "thorough", "--json"))
    assert thorough["certified_fraction"] > 0
    assert "at least" in run("select", "vectors.npy", "-b", 6)
    assert "at least" not in run("select", "vectors.npy", "-b", 6, "--certificate", "no")


def test_what_cannot_be_better_is_said_to_be():
    np.save("all.npy", np.arange(60))

    assert "none are farther apart" in run("measure", "vectors.npy", "all.npy")


def test_a_selection_brings_its_own_curve(monkeypatch):
    ran = []
    of = certificate.Curve.of
    monkeypatch.setattr(certificate.Curve, "of", lambda *a, **b: ran.append(1) or of(*a, **b))

    told = json.loads(run("select", "vectors.npy", "-b", 9, "--json"))["measures"]

    assert not ran
    single_threaded_blas = measure(VECTORS, select_uniform(VECTORS, 9), random_subsets=3)
    assert told["bounds"] == pytest.approx(single_threaded_blas.as_dict()["bounds"])
    assert ran


def test_a_selection_with_rules_does_not(monkeypatch):
    plain = select_uniform(VECTORS, 9)
    ruled = select_uniform(VECTORS, 9, include=[4, 8])

    assert is_plain(plain)
    assert not is_plain(ruled)
    np.save("include.npy", np.array([4, 8]))
    told = run("measure", "vectors.npy", "even.manifest.json")
    ruled.save("ruled.manifest.json")
    assert "best possible" in run("measure", "vectors.npy", "ruled.manifest.json")
    assert "best possible" in told


def test_manifests_of_distances_are_measured_as_such():
    gaps = cdist(VECTORS, VECTORS, "cityblock")
    np.save("gaps.npy", (gaps + gaps.T) / 2)
    select_uniform("gaps.npy", 6, engine="distances").save("gaps.manifest.json")

    told = json.loads(run("measure", "gaps.npy", "gaps.manifest.json", "--json"))

    assert told["h_min"] == pytest.approx(Selection.load("gaps.manifest.json").h_min)
    assert set(told["bounds"]) == {"balls", "clusters"}
