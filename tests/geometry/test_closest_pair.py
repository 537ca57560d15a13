"""The two nearest of some rows are those that comparing all pairs finds."""

import numpy as np
import pytest

from evenly.geometry import Points, closest_pair, row_lengths
from evenly.geometry.screening.tuning import TuningThresholds
from tests.support.pools import KINDS, make_pool


def by_definition(vectors, rows):
    rows = np.sort(rows)
    some = vectors[rows].astype(np.float64)
    distances = np.sqrt(((some[:, None] - some) ** 2).sum(axis=2))
    distances[np.tril_indices(len(rows))] = np.inf
    left, right = np.unravel_index(np.argmin(distances), distances.shape)
    return distances[left, right], rows[left], rows[right]


def points_of(vectors):
    return Points.of(vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 3, 40, 150])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_it_is_the_first_of_the_nearest_pairs(kind, size, dtype):
    vectors = make_pool(kind, 200, 5, dtype, np.random.default_rng(1))
    rows = np.random.default_rng(2).permutation(200)[:size]
    distance, left, right = by_definition(vectors, rows)

    for known in (np.inf, distance**2):
        found = closest_pair(points_of(vectors), rows, at_most=known)

        assert np.sqrt(found.squared) == pytest.approx(distance, rel=1e-12)
        assert (found.left, found.right) == (left, right)


@pytest.mark.parametrize("dimension", [8, 128])
def test_many_rows_are_compared_in_blocks(dimension):
    random = np.random.default_rng(3)
    vectors = random.standard_normal((4000, dimension)).astype(np.float32)
    vectors[3071] = vectors[1500] + np.float32(1e-3)
    rows = np.flatnonzero(random.random(4000) < 0.8)
    rows = np.union1d(rows, [1500, 3071])
    done = []

    found = closest_pair(
        points_of(vectors),
        rows,
        progress=done.append,
        thresholds=TuningThresholds(long=0.0, axes=0.0),
    )

    assert (found.left, found.right) == (1500, 3071)
    assert sum(done) == len(rows)
