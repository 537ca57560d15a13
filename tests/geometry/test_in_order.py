"""Distances to earlier rows agree with the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import DistanceMatrix
from evenly.geometry.search.in_order import distances_to_earlier
from tests.support.packings import gaps_of, points_of
from tests.support.pools import make_pool, pools


@given(data=st.data(), vectors=pools(max_rows=30), normalize=st.booleans(), on_disk=st.booleans())
def test_distances_to_earlier_rows_agree_with_the_definition(data, vectors, normalize, on_disk):
    gaps = gaps_of(vectors, normalize)
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    seen = data.draw(st.integers(0, len(vectors) - 1))
    before, rows = order[:seen], order[seen:]
    points = points_of(vectors, normalize=normalize, on_disk=on_disk)

    away = data.draw(st.integers(0, seen))
    others = points.take(np.sort(before[:away])) if away else None

    found = distances_to_earlier(points, rows, before=before[away:], away=others)
    matrix = DistanceMatrix(gaps, np.ones(len(gaps), bool))
    from_matrix = distances_to_earlier(matrix, rows, before=before)

    for position, row in enumerate(rows):
        expected = gaps[row][order[: seen + position]].min(initial=np.inf)
        assert from_matrix[position] == expected
        assert found[position] == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("on_disk", [False, True])
def test_distances_to_earlier_rows_of_a_large_pool(on_disk):
    vectors = make_pool("clustered", 5000, 33, np.float32, np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(5000)
    away, before, rows = np.split(order, [100, 400])
    points = points_of(vectors, on_disk=on_disk)

    found = distances_to_earlier(points, rows, before=before, away=points.take(np.sort(away)))

    exact = vectors[order].astype(float)
    for position in np.random.default_rng(5).integers(0, 4600, 300):
        squared = ((exact[: 400 + position] - exact[400 + position]) ** 2).sum(axis=1)
        assert found[position] == pytest.approx(np.sqrt(squared.min()), rel=1e-12)
