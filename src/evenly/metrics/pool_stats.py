"""Statistics of a pool that all of its subsets share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evenly.metrics.diversity import clusters_of
from evenly.metrics.theory import ClosePairs, two_nn
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.geometry import DistanceMatrix, Points
    from evenly.metrics.certificate import UpperBounds


@dataclass(frozen=True, eq=False)
class PoolStats:
    """Statistics of one pool, each computed when first used.

    Attributes:
        points: the pool.
        seed: for the rows that are sampled from a large pool.
        upper_bounds: on the h_min of its subsets.
    """

    points: Points | DistanceMatrix
    seed: int
    upper_bounds: UpperBounds

    @cached_property
    def eligible_rows(self) -> Int[np.ndarray, " m"]:
        """Row numbers of the usable rows."""
        return np.flatnonzero(self.points.eligible)

    @cached_property
    def dimension(self) -> float | None:
        """The intrinsic dimension, by TwoNN."""
        return two_nn(self.points, self.seed)

    @cached_property
    def pairs(self) -> ClosePairs:
        """The distribution of distances between two rows."""
        return ClosePairs(self.points, self.seed)

    @cached_property
    def clusters(self) -> Int[np.ndarray, " n"] | None:
        """Clusters of about the same size; None for a matrix of distances."""
        return clusters_of(self.points)
