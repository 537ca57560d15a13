"""What the theory of evenly spread data asks of a pool: its dimension, and its close pairs.

Wang and Gu 2025 (arXiv 2506.24120) tie the speed of training to h_min, and h_min of random
subsets to the density of the data. Both are estimated here from the pool itself; derived in
docs/theory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import trapezoid

from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.search.sampled_pairs import few_nearest, squared_distances_of_all_pairs

if TYPE_CHECKING:
    from jaxtyping import Float

    from evenly.metrics.curve import Curve

__all__ = ["ClosePairs", "Theory", "two_nn"]

SURE = 0.95
"""The density bound holds for random subsets with this probability."""

# Rows whose neighbours are looked for, and rows of which all pairs are measured.
_QUERIES, _PAIRED = 1024, 4096
# Facco et al. leave out the tenth of the ratios that is largest.
_KEPT = 0.9
# Neighbours among which two that differ are looked for, and what no difference is.
_NEIGHBOURS, _SAME = 16, 1e-7
_LEAST = 20
# The closest pairs, whose distances say how density falls towards 0.
_TAIL = 100
_GRID = 4096


@dataclass(frozen=True)
class Theory:
    """What the pool is like, for a subset of this size. Estimates, unlike other measures.

    Attributes:
        intrinsic_dimension: of the pool, by TwoNN from the two nearest neighbours of rows; None
            for too few distinct rows.
        radii_dimension: of the pool, by how radii fall in a farthest-first run: at the scale of
            the subset. None for fewer than 20 distinct rows.
        expected_random_h_min: of a random subset of this size; inf for a single row.
        density_bound: a random subset of this size has a larger h_min than this, with a
            probability of 95 %; inf for a single row.
        radii: number of picks -> their h_min, farthest first: how many rows the pool can give
            at an h_min, read backwards. About 50 of them, up to the subset's size.
    """

    intrinsic_dimension: float | None
    radii_dimension: float | None
    expected_random_h_min: float
    density_bound: float
    radii: dict[int, float]

    @classmethod
    def of(cls, dimension: float | None, pairs: ClosePairs, curve: Curve, size: int) -> Theory:
        """For a subset of `size` rows."""
        some = np.unique(np.geomspace(2, max(size, 2), 50).astype(int))
        return cls(
            intrinsic_dimension=dimension,
            radii_dimension=curve.dimension,
            expected_random_h_min=pairs.expected_h_min(size),
            density_bound=pairs.h_min_of_most(size),
            radii={int(m): float(curve.radii[m - 1]) for m in some if m <= len(curve.radii)},
        )


def two_nn(points: Points | DistanceMatrix, seed: int) -> float | None:
    """The intrinsic dimension, from how much farther second neighbours are than first ones.

    The ratio µ of both distances has the distribution 1 - µ^-d where the density hardly varies
    between them, so -log(1 - F(µ)) is d·log µ: a line through 0, fitted to all but the largest
    ratios. Neighbours that are as far as another one are duplicates, and count once.

    Cost: n·1024·d multiplications; rows whose neighbours count are drawn by `seed`.

    Sources: Facco, d'Errico, Rodriguez and Laio 2017, doi:10.1038/s41598-017-11873-y.
    """
    rows = np.flatnonzero(points.eligible)
    if len(rows) < _LEAST:
        return None
    if len(rows) > _QUERIES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _QUERIES, replace=False))
    near = np.sqrt(few_nearest(points, rows, min(_NEIGHBOURS, len(rows) - 1)))
    before = np.hstack([np.zeros((len(rows), 1)), near[:, :-1]])
    differs = near > before * (1.0 + _SAME)
    rank = np.cumsum(differs, axis=1)
    enough = rank[:, -1] >= 2
    if np.count_nonzero(enough) < _LEAST:
        return None
    first, second = (
        np.take_along_axis(near, np.argmax(rank >= wanted, axis=1)[:, None], axis=1)[enough, 0]
        for wanted in (1, 2)
    )
    logarithms = np.sort(np.log(second / first))
    kept = int(len(logarithms) * _KEPT)
    x, y = logarithms[:kept], -np.log1p(-np.arange(1, kept + 1) / len(logarithms))
    return float(x @ y / (x @ x))


class ClosePairs:
    """How many pairs of a pool are closer than r, from all pairs of some of its rows.

    A random subset of k of n rows holds ½·k(k - 1) of the pool's pairs. If J pairs of the pool are
    closer than r, it has an h_min of r or more where it holds none of them: with a probability of
    about exp(-½·k(k - 1)·F(r)), F(r) the share of pairs that are closer.
    """

    def __init__(self, points: Points | DistanceMatrix, seed: int) -> None:
        """Measure the pairs of up to 4096 rows, drawn by `seed`.

        Cost: 8 million distances at most.
        """
        rows = np.flatnonzero(points.eligible)
        self._rows = len(rows)
        if len(rows) > _PAIRED:
            rows = np.sort(np.random.default_rng(seed).choice(rows, _PAIRED, replace=False))
        self.are_all = len(rows) == self._rows
        parts = list(squared_distances_of_all_pairs(points, rows))
        self.distances: Float[np.ndarray, " M"] = np.sqrt(np.sort(np.concatenate(parts)))

    @property
    def median(self) -> float:
        """The median distance of two rows; 0 for a single row."""
        return float(np.median(self.distances)) if len(self.distances) else 0.0

    @cached_property
    def _tail(self) -> tuple[int, int, float]:
        """How many of the closest pairs are fitted, how many coincide, and the power."""
        coincide = int(np.searchsorted(self.distances, 0.0, side="right"))
        count = min(coincide + _TAIL, len(self.distances))
        near = self.distances[coincide:count]
        # Hill's estimate; a single distance, or one again and again, tells no power.
        logarithms = np.log(near[-1] / near) if len(near) else np.zeros(1)
        power = 1.0 / logarithms.mean() if logarithms.any() else 1.0
        return count, coincide, float(power)

    @property
    def _pairs(self) -> float:
        return self._rows * (self._rows - 1.0) / 2.0

    def _chance_of_none(
        self, closer: Float[np.ndarray, " m"], size: int
    ) -> Float[np.ndarray, " m"]:
        """The chance that a subset holds none of so many pairs of the pool.

        As if its pairs were drawn one by one, none twice: C(M - J, p) / C(M, p), which is a
        product of min(J, p) factors, taken for their mean.
        """
        held = size * (size - 1.0) / 2.0
        few, many = np.minimum(closer, held), np.maximum(closer, held)
        left = self._pairs - np.maximum(few - 1.0, 0.0) / 2.0
        share = np.minimum(many / left, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            chance: Float[np.ndarray, " m"] = np.exp(few * np.log1p(-share))
        return np.where(few > 0, chance, 1.0)

    def expected_h_min(self, size: int) -> float:
        """The mean h_min of random subsets: the integral over r of the chance that it is above r.

        Below the closest pairs that were measured, their number is taken to fall as a power of
        the distance, unless all pairs of the pool were.
        """
        if size < 2:
            return float("inf")
        distances = self.distances
        per_pair = self._pairs / len(distances)
        count, coincide, power = (1, 0, 0.0) if self.are_all else self._tail
        nearest = float(distances[count - 1])
        steps = np.diff(distances[count - 1 :])
        closer = np.arange(count, len(distances)) * per_pair
        above = float(steps @ self._chance_of_none(closer, size))
        if self.are_all:
            return above + nearest
        part = np.linspace(0.0, 1.0, _GRID)
        below = coincide + (count - coincide) * part**power
        chances = self._chance_of_none(below * per_pair, size)
        return above + nearest * float(trapezoid(chances, part))

    def h_min_of_most(self, size: int) -> float:
        """What the h_min of a random subset exceeds with a probability of `SURE`.

        The expected number of closer pairs in it bounds the chance of one (Markov), so this is
        the r of which it is 1 - SURE.
        """
        if size < 2:
            return float("inf")
        allowed = (1.0 - SURE) / (size * (size - 1.0) / 2.0) * len(self.distances)
        count, coincide, power = self._tail
        if self.are_all or allowed >= count:
            # Fewer than `allowed` are closer than the distance in this place.
            return float(self.distances[min(int(allowed), len(self.distances) - 1)])
        if allowed <= coincide:
            return 0.0
        part = (allowed - coincide) / (count - coincide)
        return float(self.distances[count - 1] * part ** (1.0 / power))
