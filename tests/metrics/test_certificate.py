"""No bound is ever below the best possible, and those that can be attained are."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from evenly import errors, measure, rows_at, select_uniform
from evenly.geometry import DistanceMatrix
from evenly.metrics.bounds import (
    levenshtein_count,
    plane_bound,
    smaller_balls_bound,
    sphere_bound,
)
from evenly.metrics.cells import Cells, centre_of
from evenly.metrics.certificate import UpperBounds, certified_fraction, clusters_bound
from evenly.metrics.curve import Curve
from tests.support.best_possible import best_h_min, gaps_of, most_rows_at, points_of
from tests.support.oracle import h_min as h_min_by_definition
from tests.support.pools import KINDS, make_pool


def a_small_pool(seed):
    """A pool of 2 to 13 rows and a budget."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 14)), int(rng.choice([1, 2, 3, 8, 33]))
    dtype = rng.choice([np.float16, np.float32, np.float64])
    vectors = make_pool(KINDS[seed % len(KINDS)], n, d, dtype, rng)
    return points_of(vectors, bool(rng.integers(2))), int(rng.integers(2, n + 1))


def ceilings_of(points, size, cell):
    """Bounds with cells so small that small pools have many."""
    upper_bounds = UpperBounds(points, size)
    upper_bounds._cells = Cells(points, cell)
    return upper_bounds


def sharpness(seeds, cell):
    """The smallest of each bound's ratios to the best possible h_min."""
    found = {}
    for seed in seeds:
        points, size = a_small_pool(seed)
        best = best_h_min(gaps_of(points), size)
        upper_bounds = ceilings_of(points, size, cell)
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
    # Pools come near each: a bound that is looser than it must be would be in vain.
    balls = {"balls": found.pop("balls"), "smaller balls": found.pop("smaller balls")}
    assert {name: round(ratio, 3) for name, ratio in found.items()} == dict.fromkeys(found, 1.0)
    assert max(balls.values()) < 1.2


@given(
    seed=st.integers(0, 2**32 - 1),
    distinct=st.integers(1, 12),
    copies=st.integers(1, 3),
    cell=st.integers(2, 40),
    share=st.floats(0.05, 1.2),
)
def test_no_more_rows_fit_than_are_counted(seed, distinct, copies, cell, share):
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.integers(0, 6, (distinct, 2)) + 0.5, copies, axis=0)
    points = points_of(rows.astype(float), bool(seed % 2))
    gaps = gaps_of(points)
    distance = share * max(gaps.max(), 1e-3)

    counted = Cells(points, cell).most_rows(distance)
    from_elsewhere = Cells(points, cell).most_rows(distance, centre_of(points, 3, 5))

    assert most_rows_at(gaps, distance) <= min(counted, from_elsewhere)
    assert max(counted, from_elsewhere) <= len(rows)


def count_by_definition(made, points, distance):
    """The count of docs/theory.md, every set of rows of every cluster looked at."""
    counts = {}
    inside = {v: set(range(made.begin[v], made.end[v])) for v in range(len(made.begin))}
    for cluster in reversed(range(len(made.begin))):
        rows = points.exact(made.order[sorted(inside[cluster])])
        to_mean = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
        squared = dict(zip(sorted(inside[cluster]), to_mean, strict=True))
        below = [v for v in counts if inside[v] < inside[cluster]]
        most = 1
        for size in range(2, len(rows) + 1):
            sums = [
                sum(squared[row] for row in taken)
                for taken in combinations(squared, size)
                if all(len(inside[v] & {*taken}) <= counts[v] for v in below)
            ]
            if sums and (size - 1) * distance**2 / 2 <= max(sums) * (1 + 1e-10):
                most = size
        if distance**2 > 2 * max(squared.values()) * (1 + 1e-10):
            most = min(most, points.dimension + 1)
        counts[cluster] = most
    return counts[0]


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["random", "clustered", "lattice", "duplicates"]),
    cell=st.integers(1, 9),
    share=st.floats(0.1, 1.1),
)
def test_the_count_is_what_its_definition_says(seed, kind, cell, share):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 9)), int(rng.choice([1, 2, 3, 8]))
    points = points_of(make_pool(kind, n, d, np.float64, rng), normalize=False)
    distance = share * max(gaps_of(points).max(), 0.1)

    cells = Cells(points, cell)

    assert cells.most_rows(distance) == count_by_definition(cells._tree, points, distance)


