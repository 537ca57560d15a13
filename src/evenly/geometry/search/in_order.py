"""Rows in an order and those before them: which keep a distance, and how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import _squared_distance
from evenly.geometry.kernels.screening import BLOCK, FAST, _limit, _ruled_out
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import parallel_for, shares, single_threaded_blas, usable_threads

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = [
    "distances_to_earlier",
    "integer_products_within",
    "keep_apart",
    "products_within",
    "squared_distances_to_nearest",
]


_BLOCK = 2048


_TILE = 256


# Fewer rows are multiplied with each other sooner than a second thread has begun.
_WORTH_THREADS = 512


_NONE = np.iinfo(np.int64).max


def products_within(
    used: Float32[np.ndarray, "m K"], threads: int, *, whole: bool = False
) -> Float32[np.ndarray, "m m"]:
    """What products make of the squared distances between rows.

    Right of the diagonal only, unless the `whole` is asked for.
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
    parallel_for(multiply, shares(len(used), _TILE, threads), threads=threads)
    return between


def integer_products_within(
    left: Float32[np.ndarray, "m W"], width: int, levels: Any, threads: int
) -> Float32[np.ndarray, "m k"]:
    """The same of the first `width` coordinates of stand-ins, in 16-bit integers; k >= m.

    Right of the diagonal only. `levels` are those of their frame.
    """
    from evenly.geometry.kernels.int16 import cuts_for, fill_between, fill_panels, panels_for

    room = -(-len(left) // BLOCK) * BLOCK
    panels = panels_for(room, width)
    fill_panels(left, width, levels, 0, len(left), panels)
    lengths = np.zeros(room, np.float32)
    lengths[: len(left)] = np.einsum("ij,ij->i", left[:, :width], left[:, :width])
    between = np.empty((len(left), room), np.float32)
    threads = threads if len(left) >= _WORTH_THREADS else 1
    shared = cuts_for(len(left), threads), np.zeros(1, np.int64)

    def fill(_: int) -> None:
        fill_between(left, width, panels, levels, lengths, between, *shared)

    parallel_for(fill, range(threads), threads=threads)
    return between


def distances_to_earlier(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " k"],
    *,
    before: Int[np.ndarray, " b"] | None = None,
    away: Points | None = None,
) -> Float[np.ndarray, " k"]:
    """Euclidean distance of each of some rows to the nearest one before it; exact.

    Args:
        points: the pool.
        rows: row numbers in their order.
        before: other rows of the pool, that come before all of them.
        away: points from elsewhere that do.

    Returns:
        (k,) inf for a row that none comes before.

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
            _lower_block(targets, points.take(rows[block]), squared[block], threads)
    distances: Float[np.ndarray, " k"] = np.sqrt(squared)
    return distances


def squared_distances_to_nearest(
    points: Points, rows: Int[np.ndarray, " m"], others: Points
) -> Float[np.ndarray, " m"]:
    """Squared distance of each of some rows to the nearest of other points; exact.

    Cost: m·(number of the others)·d multiplications, as matrix products.
    """
    squared = np.full(len(rows), np.inf)
    threads = usable_threads()
    with single_threaded_blas():
        targets = Targets(ProxyVectors(points, ProxyTransform.of(points)), len(others))
        targets.append(others, np.zeros(len(others), np.int64))
        for block in blocks(len(rows), 1, numbers=_BLOCK):
            taken = points.take(rows[block])
            against = targets.beside(taken)
            left = against.proxies[np.arange(len(taken))]
            _lower(against, left, squared[block], threads)
    return squared


def _lower(
    targets: Targets,
    left: Float32[np.ndarray, "b W"],
    squared: Float[np.ndarray, " b"],
    threads: int,
) -> None:
    """Lower, in place, to the nearest column of each of the points beside the columns."""
    nearest = np.full(len(left), _NONE)

    def compare(part: slice) -> None:
        rows = np.arange(part.start, part.stop)
        lower_to_nearest_of_all(targets, rows, left[part], squared[part], nearest[part])

    parallel_for(compare, blocks(len(left), 1, numbers=_TILE), threads=threads)


def _lower_block(
    targets: Targets, points: Points, squared: Float[np.ndarray, " b"], threads: int
) -> None:
    """Lower to the columns, and to earlier rows of the block; then make it columns."""
    against = targets.beside(points)
    left = against.proxies[np.arange(len(points))]
    _lower(against, left, squared, threads)
    proxies = against.proxies
    lower_to_earlier(
        *points.arrays,
        products_within(left[:, : proxies.width], threads),
        left,
        proxies.width,
        proxies.transform.chunk,
        tuple(proxies.transform.error_bound()),
        points.coincident,
        squared,
    )
    targets.append(points, np.zeros(len(points), np.int64), left)


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
def lower_to_earlier(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    between: Float32[np.ndarray, "m m"],
    proxies: Float32[np.ndarray, "m w"],
    width: int,
    chunk: int,
    error_bound: tuple[float, float, float, float],
    coincident: float,
    squared: Float[np.ndarray, " m"],
) -> None:
    """Lower each row's squared distance, in place, to that of the nearest row before it.

    The arguments are those of `keep_apart`.
    """
    scale, stretch, error, rounding = error_bound
    limits = np.empty(len(squared), np.float32)
    for row in range(len(squared)):
        limits[row] = _limit(squared[row], scale, stretch, error, rounding)
    terms = np.empty(stored.shape[1])
    for there in range(len(squared)):
        for here in range(there + 1, len(squared)):
            product = between[there, here]
            if product >= limits[here]:
                continue
            if width < proxies.shape[1] and _ruled_out(
                proxies, here, proxies, there, width, chunk, product, limits[here]
            ):
                continue
            decided = _squared_distance(
                stored, factors, here, stored, factors, there, coincident, terms
            )
            if decided < squared[here]:
                squared[here] = decided
                limits[here] = _limit(decided, scale, stretch, error, rounding)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def keep_apart(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    between: Float32[np.ndarray, "m m"],
    proxies: Float32[np.ndarray, "m w"],
    width: int,
    chunk: int,
    error_bound: tuple[float, float, float, float],
    coincident: float,
    reach: float,
    owed: int,
) -> Int[np.ndarray, " p"]:
    """Keep each row, in order, whose squared distance to all kept before it is `reach` or more.

    Args:
        stored, factors: the rows.
        between: what products of the first `width` coordinates of the stand-ins make of the
            squared distances; only what is right of the diagonal is read.
        proxies: all coordinates.
        chunk: how many of those behind `width` are added up at once.
        error_bound: scale, stretch, error and rounding; see `ErrorBound`.
        coincident: squared distances below this are 0.
        reach: see above.
        owed: stop after so many.

    Returns:
        Positions of the rows that are kept.
    """
    scale, stretch, error, rounding = error_bound
    limit = _limit(reach, scale, stretch, error, rounding)
    out = np.zeros(len(between), np.bool_)
    kept = np.empty(min(owed, len(between)), np.int64)
    terms = np.empty(stored.shape[1])
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
            if width < proxies.shape[1] and _ruled_out(
                proxies, there, proxies, here, width, chunk, product, limit
            ):
                continue
            if (
                _squared_distance(stored, factors, there, stored, factors, here, coincident, terms)
                < reach
            ):
                out[there] = True
    return kept[:count]
