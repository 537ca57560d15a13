"""Radii curves: the numbers of rows and the dimension that they imply."""

import numpy as np
import pytest

from evenly.metrics.curve import Curve
from tests.support.best_possible import points_of


def test_a_curve_gives_the_number_of_rows_at_a_distance_and_its_dimension():
    curve = Curve(np.array([np.inf, *(100 / np.arange(1, 100))]), 400)

    assert curve.rows_at(50.0) == 3
    assert curve.dimension == pytest.approx(1.0)
    assert Curve(curve.radii[:5], 400).dimension is None


def test_radii_decay_as_the_dimension_implies():
    rng = np.random.default_rng(2)
    for dimension in (1, 2, 3):
        points = points_of(rng.random((20_000, dimension)), normalize=False)
        found = Curve.of(points, 1000).dimension
        # The first picks lie on the faces of the cube, so it looks flatter than it is.
        assert 0.8 * dimension < found < 1.1 * dimension
