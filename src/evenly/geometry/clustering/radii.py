"""How far the rows of each cluster of a tree are from its mean: subtraction in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.clustering.tree import Tree
from evenly.geometry.kernels.screening import FAST
from evenly.geometry.points import Points
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.shapes import Float, Int

# Rows that are copied and measured together; they stay in the caches of a core.
_ROWS = 1024


@dataclass(frozen=True, eq=False)
class ClusterRadii:
    """Distances of the rows of each cluster to its mean, the farthest first.

    Attributes:
        first: (V,) where each cluster begins in the other two arrays.
        squared: squared distances of its rows to its mean, falling.
        positions: positions of those rows in the tree's order.
    """

    first: Int[np.ndarray, " V"]
    squared: Float[np.ndarray, " t"]
    positions: Int[np.ndarray, " t"]

    @classmethod
    def of(cls, points: Points, tree: Tree, *, large: int = _ROWS) -> ClusterRadii:
        """Measure the clusters of a tree of these points.

        Rows are copied in blocks of about `large`, twice: clusters that lie within one block are
        measured at once, and the means of larger ones are known after the first time.

        Cost: n·d operations and 12 bytes a row, for each of the 15 to 30 levels of a tree.
        """
        sizes = tree.sizes
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        squared = np.empty(int(sizes.sum()))
        positions = np.empty(len(squared), np.int32)
        arrays = _ClusterArrays(tree.begin, tree.end, first, squared, positions)
        many = np.flatnonzero(sizes > large)
        parts = list(_blocks(tree, large))
        shared = [_Shared.of(tree, many, block, points.dimension) for block in parts]
        threads = usable_threads()

        def add(number: int) -> None:
            some = shared[number]
            _add_up(*_rows_of(points, tree, parts[number]), some.begin, some.end, some.sums)

        parallel_for(add, range(len(parts)), threads=threads)
        means = np.zeros((len(many), points.dimension))
        for some in shared:  # in order, so that no number of threads changes a mean
            means[some.clusters] += some.sums
        means /= sizes[many, None]

        def measure(number: int) -> None:
            block, some = parts[number], shared[number]
            rows, factors = _rows_of(points, tree, block)
            own = first[many[some.clusters]] - tree.begin[many[some.clusters]] + block.begin
            _measure_large(rows, factors, some.begin, some.end, means[some.clusters], own, squared)
            _measure_small(rows, factors, block, large, arrays)

        parallel_for(measure, range(len(parts)), threads=threads)

        def sort(cluster: int) -> None:
            part = slice(first[cluster], first[cluster] + sizes[cluster])
            order = np.argsort(-squared[part])
            squared[part] = squared[part][order]
            positions[part] = tree.begin[cluster] + order

        parallel_for(sort, many.tolist(), threads=threads)
        return cls(first, squared, positions)


class _Block(NamedTuple):
    """Consecutive rows in a tree's order, and the clusters that lie within them.

    Attributes:
        begin, end: the positions.
        first_cluster, last_cluster: the clusters; larger ones are among them, too.
    """

    begin: int
    end: int
    first_cluster: int
    last_cluster: int


def _blocks(tree: Tree, large: int) -> Iterator[_Block]:
    """Yield blocks of whole clusters: as many clusters as there are in about `large` rows."""
    # Clusters come depth first, so those of a block are consecutive.
    tops = np.flatnonzero((tree.sizes <= large) & (tree.parent >= 0))
    tops = tops[tree.sizes[tree.parent[tops]] > large]
    if not len(tops):  # a single block
        yield _Block(0, len(tree.order), 0, len(tree.begin))
        return
    begin = 0
    for number, top in enumerate(tops.tolist()):
        is_last = number + 1 == len(tops)
        if is_last or tree.end[tops[number + 1]] - tree.begin[tops[begin]] > large:
            after = len(tree.begin) if is_last else int(tops[number + 1])
            yield _Block(int(tree.begin[tops[begin]]), int(tree.end[top]), int(tops[begin]), after)
            begin = number + 1


class _Shared(NamedTuple):
    """The large clusters that share rows with a block.

    Attributes:
        clusters: their positions among all large ones.
        begin, end: which rows of the block each of them holds.
        sums: the sums of these rows.
    """

    clusters: Int[np.ndarray, " c"]
    begin: Int[np.ndarray, " c"]
    end: Int[np.ndarray, " c"]
    sums: Float[np.ndarray, "c d"]

    @classmethod
    def of(cls, tree: Tree, many: Int[np.ndarray, " l"], block: _Block, dimension: int) -> _Shared:
        begin = np.maximum(tree.begin[many], block.begin) - block.begin
        end = np.minimum(tree.end[many], block.end) - block.begin
        some = np.flatnonzero(begin < end)
        return cls(some, begin[some], end[some], np.zeros((len(some), dimension)))


def _rows_of(points: Points, tree: Tree, block: _Block) -> tuple[Any, Float[np.ndarray, " m"]]:
    """Return a copy of the rows of a block, and the factors that they are multiplied by."""
    rows = tree.order[block.begin : block.end]
    taken = points.stored[rows]
    if taken.dtype == np.float16:
        taken = taken.astype(np.float32)
    return taken, np.ones(len(rows)) if points.factors is None else points.factors[rows]


class _ClusterArrays(NamedTuple):
    """Begin and end of each cluster in the tree's order, and the arrays of `ClusterRadii`."""

    begin: Int[np.ndarray, " V"]
    end: Int[np.ndarray, " V"]
    first: Int[np.ndarray, " V"]
    squared: Float[np.ndarray, " t"]
    positions: Int[np.ndarray, " t"]


