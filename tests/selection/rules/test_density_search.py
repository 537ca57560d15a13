"""Densities whose neighbours are found by an index: how near to exact, and where refused."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from evenly import select_uniform
from evenly.embedding import KeptDensities
from evenly.errors import OptionError
from evenly.geometry import (
    Points,
    approximate_mean_distances,
    mean_distances_of_all,
    mean_distances_to_nearest,
    row_lengths,
)
from evenly.geometry.search import approximate_neighbours
from evenly.selection.rules import density

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")


def points_of(vectors):
    usable = np.ones(len(vectors), bool)
    return Points.of(vectors, row_lengths(vectors), usable, normalize=False)


def clusters(rows, dimension=6):
    rng = np.random.default_rng(21)
    centres = 3 * rng.standard_normal((40, dimension))
    return centres[rng.integers(0, 40, rows)] + rng.standard_normal((rows, dimension))


def approximate_means(points, k=10):
    return approximate_mean_distances(
        points, np.arange(len(points)), k, progress=lambda _: None, fewest=0
    )


@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e30])
def test_approximate_means_are_exact_means_to_nearly_the_nearest_rows(factor):
    points = points_of(factor * clusters(3000))

    found = approximate_means(points)

    exact = mean_distances_of_all(points, np.arange(3000), 10)
    assert (found >= exact * (1 - 1e-9)).all()
    assert 1 < (found / exact).mean() < 1.05
    assert (found <= exact * (1 + 1e-9)).mean() > 0.5


def test_approximate_means_are_the_same_in_each_run_and_for_any_threads(monkeypatch):
    points = points_of(clusters(20_000))

    found = []
    for threads in (1, 1, 3):
        monkeypatch.setattr(approximate_neighbours, "usable_threads", lambda own=threads: own)
        found.append(approximate_means(points).tolist())

    assert found[0] == found[1] == found[2]


def test_rows_of_which_the_index_finds_too_few_are_searched_exactly():
    points = points_of(clusters(200))

    found = approximate_means(points, k=150)

    assert (
        found.tolist()
        == mean_distances_to_nearest(points, np.arange(200), 150, np.arange(200)).tolist()
    )


def test_approximate_densities_are_never_taken_for_exact_ones(tmp_path):
    points, kept = points_of(clusters(10_000)), KeptDensities(tmp_path)
    usable = np.ones(10_000, bool)

    exact = density.densities(points, usable, 10, kept=kept)
    approximate = density.densities(points, usable, 10, kept=kept, approximate=True)
    again = density.densities(points, usable, 10, kept=kept)

    assert len(kept.files()) == 2
    assert again.tolist() == exact.tolist() != approximate.tolist()


def test_copies_leave_few_rows_to_search():
    points = points_of(np.repeat(np.eye(3), 4000, axis=0))

    found = density.densities(points, np.ones(12_000, bool), 2, approximate=True)

    assert found == pytest.approx(np.sqrt(0.5))


def test_few_rows_are_searched_exactly_though_the_approximate_search_is_chosen():
    exact = select_uniform(clusters(300), 20, density_weight=1)
    found = select_uniform(clusters(300), 20, density_weight=1, density_search="approximate")

    assert found.indices.tolist() == exact.indices.tolist()
    assert found.provenance.options["density_search"] == "approximate"


def test_the_approximate_search_is_refused_where_it_cannot_be_done(tmp_path):
    np.save(tmp_path / "pool.npy", clusters(300))
    gaps = cdist(clusters(300), clusters(300))
    options = {"density_weight": 1, "density_search": "approximate"}

    with pytest.raises(OptionError, match="vectors in memory, and they are on disk"):
        select_uniform(tmp_path / "pool.npy", 5, engine="mapped", **options)
    with pytest.raises(OptionError, match="needs vectors, and the data are a matrix"):
        select_uniform(gaps, 5, engine="distances", **options)
