"""Extremes of a subset are exact whether or not means come from a sample of the rows."""

import warnings

import numpy as np
import pytest

from evenly import select_uniform
from evenly.geometry import Points, nearest_chosen, row_lengths
from evenly.geometry.clustering.cells import NearPicks
from evenly.metrics.subset_distances import ALL_ROWS, Hints, Sampling, SubsetDistances, Values
from tests.support.pools import KINDS, make_pool

FEW = Sampling(rows=25, cheap=0.0)
EXACT = ("pool_size", "h_min", "closest_pair", "coverage_radius", "farthest_row", "duplicates")


def points_of(vectors):
    return Points.of(vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 30, 150, 199, 200])
def test_a_sample_changes_means_and_quantiles_only(kind, size):
    points = points_of(make_pool(kind, 200, 5, np.float32, np.random.default_rng(1)))
    chosen = np.random.default_rng(2).permutation(200)[:size]

    sampled = SubsetDistances.of(points, chosen, sampling=FEW)

    exact = SubsetDistances.of(points, chosen, sampling=ALL_ROWS)
    for name in EXACT:
        assert getattr(sampled, name) == getattr(exact, name), name
    assert sampled.represented is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 30, 199, 200])
@pytest.mark.parametrize("of_picks", [False, True])
def test_hints_change_nothing(kind, size, of_picks):
    vectors = make_pool(kind, 200, 5, np.float32, np.random.default_rng(1))
    points, random = points_of(vectors), np.random.default_rng(2)
    chosen = random.permutation(200)[:size]
    picks = chosen if of_picks else random.permutation(200)[:size]
    near = NearPicks(picks, random.integers(-1, size, 200))
    hints = Hints(near, random.permutation(200))

    found = SubsetDistances.of(points, chosen, sampling=FEW, hints=hints)

    exact = SubsetDistances.of(points, chosen, sampling=ALL_ROWS)
    for name in EXACT:
        assert getattr(found, name) == getattr(exact, name), name


def test_a_pair_that_coincides_is_not_looked_for_if_it_is_unwanted():
    vectors = np.repeat(np.random.default_rng(8).standard_normal((60, 3)), 2, axis=0)
    points, chosen = points_of(vectors.astype(np.float32)), np.arange(20)
    hints = Hints(order=np.arange(120))

    found = SubsetDistances.of(points, chosen, sampling=FEW, hints=hints, neighbours=False)

    assert (found.h_min, found.closest_pair, found.duplicates) == (0.0, None, 0)
    wanted = SubsetDistances.of(points, chosen, sampling=FEW, hints=hints)
    assert (wanted.h_min, wanted.closest_pair, wanted.duplicates) == (0.0, (0, 1), 20)


def test_known_nearest_rows_are_measured_as_they_are():
    points = points_of(np.random.default_rng(6).standard_normal((300, 4)).astype(np.float32))
    chosen = np.random.default_rng(7).permutation(300)[:40]
    exact = SubsetDistances.of(points, chosen, sampling=ALL_ROWS)
    nearest = nearest_chosen(points, chosen)
    nearest.distances[:] *= 2  # what is given counts

    found = SubsetDistances.of_nearest(nearest)

    for name in ("h_min", "coverage_radius"):
        assert getattr(found, name) == 2 * getattr(exact, name)
    assert found.to_subset.mean == pytest.approx(2 * exact.to_subset.mean)
    assert found.to_subset.standard_error == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 30, 150])
def test_radii_of_picks_find_their_closest_pair(kind, size):
    vectors = make_pool(kind, 200, 5, np.float32, np.random.default_rng(3))
    points = points_of(vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picked = select_uniform(vectors, size, normalize=False, progress=False)

    found = SubsetDistances.of(points, picked.indices, sampling=FEW, radii=picked.radii)

    exact = SubsetDistances.of(points, picked.indices, sampling=ALL_ROWS)
    for name in EXACT:
        assert getattr(found, name) == getattr(exact, name), name


def test_a_large_pool_of_few_distinct_rows_is_counted_exactly():
    vectors = np.random.default_rng(4).integers(0, 3, (600, 3)).astype(np.float32)
    chosen = np.arange(100)

    found = SubsetDistances.of(points_of(vectors), chosen, sampling=FEW)

    _, counts = np.unique(vectors[chosen], axis=0, return_counts=True)
    assert found.duplicates == counts[counts > 1].sum()
    assert found.closest_pair == SubsetDistances.of(points_of(vectors), chosen).closest_pair


def test_errors_of_sampled_means_are_those_of_samples():
    points = points_of(np.random.default_rng(3).standard_normal((400, 3)).astype(np.float32))
    chosen = np.arange(40)
    exact = SubsetDistances.of(points, chosen, sampling=ALL_ROWS)
    errors = []
    for seed in range(60):
        found = SubsetDistances.of(points, chosen, seed=seed, sampling=FEW)
        for name in ("to_subset", "to_neighbour"):
            estimate, truth = getattr(found, name), getattr(exact, name).mean
            errors.append((estimate.mean - truth) / estimate.standard_error)

    assert 0.7 < np.std(errors) < 1.3
    assert abs(np.mean(errors)) < 0.5


def test_zeros_that_are_known_count():
    distances = np.linspace(1.0, 2.0, 101)
    everyone = Values(np.append(distances, np.zeros(99)), 200)
    sampled = Values(distances[::4], 101, zeros=99)

    assert sampled.mean == pytest.approx(everyone.mean, rel=0.01)
    assert sampled.quantile(0.3) == everyone.quantile(0.3) == 0.0
    assert sampled.quantile(0.75) == pytest.approx(everyone.quantile(0.75), abs=0.02)


def test_sampling_begins_where_comparing_all_is_dear():
    sampling = Sampling(rows=10, cheap=1e4)

    assert sampling.is_worth_it(41, 100, 3)
    assert not sampling.is_worth_it(40, 1000, 3)
    assert not sampling.is_worth_it(41, 10, 3)
