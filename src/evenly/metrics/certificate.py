"""Upper bounds on the h_min of any k rows, by name. Each is proven in docs/theory.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np

from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.clustering.tree import Tree
from evenly.geometry.sphere import sphere_bound
from evenly.metrics.bounds import (
    balls_bound,
    line_bound,
    plane_bound,
    plane_bounds,
    smaller_balls_bound,
)
from evenly.metrics.curve import Curve
from evenly.metrics.packing_bound import PackingBound
from evenly.metrics.trace_bound import CentredPool, best_centre
from evenly.progress import new_bar
from evenly.shapes import Float, Int

# Reported bounds are larger by this factor, which exceeds what rounding can do to them.
_TOLERANCE = 1.0 + 1e-9
# What a multiplication of a tree costs, in multiplications of a selection, which are of integers.
_COST = 30.0
# Along picks, cells of a quarter of the size give nearly the same bounds.
_PICKS_SUFFICE = 4.0
# Clusters of a sample of this part of the rows, and of the picks, show whether those of all rows
# are worth their cost: not if they hold more rows than wanted by this factor. Sampled pools have
# so many times as many rows as picks, or as this number.
_PART_SAMPLED = 16
_LEAST_SAMPLED = 512
_MARGIN = 1.25
# Complete linkage needs half as much memory again as the matrix of distances.
_LARGEST_LINKAGE = 8192


@dataclass(frozen=True)
class BoundingEffort:
    """How much work the upper bounds may take: more of it makes them sharper.

    Attributes:
        multiplications: for the tree of clusters; the default takes a fraction of a second.
        smallest_cell, largest_cell: limits on the number of rows that are clustered by Ward's
            rule; larger pools are halved into such cells first.
        smallest_along_picks: the same as `smallest_cell`, if cells follow from the picks of a
            selection, which separate clusters well by themselves.
    """

    multiplications: float = 4e10
    smallest_cell: int = 1024
    smallest_along_picks: int = 128
    largest_cell: int = 32768

    @classmethod
    def thorough(cls) -> BoundingEffort:
        """Return the effort of `certificate="thorough"`: the largest cells."""
        return cls(multiplications=inf)

    def cell_size(self, rows: int, dimension: int, *, along_picks: bool = False) -> int:
        """Return how many rows a cell of a pool may hold."""
        cost_per_row = _COST * rows * min(dimension, 128)
        if along_picks and rows * cost_per_row > self.multiplications:
            cost_per_row *= _PICKS_SUFFICE  # the pool is cut, and the cells need not be large
        affordable = self.multiplications / cost_per_row
        smallest = self.smallest_along_picks if along_picks else self.smallest_cell
        return int(min(max(affordable, smallest), self.largest_cell))

    def centre_steps(self, rows: int, dimension: int) -> int:
        """Return how often a centre may be moved; each step reads the pool once."""
        return int(min(max(self.multiplications / 2e4 / (float(rows) * dimension), 4), 30))


DEFAULT_EFFORT = BoundingEffort()


@dataclass(frozen=True, eq=False)
class UpperBounds:
    """Upper bounds on the h_min of any k rows of one pool, for any k up to `size`.

    Attributes:
        points: the pool.
        size: the largest k.
        effort: how much work the bounds may take.
        known_curve: an existing run to `size` picks or more; by default one is made.
        progress: a progress bar on stderr.
    """

    points: Points | DistanceMatrix
    size: int
    effort: BoundingEffort = DEFAULT_EFFORT
    known_curve: Curve | None = None
    progress: bool | None = None

    @cached_property
    def curve(self) -> Curve:
        """Radii of a plain farthest-first run over the pool."""
        return self.known_curve or Curve.of(self.points, self.size, progress=self.progress)

    @cached_property
    def tree(self) -> Tree | None:
        """Clusters of the pool; None unless its vectors are in memory."""
        points, rows, near = self.points, self.curve.pool_size, self.curve.tree
        if isinstance(points, DistanceMatrix) or not points.in_memory:
            return None
        cell = self.effort.cell_size(rows, points.dimension, along_picks=near is not None)
        with new_bar(total=rows, desc="certificate", unit="row", shown=self.progress) as bar:
            return Tree.of(points, cell, near=near, progress=bar.update)

    @cached_property
    def packing_bound(self) -> PackingBound | None:
        """The bound from the pool's clusters; None unless its vectors are in memory."""
        if self.tree is None or isinstance(self.points, DistanceMatrix):
            return None
        return PackingBound(self.points, self.tree)

    def _clusters_may_help(self, size: int, high: float) -> bool:
        """Return whether all rows may be counted as fewer than `size` at a distance.

        A sample has no more rows at that distance, so its count hardly exceeds that of all rows.
        """
        points, near, rows = self.points, self.curve.tree, self.curve.pool_size
        if near is None or self.effort.multiplications == inf or not isinstance(points, Points):
            return True
        if rows < _PART_SAMPLED * max(len(near.picks), _LEAST_SAMPLED):
            return True
        eligible = np.flatnonzero(points.eligible)
        random = np.random.default_rng(0)
        sampled = np.zeros(len(points), bool)
        sampled[random.choice(eligible, rows // _PART_SAMPLED, replace=False)] = True
        sampled[near.picks] = True
        sample = replace(points, eligible=sampled)
        part = replace(self.effort, multiplications=self.effort.multiplications / _PART_SAMPLED)
        cell = part.cell_size(int(sampled.sum()), points.dimension, along_picks=True)
        tree = Tree.of(sample, cell, near=near)
        return PackingBound(sample, tree).most_rows(high) < _MARGIN * size

    def _centred(self, points: Points, size: int) -> CentredPool:
        rows = self.curve.pool_size
        steps = self.effort.centre_steps(rows, points.dimension) if points.in_memory else 0
        return best_centre(points, size, steps)

    def bounds(self, size: int, reached: float) -> dict[str, float]:
        """Return bounds on the h_min of any `size` rows, by name.

        Args:
            size: k, at most the largest one.
            reached: the h_min of some k rows.

        Returns:
            Name -> bound: "all rows", "balls", "smaller balls", "trace", "sphere", "line",
            "plane", "cells" (the packing bound) or "clusters"; those that apply, and "cells"
            if no other is sharper (judged by a sample of large pools). Empty for a single row.
        """
        if size < 2:
            return {}
        radii = self.curve.radii[:size]
        found = {}
        if size == self.curve.pool_size:
            found["all rows"] = reached
        found["balls"] = balls_bound(radii)
        if isinstance(self.points, DistanceMatrix):
            rows = np.flatnonzero(self.points.eligible)
            if len(rows) <= _LARGEST_LINKAGE:
                distances = self.points.matrix[rows].astype(np.float64)[:, rows]
                found["clusters"] = clusters_bound(distances, size)
        else:
            found["smaller balls"] = smaller_balls_bound(radii)
            centred = self._centred(self.points, size)
            found["trace"] = centred.trace_bound(size)
            found |= _bounds_by_dimension(self.points, size)
            low, high = max(reached, float(radii[-1])), min(found.values())
            # If a bound is attained already, no other can be sharper.
            is_open = high > low * _TOLERANCE and self.points.in_memory
            if is_open and self._clusters_may_help(size, high) and self.packing_bound is not None:
                cells = self.packing_bound.bound(size, low, high, centred)
                if cells is not None:
                    found["cells"] = cells
        return {name: float(bound * _TOLERANCE) for name, bound in found.items()}

    def most_rows(self, distance: float) -> int:
        """Return a number of rows that no set with pairwise distances >= `distance` > 0 exceeds."""
        curve = self.curve
        most = curve.pool_size
        # Two rows in one ball are no farther apart than its diameter.
        if curve.radii[-1] * 2.0 * _TOLERANCE < distance:
            most = curve.rows_at(distance / 2.0 / _TOLERANCE)
        if self.packing_bound is None or isinstance(self.points, DistanceMatrix):
            return most
        most = min(most, self.packing_bound.most_rows(distance))
        if most < 2:
            return most
        centred = self._centred(self.points, most)
        return min(most, self.packing_bound.most_rows(distance, centred))


def quick_upper_bounds(
    points: Points | DistanceMatrix,
    sizes: Int[np.ndarray, " s"],
    radii: Float[np.ndarray, " k"] | None = None,
) -> Float[np.ndarray, " s"]:
    """Return an upper bound on the h_min of any m rows, for each m in `sizes`.

    These are the bounds of `UpperBounds` that need no clusters, in one pass; they are as sharp
    for few rows, and less so for a large part of the pool.

    Args:
        points: the pool.
        sizes: ascending numbers of rows, 1 or more.
        radii: radii of a farthest-first run over the pool to the largest size or more, without
            rules or weights; None if there is none.

    Returns:
        (s,) bounds, which never increase; inf for a single row.

    Cost: a few passes over the pool, and k operations for each size.
    """
    found = np.full(len(sizes), inf)
    several = sizes > 1
    most = int(sizes[-1])
    if isinstance(points, Points) and most > 1:
        centred = best_centre(points, most, steps=0)
        sums = np.cumsum(centred.squared_distances)[sizes - 1]
        found[several] = np.sqrt(2.0 * sums[several] / (sizes[several] - 1.0))
    for number in np.flatnonzero(several).tolist():
        size = int(sizes[number])
        some = [found[number]]
        if radii is not None:
            some.append(balls_bound(radii[:size]))
            if isinstance(points, Points):
                some.append(smaller_balls_bound(radii[:size]))
        if isinstance(points, Points) and points.unit:
            some.append(sphere_bound(size, points.dimension))
        found[number] = min(some)
    if isinstance(points, Points) and points.dimension <= 2:
        rows = points.exact(np.flatnonzero(points.eligible))
        some_sizes = sizes[several]
        if points.dimension == 1:
            of_dimension = line_bound(rows[:, 0], 2) / (some_sizes - 1.0)
        else:
            of_dimension = plane_bounds(rows, some_sizes)
        found[several] = np.minimum(found[several], of_dimension)
    # m rows include fewer, so what bounds these bounds m.
    return np.minimum.accumulate(found) * _TOLERANCE


def clusters_bound(distances: Float[np.ndarray, "n n"], size: int) -> float:
    """Return the largest diameter of k - 1 clusters, for any distances: one holds two of k rows.

    Complete linkage keeps diameters small (Defays 1977, doi:10.1093/comjnl/20.4.364).

    Cost: O(n²), and n² / 2 numbers of memory.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    heights = linkage(squareform(distances, checks=False), "complete")[:, 2]
    return float(heights[len(distances) - size])


def _bounds_by_dimension(points: Points, size: int) -> dict[str, float]:
    found = {}
    if points.unit:
        found["sphere"] = sphere_bound(size, points.dimension)
    if points.dimension <= 2:
        rows = points.exact(np.flatnonzero(points.eligible))
        if points.dimension == 1:
            found["line"] = line_bound(rows[:, 0], size)
        else:
            found["plane"] = plane_bound(rows, size)
    return found
