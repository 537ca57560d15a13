"""The exact distance to the nearest of some rows: proposals rule out, float64 decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.exact import Points
from evenly.geometry.proposals import Left, Proposals

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["lower_to_nearest"]


def lower_to_nearest(
    proposals: Proposals,
    rows: Int[np.ndarray, " m"],
    left: Left,
    squared: Float[np.ndarray, " m"],
    others: Int[np.ndarray, " k"],
    columns: Any,
    nearest: Int[np.ndarray, " m"] | None = None,
    *,
    skip_itself: bool = False,
) -> None:
    """Lower `squared` in place to the exact squared distance to the nearest of `others`, if nearer.

    Args:
        proposals: of the pool that all row numbers refer to.
        rows: the rows to compare.
        left: their proposals as left factor.
        squared: exact squared distances known so far (inf where none is).
        others: rows to compare with.
        columns: their proposals as right factor.
        nearest: where given, the row number that attains `squared` is kept up to date too; of
            several at exactly the same distance, the smallest. A row that has met none yet
            must be given a number above all of them.
        skip_itself: a row that is among `others` too is not compared with itself.

    Cost: m·k·d multiplications in the precision of the proposals, and about one exact distance
        for every row that comes nearer than it was.
    """
    pairs = _Pairs(proposals.points, rows, squared, others, nearest)
    pairs.meet_a_first(skip_itself=skip_itself)
    margins = proposals.margins(left, squared, columns)
    if skip_itself:
        margins.strike(*_same(rows, others))
    smallest, best = margins.smallest()
    suspects = np.flatnonzero(smallest < 0)
    if len(suspects) == 0:
        return
    # The most promising pair of each row first: it usually rules out all the others.
    best = best[suspects]
    before = squared[suspects]
    pairs.decide(suspects, best)
    margins.strike(suspects, best)
    # Only a row that came nearer than before, or whose promise was empty, has more to decide.
    which, column = margins.below(suspects, proposals.shift_of(squared[suspects] - before))
    if len(which):
        pairs.decide(suspects[which], column)


def _same(
    rows: Int[np.ndarray, " m"], others: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Positions in both of the row numbers that are in both."""
    _, in_rows, in_others = np.intersect1d(rows, others, assume_unique=True, return_indices=True)
    return in_rows, in_others


class _Pairs:
    """Rows on one side, others on the other, and the exact distances decided so far."""

    def __init__(
        self,
        points: Points,
        rows: Int[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        others: Int[np.ndarray, " k"],
        nearest: Int[np.ndarray, " m"] | None,
    ) -> None:
        self._points = points
        self._rows = rows
        self._squared = squared
        self._others = others
        self._nearest = nearest

    def meet_a_first(self, *, skip_itself: bool) -> None:
        """Give rows that have met nobody yet a distance to start from."""
        lonely = np.flatnonzero(np.isinf(self._squared))
        for column in range(min(2 if skip_itself else 1, len(self._others))):
            met = lonely
            if skip_itself:
                met = lonely[self._rows[lonely] != self._others[column]]
            self.decide(met, np.full(len(met), column))

    def decide(self, positions: Int[np.ndarray, " p"], columns: Int[np.ndarray, " p"]) -> None:
        """Lower `squared[positions]` to the exact squared distances to `others[columns]`."""
        decided = self._points.exact_squared_distances(self._rows[positions], self._others[columns])
        if self._nearest is not None:
            # Written in this order, the nearest comes last, and of ties the smallest row number.
            met = self._others[columns]
            order = np.lexsort((-met, -decided))
            before, known = self._nearest[positions[order]], self._squared[positions[order]]
            tied = (decided[order] == known) & (met[order] < before)
            closer = order[(decided[order] < known) | tied]
            self._nearest[positions[closer]] = met[closer]
        np.minimum.at(self._squared, positions, decided)
