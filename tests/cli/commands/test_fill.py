"""`evenly fill`: as many rows as fit at the same distance."""

import json

import numpy as np
import pytest

from evenly import select_uniform
from tests.support.command_line import fail, succeed

POOL = np.random.default_rng(2).normal(size=(60, 6))


@pytest.fixture(autouse=True)
def pool(folder_of_data):
    np.save("pool.npy", POOL)


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
    assert told["provenance"]["details"]["filled"]["seed"] == 1
    assert expected.h_min * 0.9 <= told["h_min"] < expected.h_min
