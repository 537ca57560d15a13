"""`evenly select --refine`: rows that are farther apart, and their proof."""

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Refine, Selection, select_uniform
from tests.support.command_line import fail, succeed

POOL = np.random.default_rng(2).normal(size=(150, 6))


@pytest.fixture(autouse=True)
def pool(folder_of_data):
    np.save("pool.npy", POOL)


def test_a_refined_selection_is_reported_and_can_be_reproduced():
    ran = succeed("select", "pool.npy", "-b", "20", "--refine", "search", "-o", "a.npy")

    expected = select_uniform(POOL, 20, refine=True)
    found = Selection.load("a.manifest.json")
    np.testing.assert_array_equal(found.indices, expected.indices)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("refined")]
    greedy = select_uniform(POOL, 20).h_min
    assert f"{greedy:.4f}: {expected.h_min / greedy - 1:+.2%}" in line
    succeed("select", "--from-manifest", "a.manifest.json", "-o", "b.npy")
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
    # The certificate is computed from the pool: the radii are not covering radii here.
    assert "at most" in ran.stdout
    fail("extend", "a.manifest.json", "-b", "30", "-o", "c.npy")


def test_a_proof_is_the_certificate():
    ran = succeed(
        *("select", "pool.npy", "-b", "9", "--refine", "exact", "--refine-seconds", "60"),
        *("--seed", "4", "--json", "-o", "a.npy"),
    )
    told = json.loads(ran.stdout)
    assert told["selection"]["provenance"]["details"]["refined"]["proven"]
    assert told["selection"]["provenance"]["options"]["refine"]["seed"] == 4
    assert told["measures"]["certified_fraction"] == 1.0
    assert list(told["measures"]["bounds"]) == ["proof"]
    ran = succeed("select", "pool.npy", "-b", "9", "--refine", "exact")
    assert "proven to be the best possible" in ran.stdout
    assert "none are farther apart" in ran.stdout
    # With rules the proof is about fewer rows, so it is not a bound for the pool.
    ran = succeed("select", "pool.npy", "-b", "9", "--refine", "exact", "--exclude", "3", "--json")
    assert "proof" not in json.loads(ran.stdout)["measures"]["bounds"]


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
    rows = select_uniform(POOL, 20, refine={"method": "search", "seed": 2, "seconds": None})
    np.testing.assert_array_equal(
        rows.indices, select_uniform(POOL, 20, refine=Refine(seed=2)).indices
    )
