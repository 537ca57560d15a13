"""Check a choice: its distances in float64, and how much it agrees with another choice."""

from __future__ import annotations

import numpy as np

from benchmarks.pools import Vectors

_ROWS = 2048
_PAIRS = 65_536


def exact_h_min(vectors: Vectors, rows: Vectors) -> float:
    """Return the smallest Euclidean distance between two of the rows; inf for a single row.

    Decided by subtracting, squaring and summing in float64. Float32 products rule out pairs that
    exceed the smallest distance by more than their error, which assumes lengths of at most one
    and at most 4,096 coordinates. Deliberately independent of `evenly`.
    """
    chosen = np.asarray(vectors[np.sort(rows)])
    exact = chosen.astype(np.float64)
    rounded = chosen.astype(np.float32)
    lengths = np.einsum("ij,ij->i", rounded, rounded)
    # Twice the error of a product, a length and their sum, which is 4·d·2**-24 at most.
    tolerance = 8.0 * rounded.shape[1] * 2.0**-24
    best = np.inf
    for first in range(0, len(rows), _ROWS):
        for second in range(first, len(rows), _ROWS):
            one, other = slice(first, first + _ROWS), slice(second, second + _ROWS)
            squared = lengths[one, None] + lengths[other] - 2 * (rounded[one] @ rounded[other].T)
            if first == second:
                squared[np.tril_indices(len(squared))] = np.inf
            limit = min(best, float(squared.min())) + tolerance
            left, right = np.nonzero((squared <= limit) & (squared < np.inf))
            best = min(best, _nearest_pair(exact[one], left, exact[other], right))
    return float(np.sqrt(best))


def _nearest_pair(left: Vectors, left_rows: Vectors, right: Vectors, right_rows: Vectors) -> float:
    best = np.inf
    for begin in range(0, len(left_rows), _PAIRS):
        part = slice(begin, begin + _PAIRS)
        gaps = left[left_rows[part]] - right[right_rows[part]]
        best = min(best, float(np.einsum("ij,ij->i", gaps, gaps).min()))
    return best


def mean_distance(vectors: Vectors, rows: Vectors) -> float:
    """Return the mean of the Euclidean distances from all rows to the nearest chosen one.

    Squared distances are computed by float64 products, good to about 1e-15 for rows of unit
    length. Deliberately independent of `evenly`.
    """
    chosen = np.asarray(vectors[rows], np.float64)
    lengths = np.einsum("ij,ij->i", chosen, chosen)
    total = 0.0
    for begin in range(0, len(vectors), _ROWS):
        some = np.asarray(vectors[begin : begin + _ROWS], np.float64)
        nearest = (lengths - 2 * (some @ chosen.T)).min(axis=1)
        squared = nearest + np.einsum("ij,ij->i", some, some)
        total += float(np.sqrt(np.maximum(squared, 0)).sum())
    return total / len(vectors)


def same_picks(rows: Vectors, reference: Vectors) -> float:
    """Return the share of picks before the first that differs from the reference's."""
    count = min(len(rows), len(reference))
    different = rows[:count] != reference[:count]
    return (int(np.argmax(different)) if different.any() else count) / len(rows)


def same_rows(rows: Vectors, reference: Vectors) -> float:
    """Return the share of rows that are among equally many first picks of the reference."""
    return len(np.intersect1d(rows, reference[: len(rows)])) / len(rows)
