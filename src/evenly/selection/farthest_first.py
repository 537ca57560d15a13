"""Farthest-first traversal: the loop, and nothing of threads, files or machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import TIE
from evenly.geometry.compiled import greedy_within
from evenly.pools.pool import FRONTIER

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.pools.pool import Frontier, Pool

__all__ = ["Picks", "farthest_first"]

SMALLEST_FRONTIER = 128
"""Rows a frontier is asked for at least."""

_NO_ROWS = np.empty((0, 0))
_NO_STAND_INS = np.empty((0, 0), np.float32)
_NO_FACTORS = np.empty(0)
_NO_ALLOWANCE = (1.0, 1.0, 0.0, 0.0)


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
    left_over = np.inf
    while done < budget:
        made = _certain_picks(pool, budget - done)
        new = slice(done, done + len(made.positions))
        rows[new] = made.frontier.rows[made.positions]
        # Picks that tie within rounding may come in rising order by that much; radii never do.
        radii[new] = np.minimum.accumulate(np.minimum(np.sqrt(made.squared), radii[done - 1]))
        done = new.stop
        points = made.frontier.points
        pool.add(rows[new], None if points is None else points.take(made.positions))
        left_over = made.left_over
        if progress is not None:
            progress(Picks(rows[:done], radii[:done]))
    if np.isinf(left_over) and left_over > 0:
        rest = pool.frontier(1)
        left_over = max(rest.squared.max(initial=-np.inf), rest.ceiling)
    return Picks(rows, radii), min(float(np.sqrt(max(left_over, 0.0))), float(radii[-1]))


@dataclass(frozen=True, eq=False)
class _Round:
    """A frontier, the picks it made certain, and the largest squared distance left inside."""

    frontier: Frontier
    positions: Int[np.ndarray, " m"]
    squared: Float[np.ndarray, " m"]
    largest: float

    @property
    def left_over(self) -> float:
        """The largest squared distance to a pick; inf where a row outside may have a larger."""
        return self.largest if self.largest >= self.frontier.ceiling else np.inf


def _certain_picks(pool: Pool, owed: int) -> _Round:
    """At least one pick: a frontier that makes none certain is asked for again, larger."""
    size = min(FRONTIER, max(SMALLEST_FRONTIER, 2 * owed))
    while True:
        frontier = pool.frontier(size)
        positions, squared, largest = farthest_first_within(frontier, owed)
        if len(positions):
            return _Round(frontier, positions, squared, largest)
        size *= 2


def farthest_first_within(
    frontier: Frontier, owed: int
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"], float]:
    """Picks that a frontier makes certain, at most `owed`: positions and squared distances.

    A pick is certain while no row outside can be as far, or can tie with it and have the
    smaller row number. The largest squared distance that is left inside comes third.
    """
    points, frame = frontier.points, frontier.frame
    inside = (_NO_ROWS, _NO_FACTORS) if points is None else points.arrays
    found: tuple[Any, Any, float] = greedy_within(
        *inside,
        frontier.squared.copy(),
        frontier.between,
        _NO_STAND_INS if frontier.stand_ins is None else frontier.stand_ins,
        1 if frame is None else frame.chunk,
        _NO_ALLOWANCE if frame is None else tuple(frame.allowance()),
        points is None,
        0.0 if points is None else points.coincident,
        frontier.rows,
        frontier.ceiling,
        frontier.ceiling_row,
        min(owed, len(frontier.rows)),
        TIE,
    )
    return found
