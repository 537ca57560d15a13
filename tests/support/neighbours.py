"""Neighbours by definition, from all distances between rows."""

import numpy as np

from evenly.geometry import Points, row_lengths, squared_distances_between


def points_of(rows, *, normalize=False):
    lengths = row_lengths(rows)
    return Points.of(rows, lengths, np.ones(len(rows), bool), normalize=normalize)


def squared_by_definition(points):
    """Return (n, n) exact squared distances."""
    left, right = (axis.ravel() for axis in np.indices((len(points),) * 2))
    squared = squared_distances_between(points, left, points, right)
    return squared.reshape(len(points), len(points))


def neighbours_by_definition(squared, rows, reach):
    between = squared[np.ix_(rows, rows)]
    np.fill_diagonal(between, np.inf)
    return [set(np.flatnonzero(row < reach)) for row in between]
