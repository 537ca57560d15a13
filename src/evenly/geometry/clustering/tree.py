"""A tree of clusters over the rows of a pool.

Bounds on packings (`evenly.metrics.packing_bound`) hold for any tree of the rows; a tree of tight
clusters makes them sharp. Large pools are halved by 2-means down to cells, and the rows of each
cell are merged by Ward's rule. float32 arithmetic only affects which tree is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from evenly.geometry.clustering.ward import halves, ward_merges
from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.proxies import ProxyTransform
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float32, Int

LEADING = 128
"""The largest number of principal coordinates that trees are built from."""

# A cluster larger than this share of its parent is replaced by its parts. So no tree is deeper than
# log n / log(1 / 0.8) levels.
_SHRINK = 0.8
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Tree:
    """Clusters of rows, parents before their children; each is consecutive in `order`.

    Attributes:
        order: (m,) row numbers, the leaves from left to right.
        begin, end: (V,) cluster v holds order[begin[v]:end[v]]. The first cluster holds all rows,
            and each row is a cluster of its own.
        parent: (V,) number of the cluster that contains each one; -1 for the first.
        leaf: (m,) number of the cluster that holds only the row at each position.
    """

    order: Int[np.ndarray, " m"]
    begin: Int[np.ndarray, " V"]
    end: Int[np.ndarray, " V"]
    parent: Int[np.ndarray, " V"]
    leaf: Int[np.ndarray, " m"]

    @property
    def sizes(self) -> Int[np.ndarray, " V"]:
        """(V,) number of rows of each cluster."""
        sizes: Int[np.ndarray, " V"] = self.end - self.begin
        return sizes

    @classmethod
    def of(
        cls, points: Points, cell: int, *, progress: Callable[[int], object] | None = None
    ) -> Tree:
        """Build a tree of the eligible rows of a pool in memory.

        Args:
            points: the pool.
            cell: the largest number of rows that are merged by Ward's rule; more are halved first.
            progress: called with the number of rows placed since the last call.

        Cost: about n·cell·min(d, 128) multiplications, three times as many in cells of more than
            2,048 rows; memory of 512 bytes a row, and 16 MB a thread.
        """
        rows = np.flatnonzero(points.eligible)
        short = leading_coordinates(points, rows)
        threads = usable_threads()
        with single_threaded_blas():
            cells = list(_halved(short, cell))

            def merge(one: _Cell) -> None:
                if one.is_halved:
                    return
                # Few rows are merged in one thread, and other cells meanwhile in others.
                alone = 1 if len(one.inside) <= cell < len(rows) else threads
                merges = ward_merges(short[one.inside], threads=alone)
                one.clusters = _flatten(merges, len(one.inside), _SHRINK)
                if progress is not None:
                    progress(len(one.inside))

            parallel_for(merge, cells, threads=threads)
        parts: list[tuple[Any, Any, Any]] = []
        order: list[Any] = []
        numbers: list[int] = []
        place = clusters = 0
        for one in cells:
            parent = -1 if one.parent < 0 else numbers[one.parent]
            numbers.append(clusters)
            if one.clusters is None:
                ends = np.array([place]), np.array([place + len(one.inside)]), np.array([parent])
                parts.append(ends)
                clusters += 1
                continue
            placed, begin, end, above = one.clusters
            above = np.where(above < 0, parent, above + clusters)
            parts.append((begin + place, end + place, above))
            order.append(rows[one.inside[placed]])
            place, clusters = place + len(one.inside), clusters + len(begin)
        begin, end, above = (np.concatenate(part) for part in zip(*parts, strict=True))
        leaf = np.empty(len(rows), np.int64)
        single = np.flatnonzero(end - begin == 1)
        leaf[begin[single]] = single
        return cls(np.concatenate(order), begin, end, above, leaf)


@dataclass(eq=False)
class _Cell:
    """Rows that are halved, or merged by Ward's rule.

    Attributes:
        inside: (s,) the rows.
        parent: the position, among all of these, of the one it is a half of; -1 for all rows.
        is_halved: whether its two halves follow.
        clusters: what `_flatten` returns, once the rows are merged.
    """

    inside: Int[np.ndarray, " s"]
    parent: int
    is_halved: bool
    clusters: Any = None


def _halved(short: Float32[np.ndarray, "m p"], cell: int) -> Iterator[_Cell]:
    """Yield all rows, and the halves of those that are more than `cell`, depth first."""
    waiting, count = [_Cell(np.arange(len(short)), -1, len(short) > cell)], 0
    while waiting:
        one = waiting.pop()
        yield one
        if one.is_halved:
            left = halves(short[one.inside])
            both = one.inside[~left], one.inside[left]
            waiting += [_Cell(half, count, len(half) > cell) for half in both]
        count += 1


def leading_coordinates(
    points: Points, rows: Int[np.ndarray, " m"], width: int = LEADING
) -> Float32[np.ndarray, "m p"]:
    """Return rows shifted, scaled to lengths of at most 1, and turned to their principal axes."""
    transform = ProxyTransform.of(points)
    if points.dimension > width:
        transform = transform.turned(points, width)
    short = np.empty((len(rows), transform.width), np.float32)
    for part in blocks(len(rows), 1, numbers=_ROWS):  # read few vectors from disk at once
        short[part] = transform.proxies(points, rows[part])
    return short


def split_evenly(rows: Float32[np.ndarray, "m p"], clusters: int) -> Int[np.ndarray, " m"]:
    """Return the cluster of each row: the largest is halved by 2-means until there are enough.

    Cost: about m·log(clusters)·p multiplications.
    """
    parts = [np.arange(len(rows))]
    while len(parts) < min(clusters, len(rows)):
        largest = parts.pop(int(np.argmax([len(part) for part in parts])))
        left = halves(rows[largest])
        parts += [largest[left], largest[~left]]
    label = np.empty(len(rows), np.int64)
    for number, part in enumerate(parts):
        label[part] = number
    return label


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _flatten(merges: Int[np.ndarray, "q 2"], count: int, shrink: float) -> Any:
    """Turn merges into order, begin, end and parent of clusters; see `Tree` and `_SHRINK`."""
    sizes = np.ones(2 * count - 1, np.int64)
    for merge in range(count - 1):
        sizes[count + merge] = sizes[merges[merge, 0]] + sizes[merges[merge, 1]]
    order = np.empty(count, np.int64)
    begin = np.empty(2 * count - 1, np.int64)
    end = np.empty(2 * count - 1, np.int64)
    parent = np.empty(2 * count - 1, np.int64)
    waiting = np.empty((2 * count, 2), np.int64)
    waiting[0, 0], waiting[0, 1] = 2 * count - 2, -1
    n_waiting, place, made = 1, 0, 0
    while n_waiting > 0:
        n_waiting -= 1
        name, above = waiting[n_waiting, 0], waiting[n_waiting, 1]
        inside = above
        if above < 0 or sizes[name] <= shrink * (end[above] - begin[above]):
            inside = made
            begin[made], end[made], parent[made] = place, place + sizes[name], above
            made += 1
        if name < count:
            order[place] = name
            place += 1
        else:
            for side in range(2):
                waiting[n_waiting, 0] = merges[name - count, 1 - side]
                waiting[n_waiting, 1] = inside
                n_waiting += 1
    return order, begin[:made], end[:made], parent[:made]
