"""The packing of a given size with the largest distance, by bisection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenly.selection.packing.packer import Packer

PRECISION = 2.0**-10
"""Relative difference of the two distances at which the bisection ends."""


@dataclass(frozen=True, eq=False)
class MaxRadiusPacking:
    """A packing of a given size, and a distance that is too large for one.

    Attributes:
        rows: (k,) row numbers in the order.
        radii: (k,) Euclidean distance of each to the nearest one before it.
        fails_at: a distance at which the packing, a maximal one, has fewer rows; inf if there is
            none up to the largest distance between rows.
    """

    rows: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    fails_at: float

    @property
    def min_distance(self) -> float:
        """The smallest distance between two of the rows, or to what they keep away from."""
        return float(self.radii.min(initial=np.inf))


def diameter_bound(points: Points | DistanceMatrix) -> float:
    """Return a distance that no two eligible rows exceed: twice the largest one to their mean.

    Cost: 2·n·d; for a matrix of distances, one pass over it.
    """
    if isinstance(points, DistanceMatrix):
        rows = np.flatnonzero(points.eligible)
        return max(float(points.matrix[row][rows].max()) for row in rows.tolist())
    farthest = points.squared_distances_to_mean().max()
    # The last factor exceeds the rounding errors of the mean and of the distances.
    return 2.0 * float(np.sqrt(max(farthest, 0.0))) * (1 + 2.0**-20)


def max_radius_packing(
    packer: Packer,
    order: Int[np.ndarray, " m"],
    size: int,
    *,
    progress: Callable[[float], Callable[[int], object]],
) -> MaxRadiusPacking | None:
    """Return the first `size` rows of a packing at the largest distance that bisection finds.

    The number of rows of a packing does not always fall with its distance, so there may be larger
    distances that would do, beyond one that does not. The result is the packing at its own
    smallest distance h: packing at h keeps exactly these rows first. And there is a distance, at
    most PRECISION above h, at which the packing, a maximal one, is smaller. Every row is then
    nearer than that distance to one of fewer than `size` rows, so of any `size` rows two are near
    the same one: h is at least half of what any `size` rows can reach, less PRECISION.

    Args:
        order: row numbers, those with priority first.
        size: how many rows, at least 1.
        progress: called with the distance of each packing; returns its progress callback.

    Returns:
        MaxRadiusPacking: None if there are fewer distinct rows.

    Cost: a packing for every halving of the interval of distances. If the distance is too small,
        it ends early; if it is too large, it keeps few rows.
    """

    def pack(distance: float) -> MaxRadiusPacking | None:
        found = packer.pack(order, distance, limit=size, progress=progress(distance))
        if len(found) < size:
            return None
        return MaxRadiusPacking(found.rows, packer.radii_of(found.rows), np.inf)

    best = pack(0.0)
    if best is None:
        return None
    above = diameter_bound(packer.points)
    fails_at = np.inf
    while above > best.min_distance * (1.0 + PRECISION):
        middle = best.min_distance + (above - best.min_distance) / 2
        found = pack(middle)
        if found is None:
            above = fails_at = middle
        else:
            # The packing at its own smallest distance is the same one, so continue from there.
            best = found
    return MaxRadiusPacking(best.rows, best.radii, fails_at)
