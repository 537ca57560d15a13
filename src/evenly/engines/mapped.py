"""The engine for pools larger than memory: vectors on disk, the farthest rows in memory.

The bounds of all rows are in memory. The rows with the largest bounds, as many as fit, are read
and handed to an engine in memory, which makes frontiers for as long as it holds the next pick.
Then the file is read again, but only rows whose bounds are still large: each row is read a few
times, not once a pick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from evenly.engines.kept_rows import KeptRows
from evenly.engines.memory import MemoryEngine
from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.sizes import EngineSizes
from evenly.engines.upper_bounds import (
    Bounded,
    ceiling_of,
    ceiling_outside,
    farthest_of,
    threshold_of,
)
from evenly.errors import OptionError
from evenly.geometry import (
    TIE,
    Best,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    blocks,
    first_of_the_farthest,
    lower_until_below,
    parallel_for,
    single_threaded_blas,
    usable_threads,
)
from evenly.geometry.screening.tuning import Tuning
from evenly.shapes import Float, Int

# Takes row numbers and the rows.
Look = Callable[[Any, Points], None]

# Bytes a row, in memory or not: factor, length, bound, how many targets it was compared with, and
# partial sorting.
_BYTES_A_ROW = 48
_LEAST_ROWS = 4 * FRONTIER
_TO_SPARE = 1.1

# Rows from which it is guessed which bounds stay large, and the share of memory they should fill.
_SAMPLE = 4096
_FILLED = 0.9


class MappedEngine(Bounded):
    """An engine whose vectors are on disk (`points.stored` reads slices and row numbers).

    Args:
        points: the rows.
        budget: how many will be chosen.
        memory: bytes that the engine may take.
        rows_in_memory: rows to hold in memory at once; by default as many as fit.
        sizes: see there.

    Attributes:
        fills: how many times the rows in memory were read.

    Raises:
        OptionError: the memory cannot hold the bounds and the chosen rows.
    """

    def __init__(
        self,
        points: Points,
        budget: int,
        memory: float,
        *,
        rows_in_memory: int | None = None,
        sizes: EngineSizes | None = None,
    ) -> None:
        self.fills = 0
        self._sizes = sizes or EngineSizes()
        self._points = points
        self._budget = budget
        self._threads = usable_threads()
        self._holds = rows_in_memory or _rows_that_fit(points, budget, memory)
        self._begin()

    def _begin(self) -> None:
        """Forget all rows that were added."""
        super().__init__(np.where(self._points.eligible, np.inf, -np.inf))
        self._seen = np.zeros(len(self), np.int32)
        with single_threaded_blas():
            precision = Tuning(self._points, self._budget).first_precision()
            proxies = ProxyVectors(self._points, ProxyTransform.of(self._points))
            self._targets = Targets(proxies, self._budget, precision)
        self._inside = np.empty(0, np.int64)
        self._engine: MemoryEngine | None = None
        self._outside = (np.inf, 0)
        self._read_at = -1
        self._likely_first: int | None = None

    def __len__(self) -> int:
        return len(self._points)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Return rows as points, read from disk."""
        return self._points.take(rows)

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Return what `Points.squared_distances_to_mean` does; no row must have been added.

        In the same pass, memory is filled for the row that is probably the farthest from the
        mean. If this row is added first, the file is not read again for it.
        """
        origin, mean = self._points.mean()
        first = self._seemingly_farthest_from(origin, mean)
        if first is None:
            return self._points.squared_distances_from(origin, mean)
        squared = np.full(len(self), -np.inf)

        def measure(rows: Int[np.ndarray, " m"], points: Points) -> None:
            squared[rows] = points.squared_distances_from(origin, mean)

        some = self.fetch(np.array([first]))
        measure(np.array([first]), some)
        self.add(np.array([first]), some)
        self._fill_memory(measure)
        self._likely_first = first
        return squared

    def _seemingly_farthest_from(
        self, origin: Float[np.ndarray, " d"], mean: Float[np.ndarray, " d"]
    ) -> int | None:
        """Return the farthest from the mean of the rows that seemed far when they were read."""
        known = self._points.row_sums
        some = np.empty(0, np.int64) if known is None else known.far
        some = some[self._points.eligible[some]]
        if not len(some):
            return None
        squared = self.fetch(some).squared_distances_from(origin, mean)
        return int(some[first_of_the_farthest(squared)])

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: rows in memory are compared with them from now on."""
        assert points is not None
        if self._likely_first is not None:
            if rows.tolist() == [self._likely_first]:
                self._likely_first = None
                return
            self._begin()
        first = len(self._targets)
        with single_threaded_blas():
            self._targets.append(points, np.arange(first, first + len(points)))
        self.squared[rows[rows >= 0]] = -np.inf
        if self._engine is not None:
            self._engine.add(self._places(rows), points)

    def _places(self, rows: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
        """Return the positions of rows among those in memory; -1 for other rows."""
        places = np.searchsorted(self._inside, rows)
        places[places == len(self._inside)] = 0
        return np.where(self._inside[places] == rows, places, -1)

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Set the weights of squared distances; see `Engine.weigh`."""
        super().weigh(weights)
        if self._engine is not None:
            self._engine.weigh(weights[self._inside])

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows from further picks."""
        super().retire(rows)
        if self._engine is not None:
            places = self._places(rows)
            self._engine.retire(places[places >= 0])

    def release(self) -> None:
        """Drop weights and retirement; see `Engine.release`."""
        self.keep_bounds()
        self._engine = None
        super().release()

    def look_ahead(self) -> None:
        """Bring rows in memory up to date; see `MemoryEngine.look_ahead`."""
        if self._engine is not None:
            self._engine.look_ahead()

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows in memory; read others when one of them may be the next pick."""
        while True:
            if self._engine is not None:
                frontier = self._widened(self._engine.frontier(size, floor))
                decided = frontier.ceiling < floor or _is_certain(frontier)
                if decided or not np.isfinite(self._outside[0]):
                    return frontier
                if len(self._inside) > self._holds // 2 and self._read_at == len(self._targets):
                    self._holds *= 2  # no row was picked since, so more rows tie than fit
            self._fill_memory()

    def _widened(self, frontier: Frontier) -> Frontier:
        """Turn a frontier of the rows in memory into one of all rows."""
        own = int(self._inside[frontier.ceiling_row])
        ceiling, row = ceiling_of([(frontier.ceiling, own), self._outside])
        rows = self._inside[frontier.rows]
        return replace(frontier, rows=rows, ceiling=ceiling, ceiling_row=row)

    def _fill_memory(self, look: Look | None = None) -> None:
        """Bring bounds up to date, largest first, and read the rows whose bounds stay large.

        `look` is called with the rows that are read and compared.
        """
        self.keep_bounds()
        self._engine = None  # its memory is needed for the next engine
        self.fills += 1
        self._read_at = len(self._targets)
        wanted = self._holds
        with single_threaded_blas():
            threshold = self._likely_threshold(look)
            while True:
                kept = KeptRows(self._points, self._holds)
                self._refresh(threshold, kept, look)
                keys = self._keys
                fresh = np.flatnonzero(keys >= threshold)
                if threshold <= 0.0 or len(fresh) >= max(1, self._holds // 8):
                    break
                wanted *= 2
                threshold = min(threshold, threshold_of(keys, wanted))
        self._inside = fresh[farthest_of(keys[fresh], self._holds)]
        if len(fresh) == 0:  # all rows are chosen: hold any retired row
            self._inside = np.zeros(1, np.int64)
        self._outside = ceiling_outside(keys, self._inside)
        inside = kept.take(self._inside)
        n_remaining = max(0, self._budget - len(self._targets))
        tuning = Tuning(inside, n_remaining, room=self._holds * _proxy_bytes(inside.dimension))
        self._engine = MemoryEngine(
            inside, n_remaining, tuning, squared=self.squared[self._inside], sizes=self._sizes
        )
        if self._weights is not None:
            self._engine.weigh(self._weights[self._inside])

    def _likely_threshold(self, look: Look | None) -> float:
        """Estimate, from a sample, a threshold that about as many rows reach as fit in memory.

        If it is too high, the file is read once more.
        """
        rows = np.flatnonzero(self._keys > -np.inf)
        sample = rows[:: max(1, len(rows) // _SAMPLE)]
        self._refresh_rows(sample, 0.0, look)
        keys = np.sort(self._keys[sample])[::-1]
        rank = int(_FILLED * self._holds / max(1, len(rows)) * len(keys))
        return max(0.0, float(keys[rank])) if rank < len(keys) else 0.0

    def keep_bounds(self) -> None:
        """Take over the bounds of the rows in memory, which may not reflect the latest picks."""
        if self._engine is not None:
            self.squared[self._inside] = self._engine.squared

    def _refresh(self, threshold: float, kept: KeptRows, look: Look | None) -> None:
        """Compare rows whose bounds reach the threshold with the chosen rows that are new to them.

        Rows whose bounds still reach it are kept, so that they need not be read again.
        """
        stale = (self._keys >= threshold) & (self._seen < len(self._targets))
        blocks_of_rows = blocks(len(stale), 1, numbers=self._sizes.rows_a_read)
        tiles = [np.flatnonzero(stale[block]) + block.start for block in blocks_of_rows]
        tiles = [rows for rows in tiles if len(rows)]

        def refresh(tile: int) -> None:
            rows = tiles[tile]
            points = self._refresh_rows(rows, threshold, look)
            large = self._keys_of(rows, self.squared[rows]) >= threshold
            kept.add(tile, rows[large], points.stored[large])

        parallel_for(refresh, range(len(tiles)), threads=self._threads)

    def _refresh_rows(
        self, rows: Int[np.ndarray, " m"], threshold: float, look: Look | None
    ) -> Points:
        """Compare rows with the chosen rows that are new to them; return the rows."""
        points = self._points.take(rows)
        targets = self._targets.beside(points)
        order = np.argsort(self._seen[rows], kind="stable")
        sorted_rows = rows[order]
        best = Best(self.squared[sorted_rows], np.zeros(len(rows), np.int64))
        seen, weights = self._seen[sorted_rows], self._weights_of(sorted_rows)
        lower_until_below(targets, order, threshold, weights, seen, best)
        self.squared[sorted_rows], self._seen[sorted_rows] = best.squared, seen
        if look is not None:
            look(rows, points)
        return points


def _rows_that_fit(points: Points, budget: int, memory: float) -> int:
    """Return how many rows fit in memory besides the bounds and the chosen rows.

    Raises:
        OptionError: too few fit.
    """
    n, d = len(points), points.dimension
    need = least_memory(n, d, points.stored.dtype.itemsize, budget)
    if memory < need:
        raise OptionError(
            f"memory= is too little for {n:,} rows of {d} and a budget of {budget:,}: it leaves "
            f"{memory / 1e6:.0f} MB to choose with, and {need / 1e6:.0f} MB are needed. Allow "
            "more, or choose fewer rows."
        )
    each = _bytes_in_memory(d, points.stored.dtype.itemsize)
    return min(n, _LEAST_ROWS + int((memory - need) / each))


def least_memory(rows: int, dimension: int, itemsize: int, budget: int) -> float:
    """Return the bytes that choosing `budget` rows takes at least."""
    fixed = rows * _BYTES_A_ROW + budget * (2 * dimension * itemsize + 8 * dimension + 64)
    return fixed + min(rows, _LEAST_ROWS) * _bytes_in_memory(dimension, itemsize)


def _bytes_in_memory(dimension: int, itemsize: int) -> float:
    """Return the bytes of a row in memory, its proxy and bounds, and some to spare."""
    return _TO_SPARE * (dimension * itemsize + _proxy_bytes(dimension) + 64)


def _proxy_bytes(dimension: int) -> float:
    """Return the bytes that proxies of a row in memory may take.

    More rows in memory save more time than proxies of all coordinates, which are quickly made.
    """
    return dimension / 4


def _is_certain(frontier: Frontier) -> bool:
    """Return whether the frontier's first pick is the next of all rows; see `greedy_within`."""
    if len(frontier.rows) == 0:
        return frontier.ceiling == -np.inf
    keys = frontier.keys
    largest = float(keys.max()) * (1.0 - TIE)
    if frontier.ceiling < largest:
        return True
    first = int(np.argmax(keys >= largest))
    tied = keys[first] >= frontier.ceiling * (1.0 - TIE)
    return bool(tied and frontier.rows[first] <= frontier.ceiling_row)
