"""Statistics of a pool that all of its subsets share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evenly.metrics.certificate import BoundingEffort, UpperBounds
from evenly.metrics.diversity import clusters_of
from evenly.metrics.theory import ClosePairs, two_nn

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.geometry import DistanceMatrix, Points
    from evenly.metrics.curve import Curve

__all__ = ["PoolStats"]


class PoolStats:
    """Statistics of one pool, each computed when first used.

    Attributes:
        points: the pool.
        seed: for the rows that are sampled from a large pool.
        effort: how much work the upper bounds may take.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        size: int,
        *,
        seed: int = 0,
        effort: BoundingEffort | None = None,
        curve: Curve | None = None,
        progress: bool | None = None,
    ) -> None:
        """Prepare for subsets of up to `size` rows; other arguments are as in `UpperBounds`."""
        self.points = points
        self.seed = seed
        self.effort = BoundingEffort() if effort is None else effort
        self._size, self._curve, self._progress = size, curve, progress

    @cached_property
    def eligible_rows(self) -> Int[np.ndarray, " m"]:
        """Row numbers of the usable rows."""
        return np.flatnonzero(self.points.eligible)

    @cached_property
    def upper_bounds(self) -> UpperBounds:
        """Upper bounds on h_min."""
        return UpperBounds(
            self.points,
            self._size,
            effort=self.effort,
            curve=self._curve,
            progress=self._progress,
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
