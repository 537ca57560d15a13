"""Ward's clustering: merges that raise the sum of squares the least come first.

The merges are exact up to float32. Two clusters that are each other's nearest are merged in every
tree that Ward's rule makes, so all such pairs are merged at once, and the search for nearest
clusters takes a few matrix products. Bounds on packings (`evenly.metrics.cells`) hold for any
tree; Ward's makes them sharp.

Sources: Ward 1963, doi:10.1080/01621459.1963.10500845; reciprocal nearest neighbours:
    Murtagh 1983, doi:10.1093/comjnl/26.4.354.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from evenly.geometry.kernels.screening import BLOCK, FAST
from evenly.geometry.threads import parallel_for
from evenly.shapes import Float32, Int

_INFINITE = np.float32(np.inf)
_ZERO = np.float32(0)
_TWO = np.float32(2)

# With at most this many rows, all their distances are kept: 16 MB.
_FEW = 2048

# Rows that are compared at once.
_ROWS = 512

# Rows that the centres of halves are computed from, and how often the centres are moved.
_SAMPLE = 4096
_MOVES = 8


def ward_merges(rows: Float32[np.ndarray, "m p"], *, threads: int) -> Int[np.ndarray, "q 2"]:
    """Merge rows in pairs until one cluster is left.

    Args:
        rows: m >= 1 rows of lengths about 1.
        threads: how many threads to use. They do not change the answer.

    Returns:
        (m - 1, 2) the clusters that are merged: 0 to m - 1 are the rows, and m + i is the result
        of the i-th merge.

    Cost: m²·p multiplications, as a matrix product, and m² numbers of memory, for few rows; else
        about 3·m²·p multiplications and memory for a block of products a thread.
    """
    count = len(rows)
    merges = np.empty((count - 1, 2), np.int64)
    if count <= _FEW:
        squared = -2 * (rows @ rows.T)
        lengths = np.einsum("ij,ij->i", rows, rows)
        squared += lengths
        squared += lengths[:, None]
        _merge_along_chains(squared, merges)
        return merges
    centres, sizes, names = rows.copy(), np.ones(count, np.float32), np.arange(count)
    best, nearest = np.empty(count, np.float32), np.empty(count, np.int64)
    stale = np.arange(count)
    made = 0
    while len(centres) > 1:
        _find_nearest(centres, sizes, stale, best, nearest, threads)
        first, second = _mutual_pairs(best, nearest)
        new = slice(made, made + len(first))
        merges[new, 0], merges[new, 1] = names[first], names[second]
        together = sizes[first] + sizes[second]
        share = (sizes[second] / together)[:, None]
        centres[first] += share * (centres[second] - centres[first])
        sizes[first] = together
        names[first] = count + np.arange(new.start, new.stop)
        made = new.stop
        # A merged cluster is not nearer to others than the nearer of its parts was, so a search
        # is due only for new clusters and for those whose nearest was merged.
        changed = np.zeros(len(centres), bool)
        changed[first] = changed[second] = True
        kept = np.ones(len(centres), bool)
        kept[second] = False
        stale = np.flatnonzero((changed | changed[nearest])[kept])
        moved = np.cumsum(kept) - 1
        centres, sizes, names = centres[kept], sizes[kept], names[kept]
        best, nearest = best[kept], moved[nearest[kept]]
    return merges


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _merge_along_chains(raised: Float32[np.ndarray, "m m"], merges: Int[np.ndarray, "q 2"]) -> None:
    """Write the merges of rows with these squared distances, which are overwritten.

    A chain leads from any cluster to its nearest, to the nearest of that, and so on, until two are
    each other's nearest: these are merged. From then on, `raised` is by how much a merge would
    raise the sum of squares, times 2, by the recurrence of Lance and Williams.
    """
    count = len(raised)
    sizes, names = np.ones(count, np.float32), np.arange(count)
    chain, depth, begin = np.empty(count, np.int64), 0, 0
    for row in range(count):
        for other in range(count):
            raised[row, other] = max(raised[row, other], _ZERO)
        raised[row, row] = _INFINITE
    for made in range(count - 1):
        while (
            depth > 0 and sizes[chain[depth - 1]] == 0
        ):  # after rounding, a chain can cross itself
            depth -= 1
        if depth == 0:
            while sizes[begin] == 0:
                begin += 1
            chain[0], depth = begin, 1
        while True:
            last = chain[depth - 1]
            least = _INFINITE
            for other in range(count):
                least = min(least, raised[last, other])
            # Of several that are as near, the one before it in the chain, or the chain has no end.
            nearest = chain[depth - 2] if depth > 1 else -1
            if depth == 1 or (depth < count and raised[last, nearest] > least):
                nearest = 0
                while raised[last, nearest] > least:
                    nearest += 1
                chain[depth] = nearest
                depth += 1
                continue
            depth -= 2
            break
        merges[made, 0], merges[made, 1] = names[last], names[nearest]
        own, gone, between = sizes[last], sizes[nearest], raised[last, nearest]
        names[last], sizes[last], sizes[nearest] = count + made, own + gone, _ZERO
        for other in range(count):
            if sizes[other] == 0 or other == last:
                continue
            size = sizes[other]
            total = (own + size) * raised[last, other] + (gone + size) * raised[nearest, other]
            value = (total - size * between) / (own + gone + size)
            raised[last, other], raised[other, last] = value, value
        for other in range(count):
            raised[nearest, other], raised[other, nearest] = _INFINITE, _INFINITE


def _find_nearest(
    centres: Float32[np.ndarray, "m p"],
    sizes: Float32[np.ndarray, " m"],
    rows: Int[np.ndarray, " s"],
    best: Float32[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    threads: int,
) -> None:
    lengths = np.einsum("ij,ij->i", centres, centres)

    def search(part: slice) -> None:
        own = rows[part]
        products = centres[own] @ centres.T
        products[np.arange(len(own)), own] = -np.inf
        found, where = np.empty(len(own), np.float32), np.empty(len(own), np.int64)
        _nearest_by_ward(products, lengths[own], sizes[own], lengths, sizes, found, where)
        best[own], nearest[own] = found, where

    # Tiles have the same shape for any number of threads, so that products have the same bits.
    tiles = [slice(begin, begin + _ROWS) for begin in range(0, len(rows), _ROWS)]
    parallel_for(search, tiles, threads=threads)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _nearest_by_ward(
    products: Float32[np.ndarray, "s m"],
    own_lengths: Float32[np.ndarray, " s"],
    own_sizes: Float32[np.ndarray, " s"],
    lengths: Float32[np.ndarray, " m"],
    sizes: Float32[np.ndarray, " m"],
    best: Float32[np.ndarray, " s"],
    nearest: Int[np.ndarray, " s"],
) -> None:
    """Write the cluster whose merge raises the sum of squares the least, and by how much."""
    targets = products.shape[1]
    for row in range(products.shape[0]):
        length, size = own_lengths[row], own_sizes[row]
        least_of_all, begin_of_best = _INFINITE, 0
        for begin in range(0, targets - BLOCK + 1, BLOCK):
            least = _INFINITE
            for offset in range(BLOCK):
                column = begin + offset
                gap = length + lengths[column] - _TWO * products[row, column]
                raised = max(gap, _ZERO) * (size * sizes[column] / (size + sizes[column]))
                least = min(least, raised)
            if least < least_of_all:
                least_of_all, begin_of_best = least, begin
        best[row], nearest[row] = _INFINITE, -1
        tail = targets - targets % BLOCK
        for part in range(2):
            begin = begin_of_best if part == 0 else tail
            for column in range(begin, min(begin + BLOCK, targets)):
                gap = length + lengths[column] - _TWO * products[row, column]
                raised = max(gap, _ZERO) * (size * sizes[column] / (size + sizes[column]))
                if raised < best[row]:
                    best[row], nearest[row] = raised, column


def _mutual_pairs(
    best: Float32[np.ndarray, " m"], nearest: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
    """Return the clusters that are each other's nearest: at least one pair."""
    own = np.arange(len(nearest))
    first = own[(nearest[nearest] == own) & (own < nearest)]
    if len(first) == 0:  # ties or rounding can form a cycle
        first = np.array([np.argmin(best)])
    return first, nearest[first]


