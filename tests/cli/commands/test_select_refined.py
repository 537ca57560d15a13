"""`evenly select --refine`: rows that are farther apart, and their proof."""

from pathlib import Path

import numpy as np
import pytest

from evenly import Refine, Selection, select_uniform
from tests.support.command_line import as_json, fail, succeed

POOL = np.random.default_rng(2).normal(size=(60, 6))
EXACT = Refine(method="exact")


@pytest.fixture(autouse=True)
def pool(folder_of_data):
    np.save("pool.npy", POOL)


def test_a_refined_selection_is_reported_and_can_be_reproduced():
    ran = succeed("select", "pool.npy", "-b", 9, "--refine", "exact", "-o", "a.npy")

    expected = select_uniform(POOL, 9, refine=EXACT)
    found = Selection.load("a.manifest.json")
    np.testing.assert_array_equal(found.indices, expected.indices)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("refined")]
    greedy = select_uniform(POOL, 9).h_min
    assert f"{greedy:.4f}: {expected.h_min / greedy - 1:+.2%}" in line
    assert "proven to be the best possible" in line
    assert "none are farther apart" in ran.stdout
    succeed("select", "--from-manifest", "a.manifest.json", "-o", "b.npy")
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
    assert "refined" in fail("extend", "a.manifest.json", "-b", 30, "-o", "c.npy")


def test_a_search_ends_in_time():
    options = ("--refine", "search", "--refine-seconds", 0.2, "-o", "a.npy")

    ran = succeed("select", "pool.npy", "-b", 12, *options)

    found = Selection.load("a.manifest.json")
    assert found.h_min >= select_uniform(POOL, 12).h_min
    assert found.provenance.options["refine"]["seconds"] == 0.2
    # The certificate is computed from the pool: the radii are not covering radii here.
    assert "at most" in ran.stdout


def test_a_proof_is_the_certificate():
    options = ("-b", 9, "--refine", "exact")

    found = as_json("select", "pool.npy", *options, "--refine-seconds", 60, "--seed", 4)

    assert found["selection"]["provenance"]["details"]["refined"]["proven"]
    assert found["selection"]["provenance"]["options"]["refine"]["seed"] == 4
    assert found["measures"]["certified_fraction"] == 1.0
    assert list(found["measures"]["bounds"]) == ["proof"]
    # With rules the proof is about fewer rows, so it is not a bound for the pool.
    found = as_json("select", "pool.npy", *options, "--exclude", 3)
    assert "proof" not in found["measures"]["bounds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--refine", "best"], "search"),
        (["--refine-seconds", "3"], "--refine search"),
        (["--refine", "search", "--refine-seconds", "0"], "more than 0"),
    ],
)
def test_wrong_use_is_rejected(arguments, message):
    assert message in fail("select", "pool.npy", "-b", "9", *arguments)


def test_a_mapping_may_replace_refine():
    options = {"method": "search", "seed": 2, "seconds": 0.1}

    found = select_uniform(POOL, 12, refine=options)

    assert found.provenance.options["refine"] == options
    expected = select_uniform(POOL, 12, refine=Refine(seed=2, seconds=0.1))
    assert found.provenance.options == expected.provenance.options
