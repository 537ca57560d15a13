"""The packing bound: never below what fits, and exactly the count that docs/theory.md defines."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry.clustering.tree import Tree
from evenly.metrics.packing_bound import PackingBound
from evenly.metrics.trace_bound import best_centre
from tests.support.best_possible import gaps_of, most_rows_at, points_of
from tests.support.pools import make_pool


@given(
    seed=st.integers(0, 2**32 - 1),
    distinct=st.integers(1, 12),
    copies=st.integers(1, 3),
    cell=st.integers(2, 40),
    share=st.floats(0.05, 1.2),
)
def test_no_more_rows_fit_than_are_counted(seed, distinct, copies, cell, share):
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.integers(0, 6, (distinct, 2)) + 0.5, copies, axis=0)
    points = points_of(rows.astype(float), bool(seed % 2))
    gaps = gaps_of(points)
    distance = share * max(gaps.max(), 1e-3)
    packing_bound = PackingBound(points, Tree.of(points, cell))

    around_mean = packing_bound.most_rows(distance)
    around_another = packing_bound.most_rows(distance, best_centre(points, 3, 5))

    assert most_rows_at(gaps, distance) <= min(around_mean, around_another)
    assert max(around_mean, around_another) <= len(rows)


def count_by_definition(tree, points, distance):
    """Return the count of docs/theory.md by enumerating all sets of rows of all clusters."""
    counts = {}
    inside = {v: set(range(tree.begin[v], tree.end[v])) for v in range(len(tree.begin))}
    for cluster in reversed(range(len(tree.begin))):
        rows = points.exact(tree.order[sorted(inside[cluster])])
        to_mean = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
        squared = dict(zip(sorted(inside[cluster]), to_mean, strict=True))
        below = [v for v in counts if inside[v] < inside[cluster]]
        most = 1
        for size in range(2, len(rows) + 1):
            sums = [
                sum(squared[row] for row in taken)
                for taken in combinations(squared, size)
                if all(len(inside[v] & {*taken}) <= counts[v] for v in below)
            ]
            if sums and (size - 1) * distance**2 / 2 <= max(sums) * (1 + 1e-10):
                most = size
        if distance**2 > 2 * max(squared.values()) * (1 + 1e-10):
            most = min(most, points.dimension + 1)
        counts[cluster] = most
    return counts[0]


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["random", "clustered", "lattice", "duplicates"]),
    cell=st.integers(1, 9),
    share=st.floats(0.1, 1.1),
)
def test_the_count_follows_its_definition(seed, kind, cell, share):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 9)), int(rng.choice([1, 2, 3, 8]))
    points = points_of(make_pool(kind, n, d, np.float64, rng), normalize=False)
    distance = share * max(gaps_of(points).max(), 0.1)
    tree = Tree.of(points, cell)

    found = PackingBound(points, tree).most_rows(distance)

    assert found == count_by_definition(tree, points, distance)


@pytest.mark.parametrize("dimension", [2, 3, 8])
def test_all_rows_of_a_cross_polytope_are_counted(dimension):
    points = points_of(np.vstack([np.eye(dimension), -np.eye(dimension)]))
    packing_bound = PackingBound(points, Tree.of(points, 100))

    assert packing_bound.most_rows(math.sqrt(2) * 0.99) == 2 * dimension
    assert packing_bound.most_rows(math.sqrt(2)) == 2 * dimension
    assert packing_bound.most_rows(math.sqrt(2) * 1.001) <= dimension + 1


def test_another_centre_than_the_mean_can_lower_the_count():
    rng = np.random.default_rng(0)
    dense = np.array([3.0, 0.0, 0.0]) + 0.1 * rng.standard_normal((60, 3))
    points = points_of(np.vstack([rng.standard_normal((20, 3)), dense]), normalize=False)
    single = np.arange(80)
    tree = Tree(  # a root whose only parts are single rows, so that its own bound decides
        order=single,
        begin=np.append(0, single),
        end=np.append(80, single + 1),
        parent=np.append(-1, np.zeros(80, int)),
        leaf=single + 1,
    )
    packing_bound = PackingBound(points, tree)

    assert packing_bound.most_rows(3.5, best_centre(points, 20, 30)) < packing_bound.most_rows(3.5)


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_where_the_count_falls_below_the_size(seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((30, 12))[rng.integers(0, 30, 600)]
    points = points_of(rows + 0.4 * rng.standard_normal((600, 12)))
    packing_bound = PackingBound(points, Tree.of(points, 64))

    bound = packing_bound.bound(100, 0.05, 2.0)

    assert packing_bound.most_rows(bound) < 100
    assert packing_bound.most_rows(bound * (1 - 2e-4)) >= 100
    assert packing_bound.bound(100, 0.05, bound * (1 - 2e-4)) is None
