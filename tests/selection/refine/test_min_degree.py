"""Packings by minimum degree agree with a search over all ways to break ties."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import select_uniform
from evenly.geometry import reach_of
from evenly.geometry.search.neighbour_graph import neighbour_graph
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.min_degree import max_radius_by_degree, pack_by_degree
from tests.support.neighbours import neighbours_by_definition, points_of, squared_by_definition
from tests.support.pools import pools


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
