"""Certificates: no bound is below the best possible h_min, and each is as sharp as it can be."""

import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from evenly import errors, measure, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.geometry.clustering.tree import Tree
from evenly.inputs.prepare import prepare
from evenly.metrics import certificate
from evenly.metrics.certificate import (
    DEFAULT_EFFORT,
    BoundingEffort,
    UpperBounds,
    clusters_bound,
    quick_upper_bounds,
)
from evenly.metrics.curve import Curve
from evenly.metrics.measure import pool_stats
from evenly.metrics.measures import certified_fraction
from evenly.options import InputOptions, MeasuringOptions
from tests.support.best_possible import best_h_min, gaps_of, most_rows_at, points_of
from tests.support.oracle import h_min as h_min_by_definition
from tests.support.pools import KINDS, make_pool


def a_small_pool(seed):
    """Return a pool of 2 to 13 rows and a budget."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 14)), int(rng.choice([1, 2, 3, 8, 33]))
    dtype = rng.choice([np.float16, np.float32, np.float64])
    vectors = make_pool(KINDS[seed % len(KINDS)], n, d, dtype, rng)
    return points_of(vectors, bool(rng.integers(2))), int(rng.integers(2, n + 1))


def sharpness(seeds, cell):
    """Return the smallest ratio of each bound to the best possible h_min."""
    effort = BoundingEffort(smallest_cell=cell, largest_cell=cell)
    found = {}
    for seed in seeds:
        points, size = a_small_pool(seed)
        best = best_h_min(gaps_of(points), size)
        upper_bounds = UpperBounds(points, size, effort=effort)
        for name, bound in upper_bounds.bounds(size, float(upper_bounds.curve.radii[-1])).items():
            assert bound >= best, f"{name} of pool {seed}: {bound} < {best}"
            if best > 0:
                found[name] = min(found.get(name, math.inf), bound / best)
    return found


@pytest.mark.parametrize(("begin", "cell"), [(0, 3), (1000, 1024)])
def test_no_bound_is_below_the_best_possible(begin, cell):
    found = sharpness(range(begin, begin + 1000), cell)

    names = {"all rows", "balls", "smaller balls", "trace", "sphere", "line", "plane", "cells"}
    assert set(found) == names
    # Some pool attains each bound, so none is looser than it must be.
    balls = {"balls": found.pop("balls"), "smaller balls": found.pop("smaller balls")}
    assert {name: round(ratio, 3) for name, ratio in found.items()} == dict.fromkeys(found, 1.0)
    assert max(balls.values()) < 1.2


@pytest.mark.parametrize("with_radii", [False, True])
def test_quick_bounds_of_all_sizes_are_not_below_the_best_possible(with_radii):
    ratios = []
    for seed in range(120):
        points, size = a_small_pool(seed)
        sizes = np.arange(1, size + 1)
        radii = UpperBounds(points, size).curve.radii if with_radii else None
        matrix = DistanceMatrix(gaps_of(points), points.eligible)
        for pool in (points, matrix) if with_radii else (points,):
            bounds = quick_upper_bounds(pool, sizes, radii)
            assert bounds[0] == math.inf
            assert (np.diff(bounds) <= 0).all()
            for number in range(1, size):
                best = best_h_min(gaps_of(points), int(sizes[number]))
                assert bounds[number] >= best, f"pool {seed}, {sizes[number]} rows"
                if best > 0 and pool is points:
                    ratios.append(bounds[number] / best)

    assert min(ratios) < 1.001
    assert np.median(ratios) < 1.5


def test_quick_bounds_are_those_of_one_size():
    rng = np.random.default_rng(5)
    for dimension in (1, 2, 3, 20):
        points = points_of(rng.standard_normal((300, dimension)), normalize=dimension == 20)
        upper_bounds = UpperBounds(points, 200)
        found = quick_upper_bounds(points, np.array([5, 200]), upper_bounds.curve.radii)
        for size, bound in zip((5, 200), found, strict=True):
            one_size = upper_bounds.bounds(size, 0.0)
            one_size.pop("cells", None)
            assert bound == pytest.approx(min(one_size.values()), rel=0.03)


def test_a_simplex_attains_the_trace_and_the_sphere():
    points = points_of(np.eye(6) - 1 / 6)

    bounds = UpperBounds(points, 6).bounds(6, 0.0)

    best = math.sqrt(2 * 6 / 5)
    assert h_min_by_definition(points.exact(np.arange(6))) == pytest.approx(best)
    assert bounds["trace"] == pytest.approx(best)
    assert bounds["smaller balls"] == pytest.approx(2 * best / math.sqrt(2 * 6 / 5), rel=0.6)
    measures = measure(np.eye(6), range(6), random_subsets=0)
    assert measures.upper_bound == pytest.approx(math.sqrt(2))
    assert measures.certified_fraction == pytest.approx(1.0)


def test_even_steps_on_a_line_are_optimal():
    found = measure(np.arange(10.0)[:, None], [0, 3, 6, 9], normalize=False, random_subsets=0)

    assert found.bounds["line"] == pytest.approx(3.0)
    assert found.certified_fraction == pytest.approx(1.0)


def test_the_packing_bound_certifies_what_no_other_bound_does():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 30))
    rows = centres[rng.integers(0, 40, 400)] + 0.001 * rng.standard_normal((400, 30))

    subset = select_uniform(rows, 80)
    found = measure(rows, subset, random_subsets=0)

    # There are more chosen rows than clusters, so two of them must share one.
    assert min(found.bounds, key=found.bounds.get) == "cells"
    assert found.upper_bound < 0.02 < found.bounds["trace"] / 50
    assert found.certified_fraction > 0.6


def test_the_certified_fraction_is_relative_to_the_smallest_bound():
    rows = np.random.default_rng(1).standard_normal((300, 5))

    for chosen in (select_uniform(rows, 30), np.arange(30)):
        found = measure(rows, chosen, random_subsets=0)
        assert found.upper_bound == min(found.bounds.values())
        assert found.certified_fraction == pytest.approx(found.h_min / found.upper_bound)
    assert set(found.bounds) == {"balls", "smaller balls", "trace", "sphere"}


def test_clusters_are_named_only_if_no_other_bound_is_sharper():
    rows = np.random.default_rng(13).standard_normal((300, 5))
    points = points_of(rows)
    named = set()

    for size in (5, 20, 100, 250):
        upper_bounds = UpperBounds(points, size)
        found = upper_bounds.bounds(size, float(upper_bounds.curve.radii[-1]))
        others = min(bound for name, bound in found.items() if name != "cells")
        named.add("cells" in found)
        assert found.get("cells", others) <= others
        assert ("cells" in found) == (upper_bounds.most_rows(others) < size)
    assert named == {False, True}


def test_clusters_of_a_sample_show_that_clusters_of_all_rows_would_not_help(monkeypatch):
    monkeypatch.setattr(certificate, "_LEAST_SAMPLED", 1)
    rng = np.random.default_rng(14)
    wide = rng.standard_normal((2000, 30))
    narrow = wide[rng.integers(0, 100, 2000)] + 0.1 * rng.standard_normal((2000, 30))
    counted = []

    def build(points, *more, **how):
        counted.append(int(np.count_nonzero(points.eligible)))
        return Tree.of(points, *more, **how)

    monkeypatch.setattr(certificate, "Tree", SimpleNamespace(of=build))
    for rows, size, helps in ((wide, 40, False), (narrow, 110, True)):
        for effort in (DEFAULT_EFFORT, BoundingEffort.thorough()):
            counted.clear()
            upper_bounds = UpperBounds(points_of(rows), size, effort)
            found = upper_bounds.bounds(size, float(upper_bounds.curve.radii[-1]))

            assert ("cells" in found) == helps
            needs_all = helps or effort is not DEFAULT_EFFORT
            assert (2000 in counted) == needs_all
            assert any(count < 300 for count in counted) == (effort is DEFAULT_EFFORT)


def test_a_poor_subset_has_the_same_bound_as_a_good_one():
    rows = np.random.default_rng(2).standard_normal((500, 8))

    good = measure(rows, select_uniform(rows, 50), random_subsets=0)
    poor = measure(rows, np.arange(50), random_subsets=0)

    assert poor.certified_fraction < good.certified_fraction
    assert poor.upper_bound == pytest.approx(good.upper_bound, rel=1e-3)


def test_all_rows_are_optimal_for_their_number():
    found = measure(np.random.default_rng(3).standard_normal((20, 3)), range(20))

    assert found.upper_bound == pytest.approx(found.h_min)
    assert found.certified_fraction == pytest.approx(1.0)


def test_unavoidable_duplicates_are_optimal():
    rows = np.eye(3)[[0, 1, 2, 0, 1, 2]]

    found = measure(rows, [0, 1, 2, 3], random_subsets=0)
    assert (found.certified_fraction, found.upper_bound) == (1.0, 0.0)
    assert measure(rows, [0, 3], random_subsets=0).certified_fraction == 0.0


def test_a_single_row_has_no_bound():
    found = measure(np.eye(4), [2], random_subsets=0)

    assert (found.bounds, found.upper_bound, found.certified_fraction) == ({}, math.inf, 1.0)
    assert found.as_dict()["upper_bound"] is None


def test_a_certificate_can_be_left_out():
    found = measure(np.eye(4), [2, 3], certificate=False, random_subsets=0)

    assert (found.upper_bound, found.certified_fraction, found.bounds) == (None, None, {})


@pytest.mark.parametrize("value", ["yes", 1, None, 0.5])
def test_invalid_certificates_are_rejected(value):
    with pytest.raises(errors.OptionError, match="certificate must be True, False or"):
        measure(np.eye(4), [0, 1], certificate=value)


def test_more_effort_gives_sharper_bounds():
    rng = np.random.default_rng(4)
    rows = np.repeat(rng.standard_normal((300, 20)), 2, axis=0)
    rows += 0.1 * rng.standard_normal(rows.shape)
    points = points_of(rows)
    h_min = select_uniform(rows, 320).h_min

    quick, thorough = (
        min(UpperBounds(points, 320, effort=effort).bounds(320, h_min).values())
        for effort in (BoundingEffort(0.0, smallest_cell=8), BoundingEffort.thorough())
    )

    assert h_min <= thorough < quick * 0.99


def test_a_thorough_certificate_takes_the_largest_cells():
    prepared = prepare(np.eye(50), InputOptions())

    def cells_of(certificate):
        options = MeasuringOptions(certificate=certificate)
        effort = pool_stats(prepared, options, 10).upper_bounds.effort
        return effort.cell_size(rows=10**6, dimension=1000)

    assert cells_of("thorough") == DEFAULT_EFFORT.largest_cell
    assert cells_of(True) == DEFAULT_EFFORT.smallest_cell


def test_measuring_many_rows_allows_larger_cells():
    prepared = prepare(np.eye(6000), InputOptions())
    effort = pool_stats(prepared, MeasuringOptions(), 6000).upper_bounds.effort

    assert effort.multiplications == pytest.approx(0.3 * 6000**3)
    assert effort.cell_size(rows=10**4, dimension=100) > DEFAULT_EFFORT.smallest_cell


def test_the_picks_of_a_run_make_bounds_sharper():
    rng = np.random.default_rng(12)
    cluster = rng.integers(0, 60, 3000)
    rows = rng.standard_normal((60, 40))[cluster] + 0.4 * rng.standard_normal((3000, 40))
    points = points_of(rows)
    curve = Curve.of(points, 300)
    effort = BoundingEffort(0.0, smallest_cell=64, smallest_along_picks=64)

    along_picks, halved = (
        UpperBounds(points, 300, effort, known).bounds(300, curve.radii[-1])["cells"]
        for known in (curve, Curve(curve.radii, curve.pool_size))
    )

    assert curve.radii[-1] < along_picks < 0.96 * halved


def test_a_small_pool_is_clustered_as_a_whole():
    for along_picks in (False, True):
        size = DEFAULT_EFFORT.cell_size(rows=2000, dimension=384, along_picks=along_picks)
        assert size >= 2000


def test_cells_along_picks_need_not_be_large():
    effort = BoundingEffort(multiplications=4e12)

    along, halved = (
        effort.cell_size(rows=10**5, dimension=384, along_picks=along) for along in (True, False)
    )

    assert halved == 4 * along
    assert DEFAULT_EFFORT.cell_size(10**6, 384, along_picks=True) == 128
    assert BoundingEffort.thorough().cell_size(10**6, 384, along_picks=True) == 32768


def test_dropped_rows_do_not_raise_the_bound():
    rows = np.array([[0.0], [1.0], [2.0], [np.nan], [3.0]])

    found = measure(rows, [0, 2], normalize=False, on_invalid="drop", random_subsets=0)

    assert found.upper_bound == pytest.approx(3.0)


def test_vectors_on_disk_are_bounded_without_the_packing_bound(tmp_path):
    rng = np.random.default_rng(5)
    rows = np.repeat(rng.standard_normal((20, 6)), 10, axis=0)  # in clusters, for 30 rows
    rows = (rows + 0.01 * rng.standard_normal(rows.shape)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)

    stored = measure(tmp_path / "rows.npy", range(30), engine="mapped", random_subsets=0)
    loaded = measure(rows, range(30), random_subsets=0)

    assert set(loaded.bounds) - set(stored.bounds) == {"cells"}
    for name in ("balls", "smaller balls", "sphere"):
        assert stored.bounds[name] == pytest.approx(loaded.bounds[name])
    assert stored.bounds["trace"] >= loaded.bounds["trace"]


@given(seed=st.integers(0, 2**32 - 1), metric=st.sampled_from(["cityblock", "chebyshev"]))
def test_bounds_of_other_metrics(seed, metric):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 5, (int(rng.integers(2, 11)), 2)).astype(float)
    gaps = cdist(rows, rows, metric)
    size = int(rng.integers(2, len(rows) + 1))

    bounds = UpperBounds(DistanceMatrix(gaps, np.ones(len(rows), bool)), size).bounds(size, 0.0)

    assert set(bounds) - {"all rows"} == {"balls", "clusters"}
    assert min(bounds["balls"], bounds["clusters"]) >= best_h_min(gaps, size)


def test_clusters_bound_distances_that_violate_the_triangle_inequality():
    rng = np.random.default_rng(6)
    for _ in range(30):
        gaps = np.triu(rng.random((8, 8)), 1)
        gaps += gaps.T
        for size in (2, 4, 7, 8):
            assert clusters_bound(gaps, size) >= best_h_min(gaps, size)


def test_a_matrix_of_distances_is_certified_too():
    rows = np.random.default_rng(7).random((60, 2))
    gaps = cdist(rows, rows, "cityblock")

    found = measure(gaps, range(8), engine="distances", random_subsets=0)

    assert found.upper_bound == min(found.bounds["balls"], found.bounds["clusters"])
    assert 0 < found.certified_fraction < 1


def test_a_shorter_subset_is_bounded_by_its_part_of_the_curve():
    points = points_of(np.random.default_rng(11).standard_normal((100, 4)))
    once = UpperBounds(points, 60)

    for size in (5, 20, 60):
        alone = UpperBounds(points, size).bounds(size, 0.0)
        assert once.bounds(size, 0.0) == pytest.approx(alone)


def test_balls_bound_no_number_of_rows_beyond_the_end_of_the_curve():
    # The curve has two picks only, and no balls as small as half of this distance.
    gaps = gaps_of(points_of(np.arange(30.0)[:, None], normalize=False))
    upper_bounds = UpperBounds(DistanceMatrix(gaps, np.ones(30, bool)), 2)

    assert upper_bounds.most_rows(1.0) == 30


def test_certified_fractions():
    assert certified_fraction(0.5, 1.0) == 0.5
    assert certified_fraction(1.0, 1.0) == 1.0
    assert certified_fraction(0.0, 0.0) == 1.0
    assert certified_fraction(math.inf, math.inf) == 1.0
    several = certified_fraction(np.array([0.5, 1.0, math.inf]), np.array([2.0, 1.0, math.inf]))
    assert several.tolist() == [0.25, 1.0, 1.0]


def test_the_oracle_of_these_tests_searches_all_subsets():
    rows = np.random.default_rng(9).random((8, 2))
    gaps = gaps_of(points_of(rows, normalize=False))

    for size in range(2, 9):
        every = max(h_min_by_definition(rows[list(c)]) for c in combinations(range(8), size))
        assert best_h_min(gaps, size) == pytest.approx(every)
        assert most_rows_at(gaps, best_h_min(gaps, size)) >= size
