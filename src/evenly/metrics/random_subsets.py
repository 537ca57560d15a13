"""Random subsets, beside which a subset is judged: h_min, coverage radius and mean distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evenly.engines import make_engine
from evenly.geometry import DistanceMatrix, Points, nearest_chosen
from evenly.metrics.measures import RandomSubset
from evenly.selection.greedy.driver import coverage_radius_of
from evenly.shapes import Int

_FIRST = 64  # rows whose nearest others bound h_min

SAMPLED_ROWS = 2048
"""Rows of a large pool from which the mean distance to a random subset is estimated."""


def random_rows(eligible: Int[np.ndarray, " m"], size: int, seed: int) -> Int[np.ndarray, " k"]:
    """Draw `size` of some rows without replacement; row numbers ascend."""
    return np.sort(np.random.default_rng(seed).choice(eligible, size, replace=False))


def measure_random(
    points: Points | DistanceMatrix,
    size: int,
    seed: int,
    progress: Callable[[int], object],
    *,
    exact: bool = False,
    sampled_rows: int = SAMPLED_ROWS,
) -> RandomSubset:
    """Measure a random subset of `size` eligible rows.

    h_min and the coverage radius are exact. The mean distance is estimated from a sample if the
    pool has more than four times as many rows.

    Args:
        points: the pool.
        size: the number of rows.
        seed: which rows, and which sample.
        progress: called with the number of rows finished since the last call.
        exact: compute the mean over all rows.
        sampled_rows: the size of the sample.

    Cost: ½·k²·d multiplications for h_min, sampled_rows·k·d for the mean, and a part of n·k·d for
        the coverage radius, for which most rows are compared with few others; n·k·d if exact.
    """
    rows = np.flatnonzero(points.eligible)
    chosen = random_rows(rows, size, seed)
    if exact or len(rows) <= 4 * sampled_rows or isinstance(points, DistanceMatrix):
        found = nearest_chosen(points, chosen, progress=progress)
        covered = found.to_subset
        h_min = float(found.distances[found.chosen].min())
        return RandomSubset(h_min, float(covered.max()), float(covered.mean()))
    engine = make_engine(points, size)
    engine.add(chosen, engine.fetch(chosen))
    coverage_radius = coverage_radius_of(engine)
    h_min = _h_min(points.take(chosen))
    mean, error = mean_distance_by_sample(points, rows, chosen, seed, sampled_rows)
    progress(len(rows))
    return RandomSubset(h_min, coverage_radius, mean, error)


def _h_min(subset: Points) -> float:
    """Return the smallest distance between two rows: a bound on it rules most pairs out."""
    everyone = np.arange(len(subset))
    first = nearest_chosen(replace(subset, eligible=everyone < _FIRST), everyone).distances.min()
    bound = float(first) ** 2 * (1 + 1e-9)
    return min(float(first), float(nearest_chosen(subset, everyone, below=bound).distances.min()))


def mean_distance_by_sample(
    points: Points,
    rows: Int[np.ndarray, " m"],
    chosen: Int[np.ndarray, " k"],
    seed: int,
    sampled_rows: int,
) -> tuple[float, float]:
    """Estimate the mean distance of rows to the nearest chosen row; return its error, too.

    Chosen rows are at distance 0, so only the others are sampled.
    """
    others = np.setdiff1d(rows, chosen, assume_unique=True)
    if len(others) == 0:
        return 0.0, 0.0
    count = min(sampled_rows, len(others))
    sample = np.random.default_rng([seed, 1]).choice(others, count, replace=False)
    sampled = np.zeros(len(points), bool)
    sampled[sample] = True
    found = nearest_chosen(replace(points, eligible=sampled), chosen).distances
    share = len(others) / len(rows)
    # Without replacement, the error shrinks to 0 as the sample grows to all rows.
    unseen = 1.0 - count / len(others)
    error = found.std(ddof=1) * np.sqrt(unseen / count) if count > 1 else 0.0
    return float(found.mean() * share), float(error * share)
