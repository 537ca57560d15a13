"""Farthest-first traversal: the loop, independent of threads, files and machines."""

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
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenly.engines.protocol import Engine, Frontier


@dataclass(frozen=True)
class FrontierSizes:
    """Sizes that the driver works with: they change how fast it is, never what it picks.

    Attributes:
        least, most: the fewest and the most rows that a frontier is requested to have.
        few: how many picks are made before the rows of a frontier are multiplied with each
            other, if the last frontier gave no more.
    """

    least: int = 128
    most: int = FRONTIER
    few: int = 32


DEFAULT_SIZES = FrontierSizes()

_NO_NUMBERS = np.empty(0)
_NO_ROWS = np.empty((0, 0))
_NO_PROXIES = np.empty((0, 0), np.float32)
_NO_VECTORS = Vectors(_NO_ROWS, _NO_NUMBERS, 0.0)
_NO_SCREEN = Screen(0, 1, ErrorBound(1.0, 1.0, 0.0, 0.0))


def farthest_first(
    engine: Engine,
    budget: int,
    initial: Picks,
    *,
    limits: Limits | None = None,
    progress: Callable[[Picks], None] | None = None,
    sizes: FrontierSizes = DEFAULT_SIZES,
) -> tuple[Picks, float]:
    """Choose `budget` rows, each the farthest from those already chosen.

    Without limits, h_min is at least half of what any `budget` rows could reach (Ravi,
    Rosenkrantz and Tayi 1994), and the first m picks are exactly the answer for budget m. So an
    interrupted selection continues to the same answer, wherever it stopped.

    Args:
        engine: the rows; only those to keep away from have been added.
        budget: how many rows to choose, at most the number of eligible ones.
        initial: the picks so far, at most `budget`.
        limits: what the rules allow; picks end early if they allow no more.
        sizes: the sizes of frontiers.
        progress: called after each round with the picks so far.

    Returns:
        The picks, and the coverage radius: the largest distance from any eligible row to the
        nearest pick or row to keep away from, 0 if all are chosen.

    Cost: at most n·k·d multiplications, in tens to hundreds of rounds of matrix products.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Ravi, Rosenkrantz and Tayi 1994, doi:10.1287/opre.42.2.299.
    """
    limits = Limits() if limits is None else limits
    rows, radii = np.empty(budget, np.int64), np.empty(budget)
    done = len(initial)
    rows[:done], radii[:done] = initial.rows, initial.radii
    if done:
        engine.add(initial.rows, engine.fetch(initial.rows))
    limits.begin(engine, initial.rows)
    remaining, ended, last = np.inf, False, 0
    while done < budget and not ended:
        few = sizes.few if last <= sizes.few else 0
        made = _certain_picks(engine, budget - done, limits, replace(sizes, few=few))
        last = len(made.positions)
        found = np.sqrt(made.squared)
        if limits.radii_fall:
            # Picks that tie within rounding may come in ascending order; radii must not increase.
            before = radii[done - 1] if done > limits.forced else np.inf
            found = np.minimum.accumulate(np.minimum(found, before))
        near = found < limits.min_distance
        count = int(np.argmax(near)) if near.any() else len(found)
        ended = made.ended or count < len(found) or len(found) == 0
        new, positions = slice(done, done + count), made.positions[:count]
        rows[new], radii[new] = made.frontier.rows[positions], found[:count]
        done = new.stop
        remaining = np.inf if ended else made.remaining
        # After the last picks, what remains is known without adding them.
        needs_remaining = done < budget or limits.leave_rows_out or remaining == np.inf
        if count and needs_remaining:
            points = made.frontier.points
            engine.add(rows[new], None if points is None else points.take(positions))
            limits.retire(engine)
        if count and progress is not None:
            progress(Picks(rows[:done], radii[:done]))
    radius = float(np.sqrt(max(remaining, 0.0)))
    if limits.leave_rows_out or remaining == np.inf:
        engine.release()
        radius = coverage_radius_of(engine)
    if limits.radii_fall and not limits.leave_rows_out and done > limits.forced:
        radius = min(radius, float(radii[done - 1]))
    return Picks(rows[:done], radii[:done]), radius


