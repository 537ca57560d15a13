"""What each cell of a selection offers: a better place for its pick, and a second pick.

The cell of a pick holds the rows that are nearest to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.geometry import DistanceMatrix, Points, blocks
from evenly.geometry.kernels.exact import (
    add_rows,
    squared_distances_of_pairs,
    squared_distances_to_point,
)
from evenly.shapes import Bool, Float, Int

ROUNDING = 1e-9
"""Sums whose relative difference is less are equal."""

# The row with the smallest mean distance is almost always among those nearest to the mean, which
# has the smallest mean squared distance. Second picks are far from the mean: a sample will do,
# because the next round moves them to a better place.
_NEAR_MEAN = 4
_SAMPLED = 12
_NUMBERS = 1 << 20


@dataclass(frozen=True, eq=False)
class Offer:
    """What a cell offers.

    Attributes:
        medoid: the row with the smallest sum of distances to the cell, of those looked at; the
            pick unless another is better.
        second: the row that lowers the sum of distances most beside the pick.
        gain: by how much.
    """

    medoid: int
    second: int
    gain: float


def offer_of(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    pick: int,
    distances: Float[np.ndarray, " m"],
    is_possible: Bool[np.ndarray, " m"],
) -> Offer:
    """Return what a cell offers.

    Sums add in the order of the rows, in float64, so they have the same bits on every machine.

    Args:
        points: the pool.
        rows: those of the cell, ascending; the pick is among them.
        pick: the row that is chosen.
        distances: of each row to the pick.
        is_possible: whether the pick may move to a row.

    Cost: about 17·3·m·d operations.
    """
    looked_at = _candidates(points, rows, is_possible)
    candidates, count = rows[looked_at], len(looked_at)
    sums, gains, now = np.zeros(count), np.zeros(count), 0.0
    for block in blocks(len(rows), count, numbers=_NUMBERS):
        between = _distances(points, rows[block], candidates)
        own = distances[block]
        sums += np.cumsum(between, axis=0)[-1]
        gains += np.cumsum(np.maximum(own[:, None] - between, 0.0), axis=0)[-1]
        now += float(np.cumsum(own)[-1])
    sums[~is_possible[looked_at]] = np.inf
    best, second = int(np.argmin(sums)), int(np.argmax(gains))
    is_better = sums[best] < now * (1.0 - ROUNDING)
    medoid = int(candidates[best]) if is_better else pick
    return Offer(medoid, int(candidates[second]), float(gains[second]))


def _candidates(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    is_possible: Bool[np.ndarray, " m"],
) -> Int[np.ndarray, " c"]:
    """Return positions of rows that are looked at: those nearest to the mean, and a sample."""
    if len(rows) <= _NEAR_MEAN + _SAMPLED:
        return np.arange(len(rows))
    sampled = np.linspace(0, len(rows) - 1, _SAMPLED).astype(np.int64)
    squared = _squared_to_mean(points, rows)
    squared[~is_possible] = np.inf
    central = np.argsort(squared, kind="stable")[:_NEAR_MEAN]
    return np.unique(np.concatenate([central, sampled]))


def _squared_to_mean(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return the squared distance of each row to the mean of all.

    Of distances alone, it is the mean squared distance to all rows, less a constant.
    """
    squared = np.empty(len(rows))
    if isinstance(points, DistanceMatrix):
        for block in blocks(len(rows), len(rows), numbers=_NUMBERS):
            between = _distances(points, rows, rows[block])
            squared[block] = np.cumsum(between**2, axis=0)[-1] / len(rows)
        return squared
    origin = points.exact(rows[:1])[0]
    total = np.zeros(points.dimension)
    parts = list(blocks(len(rows), points.dimension, numbers=_NUMBERS))
    for block in parts:
        some, inside = _readable(points, rows[block])
        add_rows(some.vectors, inside, origin, total)
    mean = total / len(rows)
    for block in parts:
        some, inside = _readable(points, rows[block])
        squared[block] = squared_distances_to_point(some.vectors, inside, origin, mean)
    return squared


def _distances(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " b"], others: Int[np.ndarray, " c"]
) -> Float[np.ndarray, "b c"]:
    """Return the exact distances of rows to some others."""
    if isinstance(points, DistanceMatrix):
        known: Float[np.ndarray, "b c"] = points.matrix[np.ix_(rows, others)].astype(np.float64)
        return known
    some, inside = _readable(points, rows)
    targets, there = _readable(points, others)
    squared = squared_distances_of_pairs(
        some.vectors,
        np.repeat(inside, len(there)),
        targets.vectors,
        np.tile(there, len(inside)),
    )
    between: Float[np.ndarray, "b c"] = np.sqrt(squared).reshape(len(inside), len(there))
    return between


def _readable(points: Points, rows: Int[np.ndarray, " m"]) -> tuple[Points, Int[np.ndarray, " m"]]:
    """Return points in memory and which of them the rows are."""
    return (points, rows) if points.in_memory else (points.take(rows), np.arange(len(rows)))
