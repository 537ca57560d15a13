"""Measures of the first rows of an order are those of each subset by itself."""

import numpy as np
import pytest

from evenly.geometry import DistanceMatrix, Points, row_lengths
from evenly.metrics.prefixes import grid_of_sizes, measure_prefixes, random_order
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.rules import Rules
from tests.support.best_possible import gaps_of
from tests.support.pools import KINDS, make_pool


def points_of(vectors, eligible=None, *, normalize=False):
    usable = np.ones(len(vectors), bool) if eligible is None else eligible
    return Points.of(vectors, row_lengths(vectors), usable, normalize=normalize)


def by_definition(vectors, order, size, away=()):
    """h_min, coverage radius and mean distance of the first rows, and rows to keep away from."""
    rows = np.asarray(vectors, np.float64)
    gaps = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    chosen = order[:size]
    among = gaps[np.ix_(chosen, chosen)]
    among[np.diag_indices(size)] = np.inf
    to_away = gaps[np.ix_(chosen, away)].min(initial=np.inf) if len(away) else np.inf
    nearest = gaps[:, [*chosen, *away]].min(axis=1)
    return min(among.min(), to_away), nearest.max(), nearest.mean()


@pytest.mark.parametrize("kind", KINDS)
def test_prefixes_are_measured_as_subsets_are(kind):
    rng = np.random.default_rng(3)
    vectors = make_pool(kind, 150, 6, np.float64, rng)
    order, sizes = rng.permutation(150)[:90], np.array([1, 2, 31, 32, 33, 70, 90])

    found = measure_prefixes(Problem(points_of(vectors), Rules.none()), order, sizes)

    for number, size in enumerate(sizes):
        h_min, coverage_radius, mean_distance = by_definition(vectors, order, size)
        assert found.h_min[number] == pytest.approx(h_min, rel=1e-9)
        assert found.coverage_radius[number] == pytest.approx(coverage_radius, rel=1e-9)
        assert found.mean_distance[number] == pytest.approx(mean_distance, rel=1e-9)
    assert not found.standard_error.any()


def test_a_matrix_of_distances_gives_the_same_measures():
    vectors = np.random.default_rng(4).standard_normal((60, 3))
    gaps = gaps_of(points_of(vectors))
    order, sizes = np.random.default_rng(5).permutation(60), np.array([1, 5, 40, 60])
    matrix = Problem(DistanceMatrix(gaps, np.ones(60, bool)), Rules.none(), engine="distances")

    found = measure_prefixes(matrix, order, sizes)

    other = measure_prefixes(Problem(points_of(vectors), Rules.none()), order, sizes)
    for name in ("h_min", "coverage_radius", "mean_distance"):
        np.testing.assert_allclose(getattr(found, name), getattr(other, name), rtol=1e-12)
    assert found.mean_distance[-1] == found.coverage_radius[-1] == 0.0


@pytest.mark.parametrize("by_distance", [True, False])
def test_what_to_keep_away_from_counts_as_a_neighbour_from_the_start(by_distance):
    vectors = np.random.default_rng(6).standard_normal((80, 4))
    points, away_rows, order = points_of(vectors), np.array([3, 50]), np.arange(10, 30)
    none = np.empty(0, np.int64)
    problem = Problem(points, Rules(none, away=points.take(away_rows)))
    if by_distance:
        matrix = DistanceMatrix(gaps_of(points), np.ones(80, bool))
        problem = Problem(matrix, Rules(none, away_rows=away_rows), engine="distances")

    found = measure_prefixes(problem, order, np.array([1, 7, 20]))

    for number, size in enumerate((1, 7, 20)):
        expected = by_definition(vectors, order, size, away_rows)
        measured = (found.h_min, found.coverage_radius, found.mean_distance)
        assert [one[number] for one in measured] == pytest.approx(expected, rel=1e-9)


def test_the_mean_distance_of_a_large_pool_comes_from_a_sample_with_its_standard_error():
    vectors = np.random.default_rng(7).standard_normal((500, 3))
    eligible = np.arange(500) % 5 > 0
    vectors[~eligible] = 1e3
    problem = Problem(points_of(vectors, eligible), Rules.none())
    sizes = np.array([2, 50, 200, 399, 400])
    order = random_order(problem, 400, 1)
    exact = measure_prefixes(problem, order, sizes)

    errors = []
    for seed in range(80):
        found = measure_prefixes(problem, order, sizes, seed=seed, sampled_rows=60)
        np.testing.assert_array_equal(found.coverage_radius, exact.coverage_radius)
        errors.append((found.mean_distance - exact.mean_distance)[:3] / found.standard_error[:3])
        assert found.mean_distance[-1] == found.standard_error[-1] == 0.0

    assert 0.7 < np.std(errors) < 1.3
    assert abs(np.mean(errors)) < 0.3


def test_known_radii_and_coverage_are_not_computed_again():
    vectors = np.random.default_rng(8).standard_normal((40, 3))
    problem, order = Problem(points_of(vectors), Rules.none()), np.arange(20)
    radii, covered = np.linspace(9.0, 1.0, 20), np.array([5.0, 4.0])

    found = measure_prefixes(
        problem, order, np.array([4, 20]), radii=radii, coverage_radius=covered
    )

    np.testing.assert_array_equal(found.h_min, radii[[3, 19]])
    np.testing.assert_array_equal(found.coverage_radius, covered)


def test_a_random_order_begins_with_the_rows_to_include():
    eligible = np.arange(50) != 7
    points = points_of(np.random.default_rng(9).standard_normal((50, 2)), eligible)
    problem = Problem(points, Rules(np.array([30, 2])))

    order = random_order(problem, 49, 0)

    assert order[:2].tolist() == [30, 2]
    assert sorted(order.tolist()) == np.flatnonzero(eligible).tolist()
    assert random_order(problem, 49, 1).tolist() != order.tolist()
    assert random_order(problem, 9, 0).tolist() == random_order(problem, 9, 0).tolist()


def test_a_grid_holds_round_numbers_between_the_least_and_the_most():
    assert grid_of_sizes(1, 1).tolist() == [1]
    assert grid_of_sizes(1, 13).tolist() == [1, 2, 3, 4, 5, 6, 8, 10, 12, 13]
    assert grid_of_sizes(2, 10).tolist() == [2, 3, 4, 5, 6, 8, 10]
    grid = grid_of_sizes(37, 52_002)
    assert grid[[0, 1, -2, -1]].tolist() == [37, 40, 50_000, 52_002]
    assert (np.diff(grid) > 0).all()
    assert {50, 100, 200, 500, 1000, 2000, 5000, 10_000} < set(grid.tolist())
