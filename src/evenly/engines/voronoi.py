"""Nearest first: a row that will fall below the threshold should meet its neighbours first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from evenly.geometry import Targets
from evenly.geometry.kernels.screening import lower_by_visits

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float32, Int

__all__ = ["CELLS", "LEAST_UNMET", "Cells", "Neighbours"]


CELLS = 256
"""How many cells there are: the first chosen rows, which are far apart, are their centres."""


LEAST_UNMET = 2048
"""Rows that have fewer columns to meet are not worth a visit."""


# What visits cost, in pairs of a product; measured as the costs of `Tuning` are.
_PER_VISIT, _PER_LOOK = 600, 20


class Neighbours(Protocol):
    """Finds chosen rows that are near a row: any of them gives a true upper bound."""

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        """Take in the columns that are new; `nearest` is which earlier one each is nearest to."""

    def are_worth_a_visit(self, unmet: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Which rows should visit, by how many columns each has not met."""

    def visit(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        left: Float32[np.ndarray, "m W"],
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        nearest: Int[np.ndarray, " m"],
    ) -> None:
        """Lower `squared`, in place, by columns near each row, until below its threshold."""


class Cells:
    """The chosen rows of each cell, and which of them a row of the pool has visited.

    A row is in the cell of the nearest chosen row that it has met; a chosen row is in the cell
    of the nearest one before it, and so on to a centre. Which cell a row is in changes what it
    meets first, never an answer: any distance to a chosen row is a true upper bound.

    Visits pay where they spare rows many columns, and enough rows. Where they have not, they are
    tried again when there are twice as many columns.

    Memory: 8 bytes a row and 12 a chosen row.
    """

    def __init__(self, pool_size: int) -> None:
        self._cell_of = np.full(pool_size, -1, np.int32)
        self._visited = np.zeros(pool_size, np.int32)
        self._newest = np.full(CELLS, -1, np.int64)
        self._older = np.empty(0, np.int64)
        self._cell_of_chosen = np.empty(0, np.int32)
        self._count = 0
        self._new: list[tuple[Targets, int, Int[np.ndarray, " b"]]] = []
        self._pause = 0
        self._outcomes: list[float] = []

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        """Take in the columns that are new; they go into cells when there are visits again.

        `nearest` is which earlier column each is nearest to; where there is none (a row of
        another pool), the nearest centre is looked for.
        """
        self._new.append((targets, len(targets), nearest))
        if len(targets) >= self._pause:
            for new in self._new:
                self._put_into_cells(*new)
            self._new.clear()

    def _put_into_cells(self, targets: Targets, end: int, nearest: Int[np.ndarray, " b"]) -> None:
        begin = self._count
        if end > len(self._older):
            self._older = np.resize(self._older, len(targets.matrix))
            self._cell_of_chosen = np.resize(self._cell_of_chosen, len(targets.matrix))
        positions = np.arange(begin, end)
        cells = self._cell_of_chosen[np.minimum(nearest, begin - 1)] if begin else positions.copy()
        lost = np.flatnonzero(nearest >= begin)
        first = min(CELLS, end)
        cells[lost] = targets.centre_of(targets.matrix[begin + lost], first)
        cells[positions < CELLS] = positions[positions < CELLS]
        self._cell_of_chosen[begin:end] = cells
        # Each leads to the one before it in its cell, the first to the newest there was.
        order = np.argsort(cells, kind="stable")
        cells, positions = cells[order], positions[order]
        older = self._newest[cells]
        again = np.flatnonzero(cells[1:] == cells[:-1]) + 1
        older[again] = positions[again - 1]
        self._older[positions] = older
        self._newest[cells] = positions  # of one cell, the last
        self._count = end

    def are_worth_a_visit(self, unmet: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Which rows should visit, by how many columns each has not met."""
        if sum(self._outcomes) < 0:
            self._pause = 2 * self._count
        self._outcomes.clear()
        worth: Bool[np.ndarray, " m"] = (unmet >= LEAST_UNMET) & (self._count >= self._pause)
        return worth

    def visit(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        left: Float32[np.ndarray, "m W"],
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        nearest: Int[np.ndarray, " m"],
    ) -> None:
        """Lower `squared` by what is new in the cell of each row, until below its threshold.

        Of the columns, each row has met the first `seen`.
        """
        cells = self._cell_of_chosen[nearest]
        moved = cells != self._cell_of[rows]
        proxies = targets.proxies
        looked = lower_by_visits(
            left,
            targets.matrix,
            proxies.transform.chunk,
            tuple(proxies.transform.error_bound()),
            *proxies.points.arrays,
            rows,
            *targets.points.arrays,
            proxies.points.coincident,
            self._newest[cells],
            self._older,
            np.where(moved, seen, self._visited[rows]),
            thresholds,
            squared,
            nearest,
        )
        self._cell_of[rows] = cells
        self._visited[rows] = self._count
        spared = (self._count - seen)[squared < thresholds].sum() / 2  # half of them, on average
        self._outcomes.append(float(spared) - len(rows) * _PER_VISIT - looked * _PER_LOOK)
