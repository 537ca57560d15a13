"""Exact nearest chosen rows, in blocks: the one computation behind most measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import Proposals, lower_to_nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

__all__ = ["Nearest", "nearest_chosen", "nearest_other"]

_ROWS = 4096
_COLUMNS = 512


@dataclass(frozen=True, eq=False)
class Nearest:
    """For some rows, the nearest of the chosen ones.

    Attributes:
        rows: (m,) row numbers.
        distances: (m,) Euclidean distances to the nearest chosen row.
        nearest: (m,) its row number.
    """

    rows: Int[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]
    nearest: Int[np.ndarray, " m"]


def nearest_chosen(
    proposals: Proposals,
    chosen: Int[np.ndarray, " k"],
    *,
    progress: Callable[[int], object] | None = None,
) -> Nearest:
    """For every candidate of the pool, the nearest chosen row; a chosen row is its own.

    Cost: n·k·d multiplications in float32; memory for one block of distances.
    """
    rows = np.flatnonzero(proposals.points.candidates)
    others = np.setdiff1d(rows, chosen)
    met = _search(proposals, others, chosen, skip_itself=False, progress=progress)
    squared = np.zeros(len(proposals.points))
    nearest = np.arange(len(proposals.points))
    squared[others], nearest[others] = met
    return Nearest(rows, np.sqrt(squared[rows]), nearest[rows])


def nearest_other(proposals: Proposals, chosen: Int[np.ndarray, " k"]) -> Nearest:
    """For every chosen row, the nearest other chosen row (at inf and none, when it is alone).

    Cost: k²·d multiplications in float32.
    """
    squared, nearest = _search(proposals, chosen, chosen, skip_itself=True, progress=None)
    return Nearest(chosen, np.sqrt(squared), nearest)


def _search(
    proposals: Proposals,
    rows: Int[np.ndarray, " m"],
    chosen: Int[np.ndarray, " k"],
    *,
    skip_itself: bool,
    progress: Callable[[int], object] | None,
) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Squared distances to the nearest chosen rows, and their row numbers."""
    columns = proposals.columns(chosen)
    squared = np.full(len(rows), np.inf)
    nearest = np.full(len(rows), len(proposals.points))
    for begin in range(0, len(rows), _ROWS):
        block = slice(begin, begin + _ROWS)
        left = proposals.left(rows[block])
        for first in range(0, len(chosen), _COLUMNS):
            part = slice(first, first + _COLUMNS)
            lower_to_nearest(
                proposals,
                rows[block],
                left,
                squared[block],
                chosen[part],
                columns[part],
                nearest[block],
                skip_itself=skip_itself,
            )
        if progress is not None:
            progress(len(rows[block]))
    return squared, nearest
