"""A precomputed distance matrix, used in place of points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenly.geometry.points import LARGEST, blocks
from evenly.shapes import Bool, Float


@dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """Distances between the rows of a pool, used in place of `Points`.

    Attributes:
        matrix: (n, n) symmetric distances (not squared), perhaps a memory map. Read by rows.
        eligible: (n,) True for rows that may be chosen.
    """

    matrix: np.ndarray[Any, Any]
    eligible: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def stored(self) -> np.ndarray[Any, Any]:
        """The matrix, under the name that `Points` have."""
        return self.matrix

    @property
    def unit(self) -> bool:
        """False: distances are never normalised."""
        return False

    @property
    def dimension(self) -> int:
        """Numbers in a row of the matrix."""
        return len(self.matrix)

    def squared(self, rows: Any) -> Float[np.ndarray, "m n"]:
        """Return the squared distances of some rows to all rows."""
        distances: Float[np.ndarray, "m n"] = self.matrix[rows].astype(np.float64)
        distances *= distances
        return distances

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Return the mean squared distance to all eligible rows; -inf for other rows.

        For Euclidean distances this is the squared distance to the mean, plus a constant:
        sum_j |x_i - x_j|² = n·|x_i - m|² + sum_j |x_j - m|².
        """
        squared = np.full(len(self), -np.inf)
        for block in blocks(len(self), len(self), numbers=1 << 22):
            rows = np.flatnonzero(self.eligible[block]) + block.start
            squared[rows] = self.squared(rows)[:, self.eligible].mean(axis=1)
        return squared

    def without_rounding_errors(self) -> DistanceMatrix | None:
        """Return a symmetric copy, the mean of both halves, without numbers slightly below 0.

        None if the matrix is further from distances than rounding explains: by more than 1e-6
        of its largest number, or 8 units in the last place of its type.
        """
        matrix, n = self.matrix, len(self)
        if matrix.shape != (n, n) or matrix.dtype.kind != "f":
            return None
        largest = max(float(np.abs(matrix[block]).max()) for block in blocks(n, n, numbers=1 << 22))
        allowed = max(1e-6, 8 * float(np.finfo(matrix.dtype).eps)) * largest
        mean = np.empty_like(matrix, subok=False)
        for block in blocks(n, n, numbers=1 << 22):
            part, other = matrix[block].astype(np.float64), matrix[:, block].T.astype(np.float64)
            own = np.abs(np.diagonal(part, block.start))
            with np.errstate(invalid="ignore"):
                error = max(np.abs(part - other).max(), own.max(initial=0.0), -part.min())
            if not error <= allowed:
                return None
            mean[block] = np.maximum(0.0, (part + other) / 2)
        np.fill_diagonal(mean, 0.0)
        return replace(self, matrix=mean)

    def fault(self) -> str | None:
        """Describe why the matrix does not hold distances; None if it does.

        Cost: reads the matrix twice, a block of rows and the same block of columns at a time.
        """
        matrix = self.matrix
        if matrix.shape[0] != matrix.shape[1]:
            return f"has shape {matrix.shape}; distances need a square matrix (n, n)"
        step = max(1, (1 << 22) // max(1, len(self)))
        for begin in range(0, len(self), step):
            rows = np.arange(begin, min(begin + step, len(self)))
            part = matrix[rows].astype(np.float64)
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
