"""The engine for a precomputed distance matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.upper_bounds import Bounded, ceiling_outside, farthest_of
from evenly.geometry import DistanceMatrix
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.geometry import Points


class DistancesEngine(Bounded):
    """An engine that has distances instead of vectors. It reads the distances of each pick once.

    Memory beyond the matrix: 8 bytes a row, and the distances between the rows of a frontier.
    """

    def __init__(self, metric: DistanceMatrix) -> None:
        self._metric = metric
        super().__init__(np.where(metric.eligible, np.inf, -np.inf))

    def __len__(self) -> int:
        return len(self._metric)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> None:
        """Return None, because there are no vectors."""

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen, and compare all rows with them."""
        for row in rows:
            self._lower(self._metric.squared(row))
        self.squared[rows] = -np.inf

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows; see `Engine.frontier`."""
        remaining = np.flatnonzero(self.squared >= 0.0)
        keys = self._keys
        rows = remaining[farthest_of(keys[remaining], size)]
        ceiling, ceiling_row = ceiling_outside(keys, rows)
        return Frontier(
            rows=rows,
            points=None,
            squared=self.squared[rows],
            between=lambda: self._metric.matrix[rows][:, rows].astype(np.float64) ** 2,
            proxies=None,
            transform=None,
            ceiling=ceiling,
            ceiling_row=ceiling_row,
            weights=self._weights_of(rows),
        )
