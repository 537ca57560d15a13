"""Estimates for pools whose dimension and close pairs are known."""

import math

import numpy as np
import pytest

from evenly import measure, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.metrics.theory import ClosePairs, two_nn
from tests.support.best_possible import gaps_of, points_of


def h_min_of_random_subsets(points, size, draws=300):
    gaps = gaps_of(points) + np.diag(np.full(len(points), np.inf))
    rng = np.random.default_rng(0)
    drawn = [rng.choice(len(points), size, replace=False) for _ in range(draws)]
    return np.array([gaps[np.ix_(rows, rows)].min() for rows in drawn])


@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
@pytest.mark.parametrize("ambient", [6, 50])
def test_two_nn_finds_the_dimension_of_a_cube(dimension, ambient):
    rng = np.random.default_rng(dimension)
    turn = np.linalg.qr(rng.standard_normal((ambient, ambient)))[0][:dimension]
    points = points_of(rng.random((4000, dimension)) @ turn, normalize=False)

    assert two_nn(points, seed=0) == pytest.approx(dimension, rel=0.15)


def test_two_nn_of_a_circle_and_of_a_sphere():
    rows = np.random.default_rng(0).standard_normal((5000, 3))

    assert two_nn(points_of(rows), seed=0) == pytest.approx(2, rel=0.1)
    assert two_nn(points_of(rows[:, :2].copy()), seed=0) == pytest.approx(1, rel=0.1)


def test_two_nn_ignores_duplicates_and_needs_enough_distinct_rows():
    rows = np.random.default_rng(1).random((600, 2))
    doubled = np.vstack([rows, rows[:300]])

    without = two_nn(points_of(rows[300:].copy(), normalize=False), seed=0)

    found = two_nn(points_of(doubled, normalize=False), seed=0)
    assert found == pytest.approx(without, rel=0.3)
    assert two_nn(points_of(np.ones((50, 2)), normalize=False), seed=0) is None
    assert two_nn(points_of(rows[:19].copy()), seed=0) is None


def test_two_nn_of_a_lattice_is_finite():
    lattice = np.argwhere(np.ones((8, 8))).astype(float)

    assert 1 < two_nn(points_of(lattice, normalize=False), seed=0) < 5


@pytest.mark.parametrize("size", [2, 5, 30, 150])
def test_the_expected_h_min_is_the_mean_over_random_subsets(size):
    points = points_of(np.random.default_rng(3).random((400, 3)), normalize=False)
    drawn = h_min_of_random_subsets(points, size)

    found = ClosePairs(points, seed=0)

    error = drawn.std() / math.sqrt(len(drawn))
    assert found.expected_h_min(size) == pytest.approx(drawn.mean(), abs=4 * error)
    # Markov's inequality promises at least this share.
    assert (drawn >= found.h_min_exceeded(size)).mean() >= 0.93
    assert found.h_min_exceeded(size) > 0


def test_the_expected_h_min_of_all_rows_is_exact():
    points = points_of(np.random.default_rng(4).random((60, 2)), normalize=False)
    gaps = gaps_of(points)

    h_min = gaps[~np.eye(60, dtype=bool)].min()

    assert ClosePairs(points, seed=0).expected_h_min(60) == pytest.approx(h_min)
    assert ClosePairs(points, seed=0).h_min_exceeded(60) == pytest.approx(h_min)


def test_the_closest_pairs_of_large_pools_are_extrapolated():
    # 300 of 3000 rows have a hundredth of the pairs; the closest are not among them.
    points = points_of(np.random.default_rng(5).random((3000, 2)), normalize=False)
    drawn = h_min_of_random_subsets(points, 1500, draws=50)

    found = ClosePairs(points, seed=0, sample_rows=300)

    assert not found.are_all
    assert found.distances[0] > 4 * drawn.mean()
    assert drawn.mean() / 3 < found.expected_h_min(1500) < drawn.mean() * 3
    assert found.h_min_exceeded(1500) < found.expected_h_min(1500)
    low = np.quantile(drawn, 0.05)
    assert low / 3 < found.h_min_exceeded(1500) < low * 3


def test_a_uniform_density_gives_the_formula_of_the_theory():
    # P(h_min > r) = exp(-½·N(N - 1)·V·r^d) on a torus; the edge of a large square hardly matters.
    side, size = 100.0, 40
    points = points_of(np.random.default_rng(6).random((4000, 2)) * side, normalize=False)

    # The integral of exp(-c·r²) over r is √(π / c) / 2, c = ½·N(N - 1)·π / side².
    expected = math.sqrt(2 / (size * (size - 1))) * side / 2

    assert ClosePairs(points, seed=0).expected_h_min(size) == pytest.approx(expected, rel=0.05)


def test_duplicates_in_the_pool_lower_the_expected_h_min():
    rows = np.repeat(np.random.default_rng(7).random((200, 3)), 3, axis=0)
    points = points_of(rows, normalize=False)
    drawn = h_min_of_random_subsets(points, 60)

    assert ClosePairs(points, seed=0).h_min_exceeded(60) == 0.0
    for sample_rows in (4096, 300):
        found = ClosePairs(points, seed=0, sample_rows=sample_rows).expected_h_min(60)
        assert found == pytest.approx(drawn.mean(), abs=1e-3)


def test_a_single_row_has_no_pairs():
    found = ClosePairs(points_of(np.ones((1, 2))), seed=0)

    assert found.median == 0.0
    assert (found.expected_h_min(1), found.h_min_exceeded(1)) == (math.inf, math.inf)


def test_measure_returns_the_theory_on_request():
    rows = np.random.default_rng(8).random((900, 2))
    subset = select_uniform(rows, 90, normalize=False)

    found = measure(rows, subset, normalize=False, details=True, certificate=False)

    assert measure(rows, subset, normalize=False).theory is None
    assert found.theory.intrinsic_dimension == pytest.approx(2, rel=0.2)
    assert found.theory.radii_dimension == pytest.approx(2, rel=0.2)
    assert found.theory.expected_random_h_min == pytest.approx(found.random_h_min, rel=1)
    assert found.theory.density_bound < found.theory.expected_random_h_min < found.h_min
    assert found.theory.radii[90] == pytest.approx(subset.h_min)
    assert found.theory.radii[10] == pytest.approx(subset.prefix(10).h_min)
    assert found.as_dict()["theory"]["radii"]["90"] == found.theory.radii[90]


def test_a_matrix_of_distances_has_a_theory_too():
    points = points_of(np.random.default_rng(9).random((500, 2)), normalize=False)
    metric = DistanceMatrix(gaps_of(points), points.eligible)

    assert two_nn(metric, seed=0) == pytest.approx(two_nn(points, seed=0))
    expected = ClosePairs(points, seed=0).expected_h_min(20)
    assert ClosePairs(metric, seed=0).expected_h_min(20) == pytest.approx(expected)
    found = measure(metric.matrix, range(20), engine="distances", details=True)
    assert found.theory.intrinsic_dimension == pytest.approx(2, rel=0.25)
    assert found.diversity.vendi_score is None
    assert found.diversity.riesz_energy > 0


def test_vectors_on_disk_have_the_same_details_as_in_memory(tmp_path):
    rows = np.random.default_rng(10).standard_normal((300, 5)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)

    stored = measure(tmp_path / "rows.npy", range(40), engine="mapped", details=True)
    loaded = measure(rows, range(40), details=True)

    assert stored.theory == loaded.theory
    assert stored.diversity == loaded.diversity