@pytest.mark.parametrize("dimension", [2, 3, 8])
def test_a_cross_of_twice_as_many_rows_as_dimensions_is_counted_whole(dimension):
    rows = np.vstack([np.eye(dimension), -np.eye(dimension)])
    cells = Cells(points_of(rows), 100)

    assert cells.most_rows(math.sqrt(2) * 0.99) == 2 * dimension
    assert cells.most_rows(math.sqrt(2)) == 2 * dimension
    assert cells.most_rows(math.sqrt(2) * 1.001) <= dimension + 1


def test_a_simplex_attains_the_trace_the_sphere_and_the_cells():
    points = points_of(np.eye(6) - 1 / 6)

    bounds = UpperBounds(points, 6).bounds(6, 0.0)

    best = math.sqrt(2 * 6 / 5)
    assert h_min_by_definition(points.exact(np.arange(6))) == pytest.approx(best)
    assert bounds["trace"] == pytest.approx(best)
    assert bounds["smaller balls"] == pytest.approx(2 * best / math.sqrt(2 * 6 / 5), rel=0.6)
    measures = measure(np.eye(6), range(6), random_subsets=0)
    assert measures.upper_bound == pytest.approx(math.sqrt(2))
    assert measures.certified_fraction == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("dimension", "size", "cosine"),
    [
        (3, 6, 0.0),  # octahedron
        (3, 12, 1 / math.sqrt(5)),  # icosahedron
        (4, 8, 0.0),
        (5, 16, 1 / 5),
        (6, 27, 1 / 4),
        (7, 56, 1 / 3),
        (8, 240, 1 / 2),  # the roots of E8
        (22, 275, 1 / 6),
        (23, 4600, 1 / 3),
        (24, 196560, 1 / 2),  # the shortest vectors of Leech's lattice
    ],
)
def test_codes_that_are_known_to_be_the_best_attain_the_bound_of_the_sphere(
    dimension, size, cosine
):
    assert sphere_bound(size, dimension) == pytest.approx(math.sqrt(2 - 2 * cosine), rel=1e-9)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 9, 100])
def test_regular_polygons_attain_the_bound_of_the_circle(size):
    angles = 2 * np.pi * np.arange(size) / size
    circle = np.column_stack([np.cos(angles), np.sin(angles)])

    assert sphere_bound(size, 2) >= h_min_by_definition(circle) * (1 - 1e-12)
    if size != 4:
        assert sphere_bound(size, 2) == pytest.approx(h_min_by_definition(circle))


def test_levenshteins_bound_of_the_circle_is_exact_too():
    # A general formula against a case that is known: no more than k points k-gon apart.
    for size, degree in ((5, 4), (6, 5), (9, 8), (40, 39)):
        cosine = math.cos(2 * math.pi / size)
        assert levenshtein_count(cosine, 2, degree) == pytest.approx(size, rel=1e-6)


def test_more_points_on_a_sphere_are_nearer():
    for dimension in (2, 3, 4, 16, 384, 4096):
        bounds = [sphere_bound(size, dimension) for size in (2, 3, 5, 17, 50, 800, 9000, 10**6)]
        assert bounds == sorted(bounds, reverse=True)
        assert bounds[-1] > 0


def test_a_hexagonal_lattice_attains_the_bound_of_the_plane():
    # A triangle with 10 rows a side: as many as fit it at that distance.
    rows = [(i + j / 2, j * math.sqrt(3) / 2) for j in range(10) for i in range(10 - j)]

    assert plane_bound(np.array(rows), len(rows)) == pytest.approx(1.0)
    assert plane_bound(np.array(rows) * 7 + 1e6, len(rows)) == pytest.approx(7.0)


def test_rows_of_a_plane_that_are_on_a_line():
    steps = np.arange(11.0)
    for rows in (np.outer(steps, [3.0, 4.0]), np.outer(steps, [0.0, 5.0]) + 7):
        assert plane_bound(rows, 11) == pytest.approx(5.0)
    assert plane_bound(np.ones((4, 2)), 3) == 0.0


def test_a_line_of_even_steps_cannot_be_better():
    found = measure(np.arange(10.0)[:, None], [0, 3, 6, 9], normalize=False, random_subsets=0)

    assert found.bounds["line"] == pytest.approx(3.0)
    assert found.certified_fraction == pytest.approx(1.0)


def test_clusters_certify_what_nothing_else_does():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 30))
    rows = centres[rng.integers(0, 40, 400)] + 0.001 * rng.standard_normal((400, 30))

    subset = select_uniform(rows, 80)
    found = measure(rows, subset, random_subsets=0)

    # More rows than clusters: two must be in one, which no ball of the pool's size tells.
    assert min(found.bounds, key=found.bounds.get) == "cells"
    assert found.upper_bound < 0.02 < found.bounds["trace"] / 50
    assert found.certified_fraction > 0.6


