"""How large h_min can be at most: bounds by name, each proven in docs/theory.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from evenly.geometry import DistanceMatrix, Points
from evenly.metrics.bounds import (
    balls_bound,
    line_bound,
    plane_bound,
    smaller_balls_bound,
    sphere_bound,
)
from evenly.metrics.cells import Cells, centre_of
from evenly.metrics.curve import Curve

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["UpperBounds", "certified_fraction", "clusters_bound"]

# What rounding can do to a bound, and more. Reported bounds are larger by this.
_ALLOWED = 1.0 + 1e-9
# Multiplications that the tree of cells may take in any case, and rows of a cell.
_WORK = 2e11
_SMALLEST_CELL, _LARGEST_CELL = 1024, 32768
# Rows up to which a matrix of distances is clustered: linkage holds half of it once more.
_LARGEST_METRIC = 8192


class UpperBounds:
    """Upper bounds on the h_min of any k rows of one pool, for several k.

    Attributes:
        curve: of a plain farthest-first run over the pool.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        size: int,
        *,
        work: float = 0.0,
        curve: Curve | None = None,
        progress: bool | None = None,
    ) -> None:
        """Bounds for any k up to `size`.

        Args:
            points: the pool.
            size: the largest k.
            work: multiplications that the cells may take, where that is more than 2e11 (a second
                or two): more work, larger cells, sharper bounds.
            curve: of such a run to `size` picks or more, where there is one.
            progress: a progress bar on stderr.
        """
        self._points = points
        self._work = max(work, _WORK)
        self._progress = progress
        self.curve = Curve.of(points, size, progress=progress) if curve is None else curve
        self._cells: Cells | None = None

    @property
    def cells(self) -> Cells | None:
        """The clusters of the pool, made when first used; None where vectors are not in memory."""
        points = self._points
        if self._cells is None and isinstance(points, Points) and points.in_memory:
            per_row = 6.0 * self.curve.pool_size * min(points.dimension, 128)
            cell = int(min(max(self._work / per_row, _SMALLEST_CELL), _LARGEST_CELL))
            with tqdm(
                total=self.curve.pool_size,
                desc="bounding",
                unit="row",
                disable=None if self._progress is None else not self._progress,
            ) as bar:
                self._cells = Cells(points, cell, progress=bar.update)
        return self._cells

    @property
    def _steps(self) -> int:
        """How often a centre is moved: each time reads the pool."""
        points = self._points
        if isinstance(points, DistanceMatrix) or not points.in_memory:
            return 0
        numbers = float(self.curve.pool_size) * points.dimension
        return int(min(max(self._work / 100 / numbers, 4), 30))

    def bounds(self, size: int, reached: float) -> dict[str, float]:
        """Bounds on the h_min of any `size` rows, by name.

        Args:
            size: k, at most the `size` of all.
            reached: the h_min of some k rows.

        Returns:
            Name -> bound: "all rows", "balls", "smaller balls", "trace", "sphere", "line",
            "plane", "cells" or "clusters"; those that apply. Empty for a single row.
        """
        if size < 2:
            return {}
        radii = self.curve.radii[:size]
        found = {}
        if size == self.curve.pool_size:
            found["all rows"] = reached
        found["balls"] = balls_bound(radii)
        if isinstance(self._points, DistanceMatrix):
            found |= _bounds_of_distances(self._points, size)
        else:
            found |= self._bounds_of_points(self._points, size)
            low = max(reached, float(radii[-1]))
            self._add_cells(found, size, low)
        return {name: float(bound * _ALLOWED) for name, bound in found.items()}

    def _bounds_of_points(self, points: Points, size: int) -> dict[str, float]:
        found = {"smaller balls": smaller_balls_bound(self.curve.radii[:size])}
        self._centred = centre_of(points, size, self._steps)
        found["trace"] = self._centred.trace_bound(size)
        if points.unit:
            found["sphere"] = sphere_bound(size, points.dimension)
        if points.dimension <= 2:
            rows = points.exact(np.flatnonzero(points.eligible))
            if points.dimension == 1:
                found["line"] = line_bound(rows[:, 0], size)
            else:
                found["plane"] = plane_bound(rows, size)
        return found

    def _add_cells(self, found: dict[str, float], size: int, low: float) -> None:
        # Nothing is gained where the bounds so far are attained.
        high = min(found.values())
        if self.cells is not None and high > low * _ALLOWED:
            found["cells"] = self.cells.bound(size, low, high, self._centred)

    def most_rows(self, distance: float) -> int:
        """No more rows than this have pairwise distances of `distance` > 0 or more."""
        curve = self.curve
        most = curve.pool_size
        # Two rows within one ball are not farther apart than its diameter.
        if curve.radii[-1] * 2.0 * _ALLOWED < distance:
            most = curve.rows_at(distance / 2.0 / _ALLOWED)
        if self.cells is None or not isinstance(self._points, Points):
            return most
        most = min(most, self.cells.most_rows(distance))
        if most < 2:
            return most
        centred = centre_of(self._points, most, self._steps)
        return min(most, self.cells.most_rows(distance, centred))


def certified_fraction(h_min: float, upper_bound: float) -> float:
    """h_min as a part of its bound, at most 1; where nothing can be better, 1."""
    if upper_bound <= h_min:
        return 1.0
    return h_min / upper_bound


def clusters_bound(distances: Float[np.ndarray, "n n"], size: int) -> float:
    """The largest diameter of k - 1 clusters: two of k rows are in one. For any distances.

    Complete linkage keeps diameters small (Defays 1977, doi:10.1093/comjnl/20.4.364).

    Cost: O(n²), and n² / 2 numbers of memory.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    heights = linkage(squareform(distances, checks=False), "complete")[:, 2]
    return float(heights[len(distances) - size])


def _bounds_of_distances(metric: DistanceMatrix, size: int) -> dict[str, float]:
    rows = np.flatnonzero(metric.eligible)
    if len(rows) > _LARGEST_METRIC:
        return {}
    distances = metric.matrix[rows].astype(np.float64)[:, rows]
    return {"clusters": clusters_bound(distances, size)}
