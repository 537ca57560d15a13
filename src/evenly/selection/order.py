"""Rows in a given order: how far each is from those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import Metric, Points
from evenly.geometry.apart import distances_to_earlier

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["radii_in_order"]


def radii_in_order(
    points: Points | Metric,
    rows: Int[np.ndarray, " k"],
    away: Points | Int[np.ndarray, " a"] | None = None,
) -> Float[np.ndarray, " k"]:
    """Distance of each row to the nearest row before it, or to the nearest of `away`.

    Args:
        points: the pool.
        rows: row numbers, in order.
        away: other points, none longer than the pool says; or row numbers.

    Returns:
        (k,) Euclidean distances, not squared; inf for the first row where there is no `away`.

    Cost: k²/2 + k·a pairs, as matrix products.
    """
    if isinstance(away, Points):
        return distances_to_earlier(points, rows, away=away)
    return distances_to_earlier(points, rows, before=away)
