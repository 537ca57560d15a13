"""Bounds from a few numbers: configurations that are known to be optimal attain them."""

import math

import numpy as np
import pytest

from evenly.metrics.bounds import levenshtein_count, plane_bound, smaller_balls_bound, sphere_bound
from tests.support.oracle import h_min as h_min_by_definition


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
        (24, 196560, 1 / 2),  # the shortest vectors of the Leech lattice
    ],
)
def test_optimal_spherical_codes_attain_the_bound_of_the_sphere(dimension, size, cosine):
    assert sphere_bound(size, dimension) == pytest.approx(math.sqrt(2 - 2 * cosine), rel=1e-9)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 9, 100])
def test_regular_polygons_attain_the_bound_of_the_circle(size):
    angles = 2 * np.pi * np.arange(size) / size
    circle = np.column_stack([np.cos(angles), np.sin(angles)])

    assert sphere_bound(size, 2) >= h_min_by_definition(circle) * (1 - 1e-12)
    if size != 4:
        assert sphere_bound(size, 2) == pytest.approx(h_min_by_definition(circle))


def test_levenshteins_bound_is_exact_on_the_circle():
    for size, degree in ((5, 4), (6, 5), (9, 8), (40, 39)):
        cosine = math.cos(2 * math.pi / size)
        assert levenshtein_count(cosine, 2, degree) == pytest.approx(size, rel=1e-6)


def test_more_points_on_a_sphere_are_closer():
    for dimension in (2, 3, 4, 16, 384, 4096):
        bounds = [sphere_bound(size, dimension) for size in (2, 3, 5, 17, 50, 800, 9000, 10**6)]
        assert bounds == sorted(bounds, reverse=True)
        assert bounds[-1] > 0


def test_a_hexagonal_lattice_attains_the_bound_of_the_plane():
    # A triangle with 10 rows per side holds as many as fit it at that distance.
    rows = [(i + j / 2, j * math.sqrt(3) / 2) for j in range(10) for i in range(10 - j)]

    assert plane_bound(np.array(rows), len(rows)) == pytest.approx(1.0)
    assert plane_bound(np.array(rows) * 7 + 1e6, len(rows)) == pytest.approx(7.0)


def test_collinear_rows_attain_the_bound_of_the_plane():
    steps = np.arange(11.0)
    for rows in (np.outer(steps, [3.0, 4.0]), np.outer(steps, [0.0, 5.0]) + 7):
        assert plane_bound(rows, 11) == pytest.approx(5.0)
    assert plane_bound(np.ones((4, 2)), 3) == 0.0


def test_smaller_balls_use_the_best_number_of_balls():
    radii = np.array([np.inf, 3.0, 2.0, 1.8, 1.0, 0.9, 0.8])

    # Seven rows: 7 in one ball, 4 in one of two, 3 in one of three, 2 in one of four or more.
    expected = min(
        3.0 * math.sqrt(14 / 6),
        2.0 * math.sqrt(8 / 3),
        1.8 * math.sqrt(6 / 2),
        1.0 * math.sqrt(4 / 1),
    )
    assert smaller_balls_bound(radii) == pytest.approx(min(expected, 0.8 * 2))
    # Six rows in two balls: one of them holds three, not four.
    assert smaller_balls_bound(np.array([np.inf, 9.0, 2.0, 1.99, 1.98, 1.97])) == pytest.approx(
        2.0 * math.sqrt(3)
    )