# Sums may be taken in any order: their error is far below what the bounds allow for.
@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _add_up(
    rows: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    begin: Int[np.ndarray, " c"],
    end: Int[np.ndarray, " c"],
    sums: Float[np.ndarray, "c d"],
) -> None:
    """Add the rows of each cluster to its sum."""
    for cluster in range(len(begin)):
        for row in range(begin[cluster], end[cluster]):
            factor = factors[row]
            for axis in range(rows.shape[1]):
                sums[cluster, axis] += np.float64(rows[row, axis]) * factor


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _squared_to(
    rows: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    row: int,
    mean: Float[np.ndarray, " d"],
) -> float:
    total = 0.0
    for axis in range(len(mean)):
        gap = np.float64(rows[row, axis]) * factors[row] - mean[axis]
        total += gap * gap
    return total


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _measure_large(
    rows: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    begin: Int[np.ndarray, " c"],
    end: Int[np.ndarray, " c"],
    means: Float[np.ndarray, "c d"],
    first: Int[np.ndarray, " c"],
    squared: Float[np.ndarray, " t"],
) -> None:
    """Write squared distances to means; those of the rows of a block begin at `first`."""
    for cluster in range(len(begin)):
        mean = means[cluster]
        for row in range(begin[cluster], end[cluster]):
            squared[first[cluster] + row] = _squared_to(rows, factors, row, mean)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _measure_small(
    rows: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    block: _Block,
    large: int,
    clusters: _ClusterArrays,
) -> None:
    """Measure the clusters of a block that have at most `large` rows."""
    squared, positions = clusters.squared, clusters.positions
    dimension = rows.shape[1]
    origin, mean = np.empty(dimension), np.empty(dimension)
    for cluster in range(block.first_cluster, block.last_cluster):
        here = clusters.begin[cluster] - block.begin
        size = clusters.end[cluster] - clusters.begin[cluster]
        if size > large:
            continue
        start = clusters.first[cluster]
        # Relative to the first row: the mean of equal rows is exactly theirs.
        for axis in range(dimension):
            origin[axis] = np.float64(rows[here, axis]) * factors[here]
        mean[:] = 0.0
        for row in range(here, here + size):
            factor = factors[row]
            for axis in range(dimension):
                mean[axis] += np.float64(rows[row, axis]) * factor - origin[axis]
        for axis in range(dimension):
            mean[axis] = origin[axis] + mean[axis] / size
        found = np.empty(size)
        for row in range(size):
            found[row] = -_squared_to(rows, factors, here + row, mean)
        for rank, row in enumerate(np.argsort(found)):
            squared[start + rank] = -found[row]
            positions[start + rank] = block.begin + here + row
