"""The neighbour graph: which rows are nearer to each other than a distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import EXACT, TIE
from evenly.geometry.points import Points, blocks, reach_of
from evenly.geometry.search.close_pairs import close_pairs
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.shapes import Bool, Float, Int

BYTES_A_PAIR = 56
"""Bytes a pair of neighbours while a graph is made; afterwards 24."""

_SORTED_AT_ONCE = 1 << 14


def least_reach_above(squared: float) -> float:
    """Return the reach of the smallest distance that exceeds this squared one and is not a tie."""
    return float(np.nextafter(squared * (1.0 + TIE), np.inf))


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The neighbours of each row, nearest first.

    A graph made for the largest distance serves every smaller one: the neighbours within that
    are a prefix.

    Attributes:
        rows: (m,) row numbers in the pool; all else refers to positions among them.
        starts: (m + 1,) where the neighbours of each row begin in the arrays below.
        neighbours: (2p,) int32 positions.
        squared: (2p,) their exact squared distances, rising for each row.
        reach: the graph holds all pairs with a squared distance below this.
    """

    rows: Int[np.ndarray, " m"]
    starts: Int[np.ndarray, " m+1"]
    neighbours: Int[np.ndarray, " e"]
    squared: Float[np.ndarray, " e"]
    reach: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pairs(self) -> int:
        """Number of pairs of neighbours."""
        return len(self.neighbours) // 2

    def ends(self, reach: float) -> Int[np.ndarray, " m"]:
        """Return where the neighbours at a squared distance below `reach` end for each row.

        Cost: one binary search a row.
        """
        assert reach <= self.reach
        ends: Int[np.ndarray, " m"] = ends_of_prefixes(self.starts, self.squared, reach)
        return ends

    def squared_h_min(self, chosen: Bool[np.ndarray, " m"]) -> float:
        """Return the smallest squared distance between two chosen rows; inf if `reach` or more."""
        return float(nearest_pair(self.starts, self.neighbours, self.squared, chosen))


def neighbour_graph(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    distance: float,
    *,
    progress: Callable[[int], object] | None = None,
) -> NeighbourGraph:
    """Return the graph of all rows that are nearer to each other than `distance`.

    Args:
        points: the pool.
        rows: (m,) row numbers, all distinct.
        distance: Euclidean (not squared), or of the matrix; rows at exactly this distance, up to
            rounding, are not neighbours.
        progress: called after each tile of comparisons with the number of pairs found in it; an
            exception that it raises ends the work.

    Returns:
        NeighbourGraph: the same for any number of threads.

    Cost: m²/2·d multiplications at most, as matrix products, and an exact distance for each
        pair; `BYTES_A_PAIR` bytes a pair.
    """
    reach = reach_of(distance)
    pairs = close_pairs(points, rows, reach, progress=progress)
    starts, neighbours, squared = both_ways(len(rows), pairs.left, pairs.right, pairs.squared)

    def sort(part: slice) -> None:
        sort_neighbours(starts, neighbours, squared, part.start, part.stop)

    parallel_for(sort, blocks(len(rows), 1, numbers=_SORTED_AT_ONCE), threads=usable_threads())
    return NeighbourGraph(rows, starts, neighbours, squared, reach)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def both_ways(
    count: int,
    left: Int[np.ndarray, " p"],
    right: Int[np.ndarray, " p"],
    squared: Float[np.ndarray, " p"],
) -> tuple[Int[np.ndarray, " m+1"], Int[np.ndarray, " e"], Float[np.ndarray, " e"]]:
    """Return starts, neighbours and squared distances that list each pair for both its rows."""
    starts = np.zeros(count + 1, np.int64)
    for pair in range(len(left)):
        starts[left[pair] + 1] += 1
        starts[right[pair] + 1] += 1
    for row in range(count):
        starts[row + 1] += starts[row]
    neighbours = np.empty(2 * len(left), np.int32)
    both = np.empty(2 * len(left))
    filled = starts[:-1].copy()
    for pair in range(len(left)):
        one, other = left[pair], right[pair]
        neighbours[filled[one]], both[filled[one]] = other, squared[pair]
        filled[one] += 1
        neighbours[filled[other]], both[filled[other]] = one, squared[pair]
        filled[other] += 1
    return starts, neighbours, both


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def sort_neighbours(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    begin: int,
    end: int,
) -> None:
    """Sort the neighbours of some rows, the nearest first."""
    for row in range(begin, end):
        own = slice(starts[row], starts[row + 1])
        order = np.argsort(squared[own])
        neighbours[own] = neighbours[own][order]
        squared[own] = squared[own][order]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def ends_of_prefixes(
    starts: Int[np.ndarray, " m+1"], squared: Float[np.ndarray, " e"], reach: float
) -> Int[np.ndarray, " m"]:
    """Return where the neighbours below a squared distance end for each row."""
    ends = np.empty(len(starts) - 1, np.int64)
    for row in range(len(ends)):
        begin, end = starts[row], starts[row + 1]
        while begin < end:
            middle = (begin + end) // 2
            if squared[middle] < reach:
                begin = middle + 1
            else:
                end = middle
        ends[row] = begin
    return ends


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def nearest_pair(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    chosen: Bool[np.ndarray, " m"],
) -> float:
    """Return the smallest squared distance between two chosen rows; inf if none are neighbours."""
    smallest = np.inf
    for row in range(len(chosen)):
        if not chosen[row]:
            continue
        for place in range(starts[row], starts[row + 1]):
            if squared[place] >= smallest:
                break
            if chosen[neighbours[place]]:
                smallest = squared[place]
    return smallest
