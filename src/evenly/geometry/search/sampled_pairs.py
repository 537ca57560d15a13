"""Distances of all pairs of some rows, and of the few nearest rows: for estimates and sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.points import Points, blocks, mean_of, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["few_nearest", "squared_distances_of_all_pairs"]


# Products in float64 lose the digits of squares below this part of what they are made from;
# such pairs are subtracted instead.
_CLOSE = 1e-5


_ROWS = 512


# More than are asked for, as float32 may confuse neighbours that are nearly as near.
_SPARE = 4


def squared_distances_of_all_pairs(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " k"]
) -> Iterator[Float[np.ndarray, " p"]]:
    """Squared distances of every two of some rows, each pair once, in parts.

    Within 1e-9 of them, relatively, and exact where they are small or 0.

    Cost: k²·d / 2 multiplications in float64; memory of the rows in float64, and of a part.
    """
    if isinstance(points, DistanceMatrix):
        for begin in range(len(rows)):
            yield points.squared(rows[begin])[rows[begin + 1 :]]
        return
    centred = points.exact(rows) - mean_of(points, rows)
    lengths = np.einsum("ij,ij->i", centred, centred)
    own = points.take(rows)
    # Rows that only rounding tells apart are told by the exact distance too.
    same = _CLOSE**4 * points.longest**2
    for begin in range(0, len(rows), _ROWS):
        block = centred[begin : begin + _ROWS]
        reach = lengths[begin : begin + _ROWS, None] + lengths[begin:]
        squared = reach - 2.0 * (block @ centred[begin:].T)
        later = np.arange(len(lengths) - begin) > np.arange(len(block))[:, None]
        left, right = np.nonzero((squared <= np.maximum(_CLOSE * reach, same)) & later)
        squared[left, right] = squared_distances_between(own, begin + left, own, begin + right)
        yield squared[later]


def few_nearest(
    points: Points | DistanceMatrix, queries: Int[np.ndarray, " q"], count: int
) -> Float[np.ndarray, "q count"]:
    """Squared distances of some candidates to their nearest other candidates, nearest first.

    Exact distances; which rows are near is told by float32 products, so of neighbours that are
    as near within 1e-6 of the pool's width another may be taken. There must be more than
    `count` candidates.

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
        # Without the query's own length, which does not change the order.
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
