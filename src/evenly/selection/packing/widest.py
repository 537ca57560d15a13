"""The widest packing of a given size: bisection on the distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.selection.packing.packer import Packer

__all__ = ["PRECISION", "Widest", "largest_distance", "widest_packing"]


PRECISION = 2.0**-10
"""How near, relatively, the distances are between which the bisection ends."""


@dataclass(frozen=True, eq=False)
class Widest:
    """A packing of a given size, and a distance at which there was none.

    Attributes:
        rows: (k,) row numbers in the order.
        radii: (k,) Euclidean distance of each to the nearest one before it.
        fails_at: the packing at this distance, a maximal one, was smaller; inf where every
            distance up to the largest there is was large enough.
    """

    rows: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    fails_at: float

    @property
    def min_distance(self) -> float:
        """The smallest distance between two of the rows, or to what they keep away from."""
        return float(self.radii.min(initial=np.inf))


def largest_distance(points: Points | DistanceMatrix) -> float:
    """A distance that no two candidates exceed: twice the largest one to their mean.

    Cost: 2·n·d; of a matrix of distances, to read it.
    """
    if isinstance(points, DistanceMatrix):
        rows = np.flatnonzero(points.eligible)
        return max(float(points.matrix[row][rows].max()) for row in rows.tolist())
    farthest = points.squared_distances_to_mean().max()
    # The rounding of the mean and of the distances is far below this.
    return 2.0 * float(np.sqrt(max(farthest, 0.0))) * (1 + 2.0**-20)


def widest_packing(
    packer: Packer,
    order: Int[np.ndarray, " m"],
    size: int,
    *,
    upper: float,
    radii_of: Callable[[Int[np.ndarray, " k"]], Float[np.ndarray, " k"]],
    progress: Callable[[float], Callable[[int], object]],
) -> Widest | None:
    """The first `size` rows of a packing whose distance is as large as bisection finds.

    The number of rows that a packing keeps falls with its distance only on the whole, so there
    may be larger distances that would do, beyond one that does not. What is found is the packing
    at its own smallest distance h: packing at h keeps exactly these rows first. And at most
    PRECISION above h, or below it, there is a distance at which the packing, a maximal one, is
    smaller. Every row is nearer than that distance to one of fewer than `size` rows then, so any
    `size` rows put two near the same one: h is at least half of what any `size` rows can reach,
    less PRECISION.

    Args:
        packer: of the pool.
        order: row numbers, first come first kept.
        size: how many, at least 1.
        upper: a distance that no two rows exceed.
        radii_of: distances of rows to earlier ones, and to what they keep away from.
        progress: called with the distance of each packing, gives what that one is told.

    Returns:
        Widest: None when not even so many rows are at no distance of 0.

    Cost: a packing for every halving of the distances left, of which those that are too near
        end early, and those too far keep few rows.
    """

    def try_at(distance: float) -> Widest | None:
        found = packer.pack(order, distance, limit=size, progress=progress(distance))
        if len(found) < size:
            return None
        return Widest(found.rows, radii_of(found.rows), np.inf)

    best = try_at(0.0)
    if best is None:
        return None
    above = upper
    fails_at = np.inf
    while above > best.min_distance * (1.0 + PRECISION):
        middle = best.min_distance + (above - best.min_distance) / 2
        found = try_at(middle)
        if found is None:
            above = fails_at = middle
        else:
            # The packing at its own smallest distance is the same one: that much is for free.
            best = found
    return Widest(best.rows, best.radii, fails_at)
