"""All pairs of rows that are nearer than a distance: products rule out, float64 decides.

Products also rule in: a pair whose product is certainly below that of the distance is near,
however exactly. So pairs can be found, and counted, without an exact distance for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import Vectors, squared_distances_of_pairs
from evenly.geometry.kernels.near_pairs import MeasuredProxies, count_certain, suspects
from evenly.geometry.kernels.screening import ErrorBound, Screen, limit_of, limit_within
from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning, TuningThresholds
from evenly.geometry.search.row_groups import RowGroups
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from evenly.geometry.kernels.near_pairs import Part

_TILE = 1024
_SAMPLE = 1024
_NO_FACTORS = np.empty(0)
_NEVER = TuningThresholds(pairs=np.inf)

# Groups are used if at most this share of the comparisons is left.
_WORTH_GROUPS = 0.2
_NO_SCREEN = Screen(0, 1, ErrorBound(1.0, 1.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Pairs of rows, each once.

    Attributes:
        left, right: (p,) int32 positions among the rows that were compared, left < right.
        squared: (p,) their exact squared distances; negative is minus a product that estimates
            one.
        error_bound: what errors can do to those products.
    """

    left: Int[np.ndarray, " p"]
    right: Int[np.ndarray, " p"]
    squared: Float[np.ndarray, " p"]
    error_bound: ErrorBound

    def __len__(self) -> int:
        return len(self.left)


def close_pairs(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    reach: float,
    *,
    estimates: bool = False,
    centres: Int[np.ndarray, " g"] | None = None,
    progress: Callable[[int, int], object] | None = None,
    tile: int = _TILE,
    thresholds: TuningThresholds | None = None,
) -> ClosePairs:
    """Return all pairs of some rows with a squared distance below `reach`.

    Args:
        points: the pool.
        rows: (m,) row numbers, all distinct.
        reach: a squared distance.
        estimates: whether products may stand for squared distances, see `ClosePairs`, unless
            they leave open whether the distance is below `reach`.
        centres: (g,) positions of rows that most others are near; rows in groups around them
            are compared group by group if that spares most comparisons.
        progress: called after each tile with the number of pairs found in it, and the number of
            tiles; an exception that it raises ends the work.
        tile: rows that are compared with as many others at once.
        thresholds: when the choice of other proxies pays.

    Returns:
        ClosePairs: the same pairs in the same order for any number of threads; for each row,
        the pairs come in rising order of the other row.

    Cost: m²/2·d multiplications at most, as matrix products (and 2·m·g·d with centres), and one
        exact distance for each pair that is found, without estimates; 16 bytes a pair, proxies of
        the rows, and a tile of products and of exact rows a thread.
    """
    report = progress or (lambda *_: None)
    with single_threaded_blas():
        compare, parts = None, None
        if centres is not None and isinstance(points, Points):
            compare = Comparison.of(points, rows, rows, reach, estimates, _NEVER)
            parts = _groups(compare, centres)
        if compare is None or parts is None:
            compare = Comparison.of(points, rows, rows, reach, estimates, thresholds)
            parts = [
                (left, right, left == right)
                for left in blocks(len(rows), 1, numbers=tile)
                for right in blocks(len(rows), 1, numbers=tile)
                if left.start <= right.start
            ]
        found: list[Any] = [None] * len(parts)

        def work(number: int) -> None:
            left, right, within = parts[number]
            found[number] = compare.tile(left, right, within=within)
            report(len(found[number][0]), len(parts))

        parallel_for(work, range(len(parts)), threads=usable_threads())
    left, right, squared = zip(*found, strict=True) if found else ([], [], [])
    pairs = ClosePairs(
        np.concatenate([np.empty(0, np.int32), *left]),
        np.concatenate([np.empty(0, np.int32), *right]),
        np.concatenate([np.empty(0), *squared]),
        compare.screen.error_bound,
    )
    return pairs if centres is None else _in_order(pairs)


def _groups(
    compare: Comparison, centres: Int[np.ndarray, " g"]
) -> list[tuple[Part, Part, bool]] | None:
    """Return the parts to compare if rows are in groups; None if that spares too little."""
    assert compare.left is not None
    assert compare.transform is not None
    proxies = compare.left.proxies
    groups = RowGroups.around(proxies, centres, compare.reach, compare.transform)
    if groups.comparisons > _WORTH_GROUPS * len(proxies) ** 2 / 2:
        return None
    parts: list[tuple[Part, Part, bool]] = []
    for own, others in groups:
        cut = [own[part] for part in blocks(len(own), 1, numbers=_TILE)]
        cut_others = [others[part] for part in blocks(len(others), 1, numbers=_TILE)]
        for number, some in enumerate(cut):
            parts.append((some, some, True))
            parts += [(other, some, False) for other in cut[:number] + cut_others]
    return parts


def _in_order(pairs: ClosePairs) -> ClosePairs:
    """Return the pairs in rising order of the smaller row, then of the larger one."""
    left = np.minimum(pairs.left, pairs.right)
    right = np.maximum(pairs.left, pairs.right)
    order = np.argsort((left.astype(np.int64) << 32) + right)
    return ClosePairs(left[order], right[order], pairs.squared[order], pairs.error_bound)


