"""Random subsets, beside which a subset is judged: h_min, coverage radius and mean distance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evenly.geometry import DistanceMatrix, Points
from evenly.metrics.measures import RandomSubset
from evenly.metrics.subset_distances import (
    DEFAULT_SAMPLING,
    NO_HINTS,
    Hints,
    Sampling,
    SubsetDistances,
)
from evenly.shapes import Int


def random_rows(eligible: Int[np.ndarray, " m"], size: int, seed: int) -> Int[np.ndarray, " k"]:
    """Draw `size` of some rows without replacement; row numbers ascend."""
    return np.sort(np.random.default_rng(seed).choice(eligible, size, replace=False))


def measure_random(
    points: Points | DistanceMatrix,
    size: int,
    seed: int,
    progress: Callable[[int], object],
    *,
    sampling: Sampling = DEFAULT_SAMPLING,
    hints: Hints = NO_HINTS,
) -> RandomSubset:
    """Measure a random subset of `size` eligible rows.

    Args:
        points: the pool.
        size: the number of rows.
        seed: which rows, and which sample of a large pool.
        progress: called with the number of rows finished since the last call.
        sampling: when the mean distance is estimated from a sample; all else is exact.
        hints: what tells which rows are near each other; they change the time only.

    Cost: as in `SubsetDistances.of`.
    """
    chosen = random_rows(np.flatnonzero(points.eligible), size, seed)
    found = SubsetDistances.of(
        points,
        chosen,
        seed=seed,
        sampling=sampling,
        neighbours=False,
        hints=hints,
        progress=progress,
    )
    covered = found.to_subset
    return RandomSubset(found.h_min, found.coverage_radius, covered.mean, covered.standard_error)
