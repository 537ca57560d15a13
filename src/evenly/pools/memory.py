"""The pool in memory: float32 matrix products propose, float64 decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import TIE, Points, Proposals, alone, for_each_tile, lower_to_nearest
from evenly.pools.pool import Frontier

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["MemoryPool"]

FRONTIER = 1024
"""Rows a frontier holds at most, ties aside: its greedy steps cost the square of it."""

# Chosen rows that others are compared with at once, at most and at least.
_SEGMENT = 512
_GRAIN = 64
_TILE = 4096


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
        self._chosen = _Chosen(proposals)

    def __len__(self) -> int:
        return len(self._points)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Rows as points."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: they are columns for the others from now on, and retired."""
        assert points is not None
        with alone():
            self._chosen.append(points)
        self._squared[rows[rows >= 0]] = -np.inf

    def frontier(self) -> Frontier:
        """The farthest rows, compared with every chosen row; see `Pool.frontier`."""
        with alone():
            return self._frontier_of(self._fresh())

    def _fresh(self) -> Int[np.ndarray, " f"]:
        """Rows that are up to date and farther than all others; a fraction of FRONTIER or more."""
        wanted = FRONTIER
        threshold = np.inf
        while True:
            threshold = min(threshold, self._threshold(wanted))
            self._refresh(threshold)
            fresh = np.flatnonzero(self._squared >= threshold)
            # Rows that tie with the farthest must be up to date too: one of them may be next.
            tie = self._squared[fresh].max(initial=-np.inf) * (1.0 - TIE)
            if threshold <= 0.0 or (len(fresh) >= FRONTIER // 8 and tie >= threshold):
                return fresh
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
        stale = np.flatnonzero((self._squared >= threshold) & (self._seen < len(self._chosen)))
        stale = stale[np.argsort(self._seen[stale], kind="stable")]
        threads = self._proposals.threads
        # Tiles enough for all threads, and not so small that their overhead counts.
        size = min(_TILE, max(_TILE // 8, -(-len(stale) // (2 * threads))))
        tiles = [stale[begin : begin + size] for begin in range(0, len(stale), size)]
        for_each_tile(lambda rows: self._refresh_rows(rows, threshold), tiles, threads=threads)

    def _refresh_rows(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        """Compare rows with the chosen they have not met, until all met or below the threshold.

        The rows come in rising order of how many they have met.
        """
        while len(rows):
            begin, end = self._chosen.segment(int(self._seen[rows[0]]))
            met = rows[: np.searchsorted(self._seen[rows], end)]
            squared = self._squared[met]
            lower_to_nearest(
                self._proposals,
                met,
                self._proposals.left(met),
                squared,
                self._chosen.points(begin, end),
                self._chosen.columns(begin, end),
            )
            self._squared[met] = squared
            self._seen[met] = min(end, len(self._chosen))
            rows = rows[(self._squared[rows] >= threshold) & (self._seen[rows] < len(self._chosen))]

    def _frontier_of(self, fresh: Int[np.ndarray, " f"]) -> Frontier:
        """The farthest of `fresh`, which are all up to date; no other row is as far as they."""
        fresh = fresh[self._farthest(self._squared[fresh])]
        outside = self._squared.copy()
        outside[fresh] = -np.inf
        ceiling = float(outside.max())
        return Frontier(
            rows=fresh,
            points=self._points.take(fresh),
            squared=self._squared[fresh],
            bounds=self._proposals.pairwise_lower_bounds(fresh),
            bound_unit=self._proposals.unit_of_bounds,
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


class _Chosen:
    """The chosen rows: their points and their columns, in arrays that grow."""

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals
        self._count = 0
        self._columns = proposals.empty_columns(0)
        self._points = proposals.points.take(np.empty(0, np.int64))

    def __len__(self) -> int:
        return self._count

    def append(self, points: Points) -> None:
        """More chosen rows."""
        end = self._count + len(points)
        if end > len(self._columns):
            self._grow(-(-max(end, 2 * self._count) // _SEGMENT) * _SEGMENT)
        new = slice(self._count, end)
        self._columns[new] = self._proposals.columns(points)
        self._points.stored[new] = points.stored
        if self._points.factors is not None:
            self._points.factors[new] = points.factors
        self._count = end

    def _grow(self, capacity: int) -> None:
        columns = self._proposals.empty_columns(capacity)
        columns[: self._count] = self._columns[: self._count]
        self._columns = columns
        self._points = self._points.resized(capacity)

    def points(self, begin: int, end: int) -> Points:
        """The chosen rows of a segment."""
        return self._points.part(slice(begin, end))

    def columns(self, begin: int, end: int) -> Any:
        """Their columns."""
        return self._columns[begin:end]

    def segment(self, seen: int) -> tuple[int, int]:
        """The columns to meet next: from a multiple of _GRAIN, and a power of two times it many.

        Few different shapes, because the first product of each shape is slow.
        """
        begin = seen // _GRAIN * _GRAIN
        width = _SEGMENT
        while width > _GRAIN and begin + width // 2 >= self._count:
            width //= 2
        return begin, min(begin + width, len(self._columns))