def test_the_bound_is_the_smallest_and_the_part_is_of_it():
    rows = np.random.default_rng(1).standard_normal((300, 5))

    for chosen in (select_uniform(rows, 30), np.arange(30)):
        found = measure(rows, chosen, random_subsets=0)
        assert found.upper_bound == min(found.bounds.values())
        assert found.certified_fraction == pytest.approx(found.h_min / found.upper_bound)
    assert set(found.bounds) == {"balls", "smaller balls", "trace", "sphere", "cells"}


def test_a_poor_subset_has_the_same_bound_as_a_good_one():
    rows = np.random.default_rng(2).standard_normal((500, 8))

    good = measure(rows, select_uniform(rows, 50), random_subsets=0)
    poor = measure(rows, np.arange(50), random_subsets=0)

    assert poor.certified_fraction < good.certified_fraction
    assert poor.upper_bound == pytest.approx(good.upper_bound, rel=1e-3)


def test_all_rows_are_the_best_that_all_rows_can_be():
    found = measure(np.random.default_rng(3).standard_normal((20, 3)), range(20))

    assert found.upper_bound == pytest.approx(found.h_min)
    assert found.certified_fraction == pytest.approx(1.0)


def test_duplicates_that_cannot_be_avoided_are_the_best_possible():
    rows = np.eye(3)[[0, 1, 2, 0, 1, 2]]

    assert measure(rows, [0, 1, 2, 3], random_subsets=0).certified_fraction == 1.0
    assert measure(rows, [0, 1, 2, 3], random_subsets=0).upper_bound == 0.0
    assert measure(rows, [0, 3], random_subsets=0).certified_fraction == 0.0


def test_a_single_row_has_no_bound():
    found = measure(np.eye(4), [2], random_subsets=0)

    assert (found.bounds, found.upper_bound, found.certified_fraction) == ({}, math.inf, 1.0)
    assert found.as_dict()["upper_bound"] is None


def test_a_certificate_can_be_left_out():
    found = measure(np.eye(4), [2, 3], certificate=False, random_subsets=0)

    assert (found.upper_bound, found.certified_fraction, found.bounds) == (None, None, {})


@pytest.mark.parametrize("value", ["yes", 1, None, 0.5])
def test_certificates_that_are_none(value):
    with pytest.raises(errors.OptionError, match="certificate must be True, False or"):
        measure(np.eye(4), [0, 1], certificate=value)


def test_a_thorough_certificate_takes_larger_cells(monkeypatch):
    monkeypatch.setattr("evenly.metrics.certificate._WORK", 0.0)
    monkeypatch.setattr("evenly.metrics.certificate._SMALLEST_CELL", 8)
    rng = np.random.default_rng(4)
    rows = np.repeat(rng.standard_normal((300, 20)), 2, axis=0)
    rows += 0.1 * rng.standard_normal(rows.shape)
    chosen = select_uniform(rows, 320)

    quick = measure(rows, chosen, random_subsets=0)
    thorough = measure(rows, chosen, random_subsets=0, certificate="thorough")

    assert thorough.upper_bound < quick.upper_bound * 0.99
    assert quick.upper_bound >= quick.h_min


def test_dropped_rows_are_no_part_of_what_could_be_chosen():
    rows = np.array([[0.0], [1.0], [2.0], [np.nan], [3.0]])

    found = measure(rows, [0, 2], normalize=False, on_invalid="drop", random_subsets=0)

    assert found.upper_bound == pytest.approx(3.0)


def test_vectors_on_disk_are_bounded_without_cells(tmp_path):
    rows = np.random.default_rng(5).standard_normal((200, 6)).astype(np.float32)
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


def test_clusters_bound_distances_that_are_no_metric():
    rng = np.random.default_rng(6)
    for _ in range(30):
        gaps = np.triu(rng.random((8, 8)), 1)
        gaps += gaps.T
        for size in (2, 4, 7, 8):
            assert clusters_bound(gaps, size) >= best_h_min(gaps, size)


def test_measuring_by_distances_certifies_too():
    rows = np.random.default_rng(7).random((60, 2))
    gaps = cdist(rows, rows, "cityblock")

    found = measure(gaps, range(8), engine="distances", random_subsets=0)

    assert found.upper_bound == min(found.bounds["balls"], found.bounds["clusters"])
    assert 0 < found.certified_fraction < 1


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 1.5))
def test_rows_at_a_distance_lie_between_its_numbers(seed, share):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((int(rng.integers(2, 13)), int(rng.integers(1, 4))))
    gaps = gaps_of(points_of(rows, normalize=False))
    wanted = share * gaps.max()

    found = rows_at(rows, wanted, normalize=False)

    assert found.at_least <= most_rows_at(gaps, wanted) <= found.at_most
    assert found.pool_size == len(rows)


