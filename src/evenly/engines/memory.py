"""The pool in memory: matrix products of stand-ins rule out, float64 decides."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.upper_bounds import Bounded, Bounds, ceiling_outside, farthest_of, threshold_of
from evenly.engines.voronoi import CELLS, Cells, Neighbours
from evenly.geometry import (
    TIE,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    lower_until_below,
    parallel_for,
    single_threaded_blas,
    squared_distances_between,
    usable_threads,
)
from evenly.geometry.screening.nearest import tiles_of
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.search.in_order import integer_products_within, products_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jaxtyping import Float, Float32, Int

__all__ = ["MemoryEngine"]


SINGLE_ROUND = 2048
"""A pool of at most so many rows is one frontier."""


# A round passes over all bounds: the more there are, the more rows it should bring up to date.
_ROWS_A_STEP = 25_000


# Of a row that has met no chosen row yet, the nearest one.
_NONE = np.iinfo(np.int64).max


class MemoryEngine(Bounded):
    """A pool whose vectors are one array in memory (or a memory map that fits in it).

    For every row it keeps the exact squared distance to the nearest of some chosen rows: the
    first `_seen`, and some of its neighbours. That is an upper bound on the distance to all of
    them, and distances only shrink, so a row whose bound is below the current radius is left
    alone until the radius has come down to it.

    Where squared distances to rows chosen elsewhere are given, these are where the bounds begin.

    Memory beyond the vectors: 28 bytes a row, a copy of the chosen rows with their stand-ins,
    and stand-ins of all rows where they fit in a quarter of the vectors and 200 MB.
    """

    def __init__(
        self,
        points: Points,
        budget: int,
        tuning: Tuning | None = None,
        *,
        squared: Float[np.ndarray, " n"] | None = None,
    ) -> None:
        self._points = points
        self._tuning = Tuning(points, budget) if tuning is None else tuning
        self._threads = usable_threads() if self._tuning.is_worth_threads else 1
        known = np.inf if squared is None else squared
        self._bounds = Bounds(np.where(points.eligible, known, -np.inf))
        self._squared: Float[np.ndarray, " n"] = self._bounds.squared
        self._nearest = np.full(len(points), _NONE)
        self._seen = np.zeros(len(points), np.int32)
        self._left_over = 1.0  # of the rows that the last frontier was looked for among
        self._neighbours = self._make_neighbours() if self._tuning.is_long else None
        with single_threaded_blas():
            self._proxies = ProxyVectors(
                points, ProxyTransform.as_they_are(points) or ProxyTransform.of(points)
            )
            if self._tuning.keeps(self._proxies.transform):
                self._proxies.keep(self._for_each)
            # One round needs the first pick only.
            room = 1 if len(points) <= SINGLE_ROUND else budget
            self._targets = Targets(self._proxies, room, self._tuning.first_precision())
            self._tuning.prepare(self._threads)

    def __len__(self) -> int:
        return len(self._points)

    @property
    def bounds(self) -> Float[np.ndarray, " n"]:
        """For every row, a bound on its squared distance to the chosen; -inf for chosen rows."""
        return self._squared

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Rows as points."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: they are columns for the others from now on, and retired."""
        assert points is not None
        with single_threaded_blas():
            first = len(self._targets)
            known = self._proxies[rows] if rows.min() >= 0 else None
            self._targets.append(points, np.arange(first, first + len(points)), known)
            self._squared[rows[rows >= 0]] = -np.inf
            self._tune()
            if self._neighbours is not None:
                nearest = np.where(rows >= 0, self._nearest[rows], _NONE)
                self._neighbours.append(self._targets, nearest)

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """The farthest rows, compared with every chosen row; see `Engine.frontier`."""
        if len(self) <= SINGLE_ROUND and self._tuning.owed:
            size = len(self)  # small enough for a single round
        with single_threaded_blas():
            return self._frontier_of(self._fresh(size), size)

    def _make_neighbours(self) -> Neighbours:
        """What finds a chosen row near a row."""
        return Cells(len(self))

    def _for_each(self, work: Callable[[Any], object], tiles: Iterable[Any]) -> None:
        parallel_for(work, tiles, threads=self._threads)

    def _tune(self) -> None:
        """Now and then: other stand-ins, where they are cheaper."""
        tuned = self._tuning.review(self._targets, self._squared)
        if tuned is not None:
            proxies, precision = tuned
            if proxies.transform is not self._proxies.transform and self._tuning.keeps(
                proxies.transform
            ):
                proxies.keep(self._for_each)
            self._proxies = proxies
            self._targets.change(proxies, precision)

    def _tiles(self, rows: Int[np.ndarray, " m"]) -> list[Int[np.ndarray, " t"]]:
        return [rows[part] for part in tiles_of(len(rows), self._threads)]

    def _fresh(self, size: int) -> Int[np.ndarray, " f"]:
        """Rows that are up to date and farther than all others; a fraction of `size` or more."""
        # Of rows with large bounds some turn out to be near: about `size` should be left over.
        most = min(8, max(2, len(self) // _ROWS_A_STEP))
        first = wanted = int(size * min(most, 1.0 / self._left_over))
        threshold = np.inf
        while True:
            threshold = min(threshold, threshold_of(self._bounds.keys, wanted))
            self._refresh(threshold)
            keys = self._bounds.keys
            fresh = np.flatnonzero(keys >= threshold)
            # Rows that tie with the farthest must be up to date too: one of them may be next.
            tie = keys[fresh].max(initial=-np.inf) * (1.0 - TIE)
            if threshold <= 0.0 or (len(fresh) >= size // 8 and tie >= threshold):
                self._left_over = min(1.0, max(1, len(fresh)) / first)
                return fresh
            wanted *= 2

    def _refresh(self, threshold: float) -> None:
        """Bring every row whose bound reaches the threshold up to date, or below it."""
        stale = np.flatnonzero((self._bounds.keys >= threshold) & (self._seen < len(self._targets)))
        if self._neighbours is not None and len(self._targets) >= 2 * CELLS:
            unmet = len(self._targets) - self._seen[stale]
            worth = self._neighbours.are_worth_a_visit(unmet)
            visitors = stale[worth & (self._nearest[stale] != _NONE)]
            self._for_each(lambda rows: self._visit(rows, threshold), self._tiles(visitors))
            stale = stale[self._bounds.keys_of(stale, self._squared[stale]) >= threshold]
        if len(self._targets) == 1:
            self._for_each(self._meet_the_first, self._tiles(stale))
        else:
            self._meet(stale[np.argsort(self._seen[stale], kind="stable")], threshold)

    def _visit(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        """Compare rows with chosen rows that are near them."""
        assert self._neighbours is not None
        squared, nearest = self._squared[rows], self._nearest[rows]
        left = self._proxies[rows]
        seen = self._seen[rows]
        weights = self._bounds.weights_of(rows)
        enough = np.full(len(rows), threshold) if weights is None else threshold / weights
        self._neighbours.visit(self._targets, rows, left, seen, enough, squared, nearest)
        self._squared[rows], self._nearest[rows] = squared, nearest

    def _meet(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        """Compare rows with the chosen they have not met, until all met or below the threshold.

        The rows come in rising order of how many they have met.
        """
        squared, nearest, seen = self._squared[rows], self._nearest[rows], self._seen[rows]
        lower_until_below(
            self._targets,
            rows,
            threshold,
            self._bounds.weights_of(rows),
            seen,
            squared,
            nearest,
            threads=self._threads,
        )
        self._squared[rows], self._nearest[rows], self._seen[rows] = squared, nearest, seen

    def _meet_the_first(self, rows: Int[np.ndarray, " m"]) -> None:
        """Compare rows with the only chosen one: deciding costs less than a product of a chunk."""
        first = self._targets.points
        none = np.zeros(len(rows), np.int64)
        found = squared_distances_between(self._points, rows, first, none)
        nearer = found < self._squared[rows]
        self._squared[rows[nearer]] = found[nearer]
        self._nearest[rows[nearer]] = self._targets.numbers[0]
        self._seen[rows] = 1

    def _frontier_of(self, fresh: Int[np.ndarray, " f"], size: int) -> Frontier:
        """The farthest of `fresh`, which are all up to date; no other row is as far as they."""
        keys = self._bounds.keys
        fresh = fresh[farthest_of(keys[fresh], size)]
        if self._bounds.weights is None and self._nearly_all(fresh):
            fresh = np.arange(len(self))
        ceiling, ceiling_row = ceiling_outside(keys, fresh)
        proxies, width = self._proxies[fresh], self._proxies.width
        levels = self._proxies.transform.levels if self._targets.precision == "int16" else None
        return Frontier(
            rows=fresh,
            points=self._points if len(fresh) == len(self) else self._points.take(fresh),
            squared=self._squared[fresh],
            between=partial(_between, proxies, width, levels, self._threads),
            proxies=proxies,
            transform=self._proxies.transform,
            ceiling=ceiling,
            ceiling_row=ceiling_row,
            weights=self._bounds.weights_of(fresh),
            precision="float32" if levels is None else "int16",
        )

    def _nearly_all(self, fresh: Int[np.ndarray, " f"]) -> bool:
        """Whether a frontier lacks only a few rows, which are retired: the whole needs no copy."""
        return 2 * len(fresh) > len(self) and bool(
            self._points.eligible.all() and np.count_nonzero(self._squared > -np.inf) == len(fresh)
        )


def _between(
    proxies: Float32[np.ndarray, "m W"], width: int, levels: Any, threads: int
) -> Float32[np.ndarray, "m k"]:
    """What products tell of the squared distances of rows; in float32 where `levels` is None."""
    # Nothing of the pool: a frontier may outlive it, and memory is short where it does.
    if levels is not None:
        return integer_products_within(proxies, width, levels, threads)
    with single_threaded_blas():
        return products_within(proxies[:, :width], threads)