def close_counts(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    others: Int[np.ndarray, " s"],
    reach: float,
) -> Int[np.ndarray, " m"]:
    """Count, for each row, the other rows at a squared distance below `reach`.

    A row that is among the others counts itself.

    Cost: m·s·d multiplications at most, and an exact distance for each pair whose product is
        about that of the reach.
    """
    counts = np.zeros(len(rows), np.int64)
    with single_threaded_blas():
        compare = Comparison.of(points, rows, others, reach, True)

        def count(left: slice) -> None:
            for right in blocks(len(others), 1, numbers=_TILE):
                counts[left] += compare.counts(left, right)

        parallel_for(count, blocks(len(rows), 1, numbers=_TILE), threads=usable_threads())
    return counts


@dataclass(frozen=True, eq=False)
class Comparison:
    """Rows of a pool, to be compared with others a tile at a time.

    Attributes:
        points: the pool.
        rows, others: (m,) and (c,) row numbers.
        reach: pairs with a squared distance below this are near.
        estimates: whether products may stand for squared distances.
        screen: how products rule pairs out.
        left, right: proxies of the rows and of the others; None for a distance matrix.
        transform: what made the proxies; None for a distance matrix.
    """

    points: Points | DistanceMatrix
    rows: Int[np.ndarray, " m"]
    others: Int[np.ndarray, " c"]
    reach: float
    estimates: bool
    screen: Screen
    left: MeasuredProxies | None
    right: MeasuredProxies | None
    transform: ProxyTransform | None = None

    @classmethod
    def of(
        cls,
        points: Points | DistanceMatrix,
        rows: Int[np.ndarray, " m"],
        others: Int[np.ndarray, " c"],
        reach: float,
        estimates: bool,
        thresholds: TuningThresholds | None = None,
    ) -> Comparison:
        """Make the proxies of the rows."""
        if isinstance(points, DistanceMatrix):
            return cls(points, rows, others, reach, False, _NO_SCREEN, None, None)
        proxies = _proxies(points, rows, reach, thresholds or TuningThresholds())
        # Distances of turned rows, of which some coordinates are missing, bound from below only.
        estimates = estimates and proxies.transform.axes is None
        left = _measured(proxies, rows)
        right = left if others is rows else _measured(proxies, others)
        screen, transform = proxies.screen(), proxies.transform
        return cls(points, rows, others, reach, estimates, screen, left, right, transform)

    def tile(self, left: Part, right: Part, *, within: bool) -> tuple[Any, Any, Any]:
        """Return the near pairs of some rows with some others: positions, and `squared`.

        If `within` is true, they are the same, and each pair is returned once.
        """
        reach = self.reach
        if self.left is None or self.right is None:
            assert isinstance(self.points, DistanceMatrix)
            found = self.points.squared(self.rows[left])[:, self.others[right]]
            here, there = np.nonzero(np.triu(found < reach, 1) if within else found < reach)
            return _placed(here, left), _placed(there, right), found[here, there]
        assert isinstance(self.points, Points)
        one, other = self.left.part(left), self.right.part(right)
        products = self._products(one, other)
        here, there, squared = suspects(products, one, other, self.screen, reach, within)
        undecided = -squared >= self._certain
        if undecided.any():
            pairs = here[undecided], self.others[right], there[undecided]
            squared[undecided] = _decide(self.points, self.rows[left], *pairs)
        near = squared < reach
        return _placed(here[near], left), _placed(there[near], right), squared[near]

    def counts(self, left: slice, right: slice) -> Int[np.ndarray, " l"]:
        """Return how many of some other rows are near each of some rows."""
        if self.left is None or self.right is None:
            near = self.tile(left, right, within=False)[0] - left.start
            return np.bincount(near, minlength=left.stop - left.start)
        assert isinstance(self.points, Points)
        one, other = self.left.part(left), self.right.part(right)
        products = self._products(one, other)
        limits = self._certain, limit_of(self.reach, self.screen.error_bound)
        counts: Int[np.ndarray, " l"]
        counts, here, there = count_certain(products, one, other, self.screen, *limits)
        if len(here):
            pairs = here, self.others[right], there
            near = _decide(self.points, self.rows[left], *pairs) < self.reach
            counts += np.bincount(here[near], minlength=len(counts))
        return counts

    def _products(self, one: MeasuredProxies, other: MeasuredProxies) -> Float32[np.ndarray, "l r"]:
        width = self.screen.width
        products: Float32[np.ndarray, "l r"]
        products = one.proxies[:, :width] @ other.proxies[:, :width].T
        return products

    @property
    def _certain(self) -> np.float32:
        """The product below which a pair is certainly near; -inf if products cannot tell."""
        if not self.estimates:
            return np.float32(-np.inf)
        return np.float32(limit_within(self.reach, self.screen.error_bound))


def _measured(proxies: ProxyVectors, rows: Int[np.ndarray, " m"]) -> MeasuredProxies:
    """Return the proxies of some rows of a pool, measured."""
    made = proxies.transform.proxies(proxies.points, rows)
    used = made[:, : proxies.width]
    return MeasuredProxies(made, np.einsum("ij,ij->i", used, used))


def _placed(positions: Int[np.ndarray, " p"], part: Part) -> Int[np.ndarray, " p"]:
    placed = positions + part.start if isinstance(part, slice) else part[positions]
    short: Int[np.ndarray, " p"] = placed.astype(np.int32)
    return short


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
