"""Rows in a given order, compared with the rows before them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import Vectors, squared_distance
from evenly.geometry.kernels.int16 import (
    RoundedTargets,
    WorkQueue,
    cuts_for,
    fill_between,
    fill_panels,
    panels_for,
)
from evenly.geometry.kernels.screening import (
    BLOCK,
    FAST,
    Best,
    Queries,
    Screen,
    is_ruled_out,
    limit_of,
)
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import even_slices, parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Float32, Int

_BLOCK = 2048
_TILE = 256

# Fewer rows are multiplied with each other before a second thread has started.
_WORTH_THREADS = 512

# Above all target numbers: not yet compared with any target.
_NONE = np.iinfo(np.int64).max


class BlockArrays(NamedTuple):
    """Rows of one block, as compiled loops compare them with each other.

    Attributes:
        vectors: the rows, m of them.
        between: (m, m) what products make of the squared distances between the rows; only the
            part right of the diagonal is read.
        proxies: (m, W) float32 proxies.
        screen: how proxies rule out what `between` does not.
    """

    vectors: Vectors
    between: Float32[np.ndarray, "m m"]
    proxies: Float32[np.ndarray, "m W"]
    screen: Screen

    @classmethod
    def of(cls, queries: Queries, screen: Screen, threads: int) -> BlockArrays:
        """Multiply the rows with each other; queries must be all rows of their points."""
        between = products_within(queries.proxies[:, : screen.width], threads)
        return cls(queries.vectors, between, queries.proxies, screen)


def products_within(
    used: Float32[np.ndarray, "m K"], threads: int, *, whole: bool = False
) -> Float32[np.ndarray, "m m"]:
    """Return what float32 products make of the squared distances between rows.

    Only the part right of the diagonal is written, unless `whole` is true.
    """
    lengths = np.einsum("ij,ij->i", used, used)
    between = np.empty((len(used), len(used)), np.float32)

    def multiply(part: slice) -> None:
        right = slice(0 if whole else part.start, None)
        np.matmul(used[part], used[right].T, out=between[part, right])
        between[part, right] *= -2
        between[part, right] += lengths[part, None]
        between[part, right] += lengths[right]

    threads = threads if len(used) >= _WORTH_THREADS else 1
    parallel_for(multiply, even_slices(len(used), _TILE, threads), threads=threads)
    return between


def integer_products_within(
    proxies: Float32[np.ndarray, "m W"], width: int, levels: Any, threads: int
) -> Float32[np.ndarray, "m k"]:
    """Return what 16-bit products of the first `width` coordinates make of squared distances.

    Only the part right of the diagonal is written; k >= m. `levels` are those of the transform.
    """
    padded = -(-len(proxies) // BLOCK) * BLOCK
    rounded = RoundedTargets(panels_for(padded, width), levels)
    fill_panels(proxies, width, levels, 0, len(proxies), rounded.panels)
    lengths = np.zeros(padded, np.float32)
    lengths[: len(proxies)] = np.einsum("ij,ij->i", proxies[:, :width], proxies[:, :width])
    between = np.empty((len(proxies), padded), np.float32)
    threads = threads if len(proxies) >= _WORTH_THREADS else 1
    queue = WorkQueue(cuts_for(len(proxies), threads), np.zeros(1, np.int64))

    def fill(_: int) -> None:
        fill_between(proxies, width, rounded, lengths, between, queue)

    parallel_for(fill, range(threads), threads=threads)
    return between


def distances_to_earlier(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " k"],
    *,
    before: Int[np.ndarray, " b"] | None = None,
    away: Points | None = None,
) -> Float[np.ndarray, " k"]:
    """Return the exact Euclidean distance of each row to the nearest row before it.

    Args:
        points: the pool.
        rows: row numbers in their order.
        before: other rows of the pool that come before all of them.
        away: points from elsewhere that come before all of them.

    Returns:
        (k,) inf if no row comes before.

    Cost: k²/2·d multiplications, as matrix products.
    """
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, np.empty(0, np.int64) if before is None else before)
    squared = np.full(len(rows), np.inf)
    threads = usable_threads()
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(rows))
        for others in (away, None if before is None else points.take(before)):
            if others is not None:
                targets.append(others, np.zeros(len(others), np.int64))
        for block in blocks(len(rows), 1, numbers=_BLOCK):
            own, lowered = points.take(rows[block]), squared[block]
            queries = targets.queries_of(own)
            lower_in_tiles(targets, queries, lowered, threads)
            lower_to_earlier(BlockArrays.of(queries, targets.proxies.screen(), threads), lowered)
            targets.append(own, np.zeros(len(own), np.int64), queries.proxies)
    distances: Float[np.ndarray, " k"] = np.sqrt(squared)
    return distances


def squared_distances_to_nearest(
    points: Points, rows: Int[np.ndarray, " m"], others: Points
) -> Float[np.ndarray, " m"]:
    """Return the exact squared distance of each row to the nearest of other points.

    Cost: m·(number of other points)·d multiplications, as matrix products.
    """
    squared = np.full(len(rows), np.inf)
    threads = usable_threads()
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(others))
        targets.append(others, np.zeros(len(others), np.int64))
        for block in blocks(len(rows), 1, numbers=_BLOCK):
            lower_in_tiles(targets, targets.queries(rows[block]), squared[block], threads)
    return squared


def lower_in_tiles(
    targets: Targets,
    queries: Queries,
    squared: Float[np.ndarray, " b"],
    threads: int,
    *,
    begin: int = 0,
) -> Best:
    """Lower `squared` in place to the nearest target of each row; return it with these targets.

    Targets before `begin` need not be compared. `nearest` is above all target numbers if no
    target is nearer.
    """
    best = Best(squared, np.full(len(squared), _NONE))

    def compare(part: slice) -> None:
        lower_to_nearest_of_all(targets, queries.part(part), best.part(part), begin=begin)

    parallel_for(compare, blocks(len(squared), 1, numbers=_TILE), threads=threads)
    return best


def _by_distance(
    metric: DistanceMatrix, rows: Int[np.ndarray, " k"], before: Int[np.ndarray, " b"]
) -> Float[np.ndarray, " k"]:
    distances = np.full(len(rows), np.inf)
    order = np.concatenate([before, rows])
    for position, row in enumerate(rows.tolist()):
        earlier = order[: len(before) + position]
        distances[position] = metric.matrix[row][earlier].min(initial=np.inf)
    return distances


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_to_earlier(block: BlockArrays, squared: Float[np.ndarray, " m"]) -> None:
    """Lower each row's squared distance in place to that of the nearest row before it."""
    vectors, between, proxies, screen = block.vectors, block.between, block.proxies, block.screen
    limits = np.empty(len(squared), np.float32)
    for row in range(len(squared)):
        limits[row] = limit_of(squared[row], screen.error_bound)
    terms = np.empty(vectors.stored.shape[1])
    for there in range(len(squared)):
        for here in range(there + 1, len(squared)):
            product = between[there, here]
            if product >= limits[here]:
                continue
            if is_ruled_out(proxies, here, proxies, there, screen, product, limits[here]):
                continue
            decided = squared_distance(vectors, here, vectors, there, terms)
            if decided < squared[here]:
                squared[here] = decided
                limits[here] = limit_of(decided, screen.error_bound)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def keep_apart(block: BlockArrays, reach: float, most: int) -> Int[np.ndarray, " p"]:
    """Keep each row, in order, if its squared distance to all kept before it is at least `reach`.

    Returns:
        Positions of the rows that are kept, at most `most`.
    """
    vectors, between, proxies, screen = block.vectors, block.between, block.proxies, block.screen
    limit = limit_of(reach, screen.error_bound)
    out = np.zeros(len(between), np.bool_)
    kept = np.empty(min(most, len(between)), np.int64)
    terms = np.empty(vectors.stored.shape[1])
    count = 0
    for here in range(len(between)):
        if count == len(kept):
            break
        if out[here]:
            continue
        kept[count] = here
        count += 1
        for there in range(here + 1, len(between)):
            product = between[here, there]
            if product >= limit or out[there]:
                continue
            if is_ruled_out(proxies, there, proxies, here, screen, product, limit):
                continue
            if squared_distance(vectors, there, vectors, here, terms) < reach:
                out[there] = True
    return kept[:count]
