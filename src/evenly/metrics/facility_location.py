"""Greedy facility location: rows with a small mean distance to the nearest of them.

The greedy sum of similarities is at least 1 - 1/e of the largest possible (Nemhauser, Wolsey and
Fisher 1978, doi:10.1007/BF01588971). Gains never increase, so that most need not be computed
again for each pick (lazy greedy: Minoux 1978, doi:10.1007/BFb0006528).
"""

from __future__ import annotations

import heapq

import numpy as np

from evenly.geometry import DistanceMatrix, Points
from evenly.shapes import Float, Float32, Int

MOST_ROWS = 5000
"""Pools with more rows have too many pairs for a measure."""


def facility_location(points: Points | DistanceMatrix, budget: int) -> Int[np.ndarray, " k"]:
    """Return the eligible rows that greedy facility location picks, in order.

    Cost: n²·d multiplications and 8·n² bytes, at most 200 MB for MOST_ROWS rows.
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        found = points.matrix[np.ix_(rows, rows)].astype(np.float32)
        found = found.max() - found
    else:
        found = similarities(points.exact(rows))
    chosen: Int[np.ndarray, " k"] = rows[greedy_picks(found, budget)]
    return chosen


def similarities(vectors: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n n"]:
    """Return the largest distance between two rows minus each distance.

    The sum that facility location maximises is then, but for its sign and a constant, the mean
    distance to the nearest chosen row. Distances are good to about 1e-3. Memory: one matrix.
    """
    rows = np.asarray(vectors, np.float32)
    lengths = np.einsum("ij,ij->i", rows, rows)
    found: Float32[np.ndarray, "n n"] = rows @ rows.T
    found *= -2
    found += lengths
    found += lengths[:, None]
    np.maximum(found, 0, out=found)
    np.sqrt(found, out=found)
    np.subtract(found.max(), found, out=found)
    return found


def greedy_picks(similarities: Float32[np.ndarray, "n n"], budget: int) -> Int[np.ndarray, " k"]:
    """Return `budget` row numbers in the order that lazy greedy picks them."""
    covered = np.zeros(len(similarities), np.float32)
    heap = [(-float(gain), row) for row, gain in enumerate(similarities.sum(axis=1))]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < budget:
        _, row = heapq.heappop(heap)
        gain = float(np.maximum(similarities[row] - covered, 0).sum())
        if not heap or gain >= -heap[0][0]:
            chosen.append(row)
            covered = np.maximum(covered, similarities[row])
        else:
            heapq.heappush(heap, (-gain, row))
    return np.array(chosen)
