"""Neighbour graphs agree with a matrix of all distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly.geometry import DistanceMatrix, ProxyTransform, reach_of
from evenly.geometry.screening.tuning import TuningThresholds
from evenly.geometry.search.close_pairs import close_counts, close_pairs
from evenly.geometry.search.neighbour_graph import least_reach_above, neighbour_graph
from evenly.geometry.search.row_groups import RowGroups
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
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(some), max_size=len(some))))
    between = squared[np.ix_(some[chosen], some[chosen])]
    np.fill_diagonal(between, np.inf)
    smallest = between.min(initial=np.inf)
    assert graph.squared_h_min(chosen) == (smallest if smallest < graph.reach else np.inf)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_few_pairs_of_long_rows_are_decided_in_float64(dtype):
    rng = np.random.default_rng(3)
    rows = (
        rng.normal(size=(200, 384)) + 4 * rng.normal(size=(8, 384))[rng.integers(8, size=200)]
    ).astype(dtype)
    rows[150:160] = rows[:10]
    points = points_of(rows, normalize=True)
    squared = squared_by_definition(points)
    some = rng.permutation(200)[:180]
    between = squared[np.ix_(some, some)]
    usual, most = np.quantile(between[between > 0.01], [0.02, 0.3])

    graph = neighbour_graph(points, some, np.sqrt(most), usual=np.sqrt(usual))

    assert np.mean(graph.squared < 0) > 0.8
    for reach in (*rng.choice(between[between < graph.reach], 40), graph.reach, usual / 2):
        expected = neighbours_by_definition(squared, some, reach)
        for row, end in enumerate(graph.ends(reach)):
            assert set(graph.neighbours[graph.starts[row] : end]) == expected[row]
    for size in (2, 5, 20, 60):
        chosen = np.zeros(180, bool)
        chosen[rng.permutation(180)[:size]] = True
        own = between[np.ix_(chosen, chosen)].copy()
        np.fill_diagonal(own, np.inf)
        smallest = own.min()
        assert graph.squared_h_min(chosen) == (smallest if smallest < graph.reach else np.inf)
    assert np.mean(graph.squared < 0) > 0.5


def test_groups_spare_comparisons_and_change_nothing():
    rng = np.random.default_rng(4)
    centres = 8 * rng.normal(size=(12, 20))
    rows = rng.normal(size=(400, 20)) + centres[rng.integers(12, size=400)]
    points = points_of(rows)
    squared = squared_by_definition(points)
    some = rng.permutation(400)[:390]
    reach = float(np.quantile(squared, 0.03))
    tiles = []

    plain = close_pairs(points, some, reach, estimates=True)
    firsts = np.unique(np.linalg.norm(rows[some, None] - centres, axis=2).argmin(axis=0))
    grouped = close_pairs(
        points,
        some,
        reach,
        estimates=True,
        centres=firsts,
        progress=lambda *tile: tiles.append(tile),
    )

    assert len(tiles) > 1  # one for each group
    assert {count for _, count in tiles} == {len(tiles)}
    assert sum(pairs for pairs, _ in tiles) == len(plain.left)
    order = np.lexsort((plain.right, plain.left))
    np.testing.assert_array_equal(grouped.left, plain.left[order])
    np.testing.assert_array_equal(grouped.right, plain.right[order])
    one = neighbour_graph(points, some, np.sqrt(reach), centres=firsts)
    other = neighbour_graph(points, some, np.sqrt(reach))
    for least in (reach / 2, reach / 3, reach * 0.9):
        np.testing.assert_array_equal(one.ends(least), other.ends(least))
    np.testing.assert_array_equal(one.neighbours, other.neighbours)


@pytest.mark.parametrize("nearness", [1.0, 0.1])
def test_rows_are_compared_with_few_of_many_groups(nearness):
    rng = np.random.default_rng(6)
    centres = rng.normal(size=(300, 40))
    centres[150:] = centres[:150] + 0.7 * nearness
    member = np.repeat(np.arange(300), 5)
    rows = centres[member] + 0.3 * nearness * rng.normal(size=(1500, 40))
    order = rng.permutation(1500)
    points = points_of(rows[order].astype(np.float32))
    reach = (1.5 * nearness) ** 2
    transform = ProxyTransform.of(points)
    firsts = np.array([np.flatnonzero(member[order] == one)[0] for one in range(300)])

    groups = RowGroups.around(transform.proxies(points, np.arange(1500)), firsts, reach, transform)

    for number, (own, others) in enumerate(groups):
        np.testing.assert_array_equal(own, np.flatnonzero(member[order] == number))
        mean = points.exact(own).mean(axis=0)
        gaps = np.linalg.norm(points.exact(np.arange(1500)) - mean, axis=1)
        radius = gaps[own].max() + np.sqrt(reach)
        expected = np.flatnonzero((gaps <= radius) & (member[order] < number))
        unsure = np.flatnonzero((gaps <= radius + 0.2 * nearness) & (member[order] < number))
        assert set(expected) <= set(others) <= set(unsure)
        assert len(others) == len(set(others))


@settings(max_examples=40, deadline=None)
@given(rows=pools(max_rows=40), normalize=st.booleans(), data=st.data())
def test_no_pair_is_missing_from_groups(rows, normalize, data):
    points = points_of(rows, normalize=normalize)
    squared = squared_by_definition(points)
    some = np.arange(len(rows))
    centres = np.array(data.draw(st.lists(st.sampled_from(range(len(rows))), min_size=1)))
    proxies = ProxyTransform.of(points)
    reach = reach_of(float(np.sqrt(data.draw(st.sampled_from(np.unique(squared).tolist())))))

    groups = RowGroups.around(proxies.proxies(points, some), centres, reach, proxies)

    compared = np.zeros(squared.shape, bool)
    for own, others in groups:
        compared[np.ix_(own, own)] = compared[np.ix_(own, others)] = True
        compared[np.ix_(others, own)] = True
    assert compared[squared < reach].all()
    assert sorted(np.concatenate(groups.members)) == list(some)


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


@pytest.mark.parametrize("normalize", [False, True])
def test_counts_are_those_of_the_definition_even_at_ties(normalize):
    rows = np.random.default_rng(0).integers(1, 4, size=(120, 7)).astype(np.float32)
    points = points_of(rows, normalize=normalize)
    squared = squared_by_definition(points)
    some, others = np.arange(120)[::-1], np.arange(0, 120, 3)

    for reach in np.quantile(squared[squared > 0], [0.01, 0.2, 0.5, 0.9], method="nearest"):
        for limit in (reach, np.nextafter(reach, np.inf)):
            np.testing.assert_array_equal(
                close_counts(points, some, others, limit),
                (squared[np.ix_(some, others)] < limit).sum(axis=1),
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
    def stop(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        close_pairs(points_of(np.eye(9)), np.arange(9), 1.0, progress=stop)
