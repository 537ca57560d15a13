"""The neighbour graph: which rows are nearer to each other than a distance.

Most of its users ask which pairs are nearer than some distance, and products of proxies answer
that for nearly all pairs. So the graph is kept in *shells* of growing distance, whose limits
decide where a pair belongs. If neighbours up to a distance inside a shell are wanted, that shell is
divided there; the few pairs that products cannot tell apart are decided in float64, and remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import EXACT, TIE, Vectors, squared_distance
from evenly.geometry.kernels.screening import ErrorBound, limit_of, limit_within
from evenly.geometry.points import Points, blocks, reach_of
from evenly.geometry.search.close_pairs import close_pairs
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.shapes import Bool, Float, Int

BYTES_A_PAIR = 57
"""Bytes a pair of neighbours while a graph is made; afterwards 24."""

SHELLS = 48
"""Divisions of the distances: rows times this many numbers are kept."""

_ROWS = 1 << 14
_NO_VECTORS = Vectors(np.empty((0, 1)), np.empty(0), 0.0)


def least_reach_above(squared: float) -> float:
    """Return the reach of the smallest distance that exceeds this squared one and is not a tie."""
    return float(np.nextafter(squared * (1.0 + TIE), np.inf))


class Decider(NamedTuple):
    """What decides the distances of pairs that products leave open.

    Attributes:
        vectors: those of the pool.
        rows: (m,) row numbers in the pool.
        error_bound: what errors can do to products.
    """

    vectors: Vectors
    rows: Int[np.ndarray, " m"]
    error_bound: ErrorBound


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The neighbours of each row, shell by shell.

    A graph made for the largest distance serves every smaller one: `ends` moves the neighbours
    within that distance before the others of their shell. It must not be called by two threads at
    once.

    Attributes:
        rows: (m,) row numbers in the pool; all else refers to positions among them.
        starts: (m + 1,) where the neighbours of each row begin in the arrays below.
        neighbours: (2p,) int32 positions.
        squared: (2p,) their squared distances as far as decided; see `ClosePairs`.
        reach: the graph holds all pairs with a squared distance below this.
        limits: (s,) squared distances below which each shell ends; the last is `reach`.
        shells: (m, s) where each shell of a row ends.
        decider: decides the other distances.
        divided: reaches at which shells were divided, in this order, which the order of
            neighbours depends on.
    """

    rows: Int[np.ndarray, " m"]
    starts: Int[np.ndarray, " m+1"]
    neighbours: Int[np.ndarray, " e"]
    squared: Float[np.ndarray, " e"]
    reach: float
    limits: Float[np.ndarray, " s"]
    shells: Int[np.ndarray, "m s"]
    decider: Decider
    divided: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pairs(self) -> int:
        """Number of pairs of neighbours."""
        return len(self.neighbours) // 2

    def ends(self, reach: float) -> Int[np.ndarray, " m"]:
        """Return where the neighbours at a squared distance below `reach` end for each row.

        They stay there until the next call.

        Cost: one pass over the shell that `reach` divides.
        """
        assert reach <= self.reach
        shell = int(np.searchsorted(self.limits, reach))
        ends: Int[np.ndarray, " m"] = self.shells[:, shell].copy()
        if reach == self.limits[shell]:
            return ends
        self.divided.append(reach)
        begins = self.shells[:, shell - 1] if shell else self.starts[:-1]
        arrays = self.neighbours, self.squared, self.decider, reach

        def divide(part: slice) -> None:
            divide_shell(begins, ends, part.start, part.stop, *arrays)

        parts = blocks(len(self), 1, numbers=_ROWS)
        parallel_for(divide, parts, threads=usable_threads())
        return ends

    def squared_h_min(self, chosen: Bool[np.ndarray, " m"]) -> float:
        """Return the smallest squared distance between two chosen rows; inf if `reach` or more."""
        arrays = self.neighbours, self.squared, self.decider
        return float(nearest_pair(self.starts, self.shells, *arrays, chosen))


