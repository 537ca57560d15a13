"""Distances from the rows of a pool to a subset: extremes are exact, means may be estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import (
    TIE,
    Cover,
    DistanceMatrix,
    Points,
    closest_pair,
    farthest_rows,
    nearest_chosen,
    reach_of,
)
from evenly.geometry.clustering.cells import NearPicks
from evenly.geometry.search.along import guesses_along, squared_to_guesses
from evenly.geometry.search.nearest_chosen import Nearest
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Sampling:
    """When means and quantiles are estimated, and from how many rows.

    Attributes:
        rows: the size of a sample.
        cheap: multiplications that are made in any case: with no more, all rows count.
    """

    rows: int = 2048
    cheap: float = 1e10

    def is_worth_it(self, compared: int, size: int, dimension: int) -> bool:
        """Return whether comparing rows with `size` others costs so much that a sample is taken."""
        is_large = compared > 4 * self.rows
        return is_large and float(compared) * size * dimension > self.cheap


DEFAULT_SAMPLING = Sampling()

ALL_ROWS = Sampling(cheap=np.inf)
"""Means and quantiles are always over all rows."""


@dataclass(frozen=True, eq=False)
class Hints:
    """What tells which rows of a pool are near each other.

    Attributes:
        near: a pick of a selection near every row, or bounds on the distances to them; the subset
            may be the picks or any other.
        order: row numbers of all eligible rows; neighbours are near.
        farthest: what `farthest_rows` found for the subset, if it did.
    """

    near: NearPicks | None = None
    order: Int[np.ndarray, " m"] | None = None
    farthest: tuple[int, float] | None = None

    @classmethod
    def of(cls, points: Points, near: NearPicks | None) -> Hints:
        """Return what the picks near rows tell; nothing if they are not known."""
        if near is None:
            return NO_HINTS
        if near.near is None:
            return cls(near)
        return cls(near, near.in_order(np.flatnonzero(points.eligible)))

    def cover(self, points: Points, chosen: Int[np.ndarray, " k"]) -> Cover:
        """Return a subset, with bounds on the distances to it or guesses of near rows."""
        if self.near is not None and np.array_equal(self.near.picks, chosen):
            if self.near.at_most is not None:
                return Cover(chosen, at_most=self.near.at_most)
            if self.near.near is not None:
                near = chosen[self.near.of_rows(np.arange(len(points)))[0]]
                return Cover(chosen, [lambda rows: near[rows]])
        if self.order is not None:
            return Cover(chosen, guesses_along(self.order, chosen, len(points)))
        return Cover(chosen)

    def near_pair(self, points: Points, chosen: Int[np.ndarray, " k"]) -> float:
        """Return the squared distance of two rows of a subset that are near each other, or inf."""
        if self.order is None:
            return np.inf
        inside = np.zeros(len(points), bool)
        inside[chosen] = True
        along = self.order[inside[self.order]]
        return float(squared_to_guesses(points, along[1:], along[:-1]).min(initial=np.inf))


NO_HINTS = Hints()


@dataclass(frozen=True, eq=False)
class Values:
    """Distances of all rows of a kind, or of a random sample of them.

    Attributes:
        distances: (m,) the distances.
        count: number of rows of that kind.
        zeros: number of further rows, whose distance is known to be 0.
    """

    distances: Float[np.ndarray, " m"]
    count: int
    zeros: int = 0

    @property
    def mean(self) -> float:
        """The mean, with the zeros; 0 if there are no other rows."""
        if self.count == 0:
            return 0.0
        return float(self.distances.mean() * self._share)

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, from sampling; 0 for all rows."""
        taken = len(self.distances)
        if taken in (self.count, 1):
            return 0.0
        # Without replacement, the error shrinks to 0 as the sample grows to all rows.
        unseen = 1.0 - taken / self.count
        return float(self.distances.std(ddof=1) * np.sqrt(unseen / taken) * self._share)

    def quantile(self, fraction: float) -> float:
        """Return a quantile, with the zeros."""
        if len(self.distances) == self.count:
            return float(np.quantile(np.append(self.distances, np.zeros(self.zeros)), fraction))
        beyond = fraction - (1.0 - self._share)
        return float(np.quantile(self.distances, beyond / self._share)) if beyond > 0 else 0.0

    @property
    def _share(self) -> float:
        return self.count / (self.count + self.zeros)


