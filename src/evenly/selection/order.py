"""Rows in a given order: how far each is from those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import (
    Columns,
    Frame,
    Metric,
    Points,
    StandIns,
    alone,
    lower_to_nearest,
    squared_distances_between,
)

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["radii_in_order"]

_BLOCK = 256


def radii_in_order(
    points: Points | Metric,
    rows: Int[np.ndarray, " k"],
    away: Points | Int[np.ndarray, " a"] | None = None,
) -> Float[np.ndarray, " k"]:
    """Distance of each row to the nearest row before it, or to the nearest of `away`.

    Args:
        points: the pool.
        rows: row numbers, in order.
        away: other points, none longer than the pool says; of distances, row numbers.

    Returns:
        (k,) Euclidean distances, not squared; inf for the first row where there is no `away`.

    Cost: k²/2 + k·a pairs, as matrix products.
    """
    squared: Float[np.ndarray, " k"] = np.full(len(rows), np.inf)
    if isinstance(points, Metric):
        before = [] if away is None else list(np.asarray(away))
        for place, row in enumerate(rows.tolist()):
            if before:
                squared[place] = points.squared(row)[before].min()
            before.append(row)
        np.sqrt(squared, out=squared)
        return squared
    own = points.take(rows)
    nearest = np.zeros(len(rows), np.int64)
    with alone():
        columns = Columns(StandIns(own, Frame.of(own)))
        if isinstance(away, Points) and len(away):
            columns.append(away, np.zeros(len(away), np.int64))
        for begin in range(0, len(rows), _BLOCK):
            block = np.arange(begin, min(begin + _BLOCK, len(rows)))
            found, left, met = squared[block], columns.stand_ins[block], 0
            while met < len(columns):
                part = columns.segment(met)
                lower_to_nearest(columns, *part, block, left, found, nearest[block])
                met = part[1]
            later, earlier = np.tril_indices(len(block), -1)
            pairs = squared_distances_between(own, block[later], own, block[earlier])
            np.minimum.at(found, later, pairs)
            squared[block] = found
            columns.append(own.take(block), block)
    np.sqrt(squared, out=squared)
    return squared
