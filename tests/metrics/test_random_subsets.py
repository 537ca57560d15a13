"""Random subsets: h_min and the coverage radius are exact, the mean may come from a sample."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from evenly import measure
from evenly.geometry import Points, nearest_chosen, row_lengths
from evenly.metrics.random_subsets import do_all, measure_random, random_rows
from evenly.metrics.subset_distances import ALL_ROWS, Sampling
from tests.support.pools import KINDS, make_pool

FEW = Sampling(rows=25, cheap=0.0)


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

    [found] = measure_random(points, size, [3], done.append, sampling=FEW)

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

    [found] = measure_random(points, 20, [0], lambda _: None, sampling=FEW)

    h_min, coverage_radius, mean = by_definition(points, 20, 0)
    assert found.h_min == pytest.approx(h_min, rel=1e-12)
    assert found.coverage_radius == pytest.approx(coverage_radius, rel=1e-9)
    assert abs(found.mean_distance - mean) <= 5 * found.standard_error


@pytest.mark.parametrize("sampling", [FEW, ALL_ROWS])
@pytest.mark.parametrize("size", [10, 30, 200])
def test_subsets_that_are_measured_together_are_measured_as_alone(sampling, size):
    points = points_of(np.random.default_rng(6).standard_normal((300, 4)).astype(np.float32))
    done = []

    found = measure_random(points, size, range(5, 10), done.append, sampling=sampling)

    for seed, one in zip(range(5, 10), found, strict=True):
        assert [one] == measure_random(points, size, [seed], lambda _: None, sampling=sampling)
    assert sum(done) == 5 * 300


def test_exact_means_are_over_all_rows():
    points = points_of(np.random.default_rng(4).standard_normal((300, 3)).astype(np.float32))

    [found] = measure_random(points, 10, [0], lambda _: None, sampling=ALL_ROWS)

    assert found.mean_distance == pytest.approx(by_definition(points, 10, 0)[2], rel=1e-12)
    assert found.standard_error == 0.0


def test_measure_reports_the_standard_error():
    vectors = np.random.default_rng(5).standard_normal((20_000, 128)).astype(np.float32)
    chosen = np.arange(4500)

    sampled = measure(vectors, chosen, certificate=False, random_subsets=1)
    exact = measure(vectors, chosen, certificate=False, random_subsets=1, exact=True)

    assert sampled.random.standard_error > 0 == exact.random.standard_error
    assert sampled.random.h_min == exact.random.h_min
    assert sampled.random.coverage_radius.mean == exact.random.coverage_radius.mean
    for name in ("h_min", "closest_pair", "coverage_radius", "farthest_row", "duplicates"):
        assert getattr(sampled, name) == getattr(exact, name)
    for name in ("mean_distance", "mean_neighbour_distance"):
        gap = abs(getattr(sampled, name) - getattr(exact, name))
        assert gap < 5 * sampled.standard_errors[name]
    assert exact.standard_errors == {}
    assert sampled.singleton_share is None
    assert exact.singleton_share is not None
    gap = abs(sampled.random.mean_distance.mean - exact.random.mean_distance.mean)
    assert gap < 5 * sampled.random.standard_error
    own, random = sampled.mean_distance, sampled.random.mean_distance.mean
    shown = f"{own:.4f} ± {sampled.standard_errors['mean_distance']:.4f} (random {random:.4f} ± "
    assert shown in str(sampled)
    assert f"{exact.mean_distance:.4f} (random {exact.random.mean_distance.mean:.4f})" in str(exact)
    assert "singletons" in str(exact)
    assert "singletons" not in str(sampled)


def test_measurements_are_made_at_once_only_if_memory_has_no_limit():
    points = points_of(np.ones((3, 2)))
    own, works = threading.get_ident(), [threading.get_ident] * 3

    with threadpool_limits(2):
        assert own not in do_all(points, works)
        assert do_all(replace(points, room=1e9), works) == [own] * 3
