"""Distances of all pairs in a sample, and of the few nearest rows, for estimates and sums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.points import Points, blocks, mean_of, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform
from evenly.shapes import Float, Int

# Products in float64 lose the digits of squared distances below this share of the squared
# lengths; such pairs are subtracted instead.
_CLOSE = 1e-5
_ROWS = 512

# Rows beyond the requested number, because float32 may confuse neighbours at similar distances.
_SPARE = 4


def squared_distances_of_all_pairs(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " k"], *, block_rows: int = _ROWS
) -> Iterator[Float[np.ndarray, " p"]]:
    """Yield the squared distances of all pairs of some rows, each pair once, in parts.

    Their relative error is below 1e-9; small ones, and 0, are exact. Each part holds the pairs of
    `block_rows` rows.

    Cost: k²·d / 2 multiplications in float64; memory of the rows in float64, and of a part.
    """
    if isinstance(points, DistanceMatrix):
        for begin in range(len(rows)):
            yield points.squared(rows[begin])[rows[begin + 1 :]]
        return
    centred = points.exact(rows) - mean_of(points, rows)
    lengths = np.einsum("ij,ij->i", centred, centred)
    own = points.take(rows)
    # Pairs that only rounding distinguishes need the exact distance too.
    same = _CLOSE**4 * points.longest**2
    for begin in range(0, len(rows), block_rows):
        block = centred[begin : begin + block_rows]
        reach = lengths[begin : begin + block_rows, None] + lengths[begin:]
        squared = reach - 2.0 * (block @ centred[begin:].T)
        later = np.arange(len(lengths) - begin) > np.arange(len(block))[:, None]
        left, right = np.nonzero((squared <= np.maximum(_CLOSE * reach, same)) & later)
        squared[left, right] = squared_distances_between(own, begin + left, own, begin + right)
        yield squared[later]


def few_nearest(
    points: Points | DistanceMatrix, queries: Int[np.ndarray, " q"], count: int
) -> Float[np.ndarray, "q count"]:
    """Return the squared distances of eligible rows to their nearest others, nearest first.

    The distances are exact. float32 products find the rows, so among neighbours whose distances
    differ by less than 1e-6 of the pool's width, any may be taken. There must be more than
    `count` eligible rows.

    Cost: n·q·d multiplications in float32; reads the pool once, in blocks.
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        squared = points.squared(queries)[:, rows]
        squared[rows[None, :] == queries[:, None]] = np.inf
        return np.sort(np.partition(squared, count - 1, axis=1)[:, :count], axis=1)
    transform = ProxyTransform.of(points)
    own = transform.proxies(points, queries)
    wanted = min(count + _SPARE, len(rows) - 1)
    near = np.full((len(queries), wanted), np.inf, np.float32)
    names = np.full((len(queries), wanted), -1)
    for part in blocks(len(rows), len(queries), numbers=1 << 22):
        some = rows[part]
        others = transform.proxies(points, some)
        # The query's own length is left out: it does not change the order.
        products = np.einsum("ij,ij->i", others, others) - 2 * (own @ others.T)
        products[some[None, :] == queries[:, None]] = np.inf
        near = np.hstack([near, products])
        names = np.hstack([names, np.broadcast_to(some, products.shape)])
        nearest = np.argpartition(near, wanted - 1, axis=1)[:, :wanted]
        near = np.take_along_axis(near, nearest, axis=1)
        names = np.take_along_axis(names, nearest, axis=1)
    found = squared_distances_between(
        points.take(queries),
        np.repeat(np.arange(len(queries)), wanted),
        points.take(names.ravel()),
        np.arange(names.size),
    )
    return np.sort(found.reshape(names.shape), axis=1)[:, :count]
