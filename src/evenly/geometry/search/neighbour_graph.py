"""The graph of neighbours: which rows are nearer to each other than a distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry import (
    TIE,
    DistanceMatrix,
    Points,
    blocks,
    parallel_for,
    reach_of,
    usable_threads,
)
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.close_pairs import ClosePairs, close_pairs

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = ["BYTES_A_PAIR", "NeighbourGraph", "least_reach_above", "neighbour_graph"]


BYTES_A_PAIR = 56
"""Memory that a pair of neighbours takes while a graph is made; 24 afterwards."""


_SORTED_AT_ONCE = 1 << 14


def least_reach_above(squared: float) -> float:
    """The reach of the least distance that is larger than this squared one, and no tie."""
    return float(np.nextafter(squared * (1.0 + TIE), np.inf))


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Rows, and for each its neighbours, nearest first.

    Made once for the largest distance, it serves every smaller one: the neighbours nearer than
    that are a prefix.

    Attributes:
        rows: (m,) row numbers in the pool; everything else calls them by position.
        starts: (m + 1,) where the neighbours of each row begin in the arrays below.
        neighbours: (2p,) int32 positions.
        squared: (2p,) their squared distances, exact, rising for each row.
        reach: pairs with a squared distance below this are in it, all of them.
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
        """How many pairs of neighbours there are."""
        return len(self.neighbours) // 2

    def ends(self, reach: float) -> Int[np.ndarray, " m"]:
        """Where the neighbours nearer than `reach`, a squared distance, end for each row.

        Cost: one binary search a row.
        """
        assert reach <= self.reach
        ends: Int[np.ndarray, " m"] = ends_of_prefixes(self.starts, self.squared, reach)
        return ends

    def squared_h_min(self, chosen: Bool[np.ndarray, " m"]) -> float:
        """The smallest squared distance between two chosen rows; inf if `reach` or more."""
        return float(nearest_pair(self.starts, self.neighbours, self.squared, chosen))


def neighbour_graph(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    distance: float,
    *,
    progress: Callable[[int], object] | None = None,
) -> NeighbourGraph:
    """Join all rows that are nearer to each other than `distance`.

    Args:
        points: the pool.
        rows: (m,) row numbers, all distinct.
        distance: Euclidean (not squared), or of the metric; rows exactly so far apart, or within
            rounding, are no neighbours.
        progress: called after each tile of comparisons with how many pairs were found in it;
            what it raises ends the work.

    Returns:
        NeighbourGraph: the same for any number of threads.

    Cost: m²/2·d multiplications at most, as matrix products, and an exact distance for each
        pair; `BYTES_A_PAIR` bytes a pair.
    """
    reach = reach_of(distance)
    pairs = close_pairs(points, rows, reach, progress=progress)
    return _graph_of(rows, pairs, reach)


def _graph_of(rows: Int[np.ndarray, " m"], pairs: ClosePairs, reach: float) -> NeighbourGraph:
    starts, neighbours, squared = both_ways(len(rows), pairs.left, pairs.right, pairs.squared)

    def sort(part: slice) -> None:
        sort_neighbours(starts, neighbours, squared, part.start, part.stop)

    parallel_for(
        sort, list(blocks(len(rows), 1, numbers=_SORTED_AT_ONCE)), threads=usable_threads()
    )
    return NeighbourGraph(rows, starts, neighbours, squared, reach)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def both_ways(
    count: int,
    left: Int[np.ndarray, " p"],
    right: Int[np.ndarray, " p"],
    squared: Float[np.ndarray, " p"],
) -> tuple[Int[np.ndarray, " m+1"], Int[np.ndarray, " e"], Float[np.ndarray, " e"]]:
    """Pairs as neighbours of the one and of the other."""
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
    """Put the neighbours of some rows in order, the nearest first."""
    for row in range(begin, end):
        own = slice(starts[row], starts[row + 1])
        order = np.argsort(squared[own])
        neighbours[own] = neighbours[own][order]
        squared[own] = squared[own][order]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def ends_of_prefixes(
    starts: Int[np.ndarray, " m+1"], squared: Float[np.ndarray, " e"], reach: float
) -> Int[np.ndarray, " m"]:
    """Where the neighbours below a squared distance end."""
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
    """The smallest squared distance between two chosen rows; inf where none are neighbours."""
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
