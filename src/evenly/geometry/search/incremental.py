"""Rows in their order of arrival: those far enough from all rows kept before are kept."""

from __future__ import annotations

import numba
import numpy as np

from evenly.geometry.kernels.exact import squared_distance
from evenly.geometry.kernels.screening import FAST, Best, Queries, Screen, is_ruled_out, limit_of
from evenly.geometry.points import Points
from evenly.geometry.screening.targets import Targets
from evenly.geometry.search.in_order import lower_in_tiles
from evenly.shapes import Float, Int

_NOTHING = np.float32(0)


def keep_arrivals(
    targets: Targets, points: Points, farther_than: float, room: int, *, threads: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " p"], Float[np.ndarray, " p"], int]:
    """Keep rows that are farther than a distance from all targets and from those kept before.

    Args:
        targets: what was kept so far, numbered by position.
        points: (m,) the rows, in their order of arrival, all in memory. Not many, because all
            pairs of them may be compared.
        farther_than: a Euclidean distance, not squared.
        room: how many rows may be kept, at least 1; the last of them ends the search.
        threads: how many threads to use.

    Returns:
        (a,) the rows that are kept; for each row compared the position of the nearest target, or
        len(targets) + i for the i-th row kept before it, and the distance to it; and how many
        rows were compared. The rows that are kept are not appended to the targets.

    Cost: m·(k + m/2)·d multiplications, most of them as matrix products.
    """
    queries = targets.queries_of(points)
    best = lower_in_tiles(targets, queries, np.full(len(points), np.inf), threads)
    screen = targets.proxies.transform.screen()
    kept, seen = _keep(queries, screen, farther_than, room, len(targets), best)
    return kept, best.nearest[:seen], np.sqrt(best.squared[:seen]), seen


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _keep(
    queries: Queries, screen: Screen, farther_than: float, room: int, first: int, best: Best
) -> tuple[Int[np.ndarray, " a"], int]:
    """Return the rows that are kept, numbered from `first`, and lower `best` by them in place."""
    vectors, proxies, bound = queries.vectors, queries.proxies, screen.error_bound
    squared, nearest = best
    count = len(squared)
    kept = np.empty(min(room, count), np.int64)
    terms = np.empty(vectors.stored.shape[1])
    taken = 0
    for here in range(count):
        if not np.sqrt(squared[here]) > farther_than:
            continue
        kept[taken] = here
        for there in range(here + 1, count):
            limit = limit_of(squared[there], bound)
            if is_ruled_out(proxies, there, proxies, here, screen, _NOTHING, limit):
                continue
            decided = squared_distance(vectors, there, vectors, here, terms)
            if decided < squared[there]:
                squared[there] = decided
                nearest[there] = first + taken
        taken += 1
        if taken == room:
            return kept[:taken], here + 1
    return kept[:taken], count
