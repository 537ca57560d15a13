"""Exact nearest chosen rows, in blocks: the one computation behind most measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.points import Points
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import SEGMENT, Targets
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Bool, Float, Int

__all__ = ["Nearest", "nearest_chosen"]


_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Nearest:
    """For every candidate of a pool, the nearest chosen row other than itself.

    Attributes:
        rows: (m,) row numbers of the candidates, ascending.
        chosen: (m,) whether the row is itself chosen.
        distances: (m,) Euclidean distances to the nearest chosen row other than itself; inf
            where there is none.
        nearest: (m,) its row number; of several the smallest.
    """

    rows: Int[np.ndarray, " m"]
    chosen: Bool[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]
    nearest: Int[np.ndarray, " m"]


def nearest_chosen(
    points: Points | DistanceMatrix,
    chosen: Int[np.ndarray, " k"],
    *,
    below: float = np.inf,
    progress: Callable[[int], object] | None = None,
) -> Nearest:
    """For every candidate of the pool, the nearest chosen row other than itself.

    Args:
        points: the pool.
        chosen: (k,) row numbers.
        below: a squared distance that every candidate is known to be nearer than to a chosen row,
            where there is one: fewer coordinates rule out what is farther.
        progress: called with how many rows are done since the last call.

    Cost: n·k·d multiplications at most, as matrix products; memory for stand-ins of the chosen
        rows, for those of all rows where they fit in a quarter of the vectors and 200 MB, and
        for one block of products a thread.
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        return _nearest_by_distance(points, rows, chosen, progress)
    squared = np.full(len(rows), below)
    nearest = np.full(len(rows), len(points))
    threads = usable_threads()
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(chosen))
        targets.append(points.take(chosen), chosen)

        def compare(block: slice, begin: int, end: int) -> None:
            own, against = rows[block], targets
            if not points.in_memory:
                against = targets.beside(points.take(own))
                own = np.arange(len(own))
            left = against.proxies[own]
            lower_to_nearest_of_all(
                against,
                own,
                left,
                squared[block],
                nearest[block],
                begin=begin,
                end=end,
                skip=rows[block],
            )
            if progress is not None and end == len(targets):
                progress(len(rows[block]))

        def compare_all(begin: int, end: int) -> None:
            blocks = [slice(first, first + _ROWS) for first in range(0, len(rows), _ROWS)]
            parallel_for(lambda block: compare(block, begin, end), blocks, threads=threads)

        met = 0
        tuning = Tuning(points, len(chosen))
        if tuning.is_long and points.in_memory and len(chosen) > 2 * SEGMENT:
            # What the first columns teach tells how many coordinates to compare from then on.
            if np.isposinf(below):
                met = SEGMENT
                compare_all(0, met)
            proxies = tuning.cheaper(targets, rows, squared)
            if proxies is not None:
                proxies.keep(lambda work, tiles: parallel_for(work, tiles, threads=threads))
                targets.change(proxies, "float32")
        compare_all(met, len(targets))
    return Nearest(rows, np.isin(rows, chosen), np.sqrt(squared), nearest)


def _nearest_by_distance(
    metric: DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    chosen: Int[np.ndarray, " k"],
    progress: Callable[[int], object] | None,
) -> Nearest:
    distances = np.full(len(rows), np.inf)
    nearest = np.full(len(rows), len(metric))
    for row in np.sort(chosen).tolist():
        met = metric.matrix[row].astype(np.float64)[rows]
        met[rows == row] = np.inf
        closer = met < distances
        distances[closer], nearest[closer] = met[closer], row
    if progress is not None:
        progress(len(rows))
    return Nearest(rows, np.isin(rows, chosen), distances, nearest)
