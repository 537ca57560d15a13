"""The distance at which a packing has a target size, by bisection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry import DistanceMatrix, Points, reach_of
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.knn_distance import pair_distances
from evenly.geometry.search.neighbour_graph import NeighbourGraph, neighbour_graph
from evenly.selection.packing.max_radius import diameter_bound
from evenly.shapes import Int

if TYPE_CHECKING:
    from collections.abc import Callable


_PRECISION = 2.0**-16
_SAMPLE = 1024


@dataclass(frozen=True)
class GraphUse:
    """When to find all close pairs once, instead of comparing rows in every packing.

    Attributes:
        least_share: packings of more than this share of the rows compare almost all pairs.
        pairs_per_row, max_pairs: pairs that are kept: at most 560 MB while they are found.
    """

    least_share: float = 0.25
    pairs_per_row: int = 64
    max_pairs: int = 10_000_000


def distance_for_size(
    points: Points | DistanceMatrix,
    order: Int[np.ndarray, " m"],
    size: int,
    pack: Callable[[float, int], Int[np.ndarray, " k"]],
    graph_use: GraphUse | None = None,
) -> tuple[float, Int[np.ndarray, " k"]]:
    """Return a distance at which packing keeps at most `size` rows, and as many as possible.

    The number of rows does not always fall with the distance. Bisection ends when a packing has
    the size, or when the two distances differ by 2^-16 of themselves; the result is the distance
    tried that keeps the most rows.

    Args:
        order: row numbers, those with priority first.
        size: the largest number of rows, 1 or more.
        pack: returns the packing at a distance, cut at a number of rows.

    Returns:
        The distance, and the rows that its packing, a maximal one, keeps.

    Cost: up to sixteen packings, of which those that keep too many rows end early. If many rows
        are to be kept, close pairs are found once instead, with n²/2·d multiplications, and every
        packing is fast.
    """
    use = graph_use or GraphUse()
    kept = pack(0.0, size + 1)
    if len(kept) <= size:
        return 0.0, kept
    # No two rows are as far apart as `above`, so its packing has a single row.
    below, above = 0.0, diameter_bound(points) * (1.0 + _PRECISION)
    in_memory = isinstance(points, DistanceMatrix) or points.in_memory
    if in_memory and size > use.least_share * len(order):
        graph, distance = _close_pairs(points, order, above, use)

        if graph is not None:

            def pack_graph(distance: float, limit: int) -> Int[np.ndarray, " k"]:
                ends = graph.ends(reach_of(distance))
                positions = keep_in_order(graph.starts, ends, graph.neighbours, limit)
                rows: Int[np.ndarray, " k"] = order[positions]
                return rows

            if len(pack_graph(distance, size + 1)) <= size:
                pack, above = pack_graph, distance
            else:
                below = distance
    return _bisect(pack, size, below, above)


def _bisect(
    pack: Callable[[float, int], Int[np.ndarray, " k"]], size: int, below: float, above: float
) -> tuple[float, Int[np.ndarray, " k"]]:
    best = None
    while above - below > _PRECISION * above:
        middle = below + (above - below) / 2
        kept = pack(middle, size + 1)
        if len(kept) > size:
            below = middle
            continue
        above = middle
        if best is None or len(kept) > len(best[1]):
            best = middle, kept
        if len(kept) == size:
            break
    return (above, pack(above, size + 1)) if best is None else best


class _TooManyPairsError(Exception):
    """There are far more close pairs than estimated. Never leaves this file."""


def _close_pairs(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"], largest: float, use: GraphUse
) -> tuple[NeighbourGraph | None, float]:
    """Join all rows nearer than a distance at which there are not too many pairs.

    The distance is a quantile of the distances between a sample of the rows.
    """
    max_pairs = min(use.pairs_per_row * len(rows), use.max_pairs)
    share = max_pairs / (len(rows) * (len(rows) - 1) / 2)
    distance = largest
    if share < 1.0:
        sample = rows[:: max(1, len(rows) // _SAMPLE)]
        distance = float(np.quantile(pair_distances(points, sample), share))
    found = 0

    def count(pairs: int, _: int) -> None:
        nonlocal found
        found += pairs
        if found > 4 * max_pairs:
            raise _TooManyPairsError

    try:
        return neighbour_graph(points, rows, distance, progress=count), distance
    except _TooManyPairsError:
        return None, distance


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def keep_in_order(
    starts: Int[np.ndarray, " m+1"],
    ends: Int[np.ndarray, " m"],
    neighbours: Int[np.ndarray, " e"],
    limit: int,
) -> Int[np.ndarray, " k"]:
    """Keep each position, in order, that is not a neighbour of one kept before it."""
    count = len(ends)
    excluded = np.zeros(count, np.bool_)
    kept = np.empty(min(limit, count), np.int64)
    n_kept = 0
    for row in range(count):
        if n_kept == len(kept):
            break
        if excluded[row]:
            continue
        kept[n_kept] = row
        n_kept += 1
        for place in range(starts[row], ends[row]):
            excluded[neighbours[place]] = True
    return kept[:n_kept]
