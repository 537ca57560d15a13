"""A cheap proof that rows are not far from their neighbours; where there is none, nothing is said.

Any k rows are at least as far as the k nearest. So products of rough rows *propose* some, float64
*decides* how far these are, and whoever has them near enough needs no search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.points import Points, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform
from evenly.geometry.search.in_order import products_within
from evenly.geometry.threads import single_threaded_blas

if TYPE_CHECKING:
    from jaxtyping import Float32, Int

__all__ = ["are_near_enough", "median_distance_at_least"]


# Rows that are proposed from first: most rows find near ones among so many.
_FEW = 128


# Bounds in float64 are off by less than this, relatively.
_ROUNDED = 1e-9


def are_near_enough(
    points: Points,
    rows: Int[np.ndarray, " m"],
    k: int,
    others: Int[np.ndarray, " c"],
    reach: float,
) -> bool:
    """Whether the mean distances of rows to their k nearest others are certainly at most `reach`.

    Args:
        points: the pool, in memory.
        rows: (m,) candidates.
        k: how many neighbours.
        others: (c,) the candidates that count as neighbours, ascending.
        reach: a Euclidean distance.

    Returns:
        False also where it would take a search to know.

    Cost: m·c·d multiplications at most; mostly m·128·d.
    """
    open_ = np.arange(len(rows))
    step = max(1, len(others) // _FEW)
    with single_threaded_blas():
        while len(open_):
            some = others[::step]
            if len(some) <= k:
                return False
            # Rows out of float32's range are proposed badly, which costs nothing but a search.
            with np.errstate(all="ignore"):
                nearest = some[_proposed(points, rows[open_], k, some).ravel()]
            one = np.repeat(rows[open_], k)
            squared = squared_distances_between(points, one, points, nearest)
            squared[nearest == one] = np.inf  # no neighbour of itself
            # Summed as means are elsewhere, ascending: rounding cannot put them below the truth.
            distances = np.sqrt(np.sort(squared.reshape(-1, k), axis=1))
            open_ = open_[~(distances.sum(axis=1) / k <= reach)]
            if step == 1:
                break
            step = max(1, step // 4)
    return len(open_) == 0


def median_distance_at_least(points: Points, rows: Int[np.ndarray, " m"]) -> float:
    """A number that the median distance of all pairs of some rows is not below.

    By products of stand-ins, less all that their errors can have added.
    """
    # Not shifted: that would cost more than it gains, but for rows far from zero.
    transform = ProxyTransform.about(points, np.zeros(points.dimension))
    with single_threaded_blas():
        products = products_within(transform.proxies(points, rows), 1, whole=True)
    np.fill_diagonal(products, -np.inf)
    pairs = len(rows) * (len(rows) - 1) // 2
    # The lower of the two in the middle, of pairs that are there twice, behind the diagonal.
    middle = len(rows) + 2 * ((pairs - 1) // 2)
    scale, stretch, error, rounding = map(float, transform.error_bound())
    squared = float(np.partition(products.ravel(), middle)[middle]) - rounding
    reach = math.sqrt(max(0.0, squared)) - error
    return max(0.0, reach / (scale * stretch) * (1.0 - _ROUNDED))


def _proposed(
    points: Points, rows: Int[np.ndarray, " m"], k: int, some: Int[np.ndarray, " c"]
) -> Int[np.ndarray, "m k"]:
    """Positions of k of some rows that are about the nearest to each of `rows`."""
    left, right = _rough(points, rows), _rough(points, some)
    products = left @ right.T
    products *= -2
    products += np.einsum("ij,ij->i", right, right)
    products[rows[:, None] == some] = np.inf
    proposed: Int[np.ndarray, "m k"] = np.argpartition(products, k - 1, axis=1)[:, :k]
    return proposed


def _rough(points: Points, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
    """Rows in float32; without a copy where they are evenly spaced and as they came."""
    step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
    evenly = step > 0 and bool((np.diff(rows) == step).all())
    taken: Any = points.stored[slice(int(rows[0]), None, step)][: len(rows)] if evenly else None
    rough = (points.stored[rows] if taken is None else taken).astype(np.float32, copy=False)
    if points.factors is not None:
        rough = rough * points.factors[rows, None].astype(np.float32)
    found: Float32[np.ndarray, "m d"] = rough
    return found
