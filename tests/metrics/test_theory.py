"""Estimates against pools whose dimension and close pairs are known."""

import math

import numpy as np
import pytest

from evenly import measure, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.metrics import theory
from evenly.metrics.curve import Curve
from evenly.metrics.theory import ClosePairs, two_nn
from tests.support.best_possible import gaps_of, points_of


def mean_h_min_of_random(points, size, draws=300):
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


def test_two_nn_leaves_out_duplicates_and_knows_when_too_few_are_left():
    rows = np.random.default_rng(1).random((600, 2))
    doubled = np.vstack([rows, rows[:300]])

    single_threaded_blas = two_nn(points_of(rows[300:].copy(), normalize=False), seed=0)

    assert two_nn(points_of(doubled, normalize=False), seed=0) == pytest.approx(
        single_threaded_blas, rel=0.3
    )
    assert two_nn(points_of(np.ones((50, 2)), normalize=False), seed=0) is None
    assert two_nn(points_of(rows[:19].copy()), seed=0) is None


def test_two_nn_of_a_lattice_is_a_number():
    lattice = np.argwhere(np.ones((8, 8))).astype(float)

    assert 1 < two_nn(points_of(lattice, normalize=False), seed=0) < 5


def test_radii_fall_as_the_dimension_says():
    rng = np.random.default_rng(2)
    for dimension in (1, 2, 3):
        points = points_of(rng.random((20_000, dimension)), normalize=False)
        found = Curve.of(points, 1000).dimension
        # A cube has an edge, on which the first picks are: it looks flatter than it is.
        assert 0.8 * dimension < found < 1.1 * dimension


@pytest.mark.parametrize("size", [2, 5, 30, 150])
def test_the_expected_h_min_is_that_of_random_subsets(size):
    points = points_of(np.random.default_rng(3).random((400, 3)), normalize=False)
    drawn = mean_h_min_of_random(points, size)

    found = ClosePairs(points, seed=0)

    error = drawn.std() / math.sqrt(len(drawn))
    assert found.expected_h_min(size) == pytest.approx(drawn.mean(), abs=4 * error)
    # Markov is no equality: at least as many as are promised.
    assert (drawn >= found.h_min_of_most(size)).mean() >= 0.93
    assert found.h_min_of_most(size) > 0


def test_the_expected_h_min_of_all_rows_is_theirs():
    points = points_of(np.random.default_rng(4).random((60, 2)), normalize=False)
    gaps = gaps_of(points)

    h_min = gaps[~np.eye(60, dtype=bool)].min()

    assert ClosePairs(points, seed=0).expected_h_min(60) == pytest.approx(h_min)
    assert ClosePairs(points, seed=0).h_min_of_most(60) == pytest.approx(h_min)


def test_of_large_pools_the_closest_pairs_are_extrapolated(monkeypatch):
    # 300 of 3000 rows have a hundredth of the pairs: the closest are not among them.
    points = points_of(np.random.default_rng(5).random((3000, 2)), normalize=False)
    drawn = mean_h_min_of_random(points, 1500, draws=100)
    monkeypatch.setattr(theory, "_PAIRED", 300)

    found = ClosePairs(points, seed=0)

    assert not found.are_all
    assert found.distances[0] > 4 * drawn.mean()
    assert drawn.mean() / 3 < found.expected_h_min(1500) < drawn.mean() * 3
    assert found.h_min_of_most(1500) < found.expected_h_min(1500)
    low = np.quantile(drawn, 0.05)
    assert low / 3 < found.h_min_of_most(1500) < low * 3


def test_an_even_density_gives_the_formula_of_the_theory():
    # P(h_min > r) = exp(-½·N(N - 1)·V·r^d) on a torus; here a large square has hardly an edge.
    side, size = 100.0, 40
    points = points_of(np.random.default_rng(6).random((4000, 2)) * side, normalize=False)

    # The integral of exp(-c·r²) over r is √(π / c) / 2, c = ½·N(N - 1)·π / side².
    expected = math.sqrt(2 / (size * (size - 1))) * side / 2

    assert ClosePairs(points, seed=0).expected_h_min(size) == pytest.approx(expected, rel=0.05)


def test_duplicates_of_a_pool_make_random_subsets_coincide(monkeypatch):
    rows = np.repeat(np.random.default_rng(7).random((200, 3)), 3, axis=0)
    points = points_of(rows, normalize=False)
    drawn = mean_h_min_of_random(points, 60)

    assert ClosePairs(points, seed=0).h_min_of_most(60) == 0.0
    for paired in (4096, 300):
        monkeypatch.setattr(theory, "_PAIRED", paired)
        found = ClosePairs(points, seed=0).expected_h_min(60)
        assert found == pytest.approx(drawn.mean(), abs=1e-3)


def test_a_single_row_has_nothing_near():
    found = ClosePairs(points_of(np.ones((1, 2))), seed=0)

    assert found.median == 0.0
    assert (found.expected_h_min(1), found.h_min_of_most(1)) == (math.inf, math.inf)


def test_measure_tells_the_theory_when_asked():
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


def test_distances_alone_tell_the_theory_too():
    points = points_of(np.random.default_rng(9).random((500, 2)), normalize=False)
    metric = DistanceMatrix(gaps_of(points), points.eligible)

    assert two_nn(metric, seed=0) == pytest.approx(two_nn(points, seed=0))
    expected = ClosePairs(points, seed=0).expected_h_min(20)
    assert ClosePairs(metric, seed=0).expected_h_min(20) == pytest.approx(expected)
    found = measure(metric.matrix, range(20), engine="distances", details=True)
    assert found.theory.intrinsic_dimension == pytest.approx(2, rel=0.25)
    assert found.diversity.vendi_score is None
    assert found.diversity.riesz_energy > 0


def test_vectors_on_disk_tell_all_that_vectors_in_memory_do(tmp_path):
    rows = np.random.default_rng(10).standard_normal((300, 5)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)

    stored = measure(tmp_path / "rows.npy", range(40), engine="mapped", details=True)
    loaded = measure(rows, range(40), details=True)

    assert stored.theory == loaded.theory
    assert stored.diversity == loaded.diversity
