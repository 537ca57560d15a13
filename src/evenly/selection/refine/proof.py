"""Whether more rows fit in at a distance: the pool is cut down, taken apart, and searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.branch_and_bound import PackingSearch
from evenly.selection.refine.climb import Climb, Clock
from evenly.selection.refine.tabu import compute_tightness

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = ["Verdict", "look_for", "prove"]

# Rows of a part that is searched at most: its neighbours become a matrix of bits.
_LARGEST_PART = 4096
# Steps from row to neighbour that cutting down takes at most, and words of bits between two
# looks at the clock.
_CUTTING = 400_000_000
_SLICE = 50_000_000
# By how much bounds exceed the best so far: the nearer, the more ways there are.
_GAPS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0)
# Words of bits that a search for a bound takes at most, and the one for the best there is.
_WORK, _LAST = 1e9, 2e10


def prove(
    climb: Climb,
    *,
    clock: Clock,
    told: Callable[[str, float], object],
    bounded: Callable[[float], object],
) -> bool:
    """Find smaller and smaller distances that no packing reaches, down to the best there is.

    Args:
        climb: a packing, good already, of as many rows as are wanted; raised to a better one
            where one is come upon.
        clock: raises when the time is up. What was found until then is kept.
        told: called with what is done, and the smallest distance so far.
        bounded: called with each distance that no packing's smallest one exceeds.

    Returns:
        Whether the graph reaches far enough; if not, a larger one is needed.
    """
    for gap in _GAPS:
        verdict = None
        while verdict is None or verdict.chosen is not None:
            best = float(np.sqrt(climb.squared))
            told("proving", best)
            reach = climb.next_reach(gap)
            if reach > climb.graph.reach:
                break
            verdict = look_for(
                climb.graph,
                reach,
                climb.target,
                limits=climb.constraints.limits,
                begun=climb.chosen,
                work=_WORK if gap > 0.0 else _LAST,
                check=clock.check,
            )
            if verdict.chosen is not None:
                climb.take(verdict.chosen)
        if verdict is not None and verdict.certain:
            bounded(best if gap == 0.0 else float(np.sqrt(reach)))
    return climb.next_reach(0.0) <= climb.graph.reach


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is known of packings of so many rows at a distance.

    Attributes:
        chosen: (m,) one; None where none was found.
        certain: whether there is none, where none was found.
        work: how much was done, in words of bits.
    """

    chosen: Bool[np.ndarray, " m"] | None
    certain: bool
    work: int


def look_for(
    graph: NeighbourGraph,
    reach: float,
    target: int,
    *,
    limits: Float[np.ndarray, " m"],
    begun: Bool[np.ndarray, " m"],
    work: float,
    check: Callable[[], object],
) -> Verdict:
    """Look for `target` rows no two of which are nearer than `reach`, or for certainty.

    A row whose every neighbour's place could be taken by another is left out (*cutting down*),
    what remains falls into parts that have nothing to do with each other, and each part is
    searched for one row more than are known to fit.

    Args:
        graph: of that reach at least; when it is not of all rows of the pool, certainty is about
            its rows only.
        reach: a squared distance.
        target: how many rows.
        limits: (m,) rows whose limit is below `reach` are left out.
        begun: (m,) rows to begin with; those in each other's way are left out.
        work: words of bits to look at until it is given up.
        check: called now and then; what it raises ends the search.

    Cost: exponential at worst; mostly little when the parts are of a few hundred rows.
    """
    ends = graph.ends(reach)
    present, chosen = limits >= reach, begun & (limits >= reach)
    compute_tightness(graph.starts, graph.neighbours, ends, chosen)
    cut_down(graph.starts, graph.neighbours, ends, present, chosen, _CUTTING)
    size, spent, certain = int(np.count_nonzero(chosen)), 0, True
    for part in _parts(graph, ends, present):
        within = int(np.count_nonzero(chosen[part]))
        if len(part) > _LARGEST_PART:
            certain = False
            continue
        near = matrix_of(graph.starts, graph.neighbours, ends, part)
        while size < target:
            search = PackingSearch(near, within + 1)
            while not search.over and spent + search.work < work:
                check()
                search.go_on(min(_SLICE, int(min(work - spent, 2**62))))
            spent += search.work
            if search.rows is None:
                certain = certain and search.over
                break
            chosen[part] = False
            chosen[part[search.rows]] = True
            size, within = size + 1, within + 1
    if size >= target:
        return Verdict(chosen, False, spent)
    return Verdict(None, certain, spent)


