"""The conflict graph at one distance, in the form that compiled functions take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evenly.shapes import Int

if TYPE_CHECKING:
    import numpy as np

    from evenly.geometry.search.neighbour_graph import NeighbourGraph


class Adjacency(NamedTuple):
    """The neighbours of m rows at one distance, as slices of one array.

    Attributes:
        starts: (m + 1,) `neighbours[starts[row]:ends[row]]` are the neighbours of a row.
        ends: (m,)
        neighbours: (e,) int32 positions.
    """

    starts: Int[np.ndarray, " m+1"]
    ends: Int[np.ndarray, " m"]
    neighbours: Int[np.ndarray, " e"]

    @classmethod
    def at(cls, graph: NeighbourGraph, reach: float) -> Adjacency:
        """Join the rows of a graph whose squared distance is below `reach`."""
        return cls(graph.starts, graph.ends(reach), graph.neighbours)
