"""The engine for a precomputed distance matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.upper_bounds import Bounded, Bounds, ceiling_outside, farthest_of
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
        self._bounds = Bounds(np.where(metric.eligible, np.inf, -np.inf))
        self._squared = self._bounds.squared

    def __len__(self) -> int:
        return len(self._metric)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> None:
        """Return None, because there are no vectors."""

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen, and compare all rows with them."""
        for row in rows:
            self._bounds.lower(self._metric.squared(row))
        self._squared[rows] = -np.inf

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """Return the farthest rows; see `Engine.frontier`."""
        remaining = np.flatnonzero(self._squared >= 0.0)
        keys = self._bounds.keys
        rows = remaining[farthest_of(keys[remaining], size)]
        ceiling, ceiling_row = ceiling_outside(keys, rows)
        return Frontier(
            rows=rows,
            points=None,
            squared=self._squared[rows],
            between=lambda: self._metric.matrix[rows][:, rows].astype(np.float64) ** 2,
            proxies=None,
            transform=None,
            ceiling=ceiling,
            ceiling_row=ceiling_row,
            weights=self._bounds.weights_of(rows),
        )
