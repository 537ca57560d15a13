"""Farthest-first traversal: the loop, and nothing of threads, files or machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import COINCIDENT, TIE
from evenly.geometry.compiled import greedy_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.pools.pool import Frontier, Pool

__all__ = ["farthest_first"]

_NOTHING = np.empty((0, 0))
_NO_FACTORS = np.empty(0)


def farthest_first(
    pool: Pool, budget: int, start: int, *, progress: Callable[[int, float], None] | None = None
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"], float]:
    """Choose `budget` rows, each the farthest from those already chosen.

    h_min is at least half of what any `budget` rows could reach (Ravi, Rosenkrantz and Tayi
    1994), and the first m picks are exactly the answer for budget m.

    Args:
        pool: the rows, none chosen yet.
        budget: how many to choose, at most the pool's candidates.
        start: row number of the first pick.
        progress: called after each round with the number of picks so far and the current radius.

    Returns:
        The row numbers in the order picked; the radii, where radii[i] is the Euclidean
        distance of pick i to the nearest earlier pick, radii[0] is inf and none is larger than
        the one before; and the coverage radius, the largest distance from any candidate to
        the nearest pick, 0 when all are chosen.

    Cost: at most n·k·d multiplications, in tens to hundreds of rounds of matrix products.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Ravi, Rosenkrantz and Tayi 1994, doi:10.1287/opre.42.2.299.
    """
    picks = np.empty(budget, np.int64)
    squared = np.empty(budget)
    picks[0], squared[0] = start, np.inf
    pool.add(picks[:1], pool.fetch(picks[:1]))
    done = 1
    while done < budget:
        frontier = pool.frontier()
        positions, distances = farthest_first_within(frontier, budget - done)
        rows = frontier.rows[positions]
        new = slice(done, done + len(rows))
        picks[new], squared[new] = rows, distances
        done = new.stop
        pool.add(rows, None if frontier.points is None else frontier.points.take(positions))
        if progress is not None:
            progress(done, float(np.sqrt(distances[-1])))
    # Picks that tie within rounding may come in rising order by that much; radii never do.
    radii = np.sqrt(np.minimum.accumulate(squared))
    return picks, radii, _coverage_radius(pool, radii)


def _coverage_radius(pool: Pool, radii: Float[np.ndarray, " k"]) -> float:
    rest = pool.frontier()
    if len(rest.rows) == 0:
        return 0.0
    return min(float(np.sqrt(max(rest.squared.max(), rest.ceiling))), float(radii[-1]))


def farthest_first_within(
    frontier: Frontier, owed: int
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Positions of the picks that a frontier makes certain, at most `owed` but at least one.

    The frontier promises the first. Each further one is certain while no row outside can be
    as far, or can tie with it and have the smaller row number.
    """
    points = frontier.points
    positions, squared = greedy_within(
        _NOTHING if points is None else points.stored,
        _NO_FACTORS if points is None or points.factors is None else points.factors,
        frontier.squared.copy(),
        frontier.bounds,
        1.0 / frontier.bound_unit,
        points is None,
        COINCIDENT if points is not None and points.unit else 0.0,
        frontier.rows,
        frontier.ceiling,
        frontier.ceiling_row,
        min(owed, len(frontier.rows)),
        TIE,
    )
    return positions, squared
