"""The pool in memory: float32 matrix products propose, float64 decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import TIE, Proposals, lower_to_nearest
from evenly.pools.pool import Frontier

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["MemoryPool"]

FRONTIER = 1024
"""Rows a frontier holds at most, ties aside: its greedy steps cost the square of it."""

_SEGMENT = 512
_ROWS_AT_ONCE = 8192


class MemoryPool:
    """A pool whose vectors are one array in memory (or a memory map that fits in it).

    For every row it keeps the exact squared distance to the nearest of the first `_seen`
    chosen rows. That is an upper bound on the distance to all of them, and distances only
    shrink, so a row whose bound is below the current radius is left alone until the radius
    has come down to it.

    Memory beyond the vectors and the proposals: 12 bytes a row, and a column a chosen row.
    """

    def __init__(self, proposals: Proposals) -> None:
        points = proposals.points
        self._points = points
        self._proposals = proposals
        self._squared = np.where(points.candidates, np.inf, -np.inf)
        self._seen = np.zeros(len(points), np.int32)
        self._chosen = np.empty(0, np.int64)
        self._columns = proposals.empty_columns(0)
        self._count = 0

    def __len__(self) -> int:
        return len(self._points)

    def add(self, rows: Int[np.ndarray, " b"]) -> None:
        """Mark rows as chosen: they are columns for the others from now on, and retired."""
        end = self._count + len(rows)
        if end > len(self._chosen):
            capacity = max(end, 2 * len(self._chosen), 256)
            self._chosen = np.resize(self._chosen, capacity)
            columns = self._proposals.empty_columns(capacity)
            columns[: self._count] = self._columns[: self._count]
            self._columns = columns
        self._chosen[self._count : end] = rows
        self._columns[self._count : end] = self._proposals.columns(rows)
        self._squared[rows] = -np.inf
        self._count = end

    def frontier(self) -> Frontier:
        """The farthest rows, compared with every chosen row; see `Pool.frontier`."""
        wanted = FRONTIER
        threshold = np.inf
        while True:
            threshold = min(threshold, self._threshold(wanted))
            self._refresh(threshold)
            fresh = np.flatnonzero(self._squared >= threshold)
            # Rows that tie with the farthest must be up to date too: one of them may be next.
            tie = self._squared[fresh].max(initial=-np.inf) * (1.0 - TIE)
            if threshold <= 0.0 or (len(fresh) >= FRONTIER // 8 and tie >= threshold):
                return self._frontier_of(fresh)
            wanted *= 2

    def _threshold(self, wanted: int) -> float:
        """The value of the `wanted`-th largest bound; 0 when there are not so many rows."""
        if wanted >= len(self._squared):
            return 0.0
        position = len(self._squared) - wanted
        value = float(np.partition(self._squared, position)[position])
        return max(0.0, value * (1.0 - 2.0 * TIE))

    def _refresh(self, threshold: float) -> None:
        """Bring every row whose bound reaches the threshold up to date, or below it."""
        stale = np.flatnonzero((self._squared >= threshold) & (self._seen < self._count))
        for begin in range(0, len(stale), _ROWS_AT_ONCE):
            self._refresh_rows(stale[begin : begin + _ROWS_AT_ONCE], threshold)

    def _refresh_rows(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        rows = rows[np.argsort(self._seen[rows], kind="stable")]
        seen = self._seen[rows]
        squared = self._squared[rows]
        left = self._proposals.left(rows)
        awake = np.arange(len(rows))
        begin = int(seen[0])
        while begin < self._count:
            end = min(begin + _SEGMENT, self._count)
            met = awake[seen[awake] < end]
            part = squared[met]
            lower_to_nearest(
                self._proposals,
                rows[met],
                left[met],
                part,
                self._chosen[begin:end],
                self._columns[begin:end],
            )
            squared[met] = part
            seen[met] = end
            awake = awake[squared[awake] >= threshold]
            if len(awake) == 0:
                break
            begin = max(end, int(seen[awake[0]]))
        self._squared[rows] = squared
        self._seen[rows] = seen

    def _frontier_of(self, fresh: Int[np.ndarray, " f"]) -> Frontier:
        """The farthest of `fresh`, which are all up to date; no other row is as far as they."""
        fresh = fresh[self._farthest(self._squared[fresh])]
        outside = self._squared.copy()
        outside[fresh] = -np.inf
        ceiling = float(outside.max())
        return Frontier(
            rows=fresh,
            vectors=self._points.exact(fresh),
            squared=self._squared[fresh],
            bounds=self._proposals.pairwise_lower_bounds(fresh),
            bound_unit=self._proposals.unit_of_bounds,
            unit=self._points.unit,
            ceiling=ceiling,
            ceiling_row=int(np.argmax(outside >= ceiling * (1.0 - 2.0 * TIE))),
        )

    @staticmethod
    def _farthest(squared: Float[np.ndarray, " f"]) -> Int[np.ndarray, " m"]:
        """Positions of at most FRONTIER largest values, ascending; of ties the first."""
        if len(squared) <= FRONTIER:
            return np.arange(len(squared))
        tied = np.flatnonzero(squared >= squared.max() * (1.0 - TIE))
        if len(tied) >= FRONTIER:
            return tied[:FRONTIER]
        position = len(squared) - FRONTIER
        return np.sort(np.argpartition(squared, position)[position:])
