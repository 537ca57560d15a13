"""The pool larger than memory: vectors on disk, the farthest rows of them in memory.

Bounds of all rows are kept in memory. The rows with the largest, as many as fit, are read and
make a pool of their own, which gives frontiers for as long as it holds the next pick. Then the
file is read again, but only where bounds are still large enough to matter: each row is read a
handful of times, not once a pick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.memory import MemoryEngine
from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.upper_bounds import (
    Bounded,
    Bounds,
    ceiling_of,
    ceiling_outside,
    farthest_of,
    threshold_of,
)
from evenly.errors import OptionError
from evenly.geometry import (
    TIE,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    lower_until_below,
    parallel_for,
    single_threaded_blas,
    usable_threads,
)
from evenly.geometry.screening.tuning import Tuning

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["MappedEngine"]


# Rows read and compared at once.
_BLOCK = 4096


# Bytes a row whether it is in memory or not: factor, length, bound, how many it has met, and
# what partial sorting takes.
_BYTES_A_ROW = 48


_LEAST_ROWS = 4 * FRONTIER


# Rows by which it is guessed which bounds stay large, and how much of memory they are to fill.
_SAMPLE = 4096


_FILLED = 0.9


class MappedEngine(Bounded):
    """A pool whose vectors are on disk (`points.stored` reads them by slices and row numbers).

    Args:
        points: the rows.
        budget: how many will be chosen.
        memory: bytes that all of this may take.

    Raises:
        OptionError: so little memory does not even hold the bounds and the chosen rows.
    """

    def __init__(self, points: Points, budget: int, memory: float) -> None:
        self._points = points
        self._budget = budget
        self._threads = usable_threads()
        self._bounds = Bounds(np.where(points.eligible, np.inf, -np.inf))
        self._squared = self._bounds.squared
        self._seen = np.zeros(len(points), np.int32)
        with single_threaded_blas():
            precision = Tuning(points, budget).first_precision()
            self._targets = Targets(
                ProxyVectors(points, ProxyTransform.of(points)), budget, precision
            )
        self._holds = rows_in_memory(points, budget, memory)
        self._inside = np.empty(0, np.int64)
        self._pool: MemoryEngine | None = None
        self._outside = (np.inf, 0)
        self._read_at = -1

    def __len__(self) -> int:
        return len(self._points)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Rows as points, read from disk."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: those in memory are compared with them from now on."""
        assert points is not None
        first = len(self._targets)
        with single_threaded_blas():
            self._targets.append(points, np.arange(first, first + len(points)))
        self._squared[rows[rows >= 0]] = -np.inf
        if self._pool is not None:
            self._pool.add(self._places(rows), points)

    def _places(self, rows: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
        """Where rows are among those in memory; -1 where they are not."""
        places = np.searchsorted(self._inside, rows)
        places[places == len(self._inside)] = 0
        return np.where(self._inside[places] == rows, places, -1)

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """What squared distances count for; see `Engine.weigh`."""
        super().weigh(weights)
        if self._pool is not None:
            self._pool.weigh(weights[self._inside])

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Rows that can no longer be chosen."""
        super().retire(rows)
        if self._pool is not None:
            places = self._places(rows)
            self._pool.retire(places[places >= 0])

    def release(self) -> None:
        """Forget weights and retirement; see `Engine.release`."""
        self._keep_what_is_known()
        self._pool = None
        super().release()

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """The farthest rows in memory; others are read when one of them may be next."""
        while True:
            if self._pool is not None:
                frontier = self._widened(self._pool.frontier(size))
                if _is_certain(frontier) or not np.isfinite(self._outside[0]):
                    return frontier
                if len(self._inside) > self._holds // 2 and self._is_fresh:
                    self._holds *= 2  # more rows tie than were thought to be enough
            self._read_again()

    def _widened(self, frontier: Frontier) -> Frontier:
        """A frontier of the rows in memory as one of all rows."""
        own = int(self._inside[frontier.ceiling_row])
        ceiling, row = ceiling_of([(frontier.ceiling, own), self._outside])
        return Frontier(
            rows=self._inside[frontier.rows],
            points=frontier.points,
            squared=frontier.squared,
            between=frontier.between,
            proxies=frontier.proxies,
            transform=frontier.transform,
            ceiling=ceiling,
            ceiling_row=row,
            weights=frontier.weights,
            precision=frontier.precision,
        )

    @property
    def _is_fresh(self) -> bool:
        """Whether the rows in memory were read after the last pick."""
        return self._read_at == len(self._targets)

    def _read_again(self) -> None:
        """Bring bounds up to date, largest first, and read the rows whose bounds stay large."""
        self._keep_what_is_known()
        self._pool = None  # its memory is needed for the next
        self._read_at = len(self._targets)
        kept, wanted = _Kept(self._holds), self._holds
        with single_threaded_blas():
            threshold = self._likely_threshold()
            while True:
                self._refresh(threshold, kept)
                keys = self._bounds.keys
                fresh = np.flatnonzero(keys >= threshold)
                if threshold <= 0.0 or len(fresh) >= max(1, self._holds // 8):
                    break
                wanted *= 2
                threshold = min(threshold, threshold_of(keys, wanted))
        self._inside = fresh[farthest_of(keys[fresh], self._holds)]
        if len(fresh) == 0:  # all are chosen: a row that is retired stands for none
            self._inside = np.zeros(1, np.int64)
        self._outside = ceiling_outside(keys, self._inside)
        inside = kept.take(self._points, self._inside)
        owed = max(0, self._budget - len(self._targets))
        tuning = Tuning(inside, owed, room=self._holds * inside.dimension * 4.0)
        self._pool = MemoryEngine(inside, owed, tuning, squared=self._squared[self._inside])
        if self._bounds.weights is not None:
            self._pool.weigh(self._bounds.weights[self._inside])

    def _likely_threshold(self) -> float:
        """A bound that about as many rows as fit in memory will keep, by a sample of them.

        Guessed too high, the file is read once more.
        """
        rows = np.flatnonzero(self._bounds.keys > -np.inf)
        sample = rows[:: max(1, len(rows) // _SAMPLE)]
        self._refresh_rows(sample, 0.0, None)
        keys = np.sort(self._bounds.keys[sample])[::-1]
        rank = int(_FILLED * self._holds / max(1, len(rows)) * len(keys))
        return max(0.0, float(keys[rank])) if rank < len(keys) else 0.0

    def _keep_what_is_known(self) -> None:
        """Take over the bounds of the rows in memory; they may be behind the latest picks."""
        if self._pool is not None:
            self._squared[self._inside] = self._pool.bounds

    def _refresh(self, threshold: float, kept: _Kept) -> None:
        """Compare rows whose bounds reach the threshold with the chosen they have not met.

        Those whose bounds still do are kept: they need not be read again.
        """
        stale = (self._bounds.keys >= threshold) & (self._seen < len(self._targets))
        tiles = []
        for begin in range(0, len(stale), _BLOCK):
            rows = np.flatnonzero(stale[begin : begin + _BLOCK]) + begin
            if len(rows):
                tiles.append(rows)
        parallel_for(
            lambda rows: self._refresh_rows(rows, threshold, kept), tiles, threads=self._threads
        )

    def _refresh_rows(
        self, rows: Int[np.ndarray, " m"], threshold: float, kept: _Kept | None
    ) -> None:
        points = self._points.take(rows)
        targets = self._targets.beside(points)
        order = np.argsort(self._seen[rows], kind="stable")
        sorted_rows = rows[order]
        squared, seen = self._squared[sorted_rows], self._seen[sorted_rows]
        lower_until_below(
            targets,
            order,
            threshold,
            self._bounds.weights_of(sorted_rows),
            seen,
            squared,
            np.zeros(len(rows), np.int64),
        )
        self._squared[sorted_rows], self._seen[sorted_rows] = squared, seen
        if kept is not None:
            large = self._bounds.keys_of(rows, self._squared[rows]) >= threshold
            kept.add(rows[large], points.stored[large])


class _Kept:
    """Rows that were read and may be wanted, so many at most."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._parts: list[tuple[Int[np.ndarray, " m"], np.ndarray[Any, Any]]] = []

    def add(self, rows: Int[np.ndarray, " m"], stored: np.ndarray[Any, Any]) -> None:
        """Keep rows, as long as there is room; several threads may add."""
        if len(rows) <= self._left:
            self._left -= len(rows)  # a little too much, where two threads do so at once
            self._parts.append((rows, stored))

    def take(self, points: Points, rows: Int[np.ndarray, " m"]) -> Points:
        """These rows, ascending, as points of their own; those that were not kept are read."""
        found = np.zeros(len(rows), bool)
        stored = None
        for kept, part in self._parts:
            stored = (
                np.empty((len(rows), points.dimension), part.dtype) if stored is None else stored
            )
            places = np.searchsorted(rows, kept)
            places[places == len(rows)] = 0
            there = rows[places] == kept
            stored[places[there]], found[places[there]] = part[there], True
        self._parts.clear()
        if stored is None or not found.any():
            return points.take(rows)
        missing = np.flatnonzero(~found)
        if len(missing):
            stored[missing] = points.take(rows[missing]).stored
        factors = None if points.factors is None else points.factors[rows]
        return Points(stored, factors, np.ones(len(rows), bool), points.longest)


def rows_in_memory(points: Points, budget: int, memory: float) -> int:
    """How many rows of the pool fit beside its bounds and the chosen rows.

    Raises:
        OptionError: none do.
    """
    n, d = len(points), points.dimension
    need = least_memory(points, budget)
    if memory < need:
        raise OptionError(
            f"memory={memory / 1e6:.0f} MB is too little for {n:,} rows of {d} and a budget of "
            f"{budget:,}: {need / 1e6:.0f} MB are needed. Allow more, or choose fewer rows."
        )
    return min(n, _LEAST_ROWS + int((memory - need) / _bytes_in_memory(points)))


def least_memory(points: Points, budget: int) -> float:
    """The bytes without which `budget` rows cannot be chosen."""
    n, d = len(points), points.dimension
    row: int = d * points.stored.dtype.itemsize
    fixed = n * _BYTES_A_ROW + budget * (2 * row + 8 * d + 64)
    return fixed + min(n, _LEAST_ROWS) * _bytes_in_memory(points)


def _bytes_in_memory(points: Points) -> float:
    """A row in memory: itself, its stand-in, what the pool knows of it; half as much to spare."""
    row: int = points.dimension * points.stored.dtype.itemsize
    return 1.5 * (row + 4 * points.dimension + 64)


def _is_certain(frontier: Frontier) -> bool:
    """Whether the frontier's first pick is the next of all rows; see `greedy_within`."""
    if len(frontier.rows) == 0:
        return frontier.ceiling == -np.inf
    keys = frontier.squared if frontier.weights is None else frontier.squared * frontier.weights
    largest = float(keys.max()) * (1.0 - TIE)
    if frontier.ceiling < largest:
        return True
    first = int(np.argmax(keys >= largest))
    tied = keys[first] >= frontier.ceiling * (1.0 - TIE)
    return bool(tied and frontier.rows[first] <= frontier.ceiling_row)
