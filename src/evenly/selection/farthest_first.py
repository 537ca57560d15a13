"""Farthest-first traversal: the loop, and nothing of threads, files or machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import COINCIDENT, TIE
from evenly.geometry.compiled import greedy_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.pools.pool import Frontier, Pool

__all__ = ["Picks", "farthest_first"]

_NOTHING = np.empty((0, 0))
_NO_FACTORS = np.empty(0)


@dataclass(frozen=True, eq=False)
class Picks:
    """Chosen rows.

    Attributes:
        rows: (m,) row numbers in the order picked.
        radii: (m,) Euclidean distance (not squared) of each pick to the nearest earlier pick;
            radii[0] is inf, and none is larger than the one before.
    """

    rows: Int[np.ndarray, " m"]
    radii: Float[np.ndarray, " m"]

    @classmethod
    def first(cls, row: int) -> Picks:
        """A beginning: one row."""
        return cls(np.array([row]), np.array([np.inf]))

    def __len__(self) -> int:
        return len(self.rows)


def farthest_first(
    pool: Pool,
    budget: int,
    begun: Picks,
    *,
    progress: Callable[[Picks], None] | None = None,
) -> tuple[Picks, float]:
    """Choose `budget` rows, each the farthest from those already chosen.

    h_min is at least half of what any `budget` rows could reach (Ravi, Rosenkrantz and Tayi
    1994), and the first m picks are exactly the answer for budget m. Hence a selection that
    was begun continues to the same answer, wherever it stopped.

    Args:
        pool: the rows, none chosen yet.
        budget: how many to choose, at most the pool's candidates.
        begun: the picks so far: the first one at least, at most `budget`.
        progress: called after each round with the picks so far.

    Returns:
        The picks, and the coverage radius: the largest distance from any candidate to the
        nearest pick, 0 when all are chosen.

    Cost: at most n·k·d multiplications, in tens to hundreds of rounds of matrix products.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Ravi, Rosenkrantz and Tayi 1994, doi:10.1287/opre.42.2.299.
    """
    rows, radii = np.empty(budget, np.int64), np.empty(budget)
    done = len(begun.rows)
    rows[:done], radii[:done] = begun.rows, begun.radii
    pool.add(begun.rows, pool.fetch(begun.rows))
    while done < budget:
        frontier = pool.frontier()
        positions, squared = farthest_first_within(frontier, budget - done)
        new = slice(done, done + len(positions))
        rows[new] = frontier.rows[positions]
        # Picks that tie within rounding may come in rising order by that much; radii never do.
        radii[new] = np.minimum.accumulate(np.minimum(np.sqrt(squared), radii[done - 1]))
        done = new.stop
        pool.add(rows[new], None if frontier.points is None else frontier.points.take(positions))
        if progress is not None:
            progress(Picks(rows[:done], radii[:done]))
    return Picks(rows, radii), _coverage_radius(pool, radii)


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
