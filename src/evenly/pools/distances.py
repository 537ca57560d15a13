"""The pool of people with a metric of their own: distances instead of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import LARGEST, TIE, blocks
from evenly.pools.memory import farthest_of
from evenly.pools.pool import FRONTIER, Frontier

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from evenly.geometry import Points

__all__ = ["DistancesPool", "Metric"]


@dataclass(frozen=True, eq=False)
class Metric:
    """Distances between the rows of a pool, in the place of `Points`.

    Attributes:
        matrix: (n, n) symmetric distances (not squared), perhaps a memory map. Read by rows.
        candidates: (n,) True where a row may be chosen.
    """

    matrix: np.ndarray[Any, Any]
    candidates: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def dimension(self) -> int:
        """Numbers in a row."""
        return len(self.matrix)

    def squared(self, rows: Any) -> Float[np.ndarray, "m n"]:
        """Squared distances of some rows to all."""
        distances: Float[np.ndarray, "m n"] = self.matrix[rows].astype(np.float64)
        distances *= distances
        return distances

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Mean squared distance to all candidates; -inf for other rows.

        For Euclidean distances this is the squared distance to the mean and a constant:
        sum_j |x_i - x_j|² = n·|x_i - m|² + sum_j |x_j - m|².
        """
        squared = np.full(len(self), -np.inf)
        for block in blocks(len(self), len(self), numbers=1 << 22):
            rows = np.flatnonzero(self.candidates[block]) + block.start
            squared[rows] = self.squared(rows)[:, self.candidates].mean(axis=1)
        return squared

    def fault(self) -> str | None:
        """What keeps the matrix from being distances; None where nothing does.

        Cost: reads the matrix twice, a block of rows and the same block of columns at a time.
        """
        matrix = self.matrix
        if matrix.shape[0] != matrix.shape[1]:
            return f"has shape {matrix.shape}; distances need a square matrix (n, n)"
        step = max(1, (1 << 22) // max(1, len(self)))
        for begin in range(0, len(self), step):
            rows = np.arange(begin, min(begin + step, len(self)))
            part = matrix[rows]
            wrong = ~(np.isfinite(part) & (part >= 0) & (part <= LARGEST))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                return (
                    f"has {part[row, column]} at row {rows[row]}, column {column}; distances are "
                    f"finite, not negative and at most {LARGEST:g}"
                )
            own = part[np.arange(len(rows)), rows]
            if own.any():
                row = int(np.flatnonzero(own)[0])
                return f"has {own[row]} on its diagonal, at row {rows[row]}; it must be 0 there"
            differ = part != matrix[:, rows].T
            if differ.any():
                row, column = np.argwhere(differ)[0]
                return (
                    f"is not symmetric: row {rows[row]}, column {column} is {part[row, column]}, "
                    f"row {column}, column {rows[row]} is {matrix[column, rows[row]]}; for the "
                    "mean of both, pass (matrix + matrix.T) / 2"
                )
        return None


class DistancesPool:
    """A pool that knows distances only. Each chosen row's distances are read once.

    Memory beyond the matrix: 8 bytes a row, and a frontier's own distances.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._squared = np.where(metric.candidates, np.inf, -np.inf)

    def __len__(self) -> int:
        return len(self._metric)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> None:
        """Nothing: there are no vectors."""

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Compare all rows with the chosen."""
        for row in rows:
            np.minimum(self._squared, self._metric.squared(row), out=self._squared)
        self._squared[rows] = -np.inf

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """The farthest rows; see `Pool.frontier`."""
        left = np.flatnonzero(self._squared >= 0.0)
        rows = left[farthest_of(self._squared[left], size)]
        outside = self._squared.copy()
        outside[rows] = -np.inf
        ceiling = float(outside.max())
        between = self._metric.matrix[rows][:, rows].astype(np.float64)
        return Frontier(
            rows=rows,
            points=None,
            squared=self._squared[rows],
            between=between * between,
            stand_ins=None,
            frame=None,
            ceiling=ceiling,
            ceiling_row=int(np.argmax(outside >= ceiling * (1.0 - 2.0 * TIE))),
        )
