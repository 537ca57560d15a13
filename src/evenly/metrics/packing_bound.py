"""The packing bound: how many rows with pairwise distances of r or more fit a pool.

The rows are counted cluster by cluster, from the leaves of a tree to its root. A cluster holds
no more such rows than its parts do together, and no more than its spread allows. If the count of
the root is below k, no k rows have an h_min of r or more. Derived in docs/theory.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from evenly.geometry.clustering.radii import ClusterRadii
from evenly.geometry.clustering.tree import Tree
from evenly.geometry.kernels.exact import EXACT
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from evenly.geometry import Points
    from evenly.metrics.trace_bound import CentredPool

# Tolerance for the rounding of sums of squares, whose relative error is far smaller.
_TOLERANCE = 1.0 + 1e-10
# How narrowly the smallest provable distance is located, relatively, and the most steps to it.
_PRECISION = 1e-4
_STEPS = 16


class _Ranking(NamedTuple):
    """Rows by their squared distances to a centre, farthest first.

    Attributes:
        squared_distances: non-increasing.
        positions: of those rows in the tree's order.
    """

    squared_distances: Float[np.ndarray, " t"]
    positions: Int[np.ndarray, " t"]


class _Clusters(NamedTuple):
    """The arrays of a `Tree` and its `ClusterRadii` that the kernel reads.

    Attributes:
        sizes: (V,) number of rows in each cluster; parents come before their children.
        parent: (V,) the cluster that contains it; -1 for the root.
        leaf: (m,) the cluster that consists of the row at a position.
        first: (V,) where a cluster's rows begin in `rankings`.
        rankings: the rankings of all clusters, each around its mean, concatenated.
    """

    sizes: Int[np.ndarray, " V"]
    parent: Int[np.ndarray, " V"]
    leaf: Int[np.ndarray, " m"]
    first: Int[np.ndarray, " V"]
    rankings: _Ranking


class _Known(NamedTuple):
    """Bounds on the counts of clusters; both are empty if there are none.

    Attributes:
        at_least: (V,) counts at a larger distance.
        at_most: (V,) counts at a smaller distance.
    """

    at_least: Int[np.ndarray, " V"]
    at_most: Int[np.ndarray, " V"]


class PackingBound:
    """Counts how many rows at a given distance fit the clusters of a pool."""

    def __init__(self, points: Points, tree: Tree) -> None:
        """Measure the clusters of a tree of these points; for the cost see `ClusterRadii.of`."""
        radii = ClusterRadii.of(points, tree)
        rankings = _Ranking(radii.squared, radii.positions)
        self._clusters = _Clusters(tree.sizes, tree.parent, tree.leaf, radii.first, rankings)
        count = len(tree.order)
        self._around_mean = _Ranking(radii.squared[:count], radii.positions[:count])
        self._dimension = points.dimension
        self._no_counts = np.empty(0, np.int64)
        self._position = np.empty(len(points), np.int32)
        self._position[tree.order] = np.arange(count)

    def most_rows(self, distance: float, centred: CentredPool | None = None) -> int:
        """Return a number of rows that no set with pairwise distances >= `distance` exceeds.

        Args:
            distance: above 0, not squared.
            centred: the pool around another point than its mean.

        Cost: n·(levels of the tree)² at most; 0.1 s for 20,000 rows.
        """
        return int(self._counts(distance, centred, self._no_counts, self._no_counts)[0])

    def _counts(
        self,
        distance: float,
        centred: CentredPool | None,
        at_least: Int[np.ndarray, " V"],
        at_most: Int[np.ndarray, " V"],
    ) -> Int[np.ndarray, " V"]:
        """Return the counts of all clusters; known bounds on them may be empty."""
        root = self._around_mean
        if centred is not None:
            root = _Ranking(centred.squared_distances, self._position[centred.rows])
        known = _Known(at_least, at_most)
        counts: Int[np.ndarray, " V"] = _most_rows(
            self._clusters, root, distance * distance, self._dimension, known
        )
        return counts

    def bound(
        self, size: int, low: float, high: float, centred: CentredPool | None = None
    ) -> float | None:
        """Return a distance, close to the smallest provable one, that no `size` rows have.

        Args:
            size: k >= 2.
            low: a distance that some k rows do have.
            high: a distance above 0, where bisection begins.
            centred: as in `most_rows`.

        Returns:
            The distance; None if it exceeds `high`.
        """
        # Counts fall as the distance grows, so those of clusters that are the same at both ends of
        # the interval are known within it.
        most = self._no_counts
        fewest = self._counts(high, centred, most, most)
        above = int(fewest[0])
        if above >= size:
            return None
        low, below = min(low, high), len(self._around_mean.positions)
        # The number of rows falls about as a power of the distance. Each guess is moved a little,
        # to both sides in turn, so that the interval closes from both ends.
        for step in range(_STEPS):
            width = high - low
            if width <= _PRECISION * high:
                break
            share = np.log(below / size) / np.log(below / above) if below > above else 0.5
            guess = low + width * share + (0.4 if step % 2 else -0.4) * _PRECISION * high
            guess = min(max(guess, low + 0.05 * width), high - 0.05 * width)
            counts = self._counts(guess, centred, fewest, most)
            count = int(counts[0])
            if count < size:
                high, above, fewest = guess, count, counts
            else:
                low, below, most = guess, count, counts
        return high


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _most_rows(
    clusters: _Clusters, root: _Ranking, squared_distance: float, dimension: int, known: _Known
) -> Int[np.ndarray, " V"]:
    """Return the count of every cluster, children first; that of the root is the first.

    s rows at distances of r need (s - 1)·r² / 2 <= the sum of their squared distances to any
    centre. Taking the farthest rows first finds the largest such sum over rows of which no inner
    cluster holds more than its own count: such sets are independent in a (laminar) matroid.
    """
    parent, leaf = clusters.parent, clusters.leaf
    n_clusters = len(parent)
    counts = np.zeros(n_clusters, np.int64)
    counts_of_parts = np.zeros(n_clusters, np.int64)
    used = np.zeros(n_clusters, np.int64)
    # A cluster that may hold as many rows as its parts do is passed over on the way upwards: like
    # a row alone, it excludes no set that its parts allow.
    limits = np.zeros(n_clusters, np.bool_)
    up = parent.copy()
    half = squared_distance / 2.0
    are_known = len(known.at_least) == n_clusters and len(known.at_most) == n_clusters
    for cluster in range(n_clusters - 1, -1, -1):
        size = clusters.sizes[cluster]
        most = 1
        if are_known and known.at_least[cluster] == known.at_most[cluster]:
            counts[cluster] = known.at_most[cluster]
            limits[cluster] = size > 1 and counts[cluster] < counts_of_parts[cluster]
            if parent[cluster] >= 0:
                counts_of_parts[parent[cluster]] += counts[cluster]
            continue
        if size > 1:
            if cluster == 0:
                squared, positions = root.squared_distances, root.positions
            else:
                span = slice(clusters.first[cluster], clusters.first[cluster] + size)
                squared = clusters.rankings.squared_distances[span]
                positions = clusters.rankings.positions[span]
            most = counts_of_parts[cluster]
            if squared_distance > 2.0 * squared[0] * _TOLERANCE:
                most = min(most, dimension + 1)
            # If even the rows nearest to the centre have so large a sum, no row has to go.
            least = 0.0
            for rank in range(size - most, size):
                least += squared[rank]
            if (most - 1) * half <= least:
                counts[cluster] = most
                if parent[cluster] >= 0:
                    counts_of_parts[parent[cluster]] += most
                continue
            taken, total = 0, 0.0
            visited = 0
            for rank in range(size):
                if taken == most:
                    break
                visited = rank + 1
                below = leaf[positions[rank]]
                above = up[below]
                while above != cluster:
                    if not limits[above]:
                        above = up[below] = up[above]
                    elif used[above] < counts[above]:
                        below, above = above, up[above]
                    else:
                        break
                if above != cluster:
                    continue
                total += squared[rank]
                if taken * half > total * _TOLERANCE:
                    most = taken
                    break
                above = up[leaf[positions[rank]]]
                while above != cluster:
                    used[above] += 1
                    above = up[above]
                taken += 1
            most = max(1, min(most, taken))
            for rank in range(visited):
                above = up[leaf[positions[rank]]]
                while above != cluster:
                    used[above] = 0
                    above = up[above]
            limits[cluster] = most < counts_of_parts[cluster]
        counts[cluster] = most
        if parent[cluster] >= 0:
            counts_of_parts[parent[cluster]] += most
    return counts
