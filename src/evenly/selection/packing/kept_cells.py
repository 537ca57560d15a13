"""The kept rows of a packing by Voronoi cell: most rows are excluded by one of their own cell."""

from __future__ import annotations

import numpy as np

from evenly.geometry import Queries, Targets
from evenly.geometry.kernels.screening import Best, Chains, lower_along_chains
from evenly.shapes import Bool

NOT_COMPARED = np.iinfo(np.int64).max
"""Sentinel: the nearest kept row of a row that is not near any."""


class KeptCells:
    """The targets of each Voronoi cell; the first targets are the centres.

    Cells only decide what a row is compared with first, never an answer: a row is excluded if
    any target is near.

    Args:
        centres: how many cells there are.
    """

    def __init__(self, centres: int) -> None:
        self._newest = np.full(centres, -1, np.int64)
        self._older = np.empty(0, np.int64)
        self._count = 0

    def append(self, targets: Targets) -> None:
        """Assign new targets to cells, as soon as there are enough targets for cells to pay."""
        begin, end = self._count, len(targets)
        if end < 2 * len(self._newest):
            return
        if end > len(self._older):
            self._older = np.resize(self._older, len(targets.matrix))
        cells = targets.nearest_centre(targets.matrix[begin:end], len(self._newest))
        for position, cell in enumerate(cells.tolist(), start=begin):
            self._older[position] = self._newest[cell]
            self._newest[cell] = position
        self._count = end

    def exclude(self, targets: Targets, queries: Queries, reach: float) -> Bool[np.ndarray, " m"]:
        """Return which rows are nearer than `reach`, squared, to a target of their cell."""
        count = len(queries.rows)
        if not self._count:
            return np.zeros(count, bool)
        best = Best(np.full(count, reach), np.full(count, NOT_COMPARED))
        chains = Chains(
            self._newest[targets.nearest_centre(queries.proxies, len(self._newest))],
            self._older,
            np.zeros(count, np.int64),
            np.full(count, reach),
        )
        screen = targets.proxies.transform.screen()
        lower_along_chains(chains, queries, targets.arrays, screen, best)
        return best.squared < reach
