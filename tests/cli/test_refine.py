"""Refined and filled selections on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Refine, Selection, select_uniform
from evenly.selection.refine.effort import SearchEffort
from tests.cli.test_commands import (
    fail,
    in_a_folder_of_its_own,  # noqa: F401
    succeed,
)

POOL = np.random.default_rng(2).normal(size=(150, 6))


@pytest.fixture(autouse=True)
def pool(in_a_folder_of_its_own, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Refine, "effort", SearchEffort(least_work=20_000, idle_work=120_000))
    np.save("pool.npy", POOL)


def test_select_refines_says_so_and_can_be_repeated():
    ran = succeed("select", "pool.npy", "-b", "20", "--refine", "search", "-o", "a.npy")

    expected = select_uniform(POOL, 20, refine=True)
    found = Selection.load("a.manifest.json")
    np.testing.assert_array_equal(found.indices, expected.indices)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("refined")]
    greedy = select_uniform(POOL, 20).h_min
    assert f"{greedy:.4f}: {expected.h_min / greedy - 1:+.2%}" in line
    succeed("select", "--from-manifest", "a.manifest.json", "-o", "b.npy")
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
    # The certificate is that of the pool, and not of radii that are no covering radii.
    assert "at most" in ran.stdout
    fail("extend", "a.manifest.json", "-b", "30", "-o", "c.npy")


def test_what_is_proven_is_the_certificate():
    ran = succeed(
        *("select", "pool.npy", "-b", "9", "--refine", "exact", "--refine-seconds", "60"),
        *("--seed", "4", "--json", "-o", "a.npy"),
    )
    told = json.loads(ran.stdout)
    assert told["selection"]["provenance"]["refined"]["proven"]
    assert told["selection"]["provenance"]["options"]["refine"]["seed"] == 4
    assert told["measures"]["certified_fraction"] == 1.0
    assert list(told["measures"]["bounds"]) == ["proof"]
    ran = succeed("select", "pool.npy", "-b", "9", "--refine", "exact")
    assert "proven to be the best possible" in ran.stdout
    assert "none are farther apart" in ran.stdout
    # With rules it is the best of other rows, which is no bound on all.
    ran = succeed("select", "pool.npy", "-b", "9", "--refine", "exact", "--exclude", "3", "--json")
    assert "proof" not in json.loads(ran.stdout)["measures"]["bounds"]


def test_fill_adds_rows_at_the_same_distance():
    succeed("select", "pool.npy", "-b", "20", "-o", "a.npy")

    ran = succeed("fill", "a.manifest.json", "-o", "b.npy")

    expected = select_uniform(POOL, 20).fill()
    np.testing.assert_array_equal(np.load("b.npy"), POOL[expected.indices])
    assert "from 20 rows" in ran.stdout
    fail("select", "--from-manifest", "b.manifest.json", "-o", "c.npy")
    near = succeed(
        *("fill", "a.manifest.json", "--min-distance", f"{expected.h_min * 0.9}"),
        *("--seconds", "60", "--seed", "1", "--json"),
    )
    told = json.loads(near.stdout)["selection"]
    assert told["provenance"]["filled"]["seed"] == 1
    assert expected.h_min * 0.9 <= told["h_min"] < expected.h_min


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--refine", "best"], "search"),
        (["--refine-seconds", "3"], "--refine search"),
        (["--refine", "search", "--refine-seconds", "0"], "more than 0"),
    ],
)
def test_wrong_use_is_refused(arguments, said):
    ran = fail("select", "pool.npy", "-b", "9", *arguments)
    assert said in (ran if isinstance(ran, str) else ran.stderr)


def test_a_mapping_is_as_good_as_refine():
    rows = select_uniform(POOL, 20, refine={"method": "search", "seed": 2, "seconds": None})
    np.testing.assert_array_equal(
        rows.indices, select_uniform(POOL, 20, refine=Refine(seed=2)).indices
    )
