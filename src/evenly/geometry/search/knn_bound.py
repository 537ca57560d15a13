"""A cheap proof that rows are near their neighbours, for most rows that are.

Any k rows are at least as far as the k nearest. So float32 products *propose* k rows, float64
*decides* how far they are, and a row that has them near enough needs no search.
"""

from __future__ import annotations

import math

import numpy as np

from evenly.geometry.points import Points, squared_distances_between
from evenly.geometry.screening.proxies import ProxyTransform
from evenly.geometry.search.in_order import products_within
from evenly.geometry.threads import single_threaded_blas
from evenly.shapes import Float32, Int

# Rows to propose neighbours from at first: most rows have near ones among so many.
_FEW = 128

# The relative error of bounds in float64 is below this.
_ROUNDED = 1e-9


def are_near_enough(
    points: Points,
    rows: Int[np.ndarray, " m"],
    k: int,
    others: Int[np.ndarray, " c"],
    reach: float,
) -> bool:
    """Return whether the mean distances of rows to their k nearest are certainly at most `reach`.

    Args:
        points: the pool, in memory.
        rows: (m,) eligible rows.
        k: number of neighbours.
        others: (c,) the eligible rows that count as neighbours, ascending.
        reach: a Euclidean distance.

    Returns:
        False also if only a search could decide.

    Cost: m·c·d multiplications at most; mostly m·128·d.
    """
    undecided = np.arange(len(rows))
    step = max(1, len(others) // _FEW)
    with single_threaded_blas():
        while len(undecided):
            some = others[::step]
            if len(some) <= k:
                return False
            # Proposals for rows outside of float32's range are bad, which only costs a search.
            with np.errstate(all="ignore"):
                nearest = some[_proposed(points, rows[undecided], k, some).ravel()]
            one = np.repeat(rows[undecided], k)
            squared = squared_distances_between(points, one, points, nearest)
            squared[nearest == one] = np.inf  # a row is not its own neighbour
            # Summed in ascending order, like means elsewhere: rounding cannot lower them.
            distances = np.sqrt(np.sort(squared.reshape(-1, k), axis=1))
            undecided = undecided[~(distances.sum(axis=1) / k <= reach)]
            if step == 1:
                break
            step = max(1, step // 4)
    return len(undecided) == 0


def median_distance_at_least(points: Points, rows: Int[np.ndarray, " m"]) -> float:
    """Return a lower bound on the median distance of all pairs of some rows.

    It is computed from products of proxies, less what their errors can have added.
    """
    # Without a shift, which would gain too little unless rows are far from zero.
    transform = ProxyTransform.about(points, np.zeros(points.dimension))
    with single_threaded_blas():
        products = products_within(transform.proxies(points, rows), 1, whole=True)
    np.fill_diagonal(products, -np.inf)
    pairs = len(rows) * (len(rows) - 1) // 2
    # The lower of the two middle pairs; each pair occurs twice, after the diagonal.
    middle = len(rows) + 2 * ((pairs - 1) // 2)
    bound = transform.error_bound()
    squared = float(np.partition(products.ravel(), middle)[middle]) - bound.rounding
    reach = math.sqrt(max(0.0, squared)) - bound.error
    return max(0.0, reach / (bound.scale * bound.stretch) * (1.0 - _ROUNDED))


def _proposed(
    points: Points, rows: Int[np.ndarray, " m"], k: int, some: Int[np.ndarray, " c"]
) -> Int[np.ndarray, "m k"]:
    """Return positions of k of some rows that are about the nearest to each of `rows`."""
    left, right = _rough(points, rows), _rough(points, some)
    products = left @ right.T
    products *= -2
    products += np.einsum("ij,ij->i", right, right)
    products[rows[:, None] == some] = np.inf
    proposed: Int[np.ndarray, "m k"] = np.argpartition(products, k - 1, axis=1)[:, :k]
    return proposed


def _rough(points: Points, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
    """Return rows in float32, without a copy if they are evenly spaced and unchanged."""
    step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
    is_even = step > 0 and bool((np.diff(rows) == step).all())
    taken = points.stored[int(rows[0]) :: step][: len(rows)] if is_even else points.stored[rows]
    rough: Float32[np.ndarray, "m d"] = taken.astype(np.float32, copy=False)
    if points.factors is not None:
        rough = rough * points.factors[rows, None].astype(np.float32)
    return rough
