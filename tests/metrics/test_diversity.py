"""Measures of others against their definitions, and where they are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigvalsh

from evenly import measure, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.metrics import diversity
from evenly.metrics.diversity import Diversity, clusters_of, kernel_eigenvalue, vendi_score
from tests.support.best_possible import gaps_of, points_of
from tests.support.pools import pools


def of(points, chosen, bandwidth=0.5):
    return Diversity.of(points, np.asarray(chosen), clusters_of(points), bandwidth, seed=0)


@given(vectors=pools(max_rows=40), data=st.data())
def test_every_measure_is_what_its_definition_says(vectors, data):
    points = points_of(vectors)
    count = data.draw(st.integers(2, 40)) if len(vectors) > 1 else 1
    chosen = data.draw(st.permutations(range(len(vectors))))[:count]
    gaps = gaps_of(points)[np.ix_(chosen, chosen)]
    pairs = gaps[np.triu_indices(len(gaps), 1)]

    found = of(points, chosen)

    if len(chosen) == 1:
        assert (found.uniformity, found.riesz_energy, found.kernel_eigenvalue) == (None, None, 1.0)
        return
    assert found.uniformity == pytest.approx(np.log(np.exp(-2 * pairs**2).mean()), abs=1e-9)
    if pairs.min() > 1e-7:
        assert found.riesz_energy == pytest.approx((1 / pairs**2).mean(), rel=1e-5)
    if pairs.min() == 0:
        assert found.riesz_energy == math.inf
    shares = eigvalsh(1 - gaps**2 / 2) / len(gaps)
    shares = shares[shares > 1e-15]
    assert found.vendi_score == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)
    kernel = np.exp(-(gaps**2) / (2 * 0.5**2))
    assert found.kernel_eigenvalue == pytest.approx(max(0, eigvalsh(kernel)[0]), abs=1e-12)


def test_rows_at_right_angles_are_as_different_as_they_are_many():
    for count in (1, 5, 30):
        assert vendi_score(np.eye(40)[:count]) == pytest.approx(count)
    assert vendi_score(np.eye(40)[[0] * 50]) == pytest.approx(1)
    twice = np.eye(4)[[0, 0, 1, 1, 2, 2, 3, 3]]
    assert vendi_score(twice) == pytest.approx(4)


def test_more_rows_than_dimensions_have_the_same_eigenvalues():
    rows = np.random.default_rng(0).standard_normal((90, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shares = eigvalsh(rows @ rows.T / 90)
    shares = shares[shares > 1e-12]

    assert vendi_score(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_a_simplex_has_the_uniformity_and_energy_of_its_one_distance():
    found = of(points_of(np.eye(7)), range(7))

    assert found.uniformity == pytest.approx(-4.0)
    assert found.riesz_energy == pytest.approx(0.5)
    off = math.exp(-2 / (2 * 0.25))
    assert found.kernel_eigenvalue == pytest.approx(1 - off)


@pytest.mark.parametrize("count", [20, 60])
def test_the_smallest_eigenvalue_is_found_both_ways(count, monkeypatch):
    points = points_of(np.random.default_rng(1).standard_normal((count, 4)))
    dense = kernel_eigenvalue(points, np.arange(count), 0.3)
    monkeypatch.setattr(diversity, "_DENSE", 0)

    assert kernel_eigenvalue(points, np.arange(count), 0.3) == pytest.approx(dense, rel=1e-4)


def test_kernels_of_rows_that_coincide_and_of_too_many(monkeypatch):
    points = points_of(np.eye(4)[[0, 1, 2, 3, 0]])

    assert kernel_eigenvalue(points, np.arange(4), 0.5) > 0.9
    assert kernel_eigenvalue(points, np.arange(5), 0.5) == pytest.approx(0, abs=1e-12)
    monkeypatch.setattr(diversity, "_DENSE", 0)
    assert kernel_eigenvalue(points, np.arange(5), 0.5) == pytest.approx(0, abs=1e-12)
    assert kernel_eigenvalue(points, np.arange(2), 0.0) == 0.0
    monkeypatch.setattr(diversity, "_IN_KERNEL", 4)
    assert kernel_eigenvalue(points, np.arange(5), 0.5) is None


def test_of_many_rows_some_pairs_stand_for_all(monkeypatch):
    points = points_of(np.random.default_rng(2).standard_normal((800, 6)))
    every = of(points, range(800))
    monkeypatch.setattr(diversity, "_PAIRED", 300)

    some = of(points, range(800))

    assert some.uniformity == pytest.approx(every.uniformity, rel=0.05)
    assert some.uniformity != every.uniformity


def test_a_subset_of_one_cluster_has_no_entropy_and_one_of_all_the_most():
    rng = np.random.default_rng(3)
    rows = np.repeat(np.eye(4) * 10, 8, axis=0) + 0.1 * rng.standard_normal((32, 4))
    points = points_of(rows, normalize=False)

    assert np.unique(clusters_of(points)).tolist() == [0, 1, 2, 3]
    assert of(points, range(8)).cluster_entropy == pytest.approx(0.0)
    assert of(points, range(32)).cluster_entropy == pytest.approx(1.0)
    assert of(points, [0, 8, 16]).cluster_entropy == pytest.approx(1.0)
    assert of(points, [0]).cluster_entropy is None


def test_rows_that_are_no_candidates_are_of_no_cluster():
    points = points_of(np.random.default_rng(4).standard_normal((64, 3)))
    points.eligible[5] = False

    assert clusters_of(points)[5] == -1
    assert np.delete(clusters_of(points), 5).min() == 0
    assert clusters_of(DistanceMatrix(gaps_of(points), points.eligible)) is None


def test_measures_of_directions_are_left_out_for_rows_of_any_length():
    rows = np.random.default_rng(5).standard_normal((80, 3))

    found = measure(rows, range(20), normalize=False, details=True).diversity

    assert (found.uniformity, found.vendi_score) == (None, None)
    assert found.riesz_energy > 0
    assert found.cluster_entropy > 0
    gaps = gaps_of(points_of(rows, normalize=False))
    median = np.median(gaps[np.triu_indices(80, 1)])
    assert found.kernel_bandwidth == pytest.approx(median / 2)


def test_an_even_subset_is_the_more_diverse_one():
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((1000, 8)) * np.geomspace(3, 0.3, 8)
    subset = select_uniform(rows, 60)

    even = measure(rows, subset, details=True, random_subsets=0).diversity
    plain = measure(rows, range(60), details=True, random_subsets=0).diversity

    assert even.uniformity < plain.uniformity
    assert even.vendi_score > plain.vendi_score
    assert even.riesz_energy < plain.riesz_energy
    assert even.kernel_eigenvalue > plain.kernel_eigenvalue
    assert even.kernel_bandwidth == plain.kernel_bandwidth


def test_singletons_are_the_nearest_chosen_row_of_no_row_that_was_left():
    line = np.array([[0.0], [1.0], [2.0], [10.0], [20.0]])

    def share(chosen):
        return measure(line, chosen, normalize=False, random_subsets=0).singleton_share

    assert share([0, 3, 4]) == pytest.approx(2 / 3)
    assert share([0, 1, 2, 3, 4]) == 1.0
    assert share([1, 3]) == pytest.approx(0.0)
    assert share([1]) == 0.0
