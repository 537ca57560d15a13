"""How evenly the first m rows of an order are spread, for several m, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evenly.geometry import DistanceMatrix
from evenly.geometry.search.to_prefixes import distances_to_prefixes
from evenly.selection.greedy.driver import coverage_radius_of
from evenly.selection.rules.problem import Problem
from evenly.shapes import Float, Int

SAMPLED_ROWS = 1024
"""Rows of a large pool from which mean distances are estimated, of many prefixes at once."""

# The sizes of a grid in one factor of ten, about evenly spaced in their logarithm.
_IN_A_DECADE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True, eq=False)
class PrefixMeasures:
    """Measures of the first m rows of an order, for several m. No distance is squared.

    Attributes:
        sizes: (s,) each m, ascending.
        h_min: (s,) smallest distance between two of these rows, or to rows to keep away from;
            inf for a single row.
        coverage_radius: (s,) largest distance from any row of the pool to the nearest of them.
        mean_distance: (s,) the mean of these distances; estimated from a sample in a large pool.
        standard_error: (s,) of the mean distance, from sampling; 0 if it is exact.
    """

    sizes: Int[np.ndarray, " s"]
    h_min: Float[np.ndarray, " s"]
    coverage_radius: Float[np.ndarray, " s"]
    mean_distance: Float[np.ndarray, " s"]
    standard_error: Float[np.ndarray, " s"]


def grid_of_sizes(least: int, most: int) -> Int[np.ndarray, " s"]:
    """Return round numbers of rows from `least` to `most`, and both: about 10 in a decade."""
    decades = 10 ** np.arange(len(str(most)))
    round_numbers = np.multiply.outer(decades, _IN_A_DECADE).ravel().astype(np.int64)
    within = round_numbers[(least < round_numbers) & (round_numbers < most)]
    return np.unique(np.concatenate([[least], within, [most]]))


def measure_prefixes(
    problem: Problem,
    order: Int[np.ndarray, " k"],
    sizes: Int[np.ndarray, " s"],
    *,
    radii: Float[np.ndarray, " k"] | None = None,
    coverage_radius: Float[np.ndarray, " s"] | None = None,
    seed: int = 0,
    sampled_rows: int = SAMPLED_ROWS,
    progress: Callable[[int], object] | None = None,
) -> PrefixMeasures:
    """Measure the first m rows of an order, for each m in `sizes`.

    Args:
        problem: the pool, and what to keep away from.
        order: distinct eligible rows, such as picks or a random order.
        sizes: ascending numbers of rows, at most k.
        radii: the distance of each row to the nearest earlier one, if it is known.
        coverage_radius: the coverage radii, if they are known; for farthest-first picks these are
            the radii of the next picks.
        seed: of the sample.
        sampled_rows: the mean distance is estimated from so many rows if the pool has more than
            four times as many.
        progress: called with the number of rows of the order finished since the last call.

    Cost: sampled_rows·k·d multiplications for the mean distance; ½·k²·d for the radii and a part
        of n·k·d for the coverage radii, unless they are known.
    """
    if radii is None:
        radii = problem.radii_of(order)
    if coverage_radius is None:
        coverage_radius = _coverage_radii(problem, order, sizes, progress)
    mean_distance, standard_error = _mean_distances(problem, order, sizes, seed, sampled_rows)
    h_min = np.minimum.accumulate(radii)[sizes - 1]
    return PrefixMeasures(sizes, h_min, coverage_radius, mean_distance, standard_error)


def random_order(problem: Problem, size: int, seed: int) -> Int[np.ndarray, " k"]:
    """Return rows to include, then random other rows: the first m are a random subset of m."""
    included = problem.rules.include
    others = np.setdiff1d(np.flatnonzero(problem.points.eligible), included, assume_unique=True)
    drawn = np.random.default_rng(seed).choice(others, size - len(included), replace=False)
    return np.concatenate([included, drawn])


def _coverage_radii(
    problem: Problem,
    order: Int[np.ndarray, " k"],
    sizes: Int[np.ndarray, " s"],
    progress: Callable[[int], object] | None,
) -> Float[np.ndarray, " s"]:
    engine = problem.new_engine(len(order))
    found, done = np.empty(len(sizes)), 0
    for number, size in enumerate(sizes.tolist()):
        engine.add(order[done:size], engine.fetch(order[done:size]))
        found[number] = coverage_radius_of(engine)
        if progress is not None:
            progress(size - done)
        done = size
    return found


def _mean_distances(
    problem: Problem,
    order: Int[np.ndarray, " k"],
    sizes: Int[np.ndarray, " s"],
    seed: int,
    sampled_rows: int,
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Return the mean distance of all rows to the first rows of an order, and its error."""
    rows = np.flatnonzero(problem.points.eligible)
    is_exact = len(rows) <= 4 * sampled_rows or isinstance(problem.points, DistanceMatrix)
    sample = rows
    if not is_exact:
        sample = np.random.default_rng([seed, 1]).choice(rows, sampled_rows, replace=False)
    before, away = problem.rules.before, problem.rules.away
    found = distances_to_prefixes(problem.points, sample, order, sizes, before=before, away=away)
    if is_exact:
        return found.mean(axis=1), np.zeros(len(sizes))
    # Rows that are chosen are at distance 0, and so many are known: only the others vary.
    position = np.full(len(problem.points), len(order))
    position[order] = np.arange(len(order))
    means, errors = np.zeros(len(sizes)), np.zeros(len(sizes))
    for number, size in enumerate(sizes.tolist()):
        left, distances = len(rows) - size, found[number][position[sample] >= size]
        if left and len(distances) > 1:
            share = left / len(rows)
            # Without replacement, the error shrinks to 0 as the sample grows to all rows.
            unseen = 1.0 - len(distances) / left
            means[number] = distances.mean() * share
            errors[number] = distances.std(ddof=1) * np.sqrt(unseen / len(distances)) * share
    return means, errors
