"""All pairs of rows that are nearer than a distance: products rule out, float64 decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import Vectors, squared_distances_of_pairs
from evenly.geometry.kernels.screening import FAST, Screen, is_ruled_out, limit_of
from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning, TuningThresholds
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Float32, Int

_TILE = 1024
_SAMPLE = 1024
_NO_FACTORS = np.empty(0)
_TWO = np.float32(2)


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Pairs of rows, each once.

    Attributes:
        left, right: (p,) int32 positions among the rows that were compared, left < right.
        squared: (p,) their exact squared distances.
    """

    left: Int[np.ndarray, " p"]
    right: Int[np.ndarray, " p"]
    squared: Float[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.left)


class MeasuredProxies(NamedTuple):
    """Proxies of some rows.

    Attributes:
        proxies: (m, W) all their coordinates.
        lengths: (m,) squared lengths of the coordinates that products cover.
    """

    proxies: Float32[np.ndarray, "m W"]
    lengths: Float32[np.ndarray, " m"]

    @classmethod
    def of(cls, proxies: ProxyVectors, rows: Int[np.ndarray, " m"]) -> MeasuredProxies:
        """Make the proxies of some rows of a pool."""
        made = proxies.transform.proxies(proxies.points, rows)
        used = made[:, : proxies.width]
        return cls(made, np.einsum("ij,ij->i", used, used))

    def part(self, part: slice) -> MeasuredProxies:
        """Return consecutive rows, sharing memory."""
        return MeasuredProxies(self.proxies[part], self.lengths[part])


def close_pairs(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    reach: float,
    *,
    progress: Callable[[int], object] | None = None,
    tile: int = _TILE,
    thresholds: TuningThresholds | None = None,
) -> ClosePairs:
    """Return all pairs of some rows with a squared distance below `reach`.

    Args:
        points: the pool.
        rows: (m,) row numbers, all distinct.
        reach: a squared distance.
        progress: called after each tile with the number of pairs found in it; an exception that
            it raises ends the work.
        tile: rows that are compared with as many others at once.
        thresholds: when the choice of other proxies pays.

    Returns:
        ClosePairs: the same pairs in the same order for any number of threads.

    Cost: m²/2·d multiplications at most, as matrix products, and one exact distance for each
        pair that is found; 16 bytes a pair, proxies of the rows, and a tile of products and
        of exact rows a thread.
    """
    tiles = [
        (left, right)
        for left in blocks(len(rows), 1, numbers=tile)
        for right in blocks(len(rows), 1, numbers=tile)
        if left.start <= right.start
    ]
    found: list[Any] = [None] * len(tiles)
    report = progress or (lambda _: None)
    with single_threaded_blas():
        compare = _comparison(points, rows, rows, reach, thresholds)

        def work(number: int) -> None:
            left, right = tiles[number]
            found[number] = compare(left, right, within=left == right)
            report(len(found[number][0]))

        parallel_for(work, range(len(tiles)), threads=usable_threads())
    left, right, squared = zip(*found, strict=True) if found else ([], [], [])
    return ClosePairs(
        np.concatenate([np.empty(0, np.int32), *left]),
        np.concatenate([np.empty(0, np.int32), *right]),
        np.concatenate([np.empty(0), *squared]),
    )


def close_counts(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    others: Int[np.ndarray, " s"],
    reach: float,
) -> Int[np.ndarray, " m"]:
    """Count, for each row, the other rows at a squared distance below `reach`.

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


def _comparison(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    others: Int[np.ndarray, " s"],
    reach: float,
    thresholds: TuningThresholds | None = None,
) -> Callable[..., tuple[Any, Any, Any]]:
    """Return a function that finds the pairs of a tile: left, right and squared distances."""
    if isinstance(points, DistanceMatrix):
        metric = points

        def look_up(left: slice, right: slice, *, within: bool) -> tuple[Any, Any, Any]:
            squared = metric.squared(rows[left])[:, others[right]]
            here, there = np.nonzero(np.triu(squared < reach, 1) if within else squared < reach)
            return _placed(here, left), _placed(there, right), squared[here, there]

        return look_up
    vectors = points
    proxies = _proxies(points, rows, reach, thresholds or TuningThresholds())
    screen = proxies.screen()
    made = MeasuredProxies.of(proxies, rows)
    against = made if others is rows else MeasuredProxies.of(proxies, others)

    def compare(left: slice, right: slice, *, within: bool) -> tuple[Any, Any, Any]:
        one, other = made.part(left), against.part(right)
        products = one.proxies[:, : screen.width] @ other.proxies[:, : screen.width].T
        here, there = _suspects(products, one, other, screen, reach, within)
        if len(here) == 0:
            return _placed(here, left), _placed(there, right), np.empty(0)
        squared = _decide(vectors, rows[left], here, others[right], there)
        near = squared < reach
        return _placed(here[near], left), _placed(there[near], right), squared[near]

    return compare


def _placed(positions: Int[np.ndarray, " p"], part: slice) -> Int[np.ndarray, " p"]:
    placed: Int[np.ndarray, " p"] = (positions + part.start).astype(np.int32)
    return placed


def _proxies(
    points: Points, rows: Int[np.ndarray, " m"], reach: float, thresholds: TuningThresholds
) -> ProxyVectors:
    """Return proxies with few coordinates that tell near from far, if a search for them pays."""
    straight = ProxyVectors(points, ProxyTransform.of(points))
    if float(len(rows)) ** 2 * points.dimension < thresholds.pairs:
        return straight
    targets = Targets(straight, _SAMPLE)
    some = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
    targets.append(points.take(some), some)
    tuning = Tuning(points, len(rows) // 2, thresholds=thresholds)
    return tuning.cheaper(targets, some, np.full(len(some), reach)) or straight


def _decide(
    points: Points,
    rows: Int[np.ndarray, " m"],
    here: Int[np.ndarray, " p"],
    others: Int[np.ndarray, " s"],
    there: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Return exact squared distances of pairs.

    If there are many pairs of few rows, these are converted to float64 once. The bits are the
    same: a row times its factor is rounded once.
    """
    if len(here) < len(rows) + len(others):
        return squared_distances_between(points, rows[here], points, others[there])
    left = Vectors(points.exact(rows), _NO_FACTORS, points.coincident)
    right = Vectors(points.exact(others), _NO_FACTORS, points.coincident)
    squared: Float[np.ndarray, " p"] = squared_distances_of_pairs(left, here, right, there)
    return squared


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _suspects(
    products: Float32[np.ndarray, "m k"],
    left: MeasuredProxies,
    right: MeasuredProxies,
    screen: Screen,
    reach: float,
    within: bool,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Return the pairs of a tile that proxies do not rule out as nearer than `reach`.

    If `within` is true, left and right are the same rows, and each pair is returned once.
    """
    left_proxies, left_lengths = left
    right_proxies, right_lengths = right
    limit = limit_of(reach, screen.error_bound)
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
        length = left_lengths[row]
        for target in range(begin, products.shape[1]):
            product = right_lengths[target] - _TWO * products[row, target] + length
            if product >= limit:
                continue
            if is_ruled_out(left_proxies, row, right_proxies, target, screen, product, limit):
                continue
            here[count], there[count] = row, target
            count += 1
    return here[:count].copy(), there[:count].copy()
