"""Packings in an order: each row is kept if it is far enough from all rows kept before it.

The order decides which rows are kept, so this is the rule behind selection by quality and behind
the removal of near-duplicates. A packing of all rows is *maximal*: every other row is nearer than
the distance to a row that was kept before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import (
    DistanceMatrix,
    Points,
    ProxyTransform,
    ProxyVectors,
    Queries,
    Targets,
    blocks,
    lower_to_nearest_of_all,
    parallel_for,
    reach_of,
    single_threaded_blas,
    usable_threads,
)
from evenly.geometry.kernels.screening import Best
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.search.in_order import BlockArrays, distances_to_earlier, keep_apart
from evenly.selection.packing.kept_cells import NOT_COMPARED, KeptCells
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable


# Rows from which the tuning learns how far apart rows are.
_SAMPLE = 1024

# A guess that the tuning needs: one of so many rows is kept.
_ROWS_PER_KEPT = 10


@dataclass(frozen=True)
class PackerSettings:
    """Sizes that change the speed of a packing but not its rows.

    Attributes:
        first_block, largest_block: rows that are compared with all kept rows at once.
        survivors: how many rows of a block should remain after that; it sets the next size.
        within: remaining rows that are compared with each other at once.
        tile: rows per task of a thread.
        cells: the number of Voronoi cells.
        review_at: the number of kept rows at which to reconsider the number of coordinates.
        tuning: chooses the number of coordinates.
    """

    first_block: int = 1024
    largest_block: int = 16384
    survivors: int = 1024
    within: int = 2048
    tile: int = 1024
    cells: int = 256
    review_at: int = 256
    tuning: type[Tuning] = Tuning


@dataclass(frozen=True, eq=False)
class Packing:
    """The rows that were kept.

    Attributes:
        rows: (k,) row numbers, in the order.
        n_processed: how many rows of the order were processed: all, or up to the one that
            reached the limit.
    """

    rows: Int[np.ndarray, " k"]
    n_processed: int

    def __len__(self) -> int:
        return len(self.rows)


def packing_in_order(
    points: Points | DistanceMatrix,
    order: Int[np.ndarray, " m"],
    min_distance: float,
    *,
    before: Int[np.ndarray, " b"] | None = None,
    away: Points | None = None,
) -> Packing:
    """Keep each row, in an order, that is at least `min_distance` from all rows kept before it.

    Args:
        points: the pool.
        order: (m,) distinct row numbers of eligible rows, those with priority first.
        min_distance: Euclidean distance (not squared); see `reach_of` for ties. With 0, rows are
            kept that coincide with no other.
        before: row numbers, not in the order, that count as kept before all others.
        away: points from elsewhere that count as kept before all others.

    Returns:
        Packing: a maximal one.

    Cost: at most m·k·d multiplications, as matrix products, usually a quarter: most rows that
        are excluded are excluded by one of the first rows compared. Memory for the kept rows and
        their proxies, and for one block of rows.
    """
    return Packer(points, before=before, away=away).pack(order, min_distance)


class Packer:
    """Packs the rows of one pool at several distances; see `packing_in_order`.

    Args:
        points, before, away: see `packing_in_order`.
        settings: sizes that change only the speed.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        *,
        before: Int[np.ndarray, " b"] | None = None,
        away: Points | None = None,
        settings: PackerSettings | None = None,
    ) -> None:
        assert away is None or not isinstance(points, DistanceMatrix)
        self.points = points
        self._before = np.empty(0, np.int64) if before is None else before
        self._away = away
        self._settings = settings or PackerSettings()
        self._transform: ProxyTransform | None = None
        self._tuning: Tuning | None = None
        self._last: ProxyVectors | None = None
        self._threads = usable_threads()

    def radii_of(self, rows: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Return the distance of each row to the nearest one before it, or to keep away from."""
        return distances_to_earlier(self.points, rows, before=self._before, away=self._away)

    def pack(
        self,
        order: Int[np.ndarray, " m"],
        min_distance: float,
        *,
        limit: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Packing:
        """Pack at a distance; see `packing_in_order`.

        Args:
            order, min_distance: see `packing_in_order`.
            limit: stop as soon as so many rows are kept.
            progress: called with the number of rows processed since the last call.
        """
        reach = reach_of(min_distance)
        limit = len(order) if limit is None else min(limit, len(order))
        report = progress or (lambda _: None)
        if isinstance(self.points, DistanceMatrix):
            return _pack_by_matrix(self.points, self._before, order, reach, limit, report)
        with single_threaded_blas():
            return self._pack(self.points, order, reach, limit, report)

    def _pack(
        self,
        points: Points,
        order: Int[np.ndarray, " m"],
        reach: float,
        limit: int,
        report: Callable[[int], object],
    ) -> Packing:
        settings = self._settings
        if self._transform is None:
            self._transform = ProxyTransform.of(points)
        targets = Targets(ProxyVectors(points, self._transform))
        for others in (self._away, points.take(self._before) if len(self._before) else None):
            if others is not None:
                targets.append(others, np.full(len(others), -1))
        first = len(targets)
        cells = KeptCells(settings.cells)
        size, n_processed, tuned = settings.first_block, 0, False
        while n_processed < len(order) and len(targets) - first < limit:
            block = order[n_processed : n_processed + size]
            if not tuned and len(targets) >= settings.review_at:
                self._tune(points, targets, reach)
                tuned = True
            rest = self._far_from_kept(targets, cells, block, reach)
            room = limit + first - len(targets)
            last = self._keep(targets, block, rest, reach, room)
            done = len(block) if last is None else last + 1
            cells.append(targets)
            n_processed += done
            report(done)
            size = settings.survivors * len(block) // (len(rest) + 1)
            size = min(settings.largest_block, max(settings.first_block, size))
        return Packing(targets.numbers[first : len(targets)].copy(), n_processed)

    def _tune(self, points: Points, targets: Targets, reach: float) -> None:
        """Switch to fewer coordinates if these suffice to tell near rows from far ones."""
        if self._tuning is None:
            self._tuning = self._settings.tuning(points, len(points) // _ROWS_PER_KEPT)
        sample = np.flatnonzero(points.eligible)[:: max(1, len(points) // _SAMPLE)]
        proxies = self._tuning.cheaper(targets, sample, np.full(len(sample), reach))
        if proxies is None:
            return
        last = self._last
        if last is not None and last.transform.width == proxies.transform.width:
            proxies = last.narrowed(proxies.width)
        elif self._tuning.keeps(proxies.transform):
            proxies.keep(self._threads)
        self._last = proxies
        targets.change(proxies, "float32")

    def _far_from_kept(
        self, targets: Targets, cells: KeptCells, block: Int[np.ndarray, " b"], reach: float
    ) -> Int[np.ndarray, " s"]:
        """Return the positions in the block of the rows that no target excludes."""
        if len(targets) == 0:
            return np.arange(len(block))
        excluded = np.zeros(len(block), bool)

        def compare(part: slice) -> None:
            excluded[part] = _excluded(targets, cells, targets.queries(block[part]), reach)

        tile = self._settings.tile
        size = max(tile // 8, min(tile, -(-len(block) // (4 * self._threads))))
        parallel_for(compare, blocks(len(block), 1, numbers=size), threads=self._threads)
        return np.flatnonzero(~excluded)

    def _keep(
        self,
        targets: Targets,
        block: Int[np.ndarray, " b"],
        rest: Int[np.ndarray, " s"],
        reach: float,
        room: int,
    ) -> int | None:
        """Keep rows of the rest of a block, at most `room`, and append them to the targets.

        Returns:
            The position of the row that used up the room; None if there is room left.
        """
        before = len(targets)
        for begin in range(0, len(rest), self._settings.within):
            part = rest[begin : begin + self._settings.within]
            taken = targets.proxies.points.take(block[part])
            queries = targets.queries_of(taken)
            far = np.arange(len(part))
            if len(targets) > before:
                far = np.flatnonzero(~_near(targets, queries, reach, before))
            own = queries.take(far)._replace(vectors=taken.take(far).vectors)
            within = BlockArrays.of(own, targets.proxies.screen(), self._threads)
            kept = far[keep_apart(within, reach, room)]
            targets.append(taken.take(kept), block[part[kept]], queries.proxies[kept])
            room -= len(kept)
            if room == 0:
                return int(part[kept[-1]])
        return None


def _excluded(
    targets: Targets, cells: KeptCells, queries: Queries, reach: float
) -> Bool[np.ndarray, " m"]:
    """Return which rows are near a target: those of their cell first, then all."""
    excluded = cells.exclude(targets, queries, reach)
    left = np.flatnonzero(~excluded)
    begin = 0
    while len(left) and begin < len(targets):
        end = targets.segment(begin)[1]
        near = _near(targets, queries.take(left), reach, begin, end)
        excluded[left[near]] = True
        left = left[~near]
        begin = end
    return excluded


def _near(
    targets: Targets, queries: Queries, reach: float, begin: int, end: int | None = None
) -> Bool[np.ndarray, " m"]:
    """Return which rows are nearer than `reach` to one of some consecutive targets."""
    count = len(queries.rows)
    best = Best(np.full(count, reach), np.full(count, NOT_COMPARED))
    lower_to_nearest_of_all(targets, queries, best, begin=begin, end=end)
    return best.squared < reach


def _pack_by_matrix(
    distances: DistanceMatrix,
    before: Int[np.ndarray, " b"],
    order: Int[np.ndarray, " m"],
    reach: float,
    limit: int,
    report: Callable[[int], object],
) -> Packing:
    excluded = np.zeros(len(distances), bool)
    for row in before.tolist():
        excluded |= distances.squared(row) < reach
    kept: list[int] = []
    n_processed = 0
    for row in order.tolist():
        if len(kept) == limit:
            break
        n_processed += 1
        report(1)
        if not excluded[row]:
            kept.append(row)
            excluded |= distances.squared(row) < reach
    return Packing(np.array(kept, np.int64), n_processed)
