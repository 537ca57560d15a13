"""`rows_at`: the true number of rows lies between the two that it returns."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import errors, rows_at, select_uniform
from tests.support.best_possible import gaps_of, most_rows_at, points_of


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 1.5))
def test_the_number_of_rows_at_a_distance_is_between_the_bounds(seed, share):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((int(rng.integers(2, 13)), int(rng.integers(1, 4))))
    gaps = gaps_of(points_of(rows, normalize=False))
    distance = share * gaps.max()

    found = rows_at(rows, distance, normalize=False)

    assert found.at_least <= most_rows_at(gaps, distance) <= found.at_most
    assert found.pool_size == len(rows)


def test_at_least_the_rows_of_a_selection_are_found_at_its_h_min(tmp_path):
    rows = np.random.default_rng(8).standard_normal((400, 6)).astype(np.float32)
    subset, all_rows = select_uniform(rows, 50), select_uniform(rows, 400)
    np.save(tmp_path / "rows.npy", rows)

    found = rows_at(rows, subset.h_min)

    assert found.at_least == np.count_nonzero(all_rows.radii >= subset.h_min)
    assert found.at_least >= 50
    stored = rows_at(tmp_path / "rows.npy", subset.h_min, engine="mapped")
    assert stored.at_least == found.at_least
    assert stored.at_most >= found.at_most
    # Balls of a radius just below half of the distance give the upper bound.
    assert stored.at_most == np.count_nonzero(all_rows.radii >= subset.h_min / 2 / (1 + 1e-9))
    assert rows_at(rows, 1e-9).as_dict() == {
        "h_min": 1e-9,
        "at_least": 400,
        "at_most": 400,
        "pool_size": 400,
    }


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "0.5", None, True])
def test_distances_that_are_not_positive_numbers_are_rejected(value):
    with pytest.raises(errors.OptionError, match="h_min must be a distance above 0"):
        rows_at(np.eye(3), value)
