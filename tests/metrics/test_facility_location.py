"""Greedy facility location, and its mean distance beside that of a subset."""

import numpy as np
import pytest

from evenly import measure, select_uniform
from evenly.metrics.facility_location import MOST_ROWS, greedy_picks, similarities
from tests.support.oracle import gaps_by_definition


def picks_by_definition(gaps, budget):
    """Each pick leaves the smallest mean distance to the nearest pick."""
    chosen = []
    for _ in range(budget):
        rest = [row for row in range(len(gaps)) if row not in chosen]
        means = [gaps[[*chosen, row]].min(axis=0).mean() for row in rest]
        chosen.append(rest[int(np.argmin(means))])
    return chosen


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)


def test_each_pick_leaves_the_smallest_mean_distance(vectors):
    gaps = gaps_by_definition(vectors, False)

    assert greedy_picks(similarities(vectors), 8).tolist() == picks_by_definition(gaps, 8)
    assert sorted(greedy_picks(similarities(vectors), 60).tolist()) == list(range(60))


@pytest.mark.parametrize("of", ["vectors", "distances"])
@pytest.mark.parametrize("normalize", [True, False])
def test_details_have_the_mean_distance_of_facility_location(vectors, of, normalize):
    vectors[7] = np.nan if of == "vectors" else vectors[7]
    usable = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    gaps = gaps_by_definition(vectors[usable], normalize)
    best = gaps[picks_by_definition(gaps, 6)].min(axis=0).mean()
    pool = {"vectors": vectors, "distances": gaps}[of]
    options = {
        "vectors": {"normalize": normalize, "on_invalid": "drop"},
        "distances": {"engine": "distances"},
    }[of]

    found = measure(pool, [1, 20, 30, 40, 50, 55], details=True, random_subsets=0, **options)

    assert found.facility_mean_distance == pytest.approx(best, rel=1e-9)
    assert found.mean_distance > best
    assert f"(greedy facility location {best:.4f})" in str(found)


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_density_comes_close_to_facility_location():
    rng = np.random.default_rng(1)
    centres = 2 * rng.standard_normal((30, 8))
    vectors = centres[rng.integers(0, 30, 900)] + rng.standard_normal((900, 8))

    def above(**options):
        subset = select_uniform(vectors, 60, normalize=False, **options)
        found = measure(vectors, subset, details=True, random_subsets=0)
        return found.mean_distance / found.facility_mean_distance - 1

    assert 0 < above(density_weight=1) < 0.6 * above()


def test_large_pools_and_plain_measures_do_without():
    vectors = np.random.default_rng(2).standard_normal((MOST_ROWS + 1, 2)).astype(np.float32)
    options = {"random_subsets": 0, "certificate": False}

    assert measure(vectors, [1, 2], details=True, **options).facility_mean_distance is None
    assert measure(vectors[1:], [1, 2], **options).facility_mean_distance is None
    assert measure(vectors[1:], [1, 2], details=True, **options).facility_mean_distance > 0
