"""The rows of a worker as metrics ask about them: distances to chosen rows, and sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.geometry import Best, Points
from evenly.geometry.points import squared_distances_to, sums_of_rows
from evenly.geometry.search.farthest import farthest_of_rows
from evenly.geometry.search.nearest_chosen import lower_to_chosen
from evenly.inputs.memory_plan import room_for_work
from evenly.options import InputOptions
from evenly.shapes import Bool, Float, Int


class MeasuredRows:
    """Rows that one machine holds, and questions of `geometry.points.Elsewhere` about them."""

    _stored: Any
    _factors: Float[np.ndarray, " n"] | None
    _options: InputOptions

    def _points(self, eligible: Bool[np.ndarray, " n"], longest: float) -> Points:
        room = room_for_work(len(eligible), self._options)
        return Points(self._stored, self._factors, eligible, longest, room)

    def aim(self, chosen: Points, numbers: Int[np.ndarray, " k"]) -> None:
        """Take chosen rows that distances are measured to.

        Args:
            chosen: the rows of all workers.
            numbers: (k,) their row numbers, as this worker counts.
        """
        self._chosen, self._numbers = chosen, numbers
        self._position = np.full(len(self._stored), -1)
        own = np.flatnonzero((numbers >= 0) & (numbers < len(self._stored)))
        self._position[numbers[own]] = own

    def squared_to_chosen(
        self, eligible: Bool[np.ndarray, " n"], longest: float, below: float, nothing: int
    ) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Return the nearest chosen row of each eligible row, or `nothing`."""
        rows = int(np.count_nonzero(eligible))
        best = Best(np.full(rows, below), np.full(rows, nothing))
        if rows:
            points = self._points(eligible, longest)
            lower_to_chosen(best, points, self._chosen, self._numbers, self._position)
        return best.squared, best.nearest

    def farthest_row(
        self, eligible: Bool[np.ndarray, " n"], longest: float
    ) -> tuple[int, float] | None:
        """Return the row that is farthest from the chosen ones; None if all are chosen."""
        rows = np.flatnonzero(eligible & (self._position < 0))
        if len(rows) == 0:
            return None
        points = self._points(eligible, longest)
        return farthest_of_rows(points, rows, self._chosen)

    def sums_of_rows(
        self, rows: Int[np.ndarray, " m"], origin: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "b d"]:
        """Return the sums of blocks of rows; see `geometry.points`."""
        return sums_of_rows(self._points(np.ones(len(self._stored), bool), 0.0), rows, origin)

    def squared_distances_to_point(
        self, rows: Int[np.ndarray, " m"], point: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " m"]:
        """Return the squared distances of some rows to a point."""
        points = self._points(np.ones(len(self._stored), bool), 0.0)
        return squared_distances_to(points, rows, point)