def neighbour_graph(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    distance: float,
    *,
    usual: float = 0.0,
    centres: Int[np.ndarray, " g"] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NeighbourGraph:
    """Return the graph of all rows that are nearer to each other than `distance`.

    Args:
        points: the pool, in memory.
        rows: (m,) row numbers, all distinct.
        distance: Euclidean (not squared), or of the matrix; rows at exactly this distance, up to
            rounding, are not neighbours.
        usual: the smallest distance up to which neighbours will usually be wanted.
        centres: as for `close_pairs`.
        progress: called after each tile of comparisons with the number of pairs found in it, and
            the number of tiles; an exception that it raises ends the work.

    Returns:
        NeighbourGraph: the same for any number of threads.

    Cost: m²/2·d multiplications at most, as matrix products, and an exact distance for each pair
        that products do not place in a shell; `BYTES_A_PAIR` bytes a pair and 8·48 a row.
    """
    reach = reach_of(distance)
    limits = np.array([reach])
    if np.isfinite(reach):
        limits = np.unique(np.append(np.linspace(min(usual**2, reach), reach, SHELLS), reach))
    pairs = close_pairs(points, rows, reach, estimates=True, centres=centres, progress=progress)
    vectors = points.vectors if isinstance(points, Points) else _NO_VECTORS
    decider = Decider(vectors, rows, pairs.error_bound)
    within = _limits_within(limits, pairs.error_bound)
    outside = _limits_outside(limits, pairs.error_bound)
    left, right, squared = pairs.left, pairs.right, pairs.squared
    places = np.empty(len(pairs), np.uint8)

    def place(part: slice) -> None:
        some = left[part], right[part], squared[part]
        places[part] = place_in_shells(*some, limits, within, outside, decider)

    parallel_for(place, blocks(len(pairs), 1), threads=usable_threads())
    starts, shells, neighbours, both = both_ways(
        left, right, squared, places, len(rows), len(limits)
    )
    return NeighbourGraph(rows, starts, neighbours, both, reach, limits, shells, decider)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _limits_within(limits: Float[np.ndarray, " s"], bound: ErrorBound) -> Float[np.ndarray, " s"]:
    found = np.empty(len(limits))
    for shell in range(len(limits)):
        found[shell] = limit_within(limits[shell], bound)
    return found


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _limits_outside(limits: Float[np.ndarray, " s"], bound: ErrorBound) -> Float[np.ndarray, " s"]:
    found = np.empty(len(limits))
    for shell in range(len(limits)):
        found[shell] = limit_of(limits[shell], bound)
    return found


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def decide(decider: Decider, one: int, other: int, terms: Float[np.ndarray, " d"]) -> float:
    """Return the exact squared distance of two positions."""
    vectors, rows = decider.vectors, decider.rows
    return float(squared_distance(vectors, rows[one], vectors, rows[other], terms))


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def place_in_shells(
    left: Int[np.ndarray, " p"],
    right: Int[np.ndarray, " p"],
    squared: Float[np.ndarray, " p"],
    limits: Float[np.ndarray, " s"],
    within: Float[np.ndarray, " s"],
    outside: Float[np.ndarray, " s"],
    decider: Decider,
) -> Int[np.ndarray, " p"]:
    """Return the shell of each pair; writes those squared distances that products leave open.

    Below within[s], a product is certainly below limits[s]; from outside[s] on, it is not.
    """
    places = np.empty(len(left), np.uint8)
    terms = np.empty(decider.vectors.stored.shape[1])
    count, scale = len(limits), decider.error_bound.scale
    per = (count - 1) / (limits[-1] - limits[0]) if count > 1 else 0.0
    for pair in range(len(left)):
        if squared[pair] < 0.0:
            product = -squared[pair]
            # Limits are evenly spaced.
            place = int(min(max((product / (scale * scale) - limits[0]) * per, 0.0), count - 1.0))
            while place < count and product >= within[place]:
                place += 1
            while place > 0 and product < within[place - 1]:
                place -= 1
            if place < count and (place == 0 or product >= outside[place - 1]):
                places[pair] = place
                continue
            squared[pair] = decide(decider, left[pair], right[pair], terms)
        places[pair] = np.searchsorted(limits, squared[pair], side="right")
    return places


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def both_ways(
    left: Int[np.ndarray, " p"],
    right: Int[np.ndarray, " p"],
    squared: Float[np.ndarray, " p"],
    places: Int[np.ndarray, " p"],
    count: int,
    n_shells: int,
) -> tuple[
    Int[np.ndarray, " m+1"], Int[np.ndarray, "m s"], Int[np.ndarray, " e"], Float[np.ndarray, " e"]
]:
    """List each pair for both its rows: starts, shells, neighbours and squared distances."""
    filled = np.zeros((count, n_shells), np.int64)
    for pair in range(len(left)):
        filled[left[pair], places[pair]] += 1
        filled[right[pair], places[pair]] += 1
    starts = np.empty(count + 1, np.int64)
    total = 0
    for row in range(count):
        starts[row] = total
        for shell in range(n_shells):
            size = filled[row, shell]
            filled[row, shell] = total
            total += size
    starts[count] = total
    neighbours, both = np.empty(total, np.int32), np.empty(total)
    for pair in range(len(left)):
        one, other, shell = left[pair], right[pair], places[pair]
        here, there = filled[one, shell], filled[other, shell]
        filled[one, shell] += 1
        filled[other, shell] += 1
        neighbours[here], both[here] = other, squared[pair]
        neighbours[there], both[there] = one, squared[pair]
    return starts, filled, neighbours, both


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def divide_shell(
    begins: Int[np.ndarray, " m"],
    ends: Int[np.ndarray, " m"],
    first: int,
    last: int,
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    decider: Decider,
    reach: float,
) -> None:
    """Move neighbours of some rows that are within `reach` to the front; lower `ends` to them.

    Otherwise they keep their order, so that it depends on exact distances only.
    """
    within = limit_within(reach, decider.error_bound)
    outside = limit_of(reach, decider.error_bound)
    terms = np.empty(decider.vectors.stored.shape[1])
    far = np.empty(64, np.int32)
    far_squared = np.empty(64)
    for row in range(first, last):
        size = ends[row] - begins[row]
        if size > len(far):
            far, far_squared = np.empty(2 * size, np.int32), np.empty(2 * size)
        near, n_far = begins[row], 0
        for place in range(begins[row], ends[row]):
            value = squared[place]
            if value < 0.0 and within <= -value < outside:
                value = squared[place] = decide(decider, row, neighbours[place], terms)
            if value < reach if value >= 0.0 else -value < within:
                neighbours[near], squared[near] = neighbours[place], value
                near += 1
            else:
                far[n_far], far_squared[n_far] = neighbours[place], value
                n_far += 1
        for place in range(n_far):
            neighbours[near + place], squared[near + place] = far[place], far_squared[place]
        ends[row] = near


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def nearest_pair(
    starts: Int[np.ndarray, " m+1"],
    shells: Int[np.ndarray, "m s"],
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    decider: Decider,
    chosen: Bool[np.ndarray, " m"],
) -> float:
    """Return the smallest squared distance between two chosen rows; inf if none are neighbours."""
    smallest, outside = np.inf, np.float32(np.inf)
    terms = np.empty(decider.vectors.stored.shape[1])
    last = shells.shape[1] - 1
    for row in range(len(chosen)):
        if not chosen[row]:
            continue
        place, shell = starts[row], 0
        while shell <= last:
            if place == shells[row, shell]:
                shell += 1
                continue
            if chosen[neighbours[place]]:
                value = squared[place]
                if value < 0.0 and -value < outside:
                    value = squared[place] = decide(decider, row, neighbours[place], terms)
                if 0.0 <= value < smallest:
                    smallest, last = value, shell
                    outside = limit_of(smallest, decider.error_bound)
            place += 1
    return smallest
