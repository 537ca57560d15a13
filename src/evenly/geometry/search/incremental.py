"""Rows in the order in which they arrive: those that are far enough from all before are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import _squared_distance
from evenly.geometry.kernels.screening import FAST, _limit, _ruled_out
from evenly.geometry.points import Points
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import parallel_for

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["keep_arrivals"]


_TILE = 256


_NOTHING = np.float32(0)


def keep_arrivals(
    targets: Targets, points: Points, farther_than: float, room: int, *, threads: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " p"], Float[np.ndarray, " p"], int]:
    """Keep the rows that are farther than a distance from all columns and from those kept before.

    Args:
        targets: what was kept so far, numbered by position.
        points: (m,) the rows, in the order of arrival, all in memory. Not many: their pairs are
            looked at.
        farther_than: a Euclidean distance, not squared.
        room: how many may be kept; the first row that there is no room for ends it.
        threads: how many may compute.

    Returns:
        (a,) which rows are kept; for each row looked at the position of the nearest column, or
        (len(columns) + i) the i-th kept row before it, and the distance to it; and how many rows
        were looked at. The kept rows are not among the columns yet.

    Cost: m·(k + m/2)·d multiplications, most of them as matrix products.
    """
    count = len(points)
    squared = np.full(count, np.inf)
    nearest = np.full(count, len(targets) + count)
    against = targets.beside(points)
    rows = np.arange(count)
    left = against.proxies[rows]

    def compare(begin: int) -> None:
        tile = slice(begin, begin + _TILE)
        lower_to_nearest_of_all(against, rows[tile], left[tile], squared[tile], nearest[tile])

    parallel_for(compare, range(0, count, _TILE), threads=threads)
    transform = targets.proxies.transform
    kept, seen = _keep(
        *points.arrays,
        left,
        transform.chunk,
        tuple(transform.error_bound()),
        points.coincident,
        farther_than,
        room,
        len(targets),
        squared,
        nearest,
    )
    return kept, nearest[:seen], np.sqrt(squared[:seen]), seen


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _keep(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    proxies: Float32[np.ndarray, "m w"],
    chunk: int,
    error_bound: tuple[float, float, float, float],
    coincident: float,
    farther_than: float,
    room: int,
    first: int,
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
) -> tuple[Int[np.ndarray, " a"], int]:
    """`squared` and `nearest` are lowered in place by the rows that are kept."""
    scale, stretch, error, rounding = error_bound
    count = len(squared)
    kept = np.empty(min(room, count), np.int64)
    terms = np.empty(stored.shape[1])
    taken = 0
    for here in range(count):
        if not np.sqrt(squared[here]) > farther_than:
            continue
        if taken == room:
            return kept[:taken], here
        kept[taken] = here
        for there in range(here + 1, count):
            bound = _limit(squared[there], scale, stretch, error, rounding)
            if _ruled_out(proxies, there, proxies, here, 0, chunk, _NOTHING, bound):
                continue
            decided = _squared_distance(
                stored, factors, there, stored, factors, here, coincident, terms
            )
            if decided < squared[there]:
                squared[there] = decided
                nearest[there] = first + taken
        taken += 1
    return kept[:taken], count
