"""The largest distance from a row to its nearest chosen row, as far as a graph shows it."""

from __future__ import annotations

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.neighbour_graph import Decider, NeighbourGraph, decide
from evenly.shapes import Bool, Float, Int


def farthest_from_chosen(
    graph: NeighbourGraph, chosen: Bool[np.ndarray, " m"], limits: Float[np.ndarray, " m"]
) -> tuple[float, Bool[np.ndarray, " m"]]:
    """Return how far rows are from the nearest chosen row, at most, and which rows are farther.

    Args:
        graph: the rows and their neighbours.
        chosen: (m,) which of the rows are chosen.
        limits: (m,) squared distance of each row to the nearest of others that count as chosen.

    Returns:
        The largest exact squared distance of a row that has a chosen neighbour, or whose limit
        is within the graph's reach; 0 if there is none. And (m,) the rows that have neither.

    Cost: each row's neighbours up to the shell of the nearest chosen one; exact distances only of
        the rows that are in the last of these shells.
    """
    limits = np.where(chosen, 0.0, limits)
    places = np.searchsorted(graph.limits, limits, side="right").astype(np.int32)
    arrays = graph.starts, graph.shells, graph.neighbours
    lower_to_nearest_shell(*arrays, chosen, places)
    is_open = places == len(graph.limits)
    last = int(places[~is_open].max(initial=0))
    rows = np.flatnonzero((places == last) & ~is_open)
    squared = nearest_in_shell(*arrays, graph.squared, graph.decider, chosen, rows, last)
    return float(np.minimum(squared, limits[rows]).max(initial=0.0)), is_open


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def lower_to_nearest_shell(
    starts: Int[np.ndarray, " m+1"],
    shells: Int[np.ndarray, "m s"],
    neighbours: Int[np.ndarray, " e"],
    chosen: Bool[np.ndarray, " m"],
    places: Int[np.ndarray, " m"],
) -> None:
    """Lower each row's shell in place to that of its nearest chosen neighbour."""
    for row in range(len(chosen)):
        place = starts[row]
        for shell in range(places[row]):
            while place < shells[row, shell] and not chosen[neighbours[place]]:
                place += 1
            if place < shells[row, shell]:
                places[row] = shell
                break


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def nearest_in_shell(
    starts: Int[np.ndarray, " m+1"],
    shells: Int[np.ndarray, "m s"],
    neighbours: Int[np.ndarray, " e"],
    squared: Float[np.ndarray, " e"],
    decider: Decider,
    chosen: Bool[np.ndarray, " m"],
    rows: Int[np.ndarray, " p"],
    shell: int,
) -> Float[np.ndarray, " p"]:
    """Return the exact squared distance of rows to the nearest chosen neighbour in a shell."""
    nearest = np.full(len(rows), np.inf)
    terms = np.empty(decider.vectors.stored.shape[1])
    for number in range(len(rows)):
        row = rows[number]
        begin = shells[row, shell - 1] if shell > 0 else starts[row]
        for place in range(begin, shells[row, shell]):
            if chosen[neighbours[place]]:
                if squared[place] < 0.0:
                    squared[place] = decide(decider, row, neighbours[place], terms)
                nearest[number] = min(nearest[number], squared[place])
    return nearest
