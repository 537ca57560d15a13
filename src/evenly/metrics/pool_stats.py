"""Statistics of a pool that all of its subsets share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evenly.metrics.certificate import DEFAULT_EFFORT, BoundingEffort, UpperBounds
from evenly.metrics.diversity import clusters_of
from evenly.metrics.theory import ClosePairs, two_nn
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.geometry import DistanceMatrix, Points
    from evenly.metrics.curve import Curve


@dataclass(frozen=True, eq=False)
class PoolStats:
    """Statistics of one pool for subsets of up to `size` rows, each computed when first used.

    Attributes:
        seed: for the rows that are sampled from a large pool.
        points, size, effort, curve, progress: as in `UpperBounds`.
    """

    points: Points | DistanceMatrix
    size: int
    seed: int = 0
    effort: BoundingEffort = DEFAULT_EFFORT
    curve: Curve | None = None
    progress: bool | None = None

    @cached_property
    def eligible_rows(self) -> Int[np.ndarray, " m"]:
        """Row numbers of the usable rows."""
        return np.flatnonzero(self.points.eligible)

    @cached_property
    def upper_bounds(self) -> UpperBounds:
        """Upper bounds on h_min."""
        return UpperBounds(
            self.points, self.size, effort=self.effort, curve=self.curve, progress=self.progress
        )

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
