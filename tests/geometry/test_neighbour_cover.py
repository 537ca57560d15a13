"""How far rows are from chosen ones, by their neighbours, agrees with a matrix of all distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly.geometry import DistanceMatrix
from evenly.geometry.search.neighbour_cover import farthest_from_chosen
from evenly.geometry.search.neighbour_graph import neighbour_graph
from tests.support.neighbours import points_of, squared_by_definition
from tests.support.pools import pools


def farthest_by_definition(squared, reach, chosen, limits):
    """Return the largest squared distance below `reach` to the nearest chosen row, and the rest."""
    nearest = np.minimum(squared[:, chosen].min(axis=1, initial=np.inf), limits)
    nearest[chosen] = 0.0
    return nearest[nearest < reach].max(initial=0.0), nearest >= reach


@settings(max_examples=100, deadline=None)
@given(rows=pools(max_rows=40), data=st.data())
def test_the_farthest_row_is_that_of_the_definition(rows, data):
    points = points_of(rows, normalize=False)
    squared = squared_by_definition(points)
    some = np.array(data.draw(st.permutations(range(len(rows)))))[: max(1, len(rows) * 3 // 4)]
    values = np.unique(squared)
    largest, usual = data.draw(st.sampled_from(values)), data.draw(st.sampled_from(values))
    mask = st.lists(st.booleans(), min_size=len(some), max_size=len(some))
    chosen, limited = np.array(data.draw(mask)), np.array(data.draw(mask))
    limits = np.where(limited, squared[some, some[0]], np.inf)
    graph = neighbour_graph(points, some, np.sqrt(largest), usual=np.sqrt(usual))

    found, is_open = farthest_from_chosen(graph, chosen, limits)

    between = squared[np.ix_(some, some)]
    expected, left = farthest_by_definition(between, graph.reach, chosen, limits)
    assert found == expected
    np.testing.assert_array_equal(is_open, left)


@pytest.mark.parametrize("metric", [False, True])
def test_few_distances_of_long_rows_are_decided(metric):
    rng = np.random.default_rng(3)
    centres = 4 * rng.normal(size=(8, 384))
    rows = (rng.normal(size=(300, 384)) + centres[rng.integers(8, size=300)]).astype(np.float32)
    points = points_of(rows, normalize=True)
    squared = squared_by_definition(points)
    reach = np.quantile(squared, 0.6)
    chosen = rng.random(300) < 0.1
    limits = np.where(rng.random(300) < 0.1, 0.3, np.inf)
    pool = DistanceMatrix(np.sqrt(squared), points.eligible) if metric else points
    graph = neighbour_graph(pool, np.arange(300), np.sqrt(reach), usual=np.sqrt(reach) / 2)
    decided = np.count_nonzero(graph.squared >= 0)

    found, is_open = farthest_from_chosen(graph, chosen, limits)

    expected, left = farthest_by_definition(squared, graph.reach, chosen, limits)
    assert found == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(is_open, left)
    assert np.count_nonzero(graph.squared >= 0) <= decided + len(graph.squared) // 20
