"""The mean of rows that arrive one after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evenly.geometry.kernels.exact import add_rows, squared_distances_to_point
from evenly.geometry.points import MEAN_ROWS, Points
from evenly.shapes import Float, Int


@dataclass(eq=False)
class RunningMean:
    """The sum of rows so far, which is that of `Points.squared_distances_to_mean` to the bit.

    Attributes:
        origin: (d,) the first row; sums are relative to it.
        finished: (d,) the sum of the finished blocks of MEAN_ROWS row numbers.
        current: (d,) the sum of the block that is not finished.
        block: the number of that block.
        count: how many rows were added.
    """

    origin: Float[np.ndarray, " d"]
    finished: Float[np.ndarray, " d"] = field(init=False)
    current: Float[np.ndarray, " d"] = field(init=False)
    block: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self.finished, self.current = np.zeros(len(self.origin)), np.zeros(len(self.origin))

    def add(self, points: Points, numbers: Int[np.ndarray, " m"]) -> None:
        """Add all rows of `points`, in order; `numbers` are their row numbers, which ascend."""
        blocks = numbers // MEAN_ROWS
        for block in np.unique(blocks).tolist():
            if block != self.block:
                self.finished += self.current
                self.current[:] = 0.0
                self.block = block
            add_rows(points.vectors, np.flatnonzero(blocks == block), self.origin, self.current)
        self.count += len(points)

    def squared_distances(self, points: Points) -> Float[np.ndarray, " n"]:
        """Return the squared distance of each of these points to the mean of the rows so far."""
        mean = (self.finished + self.current) / self.count
        squared: Float[np.ndarray, " n"] = squared_distances_to_point(
            points.vectors, np.arange(len(points)), self.origin, mean
        )
        return squared
