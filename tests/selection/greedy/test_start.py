"""The first pick, where it is named by what it is: the medoid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import select_uniform
from tests.support.oracle import gaps_by_definition
from tests.support.pools import pools


def medoid_of(vectors, *, normalize=False, **options):
    chosen = select_uniform(vectors, 1, start="medoid", normalize=normalize, **options)
    assert chosen.provenance.options["start"] == "medoid"
    return int(chosen.indices[0])


@given(vectors=pools(max_rows=60), normalize=st.booleans())
def test_the_medoid_has_the_smallest_sum_of_squared_distances(vectors, normalize):
    sums = (gaps_by_definition(vectors, normalize) ** 2).sum(axis=1)

    found = medoid_of(vectors, normalize=normalize)

    assert sums[found] <= sums.min() * (1 + 1e-9)
    assert (sums[:found] >= sums[found] * (1 - 1e-9)).all()


@given(
    rows=st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=30),
    scale=st.sampled_from([1.0, 0.1, 1e-100, 1e100]),
    shift=st.sampled_from([0, 1000]),
)
def test_of_rows_that_tie_the_first_is_the_medoid(rows, scale, shift):
    whole = np.array(rows)
    sums = ((whole[:, None] - whole[None]) ** 2).sum(axis=(1, 2))  # exact: these are integers

    assert medoid_of((whole + shift) * scale) == np.argmin(sums)


def test_rounding_does_not_break_a_tie():
    """Rows 0 and 2 tie; in floating point row 2 wins by the last bit."""
    assert medoid_of((np.array([[0, 3], [4, 1], [2, 5]]) + 1000) * 0.1) == 0


def test_rounding_near_the_mean_does_not_choose():
    """Row 2 is nearer the mean than row 1 by less than a sum of squares can tell."""
    rows = np.array([[-1.0], [3e-10], [-2e-10], [1.0]])

    assert medoid_of(rows) == 1
    assert medoid_of(rows[::-1].copy()) == 1


def test_rows_that_were_dropped_neither_count_nor_win():
    rows = np.array([[np.nan, 0], [0, 1], [0, 2], [0, 3], [np.inf, 9], [0, 4], [0, 60]])

    # Of 1, 2, 3, 4 and 60 the mean is 14.
    assert medoid_of(rows, on_invalid="drop") == 5


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_extreme_lengths_do_not_overflow(size):
    assert medoid_of(np.array([[0.0, -1], [0, 1], [0, 0.1]]) * size) == 2


def test_the_rest_follows_from_the_medoid():
    vectors = np.random.default_rng(0).normal(size=(40, 5))

    chosen = select_uniform(vectors, 6, start="medoid")

    first = int(chosen.indices[0])
    assert first != select_uniform(vectors, 1).indices[0]
    np.testing.assert_array_equal(chosen.indices, select_uniform(vectors, 6, start=first).indices)
