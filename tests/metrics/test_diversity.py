"""Diversity measures against their definitions, and on sets whose values are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigvalsh

from evenly import measure, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.metrics.diversity import (
    Diversity,
    DiversityLimits,
    clusters_of,
    kernel_eigenvalue,
    vendi_score,
)
from tests.support.best_possible import gaps_of, points_of
from tests.support.pools import pools


def diversity_of(points, chosen, **options):
    return Diversity.of(
        points, np.asarray(chosen), clusters_of(points), bandwidth=0.5, seed=0, **options
    )


@given(vectors=pools(max_rows=40), data=st.data())
def test_every_measure_follows_its_definition(vectors, data):
    points = points_of(vectors)
    count = data.draw(st.integers(2, 40)) if len(vectors) > 1 else 1
    chosen = data.draw(st.permutations(range(len(vectors))))[:count]
    gaps = gaps_of(points)[np.ix_(chosen, chosen)]
    pairs = gaps[np.triu_indices(len(gaps), 1)]

    found = diversity_of(points, chosen)

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


def test_the_vendi_score_counts_orthogonal_rows():
    for count in (1, 5, 30):
        assert vendi_score(np.eye(40)[:count]) == pytest.approx(count)
    assert vendi_score(np.eye(40)[[0] * 50]) == pytest.approx(1)
    twice = np.eye(4)[[0, 0, 1, 1, 2, 2, 3, 3]]
    assert vendi_score(twice) == pytest.approx(4)


def test_the_vendi_score_of_more_rows_than_dimensions():
    rows = np.random.default_rng(0).standard_normal((90, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shares = eigvalsh(rows @ rows.T / 90)
    shares = shares[shares > 1e-12]

    assert vendi_score(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_a_simplex_has_the_uniformity_and_energy_of_its_one_distance():
    found = diversity_of(points_of(np.eye(7)), range(7))

    assert found.uniformity == pytest.approx(-4.0)
    assert found.riesz_energy == pytest.approx(0.5)
    off = math.exp(-2 / (2 * 0.25))
    assert found.kernel_eigenvalue == pytest.approx(1 - off)


@pytest.mark.parametrize("count", [20, 60])
def test_both_methods_find_the_smallest_eigenvalue(count):
    points = points_of(np.random.default_rng(1).standard_normal((count, 4)))
    rows = np.arange(count)

    dense = kernel_eigenvalue(points, rows, 0.3)
    by_lanczos = kernel_eigenvalue(points, rows, 0.3, DiversityLimits(dense_rows=0))

    assert by_lanczos != dense
    assert by_lanczos == pytest.approx(dense, rel=1e-4)


def test_kernels_of_coincident_rows_and_of_too_many():
    points = points_of(np.eye(4)[[0, 1, 2, 3, 0]])

    assert kernel_eigenvalue(points, np.arange(4), 0.5) > 0.9
    assert kernel_eigenvalue(points, np.arange(5), 0.5) == pytest.approx(0, abs=1e-12)
    by_lanczos = kernel_eigenvalue(points, np.arange(5), 0.5, DiversityLimits(dense_rows=0))
    assert by_lanczos == pytest.approx(0, abs=1e-12)
    assert kernel_eigenvalue(points, np.arange(2), 0.0) == 0.0
    assert kernel_eigenvalue(points, np.arange(5), 0.5, DiversityLimits(kernel_rows=4)) is None


def test_large_subsets_are_sampled():
    points = points_of(np.random.default_rng(2).standard_normal((800, 6)))

    exact = diversity_of(points, range(800))
    sampled = diversity_of(points, range(800), limits=DiversityLimits(paired_rows=300))

    assert sampled.uniformity == pytest.approx(exact.uniformity, rel=0.05)
    assert sampled.uniformity != exact.uniformity


def test_cluster_entropy_is_0_in_one_cluster_and_1_over_all():
    rng = np.random.default_rng(3)
    rows = np.repeat(np.eye(4) * 10, 8, axis=0) + 0.1 * rng.standard_normal((32, 4))
    points = points_of(rows, normalize=False)

    assert np.unique(clusters_of(points)).tolist() == [0, 1, 2, 3]
    assert diversity_of(points, range(8)).cluster_entropy == pytest.approx(0.0)
    assert diversity_of(points, range(32)).cluster_entropy == pytest.approx(1.0)
    assert diversity_of(points, [0, 8, 16]).cluster_entropy == pytest.approx(1.0)
    assert diversity_of(points, [0]).cluster_entropy is None


def test_rows_that_are_not_eligible_have_no_cluster():
    points = points_of(np.random.default_rng(4).standard_normal((64, 3)))
    points.eligible[5] = False

    assert clusters_of(points)[5] == -1
    assert np.delete(clusters_of(points), 5).min() == 0
    assert clusters_of(DistanceMatrix(gaps_of(points), points.eligible)) is None


def test_measures_of_directions_need_normalised_rows():
    rows = np.random.default_rng(5).standard_normal((80, 3))

    found = measure(rows, range(20), normalize=False, details=True).diversity

    assert (found.uniformity, found.vendi_score) == (None, None)
    assert found.riesz_energy > 0
    assert found.cluster_entropy > 0
    gaps = gaps_of(points_of(rows, normalize=False))
    median = np.median(gaps[np.triu_indices(80, 1)])
    assert found.kernel_bandwidth == pytest.approx(median / 2)


def test_an_even_subset_is_more_diverse():
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


def test_singletons_represent_no_row_that_was_left_out():
    line = np.array([[0.0], [1.0], [2.0], [10.0], [20.0]])

    def share(chosen):
        return measure(line, chosen, normalize=False, random_subsets=0).singleton_share

    assert share([0, 3, 4]) == pytest.approx(2 / 3)
    assert share([0, 1, 2, 3, 4]) == 1.0
    assert share([1, 3]) == pytest.approx(0.0)
    assert share([1]) == 0.0
