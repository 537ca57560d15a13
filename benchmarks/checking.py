"""What a choice is worth: its h_min in float64, and where it parts from another."""

from __future__ import annotations

import numpy as np

from benchmarks.pools import Vectors

_ROWS = 2048
_PAIRS = 65_536


def exact_h_min(vectors: Vectors, rows: Vectors) -> float:
    """Smallest Euclidean distance between two of the rows; inf for a single row.

    Decided by subtracting, squaring and summing in float64. Float32 products leave out the
    pairs that are farther than the nearest by more than they can err: rows of length one, or
    shorter, and at most 4,096 coordinates are assumed. Independent of `evenly`, on purpose.
    """
    chosen = np.asarray(vectors[np.sort(rows)])
    exact = chosen.astype(np.float64)
    rough = chosen.astype(np.float32)
    lengths = np.einsum("ij,ij->i", rough, rough)
    # Twice what a product, a length and their sum can err by together: 4·d·2**-24 at most.
    slack = 8.0 * rough.shape[1] * 2.0**-24
    best = np.inf
    for first in range(0, len(rows), _ROWS):
        for second in range(first, len(rows), _ROWS):
            one, other = slice(first, first + _ROWS), slice(second, second + _ROWS)
            squared = lengths[one, None] + lengths[other] - 2 * (rough[one] @ rough[other].T)
            if first == second:
                squared[np.tril_indices(len(squared))] = np.inf
            limit = min(best, float(squared.min())) + slack
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


def same_picks(rows: Vectors, reference: Vectors) -> float:
    """Share of the picks up to the first that is another than the reference's."""
    count = min(len(rows), len(reference))
    different = rows[:count] != reference[:count]
    return (int(np.argmax(different)) if different.any() else count) / len(rows)


def same_rows(rows: Vectors, reference: Vectors) -> float:
    """Share of the rows that are among as many first picks of the reference, in any order."""
    return len(np.intersect1d(rows, reference[: len(rows)])) / len(rows)
