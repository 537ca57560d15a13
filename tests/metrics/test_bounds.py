"""Bounds from a few numbers: configurations that are known to be optimal attain them."""

import math

import numpy as np
import pytest

from evenly.metrics.bounds import plane_bound, smaller_balls_bound


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
