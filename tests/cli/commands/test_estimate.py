"""`evenly estimate`: engine, memory and time."""

import json

import numpy as np

from tests.support.command_line import fail, succeed


def test_engine_memory_and_time_are_a_table_or_json():
    np.save("vectors.npy", np.ones((300, 8), np.float32))
    told = succeed("estimate", "vectors.npy", "-b", "0.1").stdout
    assert "engine     memory" in told
    assert "30 of 300, 8 dimensions" in told
    numbers = json.loads(succeed("estimate", "vectors.npy", "-b", "0.1", "--json").stdout)
    assert (numbers["engine"], numbers["budget"], numbers["rows"]) == ("memory", 30, 300)
    assert "budget must be between 1 and" in fail("estimate", "vectors.npy", "-b", "301")