def coverage_radius_of(engine: Engine) -> float:
    """Return the largest distance from an eligible row to the nearest added one; 0 if none is left.

    It is exact, and because only the maximum is needed, most rows are compared with few others.
    """
    rest = engine.frontier(1)
    return float(np.sqrt(max(rest.squared.max(initial=0.0), rest.ceiling, 0.0)))


@dataclass(frozen=True, eq=False)
class _Round:
    """The picks that a frontier makes certain.

    Attributes:
        frontier: the frontier.
        positions, squared: the picks: positions in the frontier, squared distances.
        largest: the largest squared distance that remains inside.
        ended: whether the next pick exceeds the token budget, which ends the selection.
    """

    frontier: Frontier
    positions: Int[np.ndarray, " m"]
    squared: Float[np.ndarray, " m"]
    largest: float
    ended: bool

    @property
    def remaining(self) -> float:
        """The largest squared distance to a pick; inf if a row outside may have a larger one."""
        return self.largest if self.largest >= self.frontier.ceiling else np.inf


def _certain_picks(engine: Engine, wanted: int, limits: Limits, sizes: FrontierSizes) -> _Round:
    """Make at least one pick if any is possible, requesting larger frontiers if necessary."""
    # The rows of a frontier are compared with each other, which pays for few rows of a small pool.
    size = min(sizes.most, max(sizes.least, min(2 * wanted, len(engine) // 16)))
    while True:
        frontier = engine.frontier(size)
        made = farthest_first_within(frontier, wanted, limits, few=sizes.few)
        if len(made.positions) or made.ended:
            return made
        if not limits.retire(engine):
            if frontier.ceiling == -np.inf:
                return made
            size *= 2


def farthest_first_within(frontier: Frontier, wanted: int, limits: Limits, *, few: int) -> _Round:
    """Make the picks that a frontier makes certain, at most `wanted`; the limits take note of them.

    A pick is certain if the limits allow it and no row outside can be as far, or tie with it and
    have a smaller row number. The first `few` picks are made without products of the rows.
    """
    points, transform, squared = frontier.points, frontier.transform, frontier.squared.copy()
    wanted = min(wanted, len(squared))
    weights = _NO_NUMBERS if frontier.weights is None else frontier.weights
    keys = squared if frontier.weights is None else squared * weights
    strata, costs = limits.strata_of(frontier.rows), limits.costs_of(frontier.rows)
    positions, radii = np.empty(wanted, np.int64), np.empty(wanted)
    state = PickState(squared, keys, np.zeros(len(squared), np.int64), positions, radii)
    arrays = FrontierArrays(
        _NO_VECTORS if points is None else points.vectors,
        _NO_ROWS,
        points is None,
        _NO_PROXIES if frontier.proxies is None else frontier.proxies,
        _NO_SCREEN
        if transform is None
        else transform.screen(precision=frontier.precision, chunk=transform.stride),
        frontier.rows,
        weights,
        frontier.ceiling,
        frontier.ceiling_row,
    )
    count, largest, blocked = 0, -np.inf, NOT_BLOCKED
    few = wanted if wanted < len(squared) // 4 else few
    if not few or points is None:
        arrays = arrays._replace(between=frontier.between())
    while len(squared):
        stop = wanted if len(arrays.between) else min(few, wanted)
        begin = count
        allwanted = PickLimits(strata, limits.room, costs, limits.tokens_left, limits.reserve)
        count, largest, blocked = greedy_within(arrays, allwanted, state, count, stop)
        limits.take(frontier.rows[positions[begin:count]])
        if count == stop < wanted and largest >= max(frontier.ceiling, 0.0):
            arrays = arrays._replace(between=frontier.between())
            continue
        if blocked in (NOT_BLOCKED, OUT_OF_TOKENS):
            break
        if not limits.may_take(blocked):
            keys[strata == blocked] = -np.inf
    return _Round(frontier, positions[:count], radii[:count], largest, blocked == OUT_OF_TOKENS)
