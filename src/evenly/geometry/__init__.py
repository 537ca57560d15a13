"""Distances, their units and their rounding errors: the only room that does distance arithmetic.

There is one distance, Euclidean, and one way to know it: subtract, square, sum, in float64
(`exact.py`). Everything faster is a *proposal* (`proposals.py`): a matrix product in float32
or bfloat16 that is certainly not above the squared distance. Pairs that it does not rule out
are decided exactly (`nearest.py`), so speed never changes an answer.
"""

from evenly.geometry.exact import (
    COINCIDENT,
    LARGEST,
    TIE,
    Points,
    blocks,
    first_of_the_farthest,
    row_lengths,
    squared_distances_between,
    squared_lengths,
)
from evenly.geometry.nearest import lower_to_nearest
from evenly.geometry.precision import make_proposals
from evenly.geometry.proposals import Proposals
from evenly.geometry.workers import alone, for_each_tile

__all__ = [
    "COINCIDENT",
    "LARGEST",
    "TIE",
    "Points",
    "Proposals",
    "alone",
    "blocks",
    "first_of_the_farthest",
    "for_each_tile",
    "lower_to_nearest",
    "make_proposals",
    "row_lengths",
    "squared_distances_between",
    "squared_lengths",
]
