"""Packings of rows that the workers of a cluster hold.

Rows come to the driver in their order, some thousands at a time, unless they are near a row that
was kept before. It keeps those that are far enough apart, and sends them to all workers, which
exclude their own rows that are near. So workers share nearly all comparisons.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evenly.distributed.vectors import ClusterPoints
from evenly.geometry import Best, Points, reach_of
from evenly.geometry.search.nearest_chosen import lower_to_chosen
from evenly.selection.packing.packer import Packer
from evenly.shapes import Int

BLOCK = 16_384
"""Rows of a block, at most: the driver compares them with each other."""

# Rows of the order that are looked at for a block, most of which may be excluded already.
_LOOKED_AT = 8


def packing_on_workers(
    points: ClusterPoints,
    order: Int[np.ndarray, " m"],
    min_distance: float,
    *,
    check: Callable[[int], object],
    progress: Callable[[int], object],
    block: int = BLOCK,
) -> Int[np.ndarray, " k"]:
    """Keep each row, in an order, that is at least `min_distance` from all rows kept before it.

    Args:
        points: the pool.
        order, min_distance: see `packing_in_order`.
        check: called with the number of rows kept so far; it raises if they are too many.
        progress: called with the number of rows processed since the last call.
        block: rows that come to the driver at once.

    Returns:
        The rows, in the order.
    """
    ranges, reach = points.where, reach_of(min_distance)
    left = np.zeros(len(points), bool)
    left[order] = True
    kept, last, done = [np.empty(0, np.int64)], None, 0
    while done < len(order):
        some = order[done : done + _LOOKED_AT * block]
        unknown = np.flatnonzero(left[some])[:block]
        end = len(some) if len(unknown) < block else int(unknown[-1]) + 1
        rows, done = some[unknown], done + end
        progress(end)
        positions = ranges.split(rows)
        nothing = np.empty(0, np.int64)
        holders = [worker for worker, own in enumerate(ranges.parts(left)) if own.any()]
        asked = {
            worker: (last, ranges.local(worker, rows[positions.get(worker, nothing)]), reach)
            for worker in holders
        }
        found = points.ask(without_near, left, asked)
        for worker, (excluded, _) in found.items():
            left[excluded + ranges.bounds[worker]] = False
        stored = np.empty((len(rows), points.dimension), points.stored.dtype)
        far = left[rows]
        for worker, at in positions.items():
            stored[at[far[at]]] = found[worker][1]
        factors = None if points.factors is None else points.factors[rows[far]]
        usable = np.ones(np.count_nonzero(far), bool)
        survivors = Points(stored[far], factors, usable, points.longest)
        if len(survivors):
            new = Packer(survivors).pack(np.arange(len(survivors)), min_distance).rows
            last = survivors.take(new)
            kept.append(rows[far][new])
            check(sum(map(len, kept)))
        else:
            last = None
        left[rows] = False
    return np.concatenate(kept)


def without_near(
    points: Points, kept: Points | None, rows: Int[np.ndarray, " m"], reach: float
) -> tuple[Int[np.ndarray, " e"], np.ndarray]:
    """Return which eligible rows are near a kept one, and the vectors of the others of `rows`.

    Args:
        points: the rows of a worker.
        kept: rows that were kept since the worker was asked the last time.
        rows: some of the eligible rows.
        reach: the squared distance below which rows are near.
    """
    excluded = np.empty(0, np.int64)
    if kept is not None:
        eligible = np.flatnonzero(points.eligible)
        best = Best(np.full(len(eligible), reach), np.full(len(eligible), len(kept)))
        nobody = np.full(len(points), -1)
        lower_to_chosen(best, points, kept, np.arange(len(kept)), nobody)
        excluded = eligible[best.squared < reach]
    return excluded, points.stored[rows[~np.isin(rows, excluded)]]
