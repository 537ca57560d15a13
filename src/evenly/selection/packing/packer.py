"""Packings: going through rows in an order, and keeping each that is far enough from all kept.

The order decides what is kept, so this is the rule behind choosing by quality and behind removing
near-duplicates. A packing of all rows is *maximal*: every row that is left out is nearer than the
distance to a row that was kept before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import (
    DistanceMatrix,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    blocks,
    lower_to_nearest_of_all,
    parallel_for,
    reach_of,
    single_threaded_blas,
    usable_threads,
)
from evenly.geometry.kernels.screening import lower_by_visits
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.search.in_order import keep_apart, products_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jaxtyping import Bool, Float32, Int

__all__ = ["Packer", "Packing", "packing_in_order"]


_NONE = np.iinfo(np.int64).max


# Rows compared with what is kept at once, and those of them compared with each other.
_FIRST_BLOCK, _LARGEST_BLOCK = 1024, 16384


_WANTED, _WITHIN = 1024, 2048


_TILE = 1024


# The first kept rows are the centres of cells, in which a row meets its neighbours first.
_CELLS = 256


# Kept rows from which it can be told how many coordinates are enough.
_REVIEW = 256


_SAMPLE = 1024


# Of how many rows one is kept, at a guess: it only says how long there is to go.
_SHARE_KEPT = 10


@dataclass(frozen=True, eq=False)
class Packing:
    """What was kept.

    Attributes:
        rows: (k,) row numbers, in the order.
        looked: how many rows of the order were looked at: all of them, or up to the one that
            filled the limit.
    """

    rows: Int[np.ndarray, " k"]
    looked: int

    def __len__(self) -> int:
        return len(self.rows)


def packing_in_order(
    points: Points | DistanceMatrix,
    order: Int[np.ndarray, " m"],
    min_distance: float,
    *,
    before: Int[np.ndarray, " b"] | None = None,
    away: Points | None = None,
    limit: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Packing:
    """Keep each row, in an order, that is at least `min_distance` from all kept before it.

    Args:
        points: the pool.
        order: (m,) distinct row numbers of candidates, those that are to be kept first.
        min_distance: Euclidean distance (not squared); see `reach_of` for what ties. With 0,
            rows are kept that are at no distance of 0.
        before: row numbers that count as kept before all others, and are not in the order.
        away: points from elsewhere that do.
        limit: stop when so many are kept.
        progress: called with how many rows were looked at since the last call.

    Returns:
        Packing: without a limit, a maximal one.

    Cost: at most m·k·d multiplications, as matrix products, usually a quarter; a row that is
        left out mostly meets the one that leaves it out among the first. Memory for the kept
        rows and their stand-ins, and for one block of rows.
    """
    return Packer(points, before=before, away=away).pack(
        order, min_distance, limit=limit, progress=progress
    )


class Packer:
    """Packs the rows of one pool, again and again; see `packing_in_order`.

    Args:
        points: the pool.
        before, away: as there.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        *,
        before: Int[np.ndarray, " b"] | None = None,
        away: Points | None = None,
    ) -> None:
        assert away is None or not isinstance(points, DistanceMatrix)
        self._points = points
        self._before = np.empty(0, np.int64) if before is None else before
        self._away = away
        self._transform: ProxyTransform | None = None
        self._tuning: Tuning | None = None
        self._last: ProxyVectors | None = None
        self._threads = usable_threads()

    def pack(
        self,
        order: Int[np.ndarray, " m"],
        min_distance: float,
        *,
        limit: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Packing:
        """One packing; see `packing_in_order`."""
        reach = reach_of(min_distance)
        limit = len(order) if limit is None else min(limit, len(order))
        report = progress or (lambda _: None)
        if isinstance(self._points, DistanceMatrix):
            return _pack_by_distance(self._points, self._before, order, reach, limit, report)
        with single_threaded_blas():
            return self._pack(self._points, order, reach, limit, report)

    def _pack(
        self,
        points: Points,
        order: Int[np.ndarray, " m"],
        reach: float,
        limit: int,
        report: Callable[[int], object],
    ) -> Packing:
        targets = Targets(ProxyVectors(points, self._transform_of(points)))
        for others in (self._away, points.take(self._before) if len(self._before) else None):
            if others is not None:
                targets.append(others, np.full(len(others), -1))
        begun = len(targets)
        cells = _Cells()
        size, looked, tuned = _FIRST_BLOCK, 0, False
        while looked < len(order) and len(targets) - begun < limit:
            block = order[looked : looked + size]
            if not tuned and len(targets) >= _REVIEW:
                self._tune(points, targets, reach)
                tuned = True
            rest = self._far_enough(points, targets, cells, block, reach)
            room = limit + begun - len(targets)
            last = self._keep_apart(points, targets, block, rest, reach, room)
            done = len(block) if last is None else last + 1
            cells.append(targets)
            looked += done
            report(done)
            size = min(_LARGEST_BLOCK, max(_FIRST_BLOCK, _WANTED * len(block) // (len(rest) + 1)))
        return Packing(targets.numbers[begun : len(targets)].copy(), looked)

    def _for_each(self, work: Callable[[Any], object], tiles: Iterable[Any]) -> None:
        parallel_for(work, tiles, threads=self._threads)

    def _transform_of(self, points: Points) -> ProxyTransform:
        """Not turned: made for the first packing, and used again by the others."""
        if self._transform is None:
            self._transform = ProxyTransform.of(points)
        return self._transform

    def _tune(self, points: Points, targets: Targets, reach: float) -> None:
        """Fewer coordinates from now on, where they are enough to tell near from far."""
        if self._tuning is None:
            self._tuning = Tuning(points, len(points) // _SHARE_KEPT)
        some = np.flatnonzero(points.eligible)[:: max(1, len(points) // _SAMPLE)]
        proxies = self._tuning.cheaper(targets, some, np.full(len(some), reach))
        if proxies is None:
            return
        last = self._last
        if last is not None and last.transform.width == proxies.transform.width:
            proxies = last.narrowed(proxies.width)
        elif points.in_memory and self._tuning.keeps(proxies.transform):
            proxies.keep(self._for_each)
        self._last = proxies
        targets.change(proxies, "float32")

    def _far_enough(
        self,
        points: Points,
        targets: Targets,
        cells: _Cells,
        block: Int[np.ndarray, " b"],
        reach: float,
    ) -> Int[np.ndarray, " s"]:
        """Positions in the block of the rows that no column leaves out."""
        if len(targets) == 0:
            return np.arange(len(block))
        left_out = np.zeros(len(block), bool)

        def compare(part: slice) -> None:
            against, rows = targets, block[part]
            if not points.in_memory:
                against, rows = targets.beside(points.take(rows)), np.arange(len(rows))
            left_out[part] = _left_out(against, cells, rows, reach)

        size = max(_TILE // 8, min(_TILE, -(-len(block) // (4 * self._threads))))
        self._for_each(compare, blocks(len(block), 1, numbers=size))
        return np.flatnonzero(~left_out)

    def _keep_apart(
        self,
        points: Points,
        targets: Targets,
        block: Int[np.ndarray, " b"],
        rest: Int[np.ndarray, " s"],
        reach: float,
        room: int,
    ) -> int | None:
        """Keep what is apart of the rest of a block, and make it columns.

        Returns:
            The position of the row that takes the last room; None while there is more.
        """
        before = len(targets)
        for begin in range(0, len(rest), _WITHIN):
            part = rest[begin : begin + _WITHIN]
            taken = points.take(block[part])
            against = targets.beside(taken)
            left = against.proxies[np.arange(len(part))]
            apart = np.arange(len(part))
            if len(targets) > before:
                apart = np.flatnonzero(~_nearer(against, before, apart, left, reach))
            found = self._apart_within(against, apart, left, reach, room)
            targets.append(taken.take(found), block[part[found]], left[found])
            room -= len(found)
            if room == 0:
                return int(part[found[-1]])
        return None

    def _apart_within(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " s"],
        left: Float32[np.ndarray, "m W"],
        reach: float,
        room: int,
    ) -> Int[np.ndarray, " p"]:
        """Which of the rows, of points beside the columns, are kept."""
        proxies = targets.proxies
        left = left[rows]
        between = products_within(left[:, : proxies.width], self._threads)
        points = proxies.points.take(rows)
        kept = keep_apart(
            *points.arrays,
            between,
            left,
            proxies.width,
            proxies.transform.chunk,
            tuple(proxies.transform.error_bound()),
            points.coincident,
            reach,
            room,
        )
        found: Int[np.ndarray, " p"] = rows[kept]
        return found


class _Cells:
    """The columns of each cell, whose centres are the first columns.

    A row meets those of its own cell first. Which cell it is in never changes an answer: it is
    enough to find one column that leaves a row out.
    """

    def __init__(self) -> None:
        self._newest = np.full(_CELLS, -1, np.int64)
        self._older = np.empty(0, np.int64)
        self._count = 0

    def append(self, targets: Targets) -> None:
        """Put the columns that are new into cells, once there are enough for cells to pay."""
        begin, end = self._count, len(targets)
        if end < 2 * _CELLS:
            return
        if end > len(self._older):
            self._older = np.resize(self._older, len(targets.matrix))
        cells = self.of(targets, targets.matrix[begin:end])
        for position, cell in enumerate(cells.tolist(), start=begin):
            self._older[position] = self._newest[cell]
            self._newest[cell] = position
        self._count = end

    def __len__(self) -> int:
        return self._count

    def of(self, targets: Targets, left: Float32[np.ndarray, "m W"]) -> Int[np.ndarray, " m"]:
        """The cell of each row, given as stand-ins."""
        return targets.centre_of(left, _CELLS)

    def visit(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        left: Float32[np.ndarray, "m W"],
        reach: float,
    ) -> Bool[np.ndarray, " m"]:
        """Whether a column of its cell is nearer to a row than the reach."""
        proxies = targets.proxies
        squared, nearest = np.full(len(rows), reach), np.full(len(rows), _NONE)
        lower_by_visits(
            left,
            targets.matrix,
            proxies.transform.chunk,
            tuple(proxies.transform.error_bound()),
            *proxies.points.arrays,
            rows,
            *targets.points.arrays,
            proxies.points.coincident,
            self._newest[self.of(targets, left)],
            self._older,
            np.zeros(len(rows), np.int64),
            np.full(len(rows), reach),
            squared,
            nearest,
        )
        return squared < reach


def _left_out(
    targets: Targets, cells: _Cells, rows: Int[np.ndarray, " m"], reach: float
) -> Bool[np.ndarray, " m"]:
    """Whether a column is nearer to a row than the reach: those of its cell first, then all."""
    left = targets.proxies[rows]
    left_out = np.zeros(len(rows), bool)
    if len(cells):
        left_out = cells.visit(targets, rows, left, reach)
    waiting = np.flatnonzero(~left_out)
    begin = 0
    while len(waiting) and begin < len(targets):
        end = targets.segment(begin)[1]
        nearer = _nearer(targets, begin, rows[waiting], left[waiting], reach, end)
        left_out[waiting[nearer]] = True
        waiting = waiting[~nearer]
        begin = end
    return left_out


def _nearer(
    targets: Targets,
    begin: int,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    reach: float,
    end: int | None = None,
) -> Bool[np.ndarray, " m"]:
    """Whether one of some columns, by default all from `begin` on, is nearer than the reach."""
    squared, nearest = np.full(len(rows), reach), np.full(len(rows), _NONE)
    lower_to_nearest_of_all(targets, rows, left, squared, nearest, begin=begin, end=end)
    return squared < reach


def _pack_by_distance(
    metric: DistanceMatrix,
    before: Int[np.ndarray, " b"],
    order: Int[np.ndarray, " m"],
    reach: float,
    limit: int,
    report: Callable[[int], object],
) -> Packing:
    left_out = np.zeros(len(metric), bool)
    for row in before.tolist():
        left_out |= metric.squared(row) < reach
    kept: list[int] = []
    looked = 0
    for row in order.tolist():
        if len(kept) == limit:
            break
        looked += 1
        report(1)
        if not left_out[row]:
            kept.append(row)
            left_out |= metric.squared(row) < reach
    return Packing(np.array(kept, np.int64), looked)