def _parts(
    graph: NeighbourGraph, ends: Int[np.ndarray, " m"], present: Bool[np.ndarray, " m"]
) -> list[Int[np.ndarray, " p"]]:
    """The connected components of the rows that are present, small ones first."""
    labels = part_of_each(graph.starts, graph.neighbours, ends, present)
    rows = np.flatnonzero(present)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
    return sorted((part for part in parts if len(part)), key=len)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def part_of_each(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    present: Bool[np.ndarray, " m"],
) -> Int[np.ndarray, " m"]:
    """The smallest row of the connected component that each row is in; -1 if it is not present."""
    labels = np.full(len(ends), -1, np.int64)
    waiting = np.empty(len(ends), np.int64)
    for first in range(len(ends)):
        if not present[first] or labels[first] >= 0:
            continue
        labels[first] = first
        waiting[0], count = first, 1
        while count > 0:
            count -= 1
            row = waiting[count]
            for place in range(starts[row], ends[row]):
                near = neighbours[place]
                if present[near] and labels[near] < 0:
                    labels[near] = first
                    waiting[count] = near
                    count += 1
    return labels


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def matrix_of(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    part: Int[np.ndarray, " p"],
) -> Bool[np.ndarray, "p p"]:
    """Which rows of a part are neighbours; `part` is ascending."""
    near = np.zeros((len(part), len(part)), np.bool_)
    for here in range(len(part)):
        for place in range(starts[part[here]], ends[part[here]]):
            there = np.searchsorted(part, neighbours[place])
            if there < len(part) and part[there] == neighbours[place]:
                near[here, there] = True
    return near


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def cut_down(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    present: Bool[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
    work: int,
) -> None:
    """Leave out rows that a largest packing can do without, in place.

    Where all neighbours of row u are row v or its neighbours, and u and v are neighbours, u can
    take the place of v in any packing: v is left out, and u chosen in its place. In particular a
    row with one neighbour, or whose neighbours are all neighbours of each other, stays and they
    go. (Fomin, Grandoni and Kratsch 2009, doi:10.1145/1552285.1552286: domination.)
    """
    marked = np.full(len(ends), -1, np.int64)
    degrees = np.zeros(len(ends), np.int64)
    for row in range(len(ends)):
        for place in range(starts[row], ends[row]):
            degrees[row] += present[neighbours[place]]
    changed = True
    while changed and work > 0:
        changed = False
        for row in range(len(ends)):
            if not present[row] or degrees[row] == 0:
                continue
            marked[row] = row
            for place in range(starts[row], ends[row]):
                marked[neighbours[place]] = row
            work -= ends[row] - starts[row]
            for place in range(starts[row], ends[row]):
                other = neighbours[place]
                if not present[other] or degrees[other] > degrees[row]:
                    continue
                within = True
                for further in range(starts[other], ends[other]):
                    work -= 1
                    if present[neighbours[further]] and marked[neighbours[further]] != row:
                        within = False
                        break
                if within:
                    present[row] = False
                    if chosen[row]:
                        chosen[row], chosen[other] = False, True
                    for again in range(starts[row], ends[row]):
                        degrees[neighbours[again]] -= 1
                    changed = True
                    break
            # Rows are marked by number, and the next round marks them anew.
            marked[row] = -1
            if work <= 0:
                break
