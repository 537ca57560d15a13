"""Random subsets, beside which a subset is judged: h_min, coverage radius and mean distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from evenly.geometry import DistanceMatrix, Points, farthest_rows
from evenly.geometry.threads import side_by_side
from evenly.metrics.measures import RandomSubset
from evenly.metrics.subset_distances import (
    DEFAULT_SAMPLING,
    NO_HINTS,
    Hints,
    Sampling,
    SubsetDistances,
)
from evenly.shapes import Int

Result = TypeVar("Result")


def random_rows(eligible: Int[np.ndarray, " m"], size: int, seed: int) -> Int[np.ndarray, " k"]:
    """Draw `size` of some rows without replacement; row numbers ascend."""
    return np.sort(np.random.default_rng(seed).choice(eligible, size, replace=False))


def measure_random(
    points: Points | DistanceMatrix,
    size: int,
    seeds: Sequence[int],
    progress: Callable[[int], object],
    *,
    sampling: Sampling = DEFAULT_SAMPLING,
    hints: Hints = NO_HINTS,
) -> list[RandomSubset]:
    """Measure random subsets of `size` eligible rows, one for each seed.

    Args:
        points: the pool.
        size: the number of rows.
        seeds: which rows, and which sample of a large pool.
        progress: called with the number of rows finished since the last call, for each subset.
        sampling: when the mean distance is estimated from a sample; all else is exact.
        hints: what tells which rows are near each other; they change the time only.

    Cost: as in `SubsetDistances.of`, except that subsets which hold a quarter of the rows or less
        together are compared with the pool together.
    """
    rows = np.flatnonzero(points.eligible)
    together = 1
    if isinstance(points, Points) and sampling.is_worth_it(len(rows), size, points.dimension):
        together = max(1, len(rows) // (4 * size))

    def measure_some(some: Sequence[int]) -> list[RandomSubset]:
        subsets = [random_rows(rows, size, seed) for seed in some]
        farthest: Sequence[tuple[int, float] | None] = [None]
        if isinstance(points, Points) and len(subsets) > 1:
            covers = [hints.cover(points, chosen) for chosen in subsets]
            farthest = farthest_rows(points, covers, progress=progress)

        def measure_one(number: int) -> RandomSubset:
            found = SubsetDistances.of(
                points,
                subsets[number],
                seed=some[number],
                sampling=sampling,
                neighbours=False,
                hints=replace(hints, farthest=farthest[number]),
                progress=progress,
            )
            mean, error = found.to_subset.mean, found.to_subset.standard_error
            return RandomSubset(found.h_min, found.coverage_radius, mean, error)

        return do_all(points, [partial(measure_one, number) for number in range(len(some))])

    groups = [seeds[begin : begin + together] for begin in range(0, len(seeds), together)]
    measured = do_all(points, [partial(measure_some, some) for some in groups])
    return [one for some in measured for one in some]


def do_all(points: Points | DistanceMatrix, works: Sequence[Callable[[], Result]]) -> list[Result]:
    """Return the results of independent measurements of a pool.

    They are made at once, which takes more memory, if the pool is in memory without a limit. Of a
    pool that is elsewhere, each would read other parts.
    """
    if isinstance(points, Points) and points.in_memory and points.room is None:
        return side_by_side(works)
    return [work() for work in works]
