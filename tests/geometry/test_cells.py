"""The nearest and the next chosen row of every row, against their definitions."""

import numpy as np
import pytest

from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.search.cells import cells_of, next_nearest


def made(kind, rows, eligible):
    if kind == "points":
        return Points.of(rows, np.ones(len(rows)), eligible, normalize=False)
    return DistanceMatrix(np.sqrt(squared_between(rows, rows)), eligible)


def squared_between(rows, others):
    return ((rows[:, None] - others[None]) ** 2).sum(axis=-1)


def lattice():
    return np.stack(np.meshgrid(*[np.arange(9.0)] * 3), -1).reshape(-1, 3)


@pytest.mark.parametrize("kind", ["points", "distances"])
def test_cells_are_those_of_the_definition_even_with_ties_and_after_moves(kind):
    rng = np.random.default_rng(0)
    rows = lattice()
    eligible = rng.random(len(rows)) < 0.8
    points, own = made(kind, rows, eligible), np.flatnonzero(eligible)
    chosen, cells = rng.choice(own, 40, replace=False), None
    for moved in (0, 6, 1, 39):
        free = np.setdiff1d(own, chosen)
        chosen = chosen.copy()
        chosen[:moved] = rng.choice(free, moved, replace=False)
        cells = cells_of(points, chosen, cells)

        between = squared_between(rows[own], rows[chosen])
        np.testing.assert_allclose(cells.squared, between.min(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(cells.nearest, between.argmin(axis=1))
        assert np.array_equal(cells.chosen, chosen)


@pytest.mark.parametrize("kind", ["points", "distances"])
def test_the_next_nearest_row_is_another(kind):
    rows = lattice()
    rows[5] = rows[700]  # two equal rows, both chosen
    points = made(kind, rows, np.ones(len(rows), bool))
    chosen = np.array([700, 5, 100, 333, 42])
    cells = cells_of(points, chosen)
    wanted = np.arange(len(rows)) % 3 == 1
    wanted[[5, 700]] = True

    found = next_nearest(points, cells, wanted)

    between = squared_between(rows, rows[chosen])
    between[np.arange(len(rows)), cells.nearest] = np.inf
    assert cells.nearest[[700, 5]].tolist() == [0, 1]
    np.testing.assert_allclose(found.squared[wanted], between.min(axis=1)[wanted], rtol=1e-12)
    np.testing.assert_array_equal(found.nearest[wanted], between.argmin(axis=1)[wanted])
    assert np.isinf(found.squared[~wanted]).all()
    assert (found.nearest[~wanted] == len(chosen)).all()


def test_a_single_chosen_row_has_no_next():
    points = made("points", lattice(), np.ones(729, bool))
    found = next_nearest(points, cells_of(points, np.array([3])), np.ones(729, bool))

    assert np.isinf(found.squared).all()
    assert (found.nearest == 1).all()
