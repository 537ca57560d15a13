"""The exact nearest chosen row of every row, on which most measures are based."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import SEGMENT, Targets
from evenly.geometry.screening.tuning import Tuning, TuningThresholds
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest chosen row, other than itself, of every eligible row of a pool.

    Attributes:
        rows: (m,) row numbers of the eligible rows, ascending.
        chosen: (m,) whether the row is itself chosen.
        distances: (m,) Euclidean distances to the nearest chosen row other than itself; inf if
            there is none.
        nearest: (m,) row number of that chosen row; the smallest of several.
    """

    rows: Int[np.ndarray, " m"]
    chosen: Bool[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]
    nearest: Int[np.ndarray, " m"]

    @property
    def to_subset(self) -> Float[np.ndarray, " m"]:
        """(m,) distances to the nearest chosen row, which for a chosen row is itself."""
        return np.where(self.chosen, 0.0, self.distances)


def nearest_chosen(
    points: Points | DistanceMatrix,
    chosen: Int[np.ndarray, " k"],
    *,
    below: float = np.inf,
    progress: Callable[[int], object] | None = None,
    thresholds: TuningThresholds | None = None,
) -> Nearest:
    """Find the nearest chosen row, other than itself, of every eligible row of the pool.

    Args:
        points: the pool.
        chosen: (k,) row numbers.
        below: a squared distance within which every eligible row is known to have a chosen row,
            if there is one: then fewer coordinates rule out farther rows.
        progress: called with the number of rows finished since the last call.
        thresholds: when the choice of other proxies pays.

    Cost: n·k·d multiplications at most, as matrix products; memory for proxies of the chosen
        rows, for those of all rows if they fit in a quarter of the vectors plus 200 MB, and
        for one block of products a thread.
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        return _nearest_by_distance(points, rows, chosen, progress)
    if points.elsewhere is not None:
        squared, nearest = points.elsewhere.squared_to_chosen(chosen, below)
        if progress is not None:
            progress(len(rows))
    else:
        position = np.full(len(points), -1)
        position[chosen] = np.arange(len(chosen))
        best = Best(np.full(len(rows), below), np.full(len(rows), len(points)))
        taken = points.take(chosen)
        lower_to_chosen(
            best, points, taken, chosen, position, progress=progress, thresholds=thresholds
        )
        squared, nearest = best
    return Nearest(rows, np.isin(rows, chosen), np.sqrt(squared), nearest)


def lower_to_chosen(
    best: Best,
    points: Points,
    chosen: Points,
    numbers: Int[np.ndarray, " k"],
    position: Int[np.ndarray, " n"],
    *,
    progress: Callable[[int], object] | None = None,
    thresholds: TuningThresholds | None = None,
) -> None:
    """Lower `best` in place to the nearest chosen point of every eligible row of a pool.

    Args:
        best: (m,) what is known of the m eligible rows.
        points: the pool.
        chosen: the points that rows are compared with; they need not be rows of the pool.
        numbers: (k,) what `best.nearest` calls them.
        position: (n,) which of the points a row is itself; -1 for none of them.
        progress, thresholds: as in `nearest_chosen`.
    """
    rows, threads = np.flatnonzero(points.eligible), usable_threads()
    is_bounded = bool(np.isfinite(best.squared).any())
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(chosen))
        targets.append(chosen, numbers)

        def compare_all(begin: int, end: int) -> None:
            def compare(block: slice) -> None:
                own = rows[block]
                queries, some = targets.queries(own), best.part(block)
                skip = position[own]
                lower_to_nearest_of_all(targets, queries, some, begin=begin, end=end, skip=skip)
                if progress is not None and end == len(targets):
                    progress(len(own))

            parallel_for(compare, blocks(len(rows), 1, numbers=_ROWS), threads=threads)

        compared = 0
        tuning = Tuning(points, len(chosen), thresholds=thresholds, compared=len(rows))
        if points.in_memory and len(chosen) > 2 * SEGMENT:
            # The distances to the first targets show how many coordinates to compare afterwards,
            # and how precisely.
            if not is_bounded:
                compared = SEGMENT
                compare_all(0, compared)
            targets.change(*tuning.for_distances(targets, rows, best.squared, threads))
        compare_all(compared, len(targets))


def _nearest_by_distance(
    metric: DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    chosen: Int[np.ndarray, " k"],
    progress: Callable[[int], object] | None,
) -> Nearest:
    distances = np.full(len(rows), np.inf)
    nearest = np.full(len(rows), len(metric))
    for row in np.sort(chosen).tolist():
        found = metric.matrix[row].astype(np.float64)[rows]
        found[rows == row] = np.inf
        closer = found < distances
        distances[closer], nearest[closer] = found[closer], row
    if progress is not None:
        progress(len(rows))
    return Nearest(rows, np.isin(rows, chosen), distances, nearest)
