"""The cells of chosen rows: which of them is nearest to each row, and which is next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points
from evenly.geometry.search.nearest_chosen import lower_to_chosen
from evenly.shapes import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Cells:
    """The nearest chosen row of each of the m eligible rows of a pool, which for itself is itself.

    Attributes:
        chosen: (k,) distinct eligible rows.
        nearest: (m,) positions in `chosen`, the smallest of several.
        squared: (m,) squared distances to these rows.
    """

    chosen: Int[np.ndarray, " k"]
    nearest: Int[np.ndarray, " m"]
    squared: Float[np.ndarray, " m"]


def cells_of(
    points: Points | DistanceMatrix, chosen: Int[np.ndarray, " k"], before: Cells | None = None
) -> Cells:
    """Find the nearest chosen row of each eligible row.

    Args:
        points: the pool.
        chosen: (k,) distinct eligible rows.
        before: those of as many other chosen rows, which spare comparisons with rows that stay.

    Cost: n·k·d multiplications at most, as matrix products; memory as for `nearest_chosen`.
    """
    rows = np.flatnonzero(points.eligible)
    found = Best(np.full(len(rows), np.inf), np.full(len(rows), len(chosen)))
    stays = np.zeros(len(rows), bool)
    if before is not None:
        changed = chosen != before.chosen
        stays = ~changed[before.nearest]
        found.squared[stays], found.nearest[stays] = before.squared[stays], before.nearest[stays]
        _lower(points, rows, found, stays, chosen, np.flatnonzero(changed))
    _lower(points, rows, found, ~stays, chosen, np.arange(len(chosen)))
    inside = np.searchsorted(rows, chosen)
    found.nearest[inside], found.squared[inside] = np.arange(len(chosen)), 0.0
    return Cells(chosen, found.nearest, found.squared)


def next_nearest(
    points: Points | DistanceMatrix, cells: Cells, wanted: Bool[np.ndarray, " m"]
) -> Best:
    """Return the nearest chosen row of some eligible rows, but for that of their own cell.

    Args:
        points: the pool.
        cells: its cells.
        wanted: which of the m eligible rows are asked about.

    Returns:
        Squared distances and positions of the m rows; inf, and k, for rows that are not wanted or
        if only one row is chosen.
    """
    rows, count = np.flatnonzero(points.eligible), len(cells.chosen)
    found = Best(np.full(len(rows), np.inf), np.full(len(rows), count))
    skipped = np.full(len(points), -1)
    skipped[rows] = cells.nearest
    _lower(points, rows, found, wanted, cells.chosen, np.arange(count), skipped)
    return found


def _lower(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    best: Best,
    wanted: Bool[np.ndarray, " m"],
    chosen: Int[np.ndarray, " k"],
    positions: Int[np.ndarray, " p"],
    skipped: Int[np.ndarray, " n"] | None = None,
) -> None:
    """Lower `best` of the wanted rows to the nearest of the chosen rows at some positions.

    `skipped` is the position among these of a chosen row that does not count for a row.
    """
    if not len(positions) or not wanted.any():
        return
    if skipped is None:
        skipped = np.full(len(points), -1)
    own = rows[wanted]
    some = Best(best.squared[wanted], best.nearest[wanted])
    if isinstance(points, Points):
        eligible = np.zeros(len(points), bool)
        eligible[own] = True
        taken = points.take(chosen[positions])
        lower_to_chosen(some, replace(points, eligible=eligible), taken, positions, skipped)
    else:
        for place, position in enumerate(positions.tolist()):
            squared = points.squared(chosen[position])[own]
            squared[skipped[own] == place] = np.inf
            tied = (squared == some.squared) & (position < some.nearest)
            closer = (squared < some.squared) | tied
            some.squared[closer], some.nearest[closer] = squared[closer], position
    best.squared[wanted], best.nearest[wanted] = some
