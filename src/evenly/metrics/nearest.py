"""Exact nearest chosen rows, in blocks: the one computation behind most measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import Proposals, for_each_tile, lower_to_nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Bool, Float, Int

__all__ = ["Nearest", "nearest_chosen"]

_ROWS = 4096
_COLUMNS = 512


@dataclass(frozen=True, eq=False)
class Nearest:
    """For every candidate of a pool, the nearest chosen row other than itself.

    Attributes:
        rows: (m,) row numbers of the candidates, ascending.
        chosen: (m,) whether the row is itself chosen.
        distances: (m,) Euclidean distances to the nearest chosen row other than itself; inf
            where there is none.
        nearest: (m,) its row number; of several the smallest.
    """

    rows: Int[np.ndarray, " m"]
    chosen: Bool[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]
    nearest: Int[np.ndarray, " m"]


def nearest_chosen(
    proposals: Proposals,
    chosen: Int[np.ndarray, " k"],
    *,
    progress: Callable[[int], object] | None = None,
) -> Nearest:
    """For every candidate of the pool, the nearest chosen row other than itself.

    Cost: n·k·d multiplications in the precision of the proposals; memory for one block of
        distances a thread.
    """
    rows = np.flatnonzero(proposals.points.candidates)
    others = proposals.points.take(chosen)
    columns = proposals.columns(others)
    squared = np.full(len(rows), np.inf)
    nearest = np.full(len(rows), len(proposals.points))

    def compare(block: slice) -> None:
        left = proposals.left(rows[block])
        for first in range(0, len(chosen), _COLUMNS):
            part = slice(first, first + _COLUMNS)
            lower_to_nearest(
                proposals,
                rows[block],
                left,
                squared[block],
                others.part(part),
                columns[part],
                nearest[block],
                numbers=chosen[part],
                skip_itself=True,
            )
        if progress is not None:
            progress(len(rows[block]))

    tiles = [slice(begin, begin + _ROWS) for begin in range(0, len(rows), _ROWS)]
    for_each_tile(compare, tiles, threads=proposals.threads)
    return Nearest(rows, np.isin(rows, chosen), np.sqrt(squared), nearest)
