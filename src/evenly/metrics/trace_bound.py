"""The trace bound on h_min: squared distances to one point, summed. See docs/theory.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.points import mean_of, squared_distances_to
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from evenly.geometry import Points


@dataclass(frozen=True, eq=False)
class CentredPool:
    """The eligible rows by their squared distances to one point, farthest first.

    Attributes:
        rows: (n,) row numbers.
        squared_distances: (n,) to the point, non-increasing.
    """

    rows: Int[np.ndarray, " n"]
    squared_distances: Float[np.ndarray, " n"]

    def trace_bound(self, size: int) -> float:
        """Return √(2 / (k - 1) · sum of the k largest), a bound on the h_min of any k >= 2 rows."""
        total = float(self.squared_distances[:size].sum())
        return float(np.sqrt(2.0 * total / (size - 1.0)))


def best_centre(points: Points, size: int, steps: int) -> CentredPool:
    """Return the pool around the centre with the smallest trace bound found.

    Every centre gives a valid bound. The sum of the k largest squared distances is a convex
    function of the centre; subgradient steps, which begin at the mean of the pool, move the
    centre towards the mean of the k farthest rows.

    Cost: n·d operations per step.
    """
    rows = np.flatnonzero(points.eligible)

    def centred() -> CentredPool:
        squared = squared_distances_to(points, rows, centre)
        order = np.argsort(-squared, kind="stable")
        return CentredPool(rows[order], squared[order])

    centre = mean_of(points, rows)
    best = found = centred()
    for step in range(steps):
        centre = centre + (mean_of(points, found.rows[:size]) - centre) * (2.0 / (step + 3.0))
        found = centred()
        best = min(best, found, key=lambda pool: pool.trace_bound(size))
    return best
