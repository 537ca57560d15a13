"""Voronoi cells: a search compares a row with the chosen rows of its own cell, and all of them."""

import numpy as np

from evenly.engines.voronoi import VoronoiCells
from evenly.geometry import (
    Best,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    row_lengths,
    squared_distances_between,
)
from tests.support.engines import SMALL


def test_a_search_finds_the_nearest_chosen_row_of_the_cell():
    vectors = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    points = Points.of(vectors, row_lengths(vectors), np.ones(300, bool), normalize=True)
    rows, centres = np.arange(40, 300), SMALL.cells
    left, right = (part.ravel() for part in np.indices((300, 40)))
    truth = squared_distances_between(points, left, points, right).reshape(300, 40)
    cell_of = truth[:, :centres].argmin(axis=1)
    targets = Targets(ProxyVectors(points, ProxyTransform.of(points)))
    cells = VoronoiCells(300, SMALL)
    for chosen in (np.arange(centres), np.arange(centres, 40)):
        targets.append(points.take(chosen), chosen)
        nearest = cell_of[chosen] if chosen[0] else chosen
        cells.append(targets, nearest)
    best = Best(truth[rows, cell_of[rows]].copy(), cell_of[rows].copy())

    seen = np.full(len(rows), centres)
    cells.search(targets, targets.queries(rows), seen, np.zeros(len(rows)), best)

    in_the_cell = cell_of[:40] == cell_of[rows, None]
    np.testing.assert_array_equal(best.squared, np.where(in_the_cell, truth[rows], np.inf).min(1))
