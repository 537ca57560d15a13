"""The best possible h_min of small pools, found by searching all subsets."""

import numpy as np

from evenly.geometry import Points, row_lengths


def points_of(vectors, normalize=True):
    """Return vectors as points, all of them eligible."""
    return Points.of(
        vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=normalize
    )


def gaps_of(points):
    """Return (n, n) pairwise distances, by subtraction in float64."""
    rows = points.exact(np.arange(len(points)))
    squared = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    squared[squared < points.coincident] = 0.0
    return np.sqrt(squared)


def most_rows_at(gaps, distance):
    """Return the largest number of rows with pairwise distances of `distance` or more."""
    count = len(gaps)
    far = [sum(1 << j for j in np.flatnonzero(row >= distance).tolist()) for row in gaps]

    def most(allowed, found):
        best = found
        while allowed:
            row = allowed.bit_length() - 1
            allowed &= ~(1 << row)
            best = max(best, most(allowed & far[row], found + 1))
            if best >= found + 1 + allowed.bit_count():
                break
        return best

    return most((1 << count) - 1, 0)


def best_h_min(gaps, size):
    """Return the largest h_min of any `size` rows."""
    values = np.unique(gaps[np.triu_indices(len(gaps), 1)])
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if values[middle] == 0 or most_rows_at(gaps, values[middle]) >= size:
            low = middle
        else:
            high = middle - 1
    return values[low]