def test_rows_at_the_h_min_of_a_selection_are_at_least_its_rows(tmp_path):
    rows = np.random.default_rng(8).standard_normal((400, 6)).astype(np.float32)
    subset = select_uniform(rows, 50)
    np.save(tmp_path / "rows.npy", rows)

    found = rows_at(rows, subset.h_min)

    assert found.at_least == np.count_nonzero(select_uniform(rows, 400).radii >= subset.h_min)
    assert found.at_least >= 50
    stored = rows_at(tmp_path / "rows.npy", subset.h_min, engine="mapped")
    assert stored.at_least == found.at_least
    assert stored.at_most >= found.at_most
    # Half of that distance is where balls stop to tell anything.
    assert stored.at_most == np.count_nonzero(
        select_uniform(rows, 400).radii >= subset.h_min / 2 / (1 + 1e-9)
    )
    assert rows_at(rows, 1e-9).as_dict() == {
        "h_min": 1e-9,
        "at_least": 400,
        "at_most": 400,
        "pool_size": 400,
    }


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "0.5", None, True])
def test_distances_that_no_rows_are_at(value):
    with pytest.raises(errors.OptionError, match="h_min must be a distance above 0"):
        rows_at(np.eye(3), value)


def test_a_curve_is_read_backwards_and_goes_on():
    curve = Curve(np.array([np.inf, *(100 / np.arange(1, 100))]), 400)

    assert curve.rows_at(50.0) == 3
    assert curve.rows_expected_at(50.0) == 3
    assert curve.dimension == pytest.approx(1.0)
    assert curve.rows_expected_at(0.5) == pytest.approx(200, rel=0.03)
    assert curve.rows_expected_at(1e-9) == 400
    assert Curve(curve.radii[:5], 400).rows_expected_at(1e-9) is None


def test_smaller_balls_hold_the_rows_that_they_must():
    radii = np.array([np.inf, 3.0, 2.0, 1.8, 1.0, 0.9, 0.8])

    # Seven rows: 7 in one ball, 4 in one of two, 3 in one of three, 2 in one of four or more.
    expected = min(
        3.0 * math.sqrt(14 / 6),
        2.0 * math.sqrt(8 / 3),
        1.8 * math.sqrt(6 / 2),
        1.0 * math.sqrt(4 / 1),
    )
    assert smaller_balls_bound(radii) == pytest.approx(min(expected, 0.8 * 2))
    # Six rows in two balls: three in one of them, not four.
    assert smaller_balls_bound(np.array([np.inf, 9.0, 2.0, 1.99, 1.98, 1.97])) == pytest.approx(
        2.0 * math.sqrt(3)
    )


def test_bounds_of_a_shorter_subset_are_of_its_part_of_the_curve():
    points = points_of(np.random.default_rng(11).standard_normal((100, 4)))
    once = UpperBounds(points, 60)

    for size in (5, 20, 60):
        bounds, single_threaded_blas = (
            once.bounds(size, 0.0),
            UpperBounds(points, size).bounds(size, 0.0),
        )
        assert bounds == pytest.approx(single_threaded_blas)


def test_balls_count_nothing_above_where_the_curve_ends():
    # Two picks only: nothing is known of balls as small as half of this distance.
    points = points_of(np.arange(30.0)[:, None], normalize=False)
    upper_bounds = UpperBounds(points, 2)
    upper_bounds._cells = None

    counted = upper_bounds.most_rows(1.0)

    assert counted == 30


def test_parts_of_bounds():
    assert certified_fraction(0.5, 1.0) == 0.5
    assert certified_fraction(1.0, 1.0) == 1.0
    assert certified_fraction(0.0, 0.0) == 1.0
    assert certified_fraction(math.inf, math.inf) == 1.0


def test_the_oracle_of_these_tests_looks_at_every_subset():
    rows = np.random.default_rng(9).random((8, 2))
    gaps = gaps_of(points_of(rows, normalize=False))

    for size in range(2, 9):
        every = max(h_min_by_definition(rows[list(c)]) for c in combinations(range(8), size))
        assert best_h_min(gaps, size) == pytest.approx(every)
        assert most_rows_at(gaps, best_h_min(gaps, size)) >= size
