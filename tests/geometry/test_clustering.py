"""Trees of clusters and sampled pairs agree with their definitions."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from evenly import select_uniform
from evenly.geometry import DistanceMatrix, nearest_chosen
from evenly.geometry.clustering.cells import NearPicks
from evenly.geometry.clustering.radii import ClusterRadii
from evenly.geometry.clustering.tree import Tree, leading_coordinates, split_evenly
from evenly.geometry.clustering.ward import halves, ward_merges
from evenly.geometry.search.sampled_pairs import few_nearest, squared_distances_of_all_pairs
from tests.support.best_possible import gaps_of, points_of
from tests.support.pools import KINDS, make_pool, pools


def members(merges, count):
    """Return the rows of each cluster that a merge makes."""
    clusters = [frozenset([row]) for row in range(count)]
    for left, right in merges:
        clusters.append(clusters[int(left)] | clusters[int(right)])
    return clusters[count:]


def clusters_of(tree):
    """Return the rows of each cluster of a tree."""
    spans = zip(tree.begin, tree.end, strict=True)
    return {frozenset(tree.order[begin:end].tolist()) for begin, end in spans}


@pytest.mark.parametrize(("count", "width"), [(2, 3), (40, 1), (200, 5), (700, 40), (2100, 6)])
def test_merges_follow_wards_rule(count, width):
    rows = np.random.default_rng(count).standard_normal((count, width)).astype(np.float32)

    found = members(ward_merges(rows, threads=2), count)

    assert set(found) == set(members(linkage(rows.astype(float), "ward")[:, :2], count))


def test_threads_do_not_change_merges():
    rows = np.random.default_rng(0).standard_normal((2500, 8)).astype(np.float32)

    once = ward_merges(rows, threads=1)

    assert (once == ward_merges(rows, threads=3)).all()


@given(
    vectors=pools(max_rows=80),
    cell=st.integers(1, 60),
    normalize=st.booleans(),
    size=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_a_tree_holds_every_row_once_and_its_clusters_nest(vectors, cell, normalize, size, seed):
    points = points_of(vectors, normalize)
    points.eligible[:: 7 if len(vectors) > 7 else len(vectors) + 1] = False
    if not points.eligible.any():
        points.eligible[:] = True
    near = None
    if size:  # whatever is said to be near, the clusters form a tree
        random = np.random.default_rng(seed)
        picks = random.permutation(np.flatnonzero(points.eligible))[:size]
        near = NearPicks(picks, random.integers(-1, size + 1, len(points)).astype(np.int32))

    made = Tree.of(points, cell, near=near)

    assert sorted(made.order) == np.flatnonzero(points.eligible).tolist()
    assert (made.begin[0], made.end[0], made.parent[0]) == (0, len(made.order), -1)
    assert (made.sizes[made.leaf] == 1).all()
    assert (made.begin[made.leaf] == np.arange(len(made.order))).all()
    for cluster, above in enumerate(made.parent.tolist()[1:], start=1):
        assert above < cluster
        assert made.begin[above] <= made.begin[cluster] < made.end[cluster] <= made.end[above]
    inside = np.zeros(len(made.begin), int)
    np.add.at(inside, made.parent[1:], made.sizes[1:])
    assert (inside == np.where(made.sizes > 1, made.sizes, 0)).all()


@given(vectors=pools(max_rows=60), rows=st.sampled_from([5, 1000]), normalize=st.booleans())
def test_radii_are_squared_distances_to_the_mean_in_falling_order(vectors, rows, normalize):
    points = points_of(vectors, normalize)
    made = Tree.of(points, 20)

    radii = ClusterRadii.of(points, made, large=rows)

    longest = np.sqrt((points.exact(np.arange(len(points))) ** 2).sum(axis=1).max())
    for cluster, size in enumerate(made.sizes):
        part = slice(radii.first[cluster], radii.first[cluster] + size)
        inside = points.exact(made.order[radii.positions[part]])
        to_mean = np.sqrt(((inside - inside.mean(axis=0)) ** 2).sum(axis=1))
        # The rounding error of a mean grows with the length of the rows.
        assert np.sqrt(radii.squared[part]) == pytest.approx(to_mean, rel=1e-9, abs=1e-14 * longest)
        assert (np.diff(radii.squared[part]) <= 0).all()
        here = np.arange(made.begin[cluster], made.end[cluster])
        assert (np.sort(radii.positions[part]) == here).all()


def test_cells_along_picks_do_not_cut_clusters():
    rng = np.random.default_rng(5)
    cluster = rng.integers(0, 100, 3000)
    rows = rng.standard_normal((100, 40))[cluster] + 0.3 * rng.standard_normal((3000, 40))
    points = points_of(rows)

    selection = select_uniform(rows, 300)
    made = Tree.of(points, 64, near=selection.near)

    assert selection.near.picks.tolist() == selection.indices.tolist()
    whole = [frozenset(np.flatnonzero(cluster == number).tolist()) for number in range(100)]
    assert sum(rows in clusters_of(made) for rows in whole) >= 95
    assert sum(rows in clusters_of(Tree.of(points, 64)) for rows in whole) < 80


def test_numbers_that_are_no_earlier_pick_count_as_the_first():
    near = NearPicks(np.array([4, 0, 2]), np.array([0, 2, -1, 9, 1, 1], np.int32))

    of_rows, before = near.of_rows(np.array([0, 1, 2, 3, 5]))

    assert of_rows.tolist() == [1, 2, 2, 0, 1]  # a pick belongs to itself
    assert before.tolist() == [0, 0, 0]


def test_rows_are_in_order_along_the_picks_near_them_depth_first():
    # The picks 1 and 3 are near pick 0, pick 2 is near pick 1.
    near = NearPicks(np.array([4, 0, 2, 5]), np.array([0, 0, 1, 3, -1, 0, 2, 1], np.int32))

    assert near.in_order(np.arange(8)).tolist() == [1, 4, 3, 5, 0, 7, 2, 6]
    assert near.in_order(np.array([6, 7, 0])).tolist() == [7, 0, 6]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [2, 150, 300])
@pytest.mark.parametrize("engine", ["memory", "mapped"])
def test_bounds_of_a_selection_hold_for_every_row(kind, budget, engine):
    vectors = make_pool(kind, 300, 6, np.float32, np.random.default_rng(8))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near = select_uniform(vectors, budget, normalize=False, engine=engine).near

    found = nearest_chosen(points_of(vectors, False), near.picks)
    assert len(near.at_most) == 300
    left = ~found.chosen
    assert (near.at_most[left] >= found.distances[left] ** 2 * (1.0 - 1e-12)).all()


def test_a_chain_of_clusters_does_not_make_a_deep_tree():
    # Each row is farther away than the spread of all before it, so Ward adds one at a time.
    rows = points_of(1.5 ** np.arange(300.0)[:, None], normalize=False)

    made = Tree.of(rows, 300)

    assert made.sizes.sum() < 300 * (1 + np.log(300) / -np.log(0.8))


def test_halves_separate_two_groups():
    rows = np.random.default_rng(1).standard_normal((500, 4)).astype(np.float32) * 0.1
    group = np.arange(500) % 3 == 0
    rows[group] += 5

    left = halves(rows)

    assert (left == group).all() or (left == ~group).all()
    same = halves(np.ones((5, 2), np.float32))
    assert same.any()
    assert not same.all()


def test_rows_are_split_into_the_requested_number_of_clusters():
    rows = np.random.default_rng(2).standard_normal((300, 3)).astype(np.float32)

    assert np.unique(split_evenly(rows, 16)).tolist() == [*range(16)]
    assert np.bincount(split_evenly(rows, 16)).max() < 60
    assert np.unique(split_evenly(rows[:5], 16)).tolist() == [*range(5)]


def test_leading_coordinates_keep_most_of_a_distance():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 300))
    points = points_of(rows)

    short = leading_coordinates(points, np.arange(200), 16)

    kept = ((short[:100] - short[100:]) ** 2).sum(axis=1)
    true = gaps_of(points)[np.arange(100), np.arange(100, 200)] ** 2
    assert short.shape == (200, 16)
    assert kept / true == pytest.approx(np.full(100, kept[0] / true[0]), rel=1e-3)


@given(vectors=pools(max_rows=50), normalize=st.booleans(), block=st.integers(1, 60))
def test_all_pairs_are_returned_once(vectors, normalize, block):
    points = points_of(vectors, normalize)
    rows = np.arange(len(points))[::-1]
    gaps = gaps_of(points)[::-1, ::-1]

    parts = [*squared_distances_of_all_pairs(points, rows, block_rows=block)]

    expected = gaps[np.triu_indices(len(gaps), 1)]
    assert np.sqrt(np.concatenate(parts)) == pytest.approx(expected, rel=1e-6)
    metric = DistanceMatrix(gaps_of(points), points.eligible)
    parts = [*squared_distances_of_all_pairs(metric, rows)]
    assert np.sqrt(np.concatenate(parts)) == pytest.approx(expected)


def test_few_nearest_are_the_nearest():
    rng = np.random.default_rng(4)
    points = points_of(rng.standard_normal((400, 12)).astype(np.float32))
    points.eligible[3] = False
    queries = np.array([0, 7, 399])
    gaps = gaps_of(points)
    gaps[:, 3] = np.inf
    np.fill_diagonal(gaps, np.inf)
    expected = np.sort(gaps[queries], axis=1)[:, :3]

    assert np.sqrt(few_nearest(points, queries, 3)) == pytest.approx(expected)
    gaps[:, 3] = gaps[3] = 1.0
    np.fill_diagonal(gaps, 0.0)
    assert np.sqrt(few_nearest(DistanceMatrix(gaps, points.eligible), queries, 3)) == pytest.approx(
        expected
    )
