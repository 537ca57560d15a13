"""The properties of a pool that the theory needs: its dimension and its close pairs.

Wang and Gu 2025 (arXiv 2506.24120) relate the speed of training to h_min, and the h_min of random
subsets to the density of the data. The estimates here are derived in docs/theory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.search.sampled_pairs import few_nearest, squared_distances_of_all_pairs
from evenly.shapes import Float

if TYPE_CHECKING:
    from evenly.metrics.curve import Curve

CONFIDENCE = 0.95
"""Probability with which the density bound holds for random subsets."""

# TwoNN: rows whose neighbours are found, the fewest it can be fitted to, the share of the ratios
# that Facco et al. keep, the neighbours among which two distinct ones are sought, and the
# relative difference below which two distances are equal.
_QUERIES, _MIN_ROWS = 1024, 20
_KEPT_RATIOS = 0.9
_NEIGHBOURS, _EQUAL = 16, 1e-7
# Close pairs: how many determine the density near 0, and the grid of the integral below them.
_TAIL_PAIRS = 100
_GRID = 4096


@dataclass(frozen=True)
class Theory:
    """Properties of the pool at one subset size. These are estimates, unlike other measures.

    Attributes:
        intrinsic_dimension: of the pool, by TwoNN from the two nearest neighbours of rows; None
            for too few distinct rows.
        radii_dimension: of the pool at the scale of the subset, by the decay of radii in a
            farthest-first run; None for fewer than 20 distinct rows.
        expected_random_h_min: mean h_min of random subsets of this size; inf for a single row.
        density_bound: h_min that a random subset of this size exceeds with a probability of
            95 %; inf for a single row.
        radii: number of farthest-first picks -> their h_min, for about 50 numbers up to the
            subset's size.
    """

    intrinsic_dimension: float | None
    radii_dimension: float | None
    expected_random_h_min: float
    density_bound: float
    radii: dict[int, float]

    @classmethod
    def of(cls, dimension: float | None, pairs: ClosePairs, curve: Curve, size: int) -> Theory:
        """Return the estimates for a subset of `size` rows."""
        numbers = np.unique(np.geomspace(2, max(size, 2), 50).astype(int))
        return cls(
            intrinsic_dimension=dimension,
            radii_dimension=curve.dimension,
            expected_random_h_min=pairs.expected_h_min(size),
            density_bound=pairs.h_min_exceeded(size),
            radii={int(m): float(curve.radii[m - 1]) for m in numbers if m <= len(curve.radii)},
        )


def two_nn(points: Points | DistanceMatrix, seed: int) -> float | None:
    """Estimate the intrinsic dimension by TwoNN; None for too few distinct rows.

    If the density hardly varies between the first and the second neighbour, the ratio µ of their
    distances has the distribution function F(µ) = 1 - µ^-d, so -log(1 - F(µ)) is d·log µ: a line
    through 0, fitted to all but the largest ratios. Neighbours at equal distances count once, as
    they are likely to be duplicates.

    Cost: n·1024·d multiplications; `seed` draws the rows whose neighbours are found.

    Sources: Facco, d'Errico, Rodriguez and Laio 2017, doi:10.1038/s41598-017-11873-y.
    """
    rows = np.flatnonzero(points.eligible)
    if len(rows) < _MIN_ROWS:
        return None
    if len(rows) > _QUERIES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _QUERIES, replace=False))
    near = np.sqrt(few_nearest(points, rows, min(_NEIGHBOURS, len(rows) - 1)))
    nearer = np.hstack([np.zeros((len(rows), 1)), near[:, :-1]])
    rank = np.cumsum(near > nearer * (1.0 + _EQUAL), axis=1)
    enough = rank[:, -1] >= 2
    if np.count_nonzero(enough) < _MIN_ROWS:
        return None
    first, second = (
        np.take_along_axis(near, np.argmax(rank >= wanted, axis=1)[:, None], axis=1)[enough, 0]
        for wanted in (1, 2)
    )
    logarithms = np.sort(np.log(second / first))
    kept = int(len(logarithms) * _KEPT_RATIOS)
    x, y = logarithms[:kept], -np.log1p(-np.arange(1, kept + 1) / len(logarithms))
    return float(x @ y / (x @ x))


class ClosePairs:
    """The distribution of a pool's pairwise distances, from all pairs of a sample of its rows.

    A random subset of k rows holds ½·k(k - 1) of the pool's pairs. It has an h_min of r or more
    if it holds none of the pairs closer than r, which has a probability of about
    exp(-½·k(k - 1)·F(r)), F(r) being the share of such pairs.

    Attributes:
        distances: (M,) distances between the sampled rows, ascending.
        are_all: whether the sample is the whole pool.
    """

    def __init__(
        self, points: Points | DistanceMatrix, seed: int, *, sample_rows: int = 4096
    ) -> None:
        """Measure the pairs of up to `sample_rows` rows, drawn by `seed`.

        Cost: ½·sample_rows² distances at most.
        """
        rows = np.flatnonzero(points.eligible)
        self._pool_pairs = len(rows) * (len(rows) - 1.0) / 2.0
        self.are_all = len(rows) <= sample_rows
        if not self.are_all:
            rows = np.sort(np.random.default_rng(seed).choice(rows, sample_rows, replace=False))
        parts = list(squared_distances_of_all_pairs(points, rows))
        self.distances: Float[np.ndarray, " M"] = np.sqrt(np.sort(np.concatenate(parts)))

    @property
    def median(self) -> float:
        """The median distance between two rows; 0 for a single row."""
        return float(np.median(self.distances)) if len(self.distances) else 0.0

    @cached_property
    def _tail(self) -> tuple[int, int, float]:
        """The number of pairs up to the end of the tail, how many coincide, and the power."""
        coincide = int(np.searchsorted(self.distances, 0.0, side="right"))
        count = min(coincide + _TAIL_PAIRS, len(self.distances))
        near = self.distances[coincide:count]
        # Hill's estimator; it is undefined if all distances are equal.
        logarithms = np.log(near[-1] / near) if len(near) else np.zeros(1)
        power = 1.0 / logarithms.mean() if logarithms.any() else 1.0
        return count, coincide, float(power)

    def _probability_of_none(
        self, closer: Float[np.ndarray, " m"], size: int
    ) -> Float[np.ndarray, " m"]:
        """Return the probability that a subset holds none of `closer` pairs of the pool.

        As if its p pairs were drawn without replacement: C(M - J, p) / C(M, p), a product of
        min(J, p) factors, each of which is replaced by their middle one.
        """
        subset_pairs = size * (size - 1.0) / 2.0
        few, many = np.minimum(closer, subset_pairs), np.maximum(closer, subset_pairs)
        remaining = self._pool_pairs - np.maximum(few - 1.0, 0.0) / 2.0
        share = np.minimum(many / remaining, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            probability: Float[np.ndarray, " m"] = np.exp(few * np.log1p(-share))
        return np.where(few > 0, probability, 1.0)

    def expected_h_min(self, size: int) -> float:
        """Return the mean h_min of random subsets: the integral over r of P(h_min > r).

        Below the closest measured pairs, the number of pairs is extrapolated as a power of the
        distance, unless all pairs of the pool were measured.
        """
        if size < 2:
            return float("inf")
        distances = self.distances
        per_pair = self._pool_pairs / len(distances)
        count, coincide, power = (1, 0, 0.0) if self.are_all else self._tail
        nearest = float(distances[count - 1])
        steps = np.diff(distances[count - 1 :])
        closer = np.arange(count, len(distances)) * per_pair
        above = float(steps @ self._probability_of_none(closer, size))
        if self.are_all:
            return above + nearest
        from scipy.integrate import trapezoid

        fraction = np.linspace(0.0, 1.0, _GRID)
        below = coincide + (count - coincide) * fraction**power
        probabilities = self._probability_of_none(below * per_pair, size)
        return above + nearest * float(trapezoid(probabilities, fraction))

    def h_min_exceeded(self, size: int) -> float:
        """Return the h_min that a random subset exceeds with a probability of `CONFIDENCE`.

        The expected number of pairs closer than r bounds the probability of one (Markov); the
        result is the r at which that number is 1 - CONFIDENCE.
        """
        if size < 2:
            return float("inf")
        allowed = (1.0 - CONFIDENCE) / (size * (size - 1.0) / 2.0) * len(self.distances)
        count, coincide, power = self._tail
        if self.are_all or allowed >= count:
            # At most `allowed` pairs are closer than the distance at this index.
            return float(self.distances[min(int(allowed), len(self.distances) - 1)])
        if allowed <= coincide:
            return 0.0
        fraction = (allowed - coincide) / (count - coincide)
        return float(self.distances[count - 1] * fraction ** (1.0 / power))
