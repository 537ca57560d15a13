"""What a pool is like, whatever is chosen from it: found once, for all subsets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evenly.metrics.certificate import UpperBounds
from evenly.metrics.diversity import clusters_of
from evenly.metrics.theory import ClosePairs, two_nn

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.geometry import DistanceMatrix, Points
    from evenly.metrics.curve import Curve

__all__ = ["PoolStats"]


class PoolStats:
    """PoolStats about a pool, each found when it is first asked for.

    Attributes:
        points: the pool.
        seed: by which rows are drawn where all would be too many.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        size: int,
        *,
        seed: int = 0,
        work: float = 0.0,
        curve: Curve | None = None,
        progress: bool | None = None,
    ) -> None:
        """Of subsets of up to `size` rows; the other arguments are as in `UpperBounds`."""
        self.points = points
        self.seed = seed
        self._size, self._work, self._curve, self._progress = size, work, curve, progress

    @cached_property
    def eligible(self) -> Int[np.ndarray, " m"]:
        """Row numbers of the usable rows."""
        return np.flatnonzero(self.points.eligible)

    @cached_property
    def upper_bounds(self) -> UpperBounds:
        """How large h_min can be at most."""
        return UpperBounds(
            self.points,
            self._size,
            work=self._work,
            curve=self._curve,
            progress=self._progress,
        )

    @cached_property
    def dimension(self) -> float | None:
        """The intrinsic dimension, by TwoNN."""
        return two_nn(self.points, self.seed)

    @cached_property
    def pairs(self) -> ClosePairs:
        """How far apart pairs of rows are."""
        return ClosePairs(self.points, self.seed)

    @cached_property
    def clusters(self) -> Int[np.ndarray, " n"] | None:
        """Clusters of about the same size."""
        return clusters_of(self.points)
