"""The exact distance to the nearest of some targets: products rule out, float64 decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels import int16
from evenly.geometry.kernels.screening import (
    Best,
    Queries,
    Tile,
    lower_by_products,
    smallest_of_blocks,
)
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import even_slices, parallel_for
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from collections.abc import Iterator

_TILE = 2048

# Fewer rows are not worth a second thread.
_LEAST = 48
_ALL_ONE = np.empty(0)
_scratch = threading.local()


def lower_to_nearest(
    targets: Targets,
    begin: int,
    end: int,
    queries: Queries,
    best: Best,
    *,
    skip: Int[np.ndarray, " m"] | None = None,
) -> None:
    """Lower `best` in place to the nearest of some targets.

    Args:
        targets: what to compare with.
        begin: the first of them, at the beginning of a chunk.
        end: where they end, at the end of a chunk.
        queries: (m,) rows, each with its own proxy, as `Targets.queries` returns them.
        best: what is known so far. `nearest` must be above all numbers if nothing is known.
        skip: (m,) the position of a target that a row is not compared with; -1 for none.

    Cost: m·k·K multiplications, and about one exact distance for every row that comes nearer.
    """
    count = len(queries.rows)
    skipped = np.full(count, -1) if skip is None else skip
    proxies = targets.proxies
    if targets.precision == "int16":
        seen = np.full(count, begin, np.int32)
        remaining = int16.Remaining(seen, min(end, len(targets)), skipped, -np.inf, _ALL_ONE)
        _lower_by_int16(targets, queries, remaining, best)
        return
    used = queries.proxies[:, : proxies.width]
    products = _scratch_memory(count, end - begin)
    with np.errstate(invalid="ignore"):  # infinite numbers that the memory held before
        np.matmul(used, targets.matrix[begin:end, : proxies.width].T, out=products)
    lengths = targets.lengths[begin:end]
    tile = Tile(
        products,
        smallest_of_blocks(products, lengths),
        np.einsum("ij,ij->i", used, used),
        lengths,
        np.arange(count),
        np.where((begin <= skipped) & (skipped < end), skipped - begin, -1),
        begin,
    )
    lower_by_products(tile, queries, targets.arrays, proxies.screen(), best)


def lower_until_below(
    targets: Targets,
    rows: Int[np.ndarray, " m"],
    threshold: float,
    weights: Float[np.ndarray, " m"] | None,
    seen: Int[np.ndarray, " m"],
    best: Best,
    *,
    threads: int = 1,
) -> None:
    """Compare rows with the targets that remain for them, until they are near enough.

    Args:
        targets: what to compare with.
        rows: (m,) row numbers in the pool.
        threshold: a row is near enough once its squared distance times its weight is below.
        weights: (m,) None for 1.
        seen: (m,) how many targets each row was compared with, in rising order; changed in place.
        best: what is known so far; lowered in place.
        threads: how many threads share the rows.

    Cost: as in `lower_to_nearest`, for the comparisons that are made. Memory: if the proxies of
        the pool are not kept, those of 2,048 rows a thread.
    """
    weights = _ALL_ONE if weights is None else weights
    if targets.precision == "int16":
        remaining = int16.Remaining(seen, len(targets), np.full(len(rows), -1), threshold, weights)
        kept = targets.proxies.kept
        if kept is not None:
            queries = Queries(targets.proxies.points.vectors, rows, kept, rows)
            _lower_by_int16(targets, queries, remaining, best, threads)
            return

    def lower(part: slice) -> None:
        some = weights[part] if len(weights) else weights
        if targets.precision == "int16":
            own = remaining._replace(seen=seen[part], skipped=remaining.skipped[part], weights=some)
            _lower_by_int16(targets, targets.queries(rows[part]), own, best.part(part))
        else:
            _lower_until_below(
                targets, targets.queries(rows[part]), threshold, some, seen[part], best.part(part)
            )

    parallel_for(lower, tiles_of(len(rows), threads), threads=threads)


def tiles_of(count: int, threads: int) -> Iterator[slice]:
    """Cut rows into equal tiles, as many for each thread, none so small that overhead counts."""
    size = min(_TILE, max(_TILE // 8, -(-count // (4 * threads))))
    return even_slices(count, size, threads, least=_LEAST)


def _lower_until_below(
    targets: Targets,
    queries: Queries,
    threshold: float,
    weights: Float[np.ndarray, " m"],
    seen: Int[np.ndarray, " m"],
    best: Best,
) -> None:
    count = len(queries.rows)
    waiting = np.arange(count)
    while len(waiting):
        begin, end = targets.segment(int(seen[waiting[0]]))
        now = waiting[: np.searchsorted(seen[waiting], end)]
        some = queries if len(now) == count else queries.take(now)
        known = Best(best.squared[now], best.nearest[now])
        lower_to_nearest(targets, begin, end, some, known)
        best.squared[now], best.nearest[now] = known
        seen[now] = min(end, len(targets))
        keys = best.squared[waiting] * (weights[waiting] if len(weights) else 1.0)
        waiting = waiting[(keys >= threshold) & (seen[waiting] < len(targets))]


def _lower_by_int16(
    targets: Targets, queries: Queries, remaining: int16.Remaining, best: Best, threads: int = 1
) -> None:
    proxies = targets.proxies
    queue = int16.WorkQueue(int16.cuts_for(len(queries.rows), threads), np.zeros(1, np.int64))
    rounded = int16.RoundedTargets(targets.panels, proxies.transform.levels)
    arrays, screen = targets.arrays, proxies.screen("int16")

    def lower(_: int) -> None:
        int16.lower_by_int16(queries, arrays, rounded, screen, remaining, best, queue)

    try:
        parallel_for(lower, range(min(threads, len(queue.cuts) - 1)), threads=threads)
    except BaseException:  # including Ctrl-C: parts that have not begun are dropped
        queue.turn[0] = len(queue.cuts)
        raise


def lower_to_nearest_of_all(
    targets: Targets,
    queries: Queries,
    best: Best,
    *,
    begin: int = 0,
    end: int | None = None,
    skip: Int[np.ndarray, " m"] | None = None,
) -> None:
    """Call `lower_to_nearest` for all targets, or those from `begin` to `end`, in segments.

    `begin` must be at the beginning of a chunk.
    """
    if targets.precision == "int16":  # cuts the targets itself
        last = len(targets) if end is None else end
        lower_to_nearest(targets, begin, last, queries, best, skip=skip)
        return
    for part in targets.segments(begin, end):
        lower_to_nearest(targets, *part, queries, best, skip=skip)


def _scratch_memory(rows: int, targets: int) -> Float32[np.ndarray, "m k"]:
    """Return memory for a product that this thread uses again: new pages cost as much as it."""
    kept: Float32[np.ndarray, " s"] | None = getattr(_scratch, "kept", None)
    if kept is None or len(kept) < rows * targets:
        kept = _scratch.kept = np.empty(rows * targets, np.float32)
    return kept[: rows * targets].reshape(rows, targets)
