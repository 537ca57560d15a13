"""Lower the mean distance of all rows to the nearest pick, by moving picks.

A round looks at the cell of each pick, the rows that are nearest to it. Most picks move to the
medoid of their cell, which is k-medoids by alternation (Park and Jun 2009,
doi:10.1016/j.eswa.2008.01.039). A pick whose rows would lose less by going to their second nearest
picks than another cell would gain by a second pick becomes that pick: a swap of PAM, many at once
(Schubert and Rousseeuw 2021, doi:10.1016/j.is.2021.101804).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points, parallel_for, usable_threads
from evenly.geometry.search.cells import Cells, cells_of, next_nearest
from evenly.geometry.search.in_order import squared_distances_to_nearest
from evenly.selection.refine.cells import ROUNDING, Offer, offer_of
from evenly.selection.refine.effort import Clock, TimeIsUp
from evenly.selection.refine.search import Ended
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from evenly.selection.greedy.progress import Report
    from evenly.selection.rules.rules import Rules

# A round that lowers the mean by less than this share is the last.
_LEAST_FALL = 3e-3
# One in so many picks may leave its cell: those with the smallest product of the rows of the cell
# and the distance to the nearest other pick. The cell does not lose more than that (by the triangle
# inequality), and the second nearest picks are found for the rows of these cells only.
_MAY_LEAVE = 4
_CELLS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Lowered:
    """Picks with a lower mean distance.

    Attributes:
        rows: (k,) the picks, each in the place of the one that it was.
        before, mean: the mean distance of the eligible rows to the nearest pick, or to what is
            kept away from if that is nearer; before and now.
        coverage_radius: the largest of these distances.
        rounds: how often picks were moved.
        ended: what ended the rounds.
        seconds: the time taken.
    """

    rows: Int[np.ndarray, " k"]
    before: float
    mean: float
    coverage_radius: float
    rounds: int
    ended: Ended
    seconds: float


def lower_mean_distance(
    points: Points | DistanceMatrix,
    rules: Rules,
    picks: Int[np.ndarray, " k"],
    *,
    seconds: float | None,
    report: Report = lambda *_: None,
) -> Lowered:
    """Move picks until a round lowers the mean distance by less than 0.3 %.

    Each round lowers it: a swap counts the losses of one cell and the gain in another, and the
    picks on which it relies stay where they are until the next round. Ctrl-C and the time limit
    end the rounds, and the best picks so far are the result.

    Args:
        points: the pool, under the rules.
        rules: rows to include stay, and the number of picks of each stratum does.
        picks: the rows to include first.
        seconds: the time limit; None for none.
        report: called with the round and the mean distance.

    Cost: for each round, n·k·d multiplications at most, as matrix products, and about 50·n·d
        operations.
    """
    clock, moves = Clock(seconds), _Rounds(points, rules)
    state = first = moves.around(picks)
    rounds = 0
    ended: Ended = "search"
    try:
        while True:
            report(f"round {rounds + 1}", state.mean)
            clock.check()
            moved = moves.moved(state)
            if np.array_equal(moved, state.picks):
                break
            later = moves.around(moved, state)
            fall = state.mean - later.mean
            if fall <= 0:
                break
            state, rounds = later, rounds + 1
            if fall < _LEAST_FALL * state.mean:
                break
    except TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        ended = "interrupt"
    return Lowered(
        state.picks,
        first.mean,
        state.mean,
        float(state.distances.max()),
        rounds,
        ended,
        clock.spent,
    )


@dataclass(frozen=True, eq=False)
class _State:
    """Picks, the nearest of them for each row, and what their cells offer.

    Attributes:
        cells: of the picks.
        nearest: (m,) the position of the nearest pick of each eligible row; -1 for a row that is
            nearer to what is kept away from.
        distances: (m,) to it, or to what is kept away from.
        mean: of the distances.
        offers: of cells, by the position of their pick, as far as they were looked at.
    """

    cells: Cells
    nearest: Int[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]
    mean: float
    offers: dict[int, Offer]

    @property
    def picks(self) -> Int[np.ndarray, " k"]:
        """Their row numbers."""
        return self.cells.chosen


class _Rounds:
    """Rounds of moves in a pool, under rules."""

    def __init__(self, points: Points | DistanceMatrix, rules: Rules) -> None:
        self._points = points
        self._rows = np.flatnonzero(points.eligible)
        self._limits = _distances_to_avoided(points, rules, self._rows)
        self._fixed = len(rules.include)
        self._strata = np.zeros(len(points), np.int64)
        if rules.quotas is not None:
            self._strata = rules.quotas.strata

    def around(self, picks: Int[np.ndarray, " k"], before: _State | None = None) -> _State:
        """Return the state of picks; what cells of the state before offer, if they are the same."""
        cells = cells_of(self._points, picks, None if before is None else before.cells)
        distances = np.sqrt(cells.squared)
        nearest = np.where(distances <= self._limits, cells.nearest, -1)
        distances = np.minimum(distances, self._limits)
        offers: dict[int, Offer] = {}
        if before is not None:
            changed = np.append(picks != before.picks, True)  # the last is that of no cell
            other = nearest != before.nearest
            changed[nearest[other]] = changed[before.nearest[other]] = True
            offers = {cell: one for cell, one in before.offers.items() if not changed[cell]}
        mean = float(np.cumsum(distances)[-1]) / len(distances)
        return _State(cells, nearest, distances, mean, offers)

    def moved(self, state: _State) -> Int[np.ndarray, " k"]:
        """Return where the picks of a state go."""
        members = self._members(state)
        self._look(state, members)
        picks = state.picks.copy()
        stays = np.arange(len(picks)) < self._fixed
        for cell, row, relied_on in self._swaps(state, members):
            picks[cell] = row
            stays[relied_on] = True
        for cell, offer in state.offers.items():
            if not stays[cell]:
                picks[cell] = offer.medoid
        return picks

    def _members(self, state: _State) -> list[Int[np.ndarray, " c"]]:
        """Return the positions, among the eligible rows, of the rows of each cell."""
        order = np.argsort(state.nearest, kind="stable")
        cuts = np.searchsorted(state.nearest[order], np.arange(len(state.picks)))
        return np.split(order, cuts)[1:]

    def _look(self, state: _State, members: list[Int[np.ndarray, " c"]]) -> None:
        """Look at the cells of more than one row whose offers are not known."""
        new = [
            cell for cell, own in enumerate(members) if len(own) > 1 and cell not in state.offers
        ]

        def look(begin: int) -> None:
            for cell in new[begin : begin + _CELLS_AT_ONCE]:
                own, pick = members[cell], int(state.picks[cell])
                rows = self._rows[own]
                is_possible = self._strata[rows] == self._strata[pick]
                distances = state.distances[own]
                state.offers[cell] = offer_of(self._points, rows, pick, distances, is_possible)

        parallel_for(look, range(0, len(new), _CELLS_AT_ONCE), threads=usable_threads())

    def _swaps(
        self, state: _State, members: list[Int[np.ndarray, " c"]]
    ) -> Iterator[tuple[int, int, Int[np.ndarray, " r"]]]:
        """Yield picks that leave their cell, the rows that they become, and the picks relied on.

        The largest gains come first, each with the smallest loss of the same stratum. A pick that
        leaves relies on the second nearest picks of its rows, and on the pick of the other cell.
        """
        count = len(state.picks)
        gaps = next_nearest(self._points, state.cells, np.isin(self._rows, state.picks))
        at = np.searchsorted(self._rows, state.picks)
        most = np.array([len(own) for own in members]) * np.sqrt(gaps.squared[at])
        most[: self._fixed] = np.inf  # these stay
        smallest = np.argsort(most, kind="stable")[: -(-count // _MAY_LEAVE)]
        may_leave = np.isin(state.nearest, smallest)
        found = next_nearest(self._points, state.cells, may_leave)
        next_distances = np.minimum(np.sqrt(found.squared), self._limits)
        leaving: dict[int, list[int]] = defaultdict(list)  # the smallest loss last
        losses = np.full(count, np.inf)
        for cell in smallest.tolist():
            own = members[cell]
            losses[cell] = np.cumsum(next_distances[own] - state.distances[own])[-1]
        for cell in np.argsort(-losses, kind="stable").tolist():
            if np.isfinite(losses[cell]):
                leaving[self._strata[state.picks[cell]]].append(cell)
        gone, relied_on = np.zeros(count, bool), np.zeros(count, bool)
        by_gain = sorted(state.offers, key=lambda cell: (-state.offers[cell].gain, cell))
        for cell in by_gain:
            offer = state.offers[cell]
            if gone[cell]:
                continue
            queue = leaving[self._strata[offer.second]]
            while queue and losses[queue[-1]] < offer.gain * (1.0 - ROUNDING):
                other = queue.pop()
                own = members[other]
                to_others = own[next_distances[own] < self._limits[own]]
                needed = np.append(found.nearest[to_others], cell)
                if other == cell or relied_on[other] or gone[needed].any():
                    continue
                gone[other] = True
                relied_on[needed] = True
                yield other, offer.second, np.append(needed, other)
                break


def _distances_to_avoided(
    points: Points | DistanceMatrix, rules: Rules, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return the distance of each row to the nearest one to keep away from; inf without any."""
    if rules.away is not None and isinstance(points, Points):
        to_points: Float[np.ndarray, " m"]
        to_points = np.sqrt(squared_distances_to_nearest(points, rows, rules.away))
        return to_points
    if rules.before is not None and isinstance(points, DistanceMatrix):
        nearest = points.matrix[np.ix_(rows, rules.before)].min(axis=1)
        distances: Float[np.ndarray, " m"] = nearest.astype(np.float64)
        return distances
    return np.full(len(rows), np.inf)
