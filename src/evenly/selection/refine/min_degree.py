"""Packing by minimum degree: the row with the fewest neighbours first, and its neighbours out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry import reach_of
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.constraints import Constraints

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

__all__ = ["pack_by_degree", "widest_packing"]

# Halvings of the span between two distances: afterwards it is a thousandth of it.
_HALVINGS = 10


def pack_by_degree(
    graph: NeighbourGraph,
    reach: float,
    *,
    seed: int = 0,
    constraints: Constraints | None = None,
) -> Int[np.ndarray, " p"]:
    """A maximal packing, many rows in it: rows no two of which are nearer than `reach`.

    Of the rows that are left take the one with the fewest neighbours among them, leave its
    neighbours out, and go on.

    Args:
        graph: of at least that reach.
        reach: a squared distance.
        seed: rows with equally many neighbours are taken in an order that it decides.
        constraints: what the packing must keep to; None for nothing. Rows whose limit is below the
            reach are left out from the start, and those of a kind once it is full.

    Returns:
        (p,) positions in the graph, ascending. Every row that the terms allow is one of them or
        nearer than `reach` to one of them.

    Cost: O(pairs), one visit of each.

    Source: Halldórsson and Radhakrishnan 1997, doi:10.1007/BF02523693.
    """
    order = np.random.default_rng(seed).permutation(len(graph))
    constraints = constraints or Constraints.none(len(graph))
    found: Int[np.ndarray, " p"] = fewest_first(
        graph.starts,
        graph.neighbours,
        graph.ends(reach),
        order,
        constraints.limits < reach,
        constraints.kinds,
        constraints.most.copy(),
    )
    return np.sort(found)


def widest_packing(
    graph: NeighbourGraph,
    count: int,
    low: float,
    high: float,
    *,
    seed: int = 0,
    constraints: Constraints | None = None,
) -> tuple[Int[np.ndarray, " count"] | None, float]:
    """A packing of `count` rows or more at the largest distance at which one is found.

    By bisection between two distances. What minimum degree leaves out is not always less at a
    smaller distance, so this is no optimum, but better than farthest-first on all data tried.

    Args:
        graph: of `high` at least.
        count: how many rows there must be.
        low, high: distances.
        seed, terms: see `pack_by_degree`.

    Returns:
        The packing, None where even `low` gave none; and the smallest distance tried at which
        a maximal packing had fewer rows, inf where none had.

    Cost: eleven packings.

    Source: the radius by bisection, Hochbaum and Shmoys 1985, doi:10.1287/moor.10.2.180.
    """
    best: Int[np.ndarray, " count"] | None = None
    failed = np.inf
    middle = low
    for _ in range(_HALVINGS + 1):
        found = pack_by_degree(graph, reach_of(middle), seed=seed, constraints=constraints)
        if len(found) >= count:
            best, low = found, middle
        else:
            failed = high = middle
        if best is None:
            break
        middle = (low + high) / 2
    return best, failed


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def fewest_first(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    order: Int[np.ndarray, " m"],
    left_out: Bool[np.ndarray, " m"],
    kinds: Int[np.ndarray, " m"],
    room: Int[np.ndarray, " t"],
) -> Int[np.ndarray, " p"]:
    """The packing, in the order it was made; `left_out` and `room` are used up.

    Rows of d neighbours are a doubly linked list that `first[d]` begins.
    """
    count = len(ends)
    for row in range(count):
        left_out[row] |= room[kinds[row]] <= 0
    degrees = np.zeros(count, np.int64)
    for row in range(count):
        if not left_out[row]:
            for place in range(starts[row], ends[row]):
                degrees[row] += not left_out[neighbours[place]]
    first = np.full(degrees.max() + 1 if count else 1, -1, np.int32)
    after, before = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    owed = 0
    for row in order:
        if not left_out[row]:
            put(first, after, before, degrees[row], row)
            owed += 1
    packed = np.empty(owed, np.int64)
    # A row may be there as a neighbour and as one of a kind.
    leaving = np.empty(2 * count, np.int32)
    found, least = 0, 0
    while owed > 0:
        while first[least] < 0:
            least += 1
        row = first[least]
        drop(first, after, before, least, row)
        left_out[row] = True
        owed -= 1
        packed[found] = row
        found += 1
        last = 0
        for place in range(starts[row], ends[row]):
            if not left_out[neighbours[place]]:
                leaving[last] = neighbours[place]
                last += 1
        room[kinds[row]] -= 1
        if room[kinds[row]] == 0:
            # Of a kind that is full none can be taken, near or not.
            for near in range(count):
                if kinds[near] == kinds[row] and not left_out[near]:
                    leaving[last] = near
                    last += 1
        for place in range(last):
            near = leaving[place]
            if left_out[near]:
                continue
            left_out[near] = True
            owed -= 1
            drop(first, after, before, degrees[near], near)
            for further in range(starts[near], ends[near]):
                other = neighbours[further]
                if not left_out[other]:
                    drop(first, after, before, degrees[other], other)
                    degrees[other] -= 1
                    put(first, after, before, degrees[other], other)
                    least = min(least, degrees[other])
    return packed[:found]


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def put(
    first: Int[np.ndarray, " b"],
    after: Int[np.ndarray, " m"],
    before: Int[np.ndarray, " m"],
    degree: int,
    row: int,
) -> None:
    """Put a row at the beginning of the list of its degree."""
    second = first[degree]
    after[row], before[row] = second, -1
    if second >= 0:
        before[second] = row
    first[degree] = row


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def drop(
    first: Int[np.ndarray, " b"],
    after: Int[np.ndarray, " m"],
    before: Int[np.ndarray, " m"],
    degree: int,
    row: int,
) -> None:
    """Take a row out of the list of its degree."""
    if before[row] >= 0:
        after[before[row]] = after[row]
    else:
        first[degree] = after[row]
    if after[row] >= 0:
        before[after[row]] = before[row]
