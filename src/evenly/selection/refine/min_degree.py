"""Packing by minimum degree: repeatedly take the row with the fewest neighbours left."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

from evenly.geometry import reach_of
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.adjacency import Adjacency
from evenly.selection.refine.constraints import Constraints
from evenly.shapes import Bool, Int

# How often at most the interval between two distances is halved, and the relative size at which it
# no longer is. Tabu searches gain the rest with less work.
_HALVINGS = 5
_FINEST = 3e-3


def pack_by_degree(
    graph: NeighbourGraph, reach: float, *, seed: int = 0, constraints: Constraints | None = None
) -> Int[np.ndarray, " p"]:
    """Return a maximal packing with many rows, no two of which are nearer than `reach`.

    Of the rows left, it takes the one with the fewest neighbours among them, excludes these
    neighbours, and repeats.

    Args:
        graph: of at least that reach.
        reach: a squared distance.
        seed: decides between rows with equally many neighbours.
        constraints: what the packing must satisfy; None for nothing. Rows whose limit is below
            the reach are excluded from the start, and those of a stratum once it is full.

    Returns:
        (p,) positions in the graph, ascending. Every other row is excluded by the constraints or
        nearer than `reach` to one of them.

    Cost: O(pairs); each pair is visited once.

    Source: Halldórsson and Radhakrishnan 1997, doi:10.1007/BF02523693.
    """
    order = np.random.default_rng(seed).permutation(len(graph))
    constraints = constraints or Constraints.none(len(graph))
    found: Int[np.ndarray, " p"] = fewest_neighbours_first(
        Adjacency.at(graph, reach),
        order,
        constraints.limits < reach,
        constraints.strata,
        constraints.most.copy(),
    )
    return np.sort(found)


def max_radius_by_degree(
    graph: NeighbourGraph,
    count: int,
    low: float,
    high: float,
    *,
    seed: int = 0,
    constraints: Constraints | None = None,
    progress: Callable[[int, int], object] = lambda *_: None,
) -> tuple[Int[np.ndarray, " count"] | None, float]:
    """Return a packing of at least `count` rows at the largest distance where one is found.

    It bisects between two distances. The number of rows that minimum degree packs does not
    always fall with the distance, so the result is not optimal, but it was better than that of
    farthest-first on all data tried.

    Args:
        graph: of at least the reach of `high`.
        count: how many rows the packing must have.
        low, high: distances.
        seed, constraints: see `pack_by_degree`.
        progress: called before each packing with the number made, and the largest there can be.

    Returns:
        The packing, None if even `low` gives none; and the smallest distance tried at which a
        maximal packing has fewer rows, inf if there is none.

    Cost: at most six packings.

    Source: bisection on the radius, Hochbaum and Shmoys 1985, doi:10.1287/moor.10.2.180.
    """
    best: Int[np.ndarray, " count"] | None = None
    failed = np.inf
    middle = low
    for halvings in range(_HALVINGS + 1):
        if halvings and high <= low * (1.0 + _FINEST):
            break
        progress(halvings, _HALVINGS + 1)
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
def fewest_neighbours_first(
    adjacency: Adjacency,
    order: Int[np.ndarray, " m"],
    excluded: Bool[np.ndarray, " m"],
    strata: Int[np.ndarray, " m"],
    room: Int[np.ndarray, " t"],
) -> Int[np.ndarray, " p"]:
    """Return the packing in the order it was made; overwrites `excluded` and `room`.

    Rows with d neighbours left form a doubly linked list that starts at `first[d]`.
    """
    starts, ends, neighbours = adjacency
    count = len(ends)
    for row in range(count):
        excluded[row] |= room[strata[row]] <= 0
    degrees = np.zeros(count, np.int64)
    for row in range(count):
        if not excluded[row]:
            for place in range(starts[row], ends[row]):
                degrees[row] += not excluded[neighbours[place]]
    first = np.full(degrees.max() + 1 if count else 1, -1, np.int32)
    after, before = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    n_left = 0
    for row in order:
        if not excluded[row]:
            insert(first, after, before, degrees[row], row)
            n_left += 1
    packed = np.empty(n_left, np.int64)
    # A row can be in it twice: as a neighbour, and as one of a full stratum.
    leaving = np.empty(2 * count, np.int32)
    n_packed, least = 0, 0
    while n_left > 0:
        while first[least] < 0:
            least += 1
        row = first[least]
        remove(first, after, before, least, row)
        excluded[row] = True
        n_left -= 1
        packed[n_packed] = row
        n_packed += 1
        n_leaving = 0
        for place in range(starts[row], ends[row]):
            if not excluded[neighbours[place]]:
                leaving[n_leaving] = neighbours[place]
                n_leaving += 1
        room[strata[row]] -= 1
        if room[strata[row]] == 0:
            for other in range(count):
                if strata[other] == strata[row] and not excluded[other]:
                    leaving[n_leaving] = other
                    n_leaving += 1
        for position in range(n_leaving):
            near = leaving[position]
            if excluded[near]:
                continue
            excluded[near] = True
            n_left -= 1
            remove(first, after, before, degrees[near], near)
            for place in range(starts[near], ends[near]):
                other = neighbours[place]
                if not excluded[other]:
                    remove(first, after, before, degrees[other], other)
                    degrees[other] -= 1
                    insert(first, after, before, degrees[other], other)
                    least = min(least, degrees[other])
    return packed[:n_packed]


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def insert(
    first: Int[np.ndarray, " b"],
    after: Int[np.ndarray, " m"],
    before: Int[np.ndarray, " m"],
    degree: int,
    row: int,
) -> None:
    """Insert a row at the front of the list of its degree."""
    second = first[degree]
    after[row], before[row] = second, -1
    if second >= 0:
        before[second] = row
    first[degree] = row


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def remove(
    first: Int[np.ndarray, " b"],
    after: Int[np.ndarray, " m"],
    before: Int[np.ndarray, " m"],
    degree: int,
    row: int,
) -> None:
    """Remove a row from the list of its degree."""
    if before[row] >= 0:
        after[before[row]] = after[row]
    else:
        first[degree] = after[row]
    if after[row] >= 0:
        before[after[row]] = before[row]
