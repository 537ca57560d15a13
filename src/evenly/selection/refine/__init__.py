"""A larger h_min for the same budget, beyond what farthest-first finds."""

from evenly.selection.refine.graph import NeighbourGraph, neighbour_graph, reach_of
from evenly.selection.refine.min_degree import pack_by_degree, widest_packing

__all__ = [
    "NeighbourGraph",
    "neighbour_graph",
    "pack_by_degree",
    "reach_of",
    "widest_packing",
]
