"""Reductions of the maximum packing problem: dominated rows, and connected components."""

from __future__ import annotations

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.selection.refine.adjacency import Adjacency
from evenly.shapes import Bool, Int


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def remove_dominated(
    adjacency: Adjacency, present: Bool[np.ndarray, " m"], chosen: Bool[np.ndarray, " m"], work: int
) -> None:
    """Remove rows that some largest packing does without, in place.

    If u and v are neighbours, and all neighbours of u are v or neighbours of v, then u can
    replace v in any packing: v is no longer present, and if v was chosen, u is instead. In
    particular a row stays, and its neighbours go, if it has one neighbour or if its neighbours
    are all neighbours of each other.

    Source: domination, Fomin, Grandoni and Kratsch 2009, doi:10.1145/1552285.1552286.
    """
    starts, ends, neighbours = adjacency
    # The last row whose neighbours were marked; reset after each row, as rounds repeat.
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
                dominates = True
                for further in range(starts[other], ends[other]):
                    work -= 1
                    if present[neighbours[further]] and marked[neighbours[further]] != row:
                        dominates = False
                        break
                if dominates:
                    present[row] = False
                    if chosen[row]:
                        chosen[row], chosen[other] = False, True
                    for again in range(starts[row], ends[row]):
                        degrees[neighbours[again]] -= 1
                    changed = True
                    break
            marked[row] = -1
            if work <= 0:
                break


def components(
    adjacency: Adjacency, present: Bool[np.ndarray, " m"]
) -> list[Int[np.ndarray, " p"]]:
    """Return the connected components of the rows that are present, small ones first."""
    labels = component_labels(adjacency, present)
    rows = np.flatnonzero(present)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
    return sorted((part for part in parts if len(part)), key=len)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def component_labels(
    adjacency: Adjacency, present: Bool[np.ndarray, " m"]
) -> Int[np.ndarray, " m"]:
    """Return the smallest row of each row's connected component; -1 for a row not present."""
    starts, ends, neighbours = adjacency
    labels = np.full(len(ends), -1, np.int64)
    stack = np.empty(len(ends), np.int64)
    for first in range(len(ends)):
        if not present[first] or labels[first] >= 0:
            continue
        labels[first] = first
        stack[0], count = first, 1
        while count > 0:
            count -= 1
            row = stack[count]
            for place in range(starts[row], ends[row]):
                near = neighbours[place]
                if present[near] and labels[near] < 0:
                    labels[near] = first
                    stack[count] = near
                    count += 1
    return labels


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def adjacency_matrix(adjacency: Adjacency, part: Int[np.ndarray, " p"]) -> Bool[np.ndarray, "p p"]:
    """Return which rows of a part are neighbours; `part` is ascending."""
    starts, ends, neighbours = adjacency
    near = np.zeros((len(part), len(part)), np.bool_)
    for here in range(len(part)):
        for place in range(starts[part[here]], ends[part[here]]):
            there = np.searchsorted(part, neighbours[place])
            if there < len(part) and part[there] == neighbours[place]:
                near[here, there] = True
    return near