@dataclass(frozen=True, eq=False)
class SubsetDistances:
    """Distances from the rows of a pool to a subset of it. No distance is squared.

    Attributes:
        pool_size: number of usable rows.
        h_min: smallest distance between two chosen rows; inf for a single row.
        closest_pair: row numbers of the first pair that attains it; None for a single row, and if
            rows coincide and neighbours are unwanted.
        coverage_radius: largest distance from a row to its nearest chosen row.
        farthest_row: the first row that attains it.
        duplicates: number of chosen rows that coincide with another; 0 if neighbours are unwanted.
        to_subset: of all rows, from their nearest chosen row.
        to_neighbour: of the chosen rows, from the nearest other chosen row; empty if unwanted.
        represented: number of chosen rows that are the nearest one of a row left out; None if
            only a sample of the rows was compared.
    """

    pool_size: int
    h_min: float
    closest_pair: tuple[int, int] | None
    coverage_radius: float
    farthest_row: int
    duplicates: int
    to_subset: Values
    to_neighbour: Values
    represented: int | None

    @classmethod
    def of(
        cls,
        points: Points | DistanceMatrix,
        chosen: Int[np.ndarray, " k"],
        *,
        seed: int = 0,
        sampling: Sampling = DEFAULT_SAMPLING,
        radii: Float[np.ndarray, " k"] | None = None,
        neighbours: bool = True,
        hints: Hints = NO_HINTS,
        progress: Callable[[int], object] | None = None,
    ) -> SubsetDistances:
        """Measure a subset.

        Args:
            points: the pool.
            chosen: (k,) distinct eligible rows.
            seed: of the sample.
            sampling: when a sample is taken.
            radii: the distance of each chosen row to the nearest one before it, if it is known.
            neighbours: whether `to_neighbour`, `duplicates` and the closest pair are wanted.
            hints: what tells which rows are near each other; they change the time only.
            progress: called with the number of rows of the pool finished since the last call.

        Cost: n·k·d multiplications if that is cheap; else ½·k²·d for h_min, less if the radii are
            known, a part of n·k·d for the coverage radius, and 4,096·k·d for a sample.
        """
        rows = np.flatnonzero(points.eligible)
        if isinstance(points, DistanceMatrix) or not sampling.is_worth_it(
            len(rows), len(chosen), points.dimension
        ):
            return cls.of_nearest(nearest_chosen(points, chosen, progress=progress))
        farthest = hints.farthest
        if farthest is None:
            [farthest] = farthest_rows(points, [hints.cover(points, chosen)], progress=progress)
        row, squared = farthest
        at_most = hints.near_pair(points, chosen)
        if at_most == 0.0 and not neighbours:
            h_min, pair = 0.0, None
        else:
            h_min, pair = _closest(points, chosen, radii, at_most)
        others = np.setdiff1d(rows, chosen, assume_unique=True)
        random = np.random.default_rng([seed, 1])
        sample = np.zeros(len(points), bool)
        for kind in (others, chosen) if neighbours else (others,):
            sample[random.choice(kind, min(sampling.rows, len(kind)), replace=False)] = True
        found = nearest_chosen(replace(points, eligible=sample), chosen)
        return cls(
            pool_size=len(rows),
            h_min=h_min,
            closest_pair=pair,
            coverage_radius=float(np.sqrt(squared)),
            farthest_row=row,
            duplicates=_count_duplicates(points, chosen) if neighbours and h_min == 0.0 else 0,
            to_subset=Values(found.distances[~found.chosen], len(others), len(chosen)),
            to_neighbour=Values(found.distances[found.chosen], len(chosen)),
            represented=None,
        )

    @classmethod
    def of_nearest(cls, found: Nearest) -> SubsetDistances:
        """Measure a subset by the nearest chosen row of every row: means are over all rows."""
        size = int(np.count_nonzero(found.chosen))
        covered, to_neighbour = found.to_subset, found.distances[found.chosen]
        closest = int(np.flatnonzero(found.chosen)[np.argmin(to_neighbour)])
        farthest = int(np.argmax(covered))
        left_out = ~found.chosen
        return cls(
            pool_size=len(found.rows),
            h_min=float(found.distances[closest]),
            closest_pair=_pair(found.rows[closest], found.nearest[closest], size),
            coverage_radius=float(covered[farthest]),
            farthest_row=int(found.rows[farthest]),
            duplicates=int(np.count_nonzero(to_neighbour == 0.0)),
            to_subset=Values(covered, len(covered)),
            to_neighbour=Values(to_neighbour, len(to_neighbour)),
            represented=len(np.unique(found.nearest[left_out])),
        )


def _closest(
    points: Points,
    chosen: Int[np.ndarray, " k"],
    radii: Float[np.ndarray, " k"] | None,
    at_most: float,
) -> tuple[float, tuple[int, int] | None]:
    """Return h_min and the first pair that attains it."""
    if len(chosen) < 2:
        return np.inf, None
    if radii is None:
        pair = closest_pair(points, chosen, at_most=at_most)
        return float(np.sqrt(pair.squared)), (pair.left, pair.right)
    # The later row of the closest pair has the smallest radius, but for rounding.
    later = np.zeros(len(points), bool)
    later[chosen[radii <= radii.min() * (1.0 + 1e3 * TIE)]] = True
    found = nearest_chosen(replace(points, eligible=later), chosen)
    h_min = found.distances.min()
    attained = np.flatnonzero(found.distances == h_min)
    pairs = [sorted((int(found.rows[one]), int(found.nearest[one]))) for one in attained]
    left, right = min(pairs)
    return float(h_min), (left, right)


def _count_duplicates(points: Points, chosen: Int[np.ndarray, " k"]) -> int:
    """Return how many chosen rows coincide with another."""
    eligible = np.zeros(len(points), bool)
    eligible[chosen] = True
    found = nearest_chosen(replace(points, eligible=eligible), chosen, below=reach_of(0.0))
    return int(np.count_nonzero(found.distances == 0.0))


def _pair(row: int, nearest: int, size: int) -> tuple[int, int] | None:
    return (int(row), int(nearest)) if size > 1 else None
