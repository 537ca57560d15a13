"""Neighbour graphs agree with a matrix of all distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly.geometry import DistanceMatrix, reach_of
from evenly.geometry.screening.tuning import TuningThresholds
from evenly.geometry.search.close_pairs import close_counts, close_pairs
from evenly.geometry.search.neighbour_graph import least_reach_above, neighbour_graph
from tests.support.neighbours import neighbours_by_definition, points_of, squared_by_definition
from tests.support.pools import pools


@settings(max_examples=60, deadline=None)
@given(rows=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_the_neighbours_are_those_of_the_definition(rows, normalize, data):
    points = points_of(rows, normalize=normalize)
    squared = squared_by_definition(points)
    some = np.array(data.draw(st.permutations(range(len(rows)))))[: max(1, len(rows) * 3 // 4)]
    largest = data.draw(st.sampled_from([*np.unique(squared), 4.0]))

    graph = neighbour_graph(points, some, np.sqrt(largest))

    for reach in (graph.reach, graph.reach / 2, *squared[some[0]][squared[some[0]] < graph.reach]):
        ends = graph.ends(reach)
        expected = neighbours_by_definition(squared, some, reach)
        for row, end in enumerate(ends):
            own = slice(graph.starts[row], end)
            assert len(graph.neighbours[own]) == len(expected[row])
            assert set(graph.neighbours[own]) == expected[row]
            np.testing.assert_array_equal(
                graph.squared[own], squared[some[row], some[graph.neighbours[own]]]
            )
    assert (
        np.diff(graph.squared)[np.diff(np.repeat(np.arange(len(some)), np.diff(graph.starts))) == 0]
        >= 0
    ).all()


def test_pairs_at_exactly_the_distance_are_not_neighbours():
    rows = np.arange(5.0)[:, None]

    assert neighbour_graph(points_of(rows), np.arange(5), 1.0).pairs == 0
    assert neighbour_graph(points_of(rows), np.arange(5), 1.0 + 1e-9).pairs == 4
    assert least_reach_above(1.0) > 1.0 > reach_of(1.0)
    assert (
        neighbour_graph(
            points_of(rows), np.arange(5), np.sqrt(least_reach_above(1.0) / (1 - 1e-12))
        ).pairs
        == 4
    )


@pytest.mark.parametrize("width", [3, 40, 384])
def test_tiles_and_turned_rows_change_nothing(width):
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(150, width)) * np.linspace(1, 0.01, width)).astype(np.float32)
    points = points_of(rows, normalize=True)
    squared = squared_by_definition(points)
    reach = np.quantile(squared, 0.2)
    some = rng.permutation(150)[:140]

    whole = close_pairs(points, some, reach)
    always = TuningThresholds(axes=0, pairs=0)
    tiles = close_pairs(points, some, reach, tile=32, thresholds=always)

    expected = squared[np.ix_(some, some)]
    assert len(whole) == np.count_nonzero(np.triu(expected < reach, 1))
    for pairs in (whole, tiles):
        assert (pairs.left < pairs.right).all()
        np.testing.assert_array_equal(pairs.squared, expected[pairs.left, pairs.right])
    assert set(zip(whole.left, whole.right, strict=True)) == set(
        zip(tiles.left, tiles.right, strict=True)
    )
    np.testing.assert_array_equal(
        close_counts(points, some, some[::7], reach), (expected[:, ::7] < reach).sum(axis=1)
    )


def test_a_distance_matrix_has_the_neighbours_of_the_definition():
    rng = np.random.default_rng(1)
    matrix = np.abs(rng.normal(size=(50, 1, 3)) - rng.normal(size=(1, 50, 3))).sum(axis=2)
    matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T
    metric = DistanceMatrix(matrix, np.ones(50, bool))
    some = rng.permutation(50)[:40]

    graph = neighbour_graph(metric, some, 2.0)

    expected = neighbours_by_definition(matrix**2, some, reach_of(2.0))
    for row in range(40):
        assert set(graph.neighbours[graph.starts[row] : graph.starts[row + 1]]) == expected[row]


def test_an_exception_from_progress_ends_the_work():
    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        close_pairs(points_of(np.eye(9)), np.arange(9), 1.0, progress=stop)