def halves(rows: Float32[np.ndarray, "m p"]) -> np.ndarray[Any, Any]:
    """Split rows in two by 2-means: (m,) True for the first half; neither half is empty.

    Cost: about 2·m·p multiplications, and the centres from a sample.
    """
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    total = sample.sum(axis=0)
    first = sample[np.argmax(_squared_to(sample, total / np.float32(len(sample))))]
    second = sample[np.argmax(_squared_to(sample, first))]
    for _ in range(_MOVES):
        left = _is_nearer(sample, first, second)
        inside = int(np.count_nonzero(left))
        if inside in (0, len(sample)):
            break
        sum_of_first = left.astype(np.float32) @ sample  # without a copy of half of the rows
        first = sum_of_first / np.float32(inside)
        second = (total - sum_of_first) / np.float32(len(sample) - inside)
    left = _is_nearer(rows, first, second)
    if left.all() or not left.any():
        left = np.arange(len(rows)) < len(rows) // 2
    return left


def _squared_to(
    rows: Float32[np.ndarray, "m p"], point: Float32[np.ndarray, " p"]
) -> Float32[np.ndarray, " m"]:
    gaps = rows - point
    squared: Float32[np.ndarray, " m"] = np.einsum("ij,ij->i", gaps, gaps)
    return squared


def _is_nearer(
    rows: Float32[np.ndarray, "m p"],
    first: Float32[np.ndarray, " p"],
    second: Float32[np.ndarray, " p"],
) -> np.ndarray[Any, Any]:
    axis = second - first
    nearer: np.ndarray[Any, Any] = rows @ axis <= np.float32((second + first) @ axis / 2)
    return nearer
