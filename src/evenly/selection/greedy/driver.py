"""Farthest-first traversal: the loop, and nothing of threads, files or machines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evenly.engines.protocol import FRONTIER
from evenly.geometry.kernels.exact import Vectors
from evenly.geometry.kernels.greedy import (
    NOT_BLOCKED,
    OUT_OF_TOKENS,
    FrontierArrays,
    PickLimits,
    PickState,
    greedy_within,
)
from evenly.geometry.kernels.screening import ErrorBound, Screen
from evenly.selection.greedy.picks import Picks
from evenly.selection.rules.remaining import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.engines.protocol import Engine, Frontier

__all__ = ["FrontierSizes", "coverage_radius_of", "farthest_first"]


@dataclass(frozen=True)
class FrontierSizes:
    """Sizes that the driver works with: they change how fast it is, never what it picks.

    Attributes:
        least, most: the fewest and the most rows that a frontier is requested with.
        few: the number of picks that are made before the rows of a frontier are multiplied with
            each other, if the last frontier gave no more.
    """

    least: int = 128
    most: int = FRONTIER
    few: int = 32


DEFAULT_SIZES = FrontierSizes()


_NO_NUMBERS = np.empty(0)


_NO_ROWS = np.empty((0, 0))


_NO_STAND_INS = np.empty((0, 0), np.float32)


_NO_VECTORS = Vectors(_NO_ROWS, _NO_NUMBERS, 0.0)


_NO_SCREEN = Screen(0, 1, ErrorBound(1.0, 1.0, 0.0, 0.0))


def farthest_first(
    pool: Engine,
    budget: int,
    begun: Picks,
    *,
    limits: Limits | None = None,
    progress: Callable[[Picks], None] | None = None,
    sizes: FrontierSizes = DEFAULT_SIZES,
) -> tuple[Picks, float]:
    """Choose `budget` rows, each the farthest from those already chosen.

    Without limits, h_min is at least half of what any `budget` rows could reach (Ravi,
    Rosenkrantz and Tayi 1994), and the first m picks are exactly the answer for budget m. Hence
    a selection that was begun continues to the same answer, wherever it stopped.

    Args:
        pool: the rows; those to keep away from were added, no others.
        budget: how many to choose, at most the pool's candidates.
        begun: the picks so far, at most `budget`; none where rows are kept away from.
        limits: what the rules allow: picks end early where they allow no more.
        progress: called after each round with the picks so far.
        sizes: the sizes of frontiers.

    Returns:
        The picks, and the coverage radius: the largest distance from any candidate to the
        nearest pick or row to keep away from, 0 when all are chosen.

    Cost: at most n·k·d multiplications, in tens to hundreds of rounds of matrix products.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Ravi, Rosenkrantz and Tayi 1994, doi:10.1287/opre.42.2.299.
    """
    limits = Limits() if limits is None else limits
    rows, radii = np.empty(budget, np.int64), np.empty(budget)
    done = len(begun)
    rows[:done], radii[:done] = begun.rows, begun.radii
    if done:
        pool.add(begun.rows, pool.fetch(begun.rows))
    limits.begin(pool, begun.rows)
    left_over, ended, last = np.inf, False, 0
    while done < budget and not ended:
        few = sizes.few if last <= sizes.few else 0
        made = _certain_picks(pool, budget - done, limits, replace(sizes, few=few))
        last = len(made.positions)
        found = np.sqrt(made.squared)
        if limits.radii_fall:
            # Picks that tie within rounding may come in rising order by that much; radii fall.
            before = radii[done - 1] if done > limits.forced else np.inf
            found = np.minimum.accumulate(np.minimum(found, before))
        near = found < limits.min_distance
        count = int(np.argmax(near)) if near.any() else len(found)
        ended = made.ended or count < len(found) or len(found) == 0
        new, positions = slice(done, done + count), made.positions[:count]
        rows[new], radii[new] = made.frontier.rows[positions], found[:count]
        done = new.stop
        left_over = np.inf if ended else made.left_over
        # The last picks are known to be the last: what is left is known without them.
        asked_again = done < budget or limits.leave_rows_out or left_over == np.inf
        if count and asked_again:
            points = made.frontier.points
            pool.add(rows[new], None if points is None else points.take(positions))
            limits.retire(pool)
        if count and progress is not None:
            progress(Picks(rows[:done], radii[:done]))
    radius = float(np.sqrt(max(left_over, 0.0)))
    if limits.leave_rows_out or left_over == np.inf:
        pool.release()
        radius = coverage_radius_of(pool)
    if limits.radii_fall and not limits.leave_rows_out and done > limits.forced:
        radius = min(radius, float(radii[done - 1]))
    return Picks(rows[:done], radii[:done]), radius


def coverage_radius_of(pool: Engine) -> float:
    """The largest distance from a row that may be picked to the nearest that was added; exact.

    0 where there is no such row. Only its maximum being asked for, most rows meet few others.
    """
    rest = pool.frontier(1)
    return float(np.sqrt(max(rest.squared.max(initial=0.0), rest.ceiling, 0.0)))


@dataclass(frozen=True, eq=False)
class _Round:
    """The picks that a frontier made certain.

    Attributes:
        largest: the largest squared distance left inside.
        ended: whether the next pick would be too dear, which ends the selection.
    """

    frontier: Frontier
    positions: Int[np.ndarray, " m"]
    squared: Float[np.ndarray, " m"]
    largest: float
    ended: bool

    @property
    def left_over(self) -> float:
        """The largest squared distance to a pick; inf where a row outside may have a larger."""
        return self.largest if self.largest >= self.frontier.ceiling else np.inf


def _certain_picks(pool: Engine, owed: int, limits: Limits, sizes: FrontierSizes) -> _Round:
    """At least one pick, where there is one: else the frontier is asked for again, larger."""
    # The rows of a frontier are compared with each other: few of a small pool are worth that.
    size = min(sizes.most, max(sizes.least, min(2 * owed, len(pool) // 16)))
    while True:
        frontier = pool.frontier(size)
        made = farthest_first_within(frontier, owed, limits, few=sizes.few)
        if len(made.positions) or made.ended:
            return made
        if not limits.retire(pool):
            if frontier.ceiling == -np.inf:
                return made
            size *= 2


def farthest_first_within(frontier: Frontier, owed: int, limits: Limits, *, few: int) -> _Round:
    """Picks that a frontier makes certain, at most `owed`; the first `few` without `between`.

    A pick is certain while no row outside can be as far, or can tie with it and have the
    smaller row number, and while the limits allow it, which are told of it.
    """
    points, transform, squared = frontier.points, frontier.transform, frontier.squared.copy()
    owed = min(owed, len(squared))
    weights = _NO_NUMBERS if frontier.weights is None else frontier.weights
    keys = squared if frontier.weights is None else squared * weights
    strata, costs = limits.strata_of(frontier.rows), limits.costs_of(frontier.rows)
    positions, radii = np.empty(owed, np.int64), np.empty(owed)
    state = PickState(squared, keys, np.zeros(len(squared), np.int64), positions, radii)
    arrays = FrontierArrays(
        _NO_VECTORS if points is None else points.vectors,
        _NO_ROWS,
        points is None,
        _NO_STAND_INS if frontier.proxies is None else frontier.proxies,
        _NO_SCREEN
        if transform is None
        else transform.screen(precision=frontier.precision, chunk=transform.stride),
        frontier.rows,
        weights,
        frontier.ceiling,
        frontier.ceiling_row,
    )
    count, largest, blocked = 0, -np.inf, NOT_BLOCKED
    few = owed if owed < len(squared) // 4 else few
    if not few or points is None:
        arrays = arrays._replace(between=frontier.between())
    while len(squared):
        stop = owed if len(arrays.between) else min(few, owed)
        begin = count
        allowed = PickLimits(strata, limits.room, costs, limits.tokens_left, limits.reserve)
        count, largest, blocked = greedy_within(arrays, allowed, state, count, stop)
        limits.take(frontier.rows[positions[begin:count]])
        if count == stop < owed and largest >= max(frontier.ceiling, 0.0):
            arrays = arrays._replace(between=frontier.between())
            continue
        if blocked in (NOT_BLOCKED, OUT_OF_TOKENS):
            break
        if not limits.may_take(blocked):
            keys[strata == blocked] = -np.inf
    return _Round(frontier, positions[:count], radii[:count], largest, blocked == OUT_OF_TOKENS)
