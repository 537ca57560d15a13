"""How many rows at a distance of r fit a pool: counted cluster by cluster, up a tree.

No cluster holds more rows at pairwise distances of r than its parts do together, and none more
than its spread allows. So the count for the whole pool is below k for some r, and no k rows
have an h_min of r or more. Derived in docs/theory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from evenly.geometry.clustering.tree import ClusterRadii, Tree
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.points import mean_of, squared_distances_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.geometry import Points

__all__ = ["Cells", "Centred", "centre_of"]

# Sums of squares err by far less, relatively.
_ALLOWED = 1.0 + 1e-10
_STEPS = 16


@dataclass(frozen=True, eq=False)
class Centred:
    """Squared distances of all candidates to one point, the farthest first.

    Attributes:
        rows: (n,) row numbers.
        squared: (n,) squared distances, falling.
    """

    rows: Int[np.ndarray, " n"]
    squared: Float[np.ndarray, " n"]

    def trace_bound(self, size: int) -> float:
        """√(2 / (k - 1) · the sum of the k largest): bounds the h_min of any k >= 2 rows."""
        total = float(self.squared[:size].sum())
        return float(np.sqrt(2.0 * total / (size - 1.0)))


def centre_of(points: Points, size: int, steps: int) -> Centred:
    """The pool seen from a point that makes the sum of the k largest squared distances small.

    Any point bounds; the sum is a convex function of it, whose subgradient leads to the mean of
    the k farthest rows. The best of all steps is returned; the first is the mean of the pool.

    Cost: n·d operations a step.
    """
    rows = np.flatnonzero(points.eligible)
    centre = mean_of(points, rows)
    best: Centred | None = None
    for step in range(steps + 1):
        squared = squared_distances_to(points, rows, centre)
        order = np.argsort(-squared, kind="stable")
        seen = Centred(rows[order], squared[order])
        if best is None or seen.trace_bound(size) < best.trace_bound(size):
            best = seen
        if step < steps:
            centre = centre + (mean_of(points, seen.rows[:size]) - centre) * (2.0 / (step + 3.0))
    assert best is not None
    return best


class Cells:
    """The clusters of a pool, to count how many rows at a distance fit them."""

    def __init__(
        self, points: Points, cell: int, *, progress: Callable[[int], object] | None = None
    ) -> None:
        """See `Tree.of` and `ClusterRadii.of` for what is made and what it costs."""
        self._tree = Tree.of(points, cell, progress=progress)
        self._spreads = ClusterRadii.of(points, self._tree)
        self._dimension = points.dimension
        self._place = np.empty(len(points), np.int64)
        self._place[self._tree.order] = np.arange(len(self._tree.order))

    def most_rows(self, distance: float, centred: Centred | None = None) -> int:
        """No more rows than this have pairwise distances of `distance` > 0 or more.

        Args:
            distance: not squared.
            centred: the pool seen from another point than its mean.

        Cost: n·(levels of the tree)² at most; 0.1 s for 20,000 rows.
        """
        tree, spreads = self._tree, self._spreads
        if centred is None:
            count = len(tree.order)
            squared, positions = spreads.squared[:count], spreads.positions[:count]
        else:
            squared, positions = centred.squared, self._place[centred.rows]
        found: int = _count(
            tree.begin,
            tree.end,
            tree.parent,
            tree.leaf,
            spreads.first,
            spreads.squared,
            spreads.positions,
            squared,
            positions,
            distance * distance,
            self._dimension,
            _ALLOWED,
        )
        return found

    def bound(self, size: int, low: float, high: float, centred: Centred | None = None) -> float:
        """A distance, hardly larger than must be, that no `size` rows have: by bisection.

        Args:
            size: k >= 2.
            low: a distance that k rows do have.
            high: where to begin; raised where it is too small.
            centred: as in `most_rows`.
        """
        if high <= 0.0 or not np.isfinite(high):
            return high
        while self.most_rows(high, centred) >= size:
            high *= 1.25
        low = min(low, high)
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            if self.most_rows(middle, centred) < size:
                high = middle
            else:
                low = middle
        return high


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _count(
    begin: Int[np.ndarray, " V"],
    end: Int[np.ndarray, " V"],
    parent: Int[np.ndarray, " V"],
    leaf: Int[np.ndarray, " m"],
    first: Int[np.ndarray, " V"],
    all_squared: Float[np.ndarray, " t"],
    all_positions: Int[np.ndarray, " t"],
    top_squared: Float[np.ndarray, " m"],
    top_positions: Int[np.ndarray, " m"],
    squared_distance: float,
    dimension: int,
    allowed: float,
) -> int:
    """The largest count for the first cluster, from those of all others, children first.

    s rows at distances of r need (s - 1)·r² / 2 <= the sum of their squared distances to any
    centre. The largest such sum over rows of which no cluster inside holds more than its own
    count is found by taking the farthest first: such rows are the independent sets of a
    (laminar) matroid.
    """
    clusters = len(begin)
    counts = np.zeros(clusters, np.int64)
    parts = np.zeros(clusters, np.int64)
    used = np.zeros(clusters, np.int64)
    half = squared_distance / 2.0
    for cluster in range(clusters - 1, -1, -1):
        size = end[cluster] - begin[cluster]
        most = 1
        if size > 1:
            if cluster == 0:
                squared, positions = top_squared, top_positions
            else:
                span = slice(first[cluster], first[cluster] + size)
                squared, positions = all_squared[span], all_positions[span]
            most = parts[cluster]
            if squared_distance > 2.0 * squared[0] * allowed:
                most = min(most, dimension + 1)
            taken, total = 0, 0.0
            last = 0
            for rank in range(size):
                if taken == most:
                    break
                last = rank + 1
                above = leaf[positions[rank]]
                while above != cluster and used[above] < counts[above]:
                    above = parent[above]
                if above != cluster:
                    continue
                total += squared[rank]
                if taken * half > total * allowed:
                    most = taken
                    break
                above = leaf[positions[rank]]
                while above != cluster:
                    used[above] += 1
                    above = parent[above]
                taken += 1
            most = max(1, min(most, taken))
            for rank in range(last):
                above = leaf[positions[rank]]
                while above != cluster:
                    used[above] = 0
                    above = parent[above]
        counts[cluster] = most
        if parent[cluster] >= 0:
            parts[parent[cluster]] += most
    return int(counts[0])
