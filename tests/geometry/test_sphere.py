"""Points on a sphere: configurations that are known to be optimal attain the bound."""

import math

import numpy as np
import pytest

from evenly.geometry.sphere import levenshtein_count, sphere_bound
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
