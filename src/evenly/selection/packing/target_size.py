"""The distance at which a packing leaves a given number of rows: bisection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry import DistanceMatrix, Points, reach_of
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.knn_distance import pair_distances
from evenly.geometry.search.neighbour_graph import NeighbourGraph, neighbour_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

__all__ = ["distance_leaving"]


_PRECISION = 2.0**-16


# From this share of the rows on, packings compare nearly all pairs: once is enough.
_MANY = 0.25


# Pairs of neighbours that are kept, for each row and in all: 560 MB while they are found.
_PAIRS_A_ROW, _PAIRS = 64, 10_000_000


_SAMPLE = 1024


def distance_leaving(
    points: Points | DistanceMatrix,
    order: Int[np.ndarray, " m"],
    left: int,
    upper: float,
    pack: Callable[[float, int], Int[np.ndarray, " k"]],
) -> tuple[float, Int[np.ndarray, " k"]]:
    """A distance at which packing leaves at most so many rows, and as near to it as can be found.

    The number of rows falls with the distance only on the whole. Bisection ends when the number
    is met, or when the distances left differ by 2^-16 of themselves; of those tried it takes
    the one that leaves the most rows.

    Args:
        points: the pool.
        order: row numbers, first come first kept.
        left: how many rows may be left, 1 or more.
        upper: a distance that no two rows exceed.
        pack: the packing at a distance, cut at so many rows.

    Returns:
        The distance, and the rows that its packing, a maximal one, keeps.

    Cost: up to sixteen packings, of which those that keep too many rows end early. Where many
        rows are to be left, the pairs of near rows are found once instead, at n²/2·d
        multiplications, and every packing is quick.
    """
    kept = pack(0.0, left + 1)
    if len(kept) <= left:
        return 0.0, kept
    # More than a distance that no two rows exceed: it leaves a single one.
    below, above = 0.0, upper * (1.0 + _PRECISION)
    if left > _MANY * len(order) and (isinstance(points, DistanceMatrix) or points.in_memory):
        graph, distance = _near_pairs(points, order, above)

        def pack_graph(distance: float, limit: int) -> Int[np.ndarray, " k"]:
            assert graph is not None
            positions = keep_in_order(
                graph.starts, graph.neighbours, graph.squared, reach_of(distance), limit
            )
            rows: Int[np.ndarray, " k"] = order[positions]
            return rows

        if graph is not None and len(pack_graph(distance, left + 1)) <= left:
            pack, above = pack_graph, distance
        elif graph is not None:
            below = distance
    return _bisect(pack, left, below, above)


def _bisect(
    pack: Callable[[float, int], Int[np.ndarray, " k"]], left: int, below: float, above: float
) -> tuple[float, Int[np.ndarray, " k"]]:
    best = None
    while above - below > _PRECISION * above:
        middle = below + (above - below) / 2
        kept = pack(middle, left + 1)
        if len(kept) > left:
            below = middle
            continue
        above = middle
        if best is None or len(kept) > len(best[1]):
            best = middle, kept
        if len(kept) == left:
            break
    return (above, pack(above, left + 1)) if best is None else best


class _TooManyError(Exception):
    """More pairs than were expected. Never leaves this file."""


def _near_pairs(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"], largest: float
) -> tuple[NeighbourGraph | None, float]:
    """All pairs nearer than a distance that is such that there are not too many of them.

    The distance is a quantile of those between a sample of the rows.
    """
    wanted = min(_PAIRS_A_ROW * len(rows), _PAIRS)
    share = wanted / (len(rows) * (len(rows) - 1) / 2)
    distance = largest
    if share < 1.0:
        some = rows[:: max(1, len(rows) // _SAMPLE)]
        distance = float(np.quantile(pair_distances(points, some), share))
    found = 0

    def count(pairs: int) -> None:
        nonlocal found
        found += pairs
        if found > 4 * wanted:
            raise _TooManyError

    try:
        return neighbour_graph(points, rows, distance, progress=count), distance
    except _TooManyError:
        return None, distance


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def keep_in_order(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    reach: float,
    limit: int,
) -> Int[np.ndarray, " k"]:
    """Positions kept, in their order: each unless a kept one is nearer than the reach."""
    count = len(starts) - 1
    out = np.zeros(count, np.bool_)
    kept = np.empty(min(limit, count), np.int64)
    found = 0
    for row in range(count):
        if found == len(kept):
            break
        if out[row]:
            continue
        kept[found] = row
        found += 1
        for place in range(starts[row], starts[row + 1]):
            if squared[place] >= reach:
                break
            out[neighbours[place]] = True
    return kept[:found]
