"""What pools ask of the bounds they keep, one squared distance a row; -inf for retired rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import TIE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["ceiling_of", "ceiling_outside", "farthest_of", "threshold_of"]


def farthest_of(squared: Float[np.ndarray, " f"], size: int) -> Int[np.ndarray, " m"]:
    """Positions of at most `size` largest values, ascending; of ties the first."""
    if len(squared) <= size:
        return np.arange(len(squared))
    tied = np.flatnonzero(squared >= squared.max() * (1.0 - TIE))
    if len(tied) >= size:
        return tied[:size]
    position = len(squared) - size
    return np.sort(np.argpartition(squared, position)[position:])


def threshold_of(bounds: Float[np.ndarray, " n"], wanted: int) -> float:
    """The value of the `wanted`-th largest bound; 0 when there are not so many rows."""
    if wanted >= len(bounds):
        return 0.0
    position = len(bounds) - wanted
    value = float(np.partition(bounds, position)[position])
    return max(0.0, value * (1.0 - 2.0 * TIE))


def ceiling_outside(
    bounds: Float[np.ndarray, " n"], inside: Int[np.ndarray, " m"]
) -> tuple[float, int]:
    """The largest bound of rows that are not inside, and the first row that may tie with it."""
    outside = bounds.copy()
    outside[inside] = -np.inf
    ceiling = float(outside.max())
    return ceiling, int(np.argmax(outside >= ceiling * (1.0 - 2.0 * TIE)))


def ceiling_of(outside: Sequence[tuple[float, int]]) -> tuple[float, int]:
    """The largest of several bounds, and the smallest row number that may tie with it."""
    ceiling = max(bound for bound, _ in outside)
    row = min(row for bound, row in outside if bound >= ceiling * (1.0 - 2.0 * TIE))
    return ceiling, row
