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
    others: Points,
    columns: Any,
    nearest: Int[np.ndarray, " m"] | None = None,
    *,
    numbers: Int[np.ndarray, " k"] | None = None,
    skip_itself: bool = False,
) -> None:
    """Lower `squared` in place to the exact squared distance to the nearest of `others`, if nearer.

    Args:
        proposals: of the pool that `rows` refers to.
        rows: the rows to compare.
        left: their proposals as left factor.
        squared: exact squared distances known so far (inf where none is).
        others: points to compare with.
        columns: their proposals as right factor; more may follow that are far from everything.
        nearest: where given, which of `numbers` attains `squared` is kept up to date too; of
            several at exactly the same distance, the smallest. A row that has met none yet
            must be given a number above all of them.
        numbers: the row numbers of `others`.
        skip_itself: a row that is among `others` too is not compared with itself.

    Cost: m·k·d multiplications in the precision of the proposals, and about one exact distance
        for every row that comes nearer than it was.
    """
    pairs = _Pairs(proposals, rows, squared, others, numbers, nearest)
    pairs.meet_a_first(skip_itself=skip_itself)
    margins = proposals.margins(left, squared, columns)
    if skip_itself and numbers is not None:
        margins.strike(*_same(rows, numbers))
    suspects, column = margins.suspects()
    if len(suspects):
        pairs.decide(suspects, column)


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
        proposals: Proposals,
        rows: Int[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        others: Points,
        numbers: Int[np.ndarray, " k"] | None,
        nearest: Int[np.ndarray, " m"] | None,
    ) -> None:
        self._proposals = proposals
        self._rows = rows
        self._squared = squared
        self._others = others
        self._numbers = numbers
        self._nearest = nearest

    def meet_a_first(self, *, skip_itself: bool) -> None:
        """Give rows that have met nobody yet a distance to start from."""
        lonely = np.flatnonzero(np.isinf(self._squared))
        for column in range(min(2 if skip_itself else 1, len(self._others))):
            met = lonely
            if skip_itself and self._numbers is not None:
                met = lonely[self._rows[lonely] != self._numbers[column]]
            self.decide(met, np.full(len(met), column))

    def decide(self, positions: Int[np.ndarray, " p"], columns: Int[np.ndarray, " p"]) -> None:
        """Lower `squared[positions]` to the exact squared distances to `others[columns]`."""
        decided = self._proposals.exact_squared_distances(
            self._rows[positions], self._others, columns
        )
        if self._nearest is not None and self._numbers is not None:
            # Written in this order, the nearest comes last, and of ties the smallest row number.
            met = self._numbers[columns]
            order = np.lexsort((-met, -decided))
            before, known = self._nearest[positions[order]], self._squared[positions[order]]
            tied = (decided[order] == known) & (met[order] < before)
            closer = order[(decided[order] < known) | tied]
            self._nearest[positions[closer]] = met[closer]
        np.minimum.at(self._squared, positions, decided)
