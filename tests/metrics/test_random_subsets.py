"""Random subsets: h_min and the coverage radius are exact, the mean may come from a sample."""

import numpy as np
import pytest

from evenly import measure
from evenly.geometry import Points, nearest_chosen, row_lengths
from evenly.metrics.random_subsets import mean_distance_by_sample, measure_random, random_rows
from tests.support.pools import KINDS, make_pool


def points_of(vectors, eligible=None):
    usable = np.ones(len(vectors), bool) if eligible is None else eligible
    return Points.of(vectors, row_lengths(vectors), usable, normalize=False)


def by_definition(points, size, seed):
    rows = random_rows(np.flatnonzero(points.eligible), size, seed)
    found = nearest_chosen(points, rows)
    covered = np.where(found.chosen, 0.0, found.distances)
    return found.distances[found.chosen].min(), covered.max(), covered.mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 30, 199, 200])
def test_a_sample_changes_the_mean_only(kind, size):
    points = points_of(make_pool(kind, 200, 5, np.float32, np.random.default_rng(1)))
    done = []

    found = measure_random(points, size, 3, done.append, sampled_rows=25)

    h_min, coverage_radius, mean = by_definition(points, size, 3)
    assert found.h_min == pytest.approx(h_min, rel=1e-12)
    assert found.coverage_radius == pytest.approx(coverage_radius, rel=1e-9)
    if kind != "mixed lengths":  # whose mean is that of a few rows
        assert abs(found.mean_distance - mean) <= 5 * found.standard_error + 1e-12
    assert sum(done) == 200


def test_rows_that_cannot_be_used_do_not_count():
    eligible = np.arange(300) % 3 > 0
    vectors = np.random.default_rng(2).standard_normal((300, 4)).astype(np.float32)
    vectors[~eligible] *= 100
    points = points_of(vectors, eligible)

    found = measure_random(points, 20, 0, lambda _: None, sampled_rows=25)

    h_min, coverage_radius, mean = by_definition(points, 20, 0)
    assert found.h_min == pytest.approx(h_min, rel=1e-12)
    assert found.coverage_radius == pytest.approx(coverage_radius, rel=1e-9)
    assert abs(found.mean_distance - mean) <= 5 * found.standard_error


def test_the_standard_error_is_that_of_samples():
    points = points_of(np.random.default_rng(3).standard_normal((400, 3)).astype(np.float32))
    rows = random_rows(np.arange(400), 10, 0)
    truth = by_definition(points, 10, 0)[2]
    errors = []
    for seed in range(60):
        mean, error = mean_distance_by_sample(points, np.arange(400), rows, seed, 50)
        errors.append((mean - truth) / error)

    assert 0.7 < np.std(errors) < 1.3
    assert abs(np.mean(errors)) < 0.5


def test_exact_means_are_over_all_rows():
    points = points_of(np.random.default_rng(4).standard_normal((300, 3)).astype(np.float32))

    found = measure_random(points, 10, 0, lambda _: None, exact=True, sampled_rows=5)

    assert found.mean_distance == pytest.approx(by_definition(points, 10, 0)[2], rel=1e-12)
    assert found.standard_error == 0.0


def test_measure_reports_the_standard_error():
    vectors = np.random.default_rng(5).standard_normal((20_000, 3)).astype(np.float32)
    chosen = np.arange(50)

    sampled = measure(vectors, chosen, certificate=False)
    exact = measure(vectors, chosen, certificate=False, exact=True)

    assert sampled.random.standard_error > 0 == exact.random.standard_error
    assert sampled.random.h_min == exact.random.h_min
    assert sampled.random.coverage_radius.mean == pytest.approx(
        exact.random.coverage_radius.mean, rel=1e-12
    )
    gap = abs(sampled.random.mean_distance.mean - exact.random.mean_distance.mean)
    assert gap < 5 * sampled.random.standard_error
    shown = f"(random {sampled.random.mean_distance.mean:.4f} ± "
    assert shown in str(sampled)
    assert shown not in str(exact)
