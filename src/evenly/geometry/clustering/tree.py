"""A tree of clusters over the rows of a pool.

Bounds on packings (`evenly.metrics.packing_bound`) hold for any tree of the rows; a tree of tight
clusters makes them sharp. Large pools are cut into cells, along the picks of a selection or by
2-means, and the rows of each cell are merged by Ward's rule. float32 arithmetic only affects which
tree is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from evenly.geometry.clustering.cells import Cells, NearPicks
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
        cls,
        points: Points,
        cell: int,
        *,
        near: NearPicks | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Tree:
        """Build a tree of the eligible rows of a pool in memory.

        Args:
            points: the pool.
            cell: the largest number of rows that are merged by Ward's rule.
            near: a pick near every row, if they are known: cells follow from them.
            progress: called with the number of rows placed since the last call.

        Cost: about n·cell·min(d, 128) multiplications, three times as many in cells of more than
            2,048 rows; memory of 512 bytes a row, and 16 MB a thread.
        """
        rows = np.flatnonzero(points.eligible)
        short = leading_coordinates(points, rows)
        count, threads = len(rows), usable_threads()
        with single_threaded_blas():
            if near is None or count <= cell:
                cells = Cells.halved(short, cell)
            else:
                cells = Cells.grown(short, *near.of_rows(rows), cell)
            sizes = np.array([len(inside) for inside in cells.inside])
            first = np.cumsum(sizes - 1) - (sizes - 1)  # of the merges of each cell
            merges = np.empty((count - 1, 2), np.int64)

            def merge(number: int) -> None:
                inside, size = cells.inside[number], int(sizes[number])
                # Few rows are merged in one thread, and other cells meanwhile in others.
                alone = 1 if size <= cell < count else threads
                made = np.arange(first[number], first[number] + size - 1)
                names = np.append(inside, count + made)
                merges[made] = names[ward_merges(short[inside], threads=alone)]
                if progress is not None:
                    progress(size)

            parallel_for(merge, range(len(sizes)), threads=threads)
        if cells.joins:
            inside_cells = count - len(sizes)
            joins = np.array(cells.joins)
            own = [inside[0] for inside in cells.inside]
            tops = np.where(sizes > 1, count + first + sizes - 2, own)
            merges[inside_cells:] = np.where(
                joins >= 0, tops[joins], count + inside_cells - 1 - joins
            )
        order, begin, end, parent = _flatten(merges, count, _SHRINK)
        leaf = np.empty(count, np.int64)
        single = np.flatnonzero(end - begin == 1)
        leaf[begin[single]] = single
        return cls(rows[order], begin, end, parent, leaf)


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
