"""Distances of rows to the nearest of the first rows of an order, for several numbers of them."""

from __future__ import annotations

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.points import Points
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.search.in_order import lower_in_tiles
from evenly.geometry.threads import single_threaded_blas, usable_threads
from evenly.shapes import Float, Int


def distances_to_prefixes(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    order: Int[np.ndarray, " k"],
    sizes: Int[np.ndarray, " s"],
    *,
    before: Int[np.ndarray, " b"] | None = None,
    away: Points | None = None,
) -> Float[np.ndarray, "s m"]:
    """Return the exact distance of each row to the nearest of the first rows of an order.

    Args:
        points: the pool.
        rows: row numbers, not too many: their proxy vectors are kept in memory.
        order: row numbers; a row that is among the first is at distance 0.
        sizes: ascending numbers of first rows, at least 1 and at most k.
        before: other rows of the pool that come before all of the order.
        away: points from elsewhere that come before all of the order.

    Returns:
        (s, m) distances: line i is to the first sizes[i] rows, or to what comes before them.

    Cost: m·k·d multiplications, as matrix products: each pair is compared once.
    """
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, order, sizes, before)
    squared, done = np.full(len(rows), np.inf), 0
    found = np.empty((len(sizes), len(rows)))
    threads = usable_threads()
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(order))
        queries = targets.queries(rows)
        first = [away, None if before is None else points.take(before)]
        for number, size in enumerate(sizes.tolist()):
            begin = len(targets)
            for added in (*first, points.take(order[done:size])):
                if added is not None:
                    targets.append(added, np.zeros(len(added), np.int64))
            lower_in_tiles(targets, queries, squared, threads, begin=begin)
            found[number] = squared
            done, first = size, []
    np.sqrt(found, out=found)
    return found


def _by_distance(
    metric: DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    order: Int[np.ndarray, " k"],
    sizes: Int[np.ndarray, " s"],
    before: Int[np.ndarray, " b"] | None,
) -> Float[np.ndarray, "s m"]:
    found, done = np.empty((len(sizes), len(rows))), 0
    distances = np.full(len(rows), np.inf)

    def compare_with(others: Int[np.ndarray, " o"]) -> None:
        for other in others.tolist():
            np.minimum(distances, metric.matrix[other][rows], out=distances)

    if before is not None:
        compare_with(before)
    for number, size in enumerate(sizes.tolist()):
        compare_with(order[done:size])
        distances[np.isin(rows, order[done:size])] = 0.0
        found[number], done = distances, size
    return found
