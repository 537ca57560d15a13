"""The engine for vectors in memory: matrix products of proxies rule out, float64 decides."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.sizes import EngineSizes
from evenly.engines.upper_bounds import Bounded, ceiling_outside, farthest_of, threshold_of
from evenly.engines.voronoi import NeighbourIndex, VoronoiCells
from evenly.geometry import (
    TIE,
    Best,
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
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from collections.abc import Callable

# A round passes over all bounds: the more there are, the more rows it should bring up to date.
_ROWS_A_STEP = 25_000

# Sentinel: not yet compared with any chosen row.
_NONE = np.iinfo(np.int64).max


class MemoryEngine(Bounded):
    """An engine whose vectors are one array in memory (or a memory map that fits in it).

    For every row it keeps the exact squared distance to the nearest of some chosen rows: the
    first `_seen`, and some neighbours of the row. That is an upper bound on the distance to all
    chosen rows, and distances only shrink, so a row whose bound is below the current radius is
    not touched until the radius has come down to it.

    Args:
        points: the rows.
        budget: how many will be chosen.
        tuning: chooses the proxies; by default a new one for these points.
        squared: (n,) squared distances to rows chosen elsewhere, as first bounds.
        threads: how many threads to use; by default all, if there is enough work.
        sizes: see there.

    Attributes:
        proxies: what rows are compared by at present.

    Memory beyond the vectors: 28 bytes a row, a copy of the chosen rows with their proxies, and
    proxies of all rows if they fit in a quarter of the vectors plus 200 MB.
    """

    def __init__(
        self,
        points: Points,
        budget: int,
        tuning: Tuning | None = None,
        *,
        squared: Float[np.ndarray, " n"] | None = None,
        threads: int | None = None,
        sizes: EngineSizes | None = None,
    ) -> None:
        self._points = points
        self._sizes = sizes or EngineSizes()
        self._tuning = Tuning(points, budget) if tuning is None else tuning
        if threads is None:
            threads = usable_threads() if self._tuning.is_worth_threads else 1
        self._threads = threads
        known = np.inf if squared is None else squared
        super().__init__(np.where(points.eligible, known, -np.inf))
        self._nearest = np.full(len(points), _NONE)
        self._seen = np.zeros(len(points), np.int32)
        self._share_kept = 1.0  # of the rows that were brought up to date for the last frontier
        self._reached, self._brought = np.inf, 0  # least bound of the last frontier, rows it needed
        self._index = self._make_index(self._sizes) if self._tuning.is_long else None
        with single_threaded_blas():
            self.proxies = ProxyVectors(
                points, ProxyTransform.as_they_are(points) or ProxyTransform.of(points)
            )
            if self._tuning.keeps(self.proxies.transform):
                self.proxies.keep(self._threads)
            # A single round compares with the first pick only.
            capacity = 1 if len(points) <= self._sizes.single_round else budget
            self._targets = Targets(self.proxies, capacity, self._tuning.first_precision())
            self._tuning.prepare(self._threads)

    def __len__(self) -> int:
        return len(self._points)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Return rows as points."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: other rows are compared with them from now on."""
        assert points is not None
        with single_threaded_blas():
            first = len(self._targets)
            known = self.proxies[rows] if rows.min() >= 0 else None
            self._targets.append(points, np.arange(first, first + len(points)), known)
            self.squared[rows[rows >= 0]] = -np.inf
            self._tune()
            if self._index is not None:
                nearest = np.where(rows >= 0, self._nearest[rows], _NONE)
                self._index.append(self._targets, nearest)

    @property
    def near(self) -> Int[np.ndarray, " n"]:
        """(n,) the number of a chosen row near each row, in the order added; -1 if none is known.

        For a chosen row it is an earlier one.
        """
        return np.where(self._nearest == _NONE, -1, self._nearest).astype(np.int32)

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows, compared with every chosen row; see `Engine.frontier`."""
        if len(self) <= self._sizes.single_round and self._tuning.n_remaining and not floor:
            size = len(self)  # small enough for a single round
        with single_threaded_blas():
            return self._frontier_of(self._fresh(size, floor), size)

    def look_ahead(self) -> None:
        """Bring rows up to date that the next frontier may need, while the engine is not needed.

        They are as many as the last frontier needed, with the largest bounds.
        """
        # The last picks may be those of the last frontier.
        if self._brought and self._tuning.n_remaining > FRONTIER // 2:
            keys = self._keys
            reached = int(np.count_nonzero(keys >= self._reached))
            with single_threaded_blas():
                self._refresh(max(0.0, threshold_of(keys, reached + self._brought)))
            self._brought = 0

    def _make_index(self, sizes: EngineSizes) -> NeighbourIndex:
        return VoronoiCells(len(self), sizes)

    def _tune(self) -> None:
        """Switch to other proxies if they are cheaper; checked now and then."""
        tuned = self._tuning.review(self._targets, self.squared)
        if tuned is not None:
            proxies, precision = tuned
            if proxies.transform is not self.proxies.transform and self._tuning.keeps(
                proxies.transform
            ):
                proxies.keep(self._threads)
            self.proxies = proxies
            self._targets.change(proxies, precision)

    def _share(
        self, work: Callable[[Int[np.ndarray, " t"]], object], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Call `work` for every tile of some rows."""
        tiles = [rows[part] for part in tiles_of(len(rows), self._threads)]
        parallel_for(work, tiles, threads=self._threads)

    def _fresh(self, size: int, floor: float) -> Int[np.ndarray, " f"]:
        """Return rows that are up to date and farther than all others: about `size`."""
        # Some rows with large bounds turn out to be near: about `size` should remain.
        most = min(8, max(2, len(self) // _ROWS_A_STEP))
        first = wanted = int(size * min(most, 1.0 / self._share_kept))
        threshold, self._brought = np.inf, 0
        while True:
            threshold = max(floor, min(threshold, threshold_of(self._keys, wanted)))
            self._refresh(threshold)
            keys = self._keys
            fresh = np.flatnonzero(keys >= threshold)
            # Rows that tie with the farthest must be up to date too: one of them may be next.
            tie = keys[fresh].max(initial=-np.inf) * (1.0 - TIE)
            if threshold <= floor or (len(fresh) >= size // 8 and tie >= threshold):
                self._reached = threshold
                if threshold > floor or not floor:
                    self._share_kept = min(1.0, max(1, len(fresh)) / first)
                return fresh
            wanted *= 2

    def _refresh(self, threshold: float) -> None:
        """Bring every row whose bound reaches the threshold up to date, or below the threshold."""
        stale = np.flatnonzero((self._keys >= threshold) & (self._seen < len(self._targets)))
        self._brought += len(stale)
        if self._index is not None and len(self._targets) >= 2 * self._sizes.cells:
            unseen = len(self._targets) - self._seen[stale]
            worth = self._index.is_worth_a_search(unseen)
            searching = stale[worth & (self._nearest[stale] != _NONE)]
            self._share(lambda rows: self._search(rows, threshold), searching)
            stale = stale[self._keys_of(stale, self.squared[stale]) >= threshold]
        if len(self._targets) == 1:
            self._share(self._compare_with_first, stale)
        else:
            self._compare(stale[np.argsort(self._seen[stale], kind="stable")], threshold)

    def _search(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        """Compare rows with chosen rows that are near them."""
        assert self._index is not None
        best = Best(self.squared[rows], self._nearest[rows])
        queries = self._targets.queries(rows)
        weights = self._weights_of(rows)
        enough = np.full(len(rows), threshold) if weights is None else threshold / weights
        self._index.search(self._targets, queries, self._seen[rows], enough, best)
        self.squared[rows], self._nearest[rows] = best

    def _compare(self, rows: Int[np.ndarray, " m"], threshold: float) -> None:
        """Compare rows with the chosen rows that are new to them, until below the threshold.

        The rows come in rising order of how many chosen rows they were compared with.
        """
        best, seen = Best(self.squared[rows], self._nearest[rows]), self._seen[rows]
        weights = self._weights_of(rows)
        lower_until_below(
            self._targets, rows, threshold, weights, seen, best, threads=self._threads
        )
        self.squared[rows], self._nearest[rows] = best
        self._seen[rows] = seen

    def _compare_with_first(self, rows: Int[np.ndarray, " m"]) -> None:
        """Compare rows with the only chosen row: exact distances are cheaper than a product."""
        first = self._targets.points
        zeros = np.zeros(len(rows), np.int64)
        found = squared_distances_between(self._points, rows, first, zeros)
        nearer = found < self.squared[rows]
        self.squared[rows[nearer]] = found[nearer]
        self._nearest[rows[nearer]] = self._targets.numbers[0]
        self._seen[rows] = 1

    def _frontier_of(self, fresh: Int[np.ndarray, " f"], size: int) -> Frontier:
        """Make a frontier of the farthest of the rows that `_fresh` returned."""
        keys = self._keys
        fresh = fresh[farthest_of(keys[fresh], size)]
        if self._weights is None and self._nearly_all(fresh):
            fresh = np.arange(len(self))
        ceiling, ceiling_row = ceiling_outside(keys, fresh)
        proxies, width = self.proxies[fresh], self.proxies.width
        levels = self.proxies.transform.levels if self._targets.precision == "int16" else None
        return Frontier(
            rows=fresh,
            points=self._points if len(fresh) == len(self) else self._points.take(fresh),
            squared=self.squared[fresh],
            between=partial(_between, proxies, width, levels, self._threads),
            proxies=proxies,
            transform=self.proxies.transform,
            ceiling=ceiling,
            ceiling_row=ceiling_row,
            weights=self._weights_of(fresh),
            precision="float32" if levels is None else "int16",
        )

    def _nearly_all(self, fresh: Int[np.ndarray, " f"]) -> bool:
        """Return whether only a few retired rows are missing, so that no copy is needed."""
        return 2 * len(fresh) > len(self) and bool(
            self._points.eligible.all() and np.count_nonzero(self.squared > -np.inf) == len(fresh)
        )


def _between(
    proxies: Float32[np.ndarray, "m W"], width: int, levels: Any, threads: int
) -> Float32[np.ndarray, "m k"]:
    """Return what products make of squared distances between rows; float32 if `levels` is None."""
    # Refers to no engine: a frontier may outlive its engine when memory is short.
    if levels is not None:
        return integer_products_within(proxies, width, levels, threads)
    with single_threaded_blas():
        return products_within(proxies[:, :width], threads)
