"""All pairs of rows that are nearer than a distance: products rule out, float64 decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import squared_distances_of_pairs
from evenly.geometry.kernels.screening import FAST, _limit, _ruled_out
from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["ClosePairs", "close_counts", "close_pairs"]


_TILE = 1024


_SAMPLE = 1024


# Multiplications from which fewer coordinates pay for finding out which.
_WORTH_TURNING = 1e12


_NO_FACTORS = np.empty(0)


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Pairs of rows, each once.

    Attributes:
        left, right: (p,) int32 positions among the rows that were compared, left < right.
        squared: (p,) their squared distances, exact.
    """

    left: Int[np.ndarray, " p"]
    right: Int[np.ndarray, " p"]
    squared: Float[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.left)


def close_pairs(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    reach: float,
    *,
    progress: Callable[[int], object] | None = None,
) -> ClosePairs:
    """All pairs of some rows whose squared distance is below `reach`.

    Args:
        points: the pool.
        rows: (m,) row numbers, all distinct.
        reach: a squared distance.
        progress: called after each tile with how many pairs were found in it; what it raises
            ends the work.

    Returns:
        ClosePairs: the same pairs in the same order for any number of threads.

    Cost: m²/2·d multiplications at most, as matrix products, and one exact distance for each
        pair that is found; 16 bytes a pair, stand-ins of the rows, and a tile of products and
        of exact rows a thread.
    """
    tiles = [
        (left, right)
        for left in blocks(len(rows), 1, numbers=_TILE)
        for right in blocks(len(rows), 1, numbers=_TILE)
        if left.start <= right.start
    ]
    found: list[Any] = [None] * len(tiles)
    report = progress or (lambda _: None)
    with single_threaded_blas():
        compare = _comparison(points, rows, rows, reach)

        def work(number: int) -> None:
            left, right = tiles[number]
            found[number] = compare(left, right, within=left == right)
            report(len(found[number][0]))

        parallel_for(work, range(len(tiles)), threads=usable_threads())
    return ClosePairs(*(_joined([part[place] for part in found], place) for place in range(3)))


def close_counts(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    others: Int[np.ndarray, " s"],
    reach: float,
) -> Int[np.ndarray, " m"]:
    """For each row, how many of some other rows are at a squared distance below `reach`.

    A row that is among the others counts itself.

    Cost: m·s·d multiplications at most, and one exact distance for each pair that is counted.
    """
    counts = np.zeros(len(rows), np.int64)
    with single_threaded_blas():
        compare = _comparison(points, rows, others, reach)

        def count(left: slice) -> None:
            for right in blocks(len(others), 1, numbers=_TILE):
                near = compare(left, right, within=False)[0] - left.start
                counts[left] += np.bincount(near, minlength=left.stop - left.start)

        parallel_for(count, blocks(len(rows), 1, numbers=_TILE), threads=usable_threads())
    return counts


def _joined(parts: list[Any], place: int) -> Any:
    if not parts:
        return np.empty(0, (np.int32, np.int32, np.float64)[place])
    return np.concatenate(parts)


def _comparison(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    others: Int[np.ndarray, " s"],
    reach: float,
) -> Callable[..., tuple[Any, Any, Any]]:
    """What finds the pairs of a tile: positions left and right, and squared distances."""
    if isinstance(points, DistanceMatrix):
        metric = points

        def look_up(left: slice, right: slice, *, within: bool) -> tuple[Any, Any, Any]:
            squared = metric.squared(rows[left])[:, others[right]]
            here, there = np.nonzero(np.triu(squared < reach, 1) if within else squared < reach)
            return _placed(here, left), _placed(there, right), squared[here, there]

        return look_up
    vectors = points
    proxies = _proxies(points, rows, reach)
    transform, width = proxies.transform, proxies.width
    made = transform.proxies(points, rows)
    against = made if others is rows else transform.proxies(points, others)
    lengths, other_lengths = _lengths(made, width), _lengths(against, width)

    def compare(left: slice, right: slice, *, within: bool) -> tuple[Any, Any, Any]:
        products = made[left, :width] @ against[right, :width].T
        here, there = suspects(
            products,
            lengths[left],
            other_lengths[right],
            made[left],
            against[right],
            width,
            transform.chunk,
            tuple(transform.error_bound()),
            reach,
            within,
        )
        if len(here) == 0:
            return _placed(here, left), _placed(there, right), np.empty(0)
        squared = _decide(vectors, rows[left], here, others[right], there)
        near = squared < reach
        return _placed(here[near], left), _placed(there[near], right), squared[near]

    return compare


