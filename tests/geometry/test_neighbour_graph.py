"""Neighbour graphs and packings by degree agree with a matrix of all distances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly.geometry import DistanceMatrix, Points, reach_of, row_lengths, squared_distances_between
from evenly.geometry.screening.tuning import TuningThresholds
from evenly.geometry.search.close_pairs import close_counts, close_pairs
from evenly.geometry.search.neighbour_graph import least_reach_above, neighbour_graph
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.min_degree import max_radius_by_degree, pack_by_degree
from tests.support.pools import pools


def points_of(rows, *, normalize=False):
    lengths = row_lengths(rows)
    return Points.of(rows, lengths, np.ones(len(rows), bool), normalize=normalize)


def squared_by_definition(points):
    """Return (n, n) exact squared distances."""
    left, right = (axis.ravel() for axis in np.indices((len(points),) * 2))
    squared = squared_distances_between(points, left, points, right)
    return squared.reshape(len(points), len(points))


def neighbours_by_definition(squared, rows, reach):
    between = squared[np.ix_(rows, rows)]
    np.fill_diagonal(between, np.inf)
    return [set(np.flatnonzero(row < reach)) for row in between]


def fewest_first_by_definition(near, allowed):
    """Return the packing sizes that minimum degree can reach, over all ways of breaking ties."""
    sizes, seen, waiting = set(), set(), [(frozenset(allowed), 0)]
    while waiting:
        left, taken = waiting.pop()
        if (left, taken) in seen:
            continue
        seen.add((left, taken))
        if not left:
            sizes.add(taken)
            continue
        fewest = min(len(near[row] & left) for row in left)
        waiting += [
            (left - near[row] - {row}, taken + 1) for row in left if len(near[row] & left) == fewest
        ]
    return sizes


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


@settings(max_examples=60, deadline=None)
@given(rows=pools(max_rows=16), seed=st.integers(0, 5), data=st.data())
def test_a_packing_takes_the_row_with_the_fewest_neighbours(rows, seed, data):
    points = points_of(rows)
    squared = squared_by_definition(points)
    reach = data.draw(st.sampled_from([*np.unique(squared)])) * data.draw(st.sampled_from([1, 1.5]))
    graph = neighbour_graph(points, np.arange(len(rows)), np.sqrt(squared.max() + 1e-30) * 2)
    limits = np.where(np.arange(len(rows)) % 4 == 3, reach / 2, np.inf)
    reach = min(reach, graph.reach)

    none = Constraints.none(len(rows))
    packing = pack_by_degree(graph, reach, seed=seed, constraints=replace(none, limits=limits))

    near = neighbours_by_definition(squared, np.arange(len(rows)), reach)
    allowed = set(np.flatnonzero(limits >= reach))
    taken = set(packing)
    assert list(packing) == sorted(taken)
    assert taken <= allowed
    assert all(not near[row] & taken for row in taken)
    assert all(near[row] & taken for row in allowed - taken)
    assert len(packing) in fewest_first_by_definition(near, allowed)


@settings(max_examples=60, deadline=None)
@given(rows=pools(max_rows=16), seed=st.integers(0, 5), data=st.data())
def test_no_row_is_taken_from_a_full_stratum(rows, seed, data):
    points = points_of(rows)
    squared = squared_by_definition(points)
    reach = data.draw(st.sampled_from([*np.unique(squared)]))
    graph = neighbour_graph(points, np.arange(len(rows)), np.sqrt(squared.max() + 1e-30) * 2)
    strata = np.arange(len(rows), dtype=np.int32) % 3
    most = np.array(data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=3)))
    reach = min(reach, graph.reach)

    constraints = Constraints(np.full(len(rows), np.inf), strata, most)
    taken = set(pack_by_degree(graph, reach, seed=seed, constraints=constraints))

    near = neighbours_by_definition(squared, np.arange(len(rows)), reach)
    counts = np.bincount(strata[sorted(taken)], minlength=3)
    assert (counts <= most).all()
    assert all(not near[row] & taken for row in taken)
    for row in set(range(len(rows))) - taken:
        assert near[row] & taken or counts[strata[row]] == most[strata[row]]
    assert list(constraints.most) == list(most)


def test_the_seed_decides_between_rows_with_equally_many_neighbours():
    rows = np.arange(30.0)[:, None]
    graph = neighbour_graph(points_of(rows), np.arange(30), 1.5)

    packings = [pack_by_degree(graph, graph.reach, seed=seed) for seed in range(9)]

    assert len({tuple(packing) for packing in packings}) > 1
    np.testing.assert_array_equal(packings[0], pack_by_degree(graph, graph.reach, seed=0))


def test_the_max_radius_by_degree_is_wider_than_what_farthest_first_finds():
    from evenly import select_uniform

    rows = np.random.default_rng(3).uniform(size=(400, 3))
    greedy = select_uniform(rows, 50, normalize=False)
    graph = neighbour_graph(points_of(rows), np.arange(400), 2 * greedy.h_min)

    packing, failed = max_radius_by_degree(graph, 50, greedy.h_min, 2 * greedy.h_min)

    chosen = np.isin(np.arange(400), packing)
    assert len(packing) >= 50
    assert greedy.h_min * 1.02 < np.sqrt(graph.squared_h_min(chosen)) < failed < 1.4 * greedy.h_min
    assert len(pack_by_degree(graph, reach_of(failed))) < 50


def test_the_max_radius_by_degree_is_none_if_there_is_none():
    graph = neighbour_graph(points_of(np.eye(4)), np.arange(4), 2.0)

    assert max_radius_by_degree(graph, 4, 1.5, 2.0) == (None, 1.5)
    packing, failed = max_radius_by_degree(graph, 4, 1.0, 1.4)
    assert (list(packing), failed) == ([0, 1, 2, 3], np.inf)
