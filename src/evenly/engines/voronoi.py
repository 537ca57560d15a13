"""Voronoi cells of the chosen rows: a row is compared with the targets of its own cell first."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from evenly.engines.sizes import EngineSizes
from evenly.geometry import Best, Queries, Targets
from evenly.geometry.kernels.screening import Chains, lower_along_chains
from evenly.shapes import Bool, Float, Int

# What a search costs for each row and for each pair, in pairs of a product; measured like the
# costs in `Tuning`.
_PER_SEARCH, _PER_PAIR = 600, 20


class NeighbourIndex(Protocol):
    """Finds chosen rows near a row. The distance to any of them is a true upper bound."""

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        """Add the new targets; `nearest` is the earlier target that each is nearest to."""

    def is_worth_a_search(self, unseen: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Return which rows should search, given how many targets each was not compared with."""

    def search(
        self,
        targets: Targets,
        queries: Queries,
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        best: Best,
    ) -> None:
        """Lower `best` in place by targets near each row, until below its threshold.

        Each row was compared with the first `seen` targets before.
        """


class VoronoiCells:
    """The chosen rows in each cell, and which of them every row of the pool was compared with.

    A row is in the cell of the nearest chosen row that it was compared with; a chosen row is in
    the cell of the nearest chosen row before it, and so on back to a centre. The cell of a row
    only decides what the row is compared with first, so it never changes an answer.

    Searches pay if they spare enough rows many comparisons. If they did not pay, they are tried
    again when there are twice as many targets.

    Memory: 8 bytes a row and 12 a chosen row.
    """

    def __init__(self, pool_size: int, sizes: EngineSizes) -> None:
        self._sizes = sizes
        self._cell_of = np.full(pool_size, -1, np.int32)
        self._visited = np.zeros(pool_size, np.int32)
        self._newest = np.full(sizes.cells, -1, np.int64)
        self._older = np.empty(0, np.int64)
        self._cell_of_chosen = np.empty(0, np.int32)
        self._count = 0
        self._new: list[tuple[Targets, int, Int[np.ndarray, " b"]]] = []
        self._pause = 0
        self._savings: list[float] = []

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        """Add the new targets; they are put into cells once searches are due again.

        `nearest` is the earlier target that each is nearest to. For rows of another pool it is
        above all target numbers, and the nearest centre is looked up.
        """
        self._new.append((targets, len(targets), nearest))
        if len(targets) >= self._pause:
            for new in self._new:
                self._put_into_cells(*new)
            self._new.clear()

    def _put_into_cells(self, targets: Targets, end: int, nearest: Int[np.ndarray, " b"]) -> None:
        begin, centres = self._count, self._sizes.cells
        if end > len(self._older):
            self._older = np.resize(self._older, len(targets.matrix))
            self._cell_of_chosen = np.resize(self._cell_of_chosen, len(targets.matrix))
        positions = np.arange(begin, end)
        cells = self._cell_of_chosen[np.minimum(nearest, begin - 1)] if begin else positions.copy()
        unknown = np.flatnonzero(nearest >= begin)
        cells[unknown] = targets.nearest_centre(targets.matrix[begin + unknown], min(centres, end))
        cells[positions < centres] = positions[positions < centres]
        self._cell_of_chosen[begin:end] = cells
        # Link each target to the one before it in its cell, the first to the newest so far.
        order = np.argsort(cells, kind="stable")
        cells, positions = cells[order], positions[order]
        older = self._newest[cells]
        linked = np.flatnonzero(cells[1:] == cells[:-1]) + 1
        older[linked] = positions[linked - 1]
        self._older[positions] = older
        self._newest[cells] = positions  # the last one of each cell
        self._count = end

    def is_worth_a_search(self, unseen: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Return which rows should search, given how many targets each was not compared with."""
        if sum(self._savings) < 0:
            self._pause = 2 * self._count
        self._savings.clear()
        least = self._sizes.least_unseen
        worth: Bool[np.ndarray, " m"] = (unseen >= least) & (self._count >= self._pause)
        return worth

    def search(
        self,
        targets: Targets,
        queries: Queries,
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        best: Best,
    ) -> None:
        """Lower `best` by the new targets in the cell of each row, until below its threshold."""
        rows = queries.rows
        cells = self._cell_of_chosen[best.nearest]
        moved = cells != self._cell_of[rows]
        chains = Chains(
            self._newest[cells],
            self._older,
            np.where(moved, seen, self._visited[rows]),
            thresholds,
        )
        screen = targets.proxies.transform.screen()
        compared = lower_along_chains(chains, queries, targets.arrays, screen, best)
        self._cell_of[rows] = cells
        self._visited[rows] = self._count
        # On average half of the targets would have been enough.
        spared = (self._count - seen)[best.squared < thresholds].sum() / 2
        self._savings.append(float(spared) - len(rows) * _PER_SEARCH - compared * _PER_PAIR)