def _placed(positions: Int[np.ndarray, " p"], part: slice) -> Int[np.ndarray, " p"]:
    placed: Int[np.ndarray, " p"] = (positions + part.start).astype(np.int32)
    return placed


def _lengths(made: Float32[np.ndarray, "m W"], width: int) -> Float32[np.ndarray, " m"]:
    used = made[:, :width]
    lengths: Float32[np.ndarray, " m"] = np.einsum("ij,ij->i", used, used)
    return lengths


def _proxies(points: Points, rows: Int[np.ndarray, " m"], reach: float) -> ProxyVectors:
    """Those of which few coordinates tell near from far, where that pays."""
    straight = ProxyVectors(points, ProxyTransform.of(points))
    if float(len(rows)) ** 2 * points.dimension < _WORTH_TURNING:
        return straight
    targets = Targets(straight, _SAMPLE)
    some = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
    targets.append(points.take(some), some)
    tuning = Tuning(points, len(rows) // 2)
    return tuning.cheaper(targets, some, np.full(len(some), reach)) or straight


def _decide(
    points: Points,
    rows: Int[np.ndarray, " m"],
    here: Int[np.ndarray, " p"],
    others: Int[np.ndarray, " s"],
    there: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Squared distances of pairs; of many pairs of few rows, these are made float64 once for all.

    Either way the bits are the same: a row times its factor is rounded once.
    """
    if len(here) < len(rows) + len(others):
        return squared_distances_between(points, rows[here], points, others[there])
    exact, other_exact = points.exact(rows), points.exact(others)
    squared: Float[np.ndarray, " p"] = squared_distances_of_pairs(
        exact, _NO_FACTORS, here, other_exact, _NO_FACTORS, there, points.coincident
    )
    return squared


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def suspects(
    products: Float32[np.ndarray, "m k"],
    lengths: Float32[np.ndarray, " m"],
    other_lengths: Float32[np.ndarray, " k"],
    left: Float32[np.ndarray, "m W"],
    right: Float32[np.ndarray, "k W"],
    width: int,
    chunk: int,
    error_bound: tuple[float, float, float, float],
    reach: float,
    within: bool,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The pairs of a tile that stand-ins do not rule out as nearer than `reach`.

    Args:
        products: of the first `width` coordinates of the stand-ins.
        lengths, other_lengths: squared lengths of those coordinates.
        left, right: all coordinates of the stand-ins.
        chunk: how many of those behind `width` are added up at once.
        error_bound: scale, stretch, error and rounding; see `ErrorBound`.
        reach: a squared distance.
        within: whether left and right are the same rows; then each pair is told once.
    """
    scale, stretch, error, rounding = error_bound
    limit = _limit(reach, scale, stretch, error, rounding)
    two = np.float32(2)
    room = 4096
    here, there = np.empty(room, np.int32), np.empty(room, np.int32)
    count = 0
    for row in range(products.shape[0]):
        begin = row + 1 if within else 0
        if count + products.shape[1] > room:
            room = 2 * (room + products.shape[1])
            more_here, more_there = np.empty(room, np.int32), np.empty(room, np.int32)
            more_here[:count], more_there[:count] = here[:count], there[:count]
            here, there = more_here, more_there
        length = lengths[row]
        for column in range(begin, products.shape[1]):
            product = other_lengths[column] - two * products[row, column] + length
            if product >= limit:
                continue
            if width < left.shape[1] and _ruled_out(
                left, row, right, column, width, chunk, product, limit
            ):
                continue
            here[count], there[count] = row, column
            count += 1
    return here[:count].copy(), there[:count].copy()
