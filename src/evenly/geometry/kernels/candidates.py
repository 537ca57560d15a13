"""Candidates: the rows that look nearest to a row, kept until their distances are decided together.

While rows are compared, the k nearest change many times. So only squared distances of proxies are
kept in order, and exact ones are computed at last, of hardly more than k rows.

**The limit.** If the proxies of k rows are at most r apart from those of a row, the true distances
are at most (sqrt(r² + H) + E) / (scale.b'), so that no row is among the k nearest unless its proxy
is nearer than (sqrt(r² + H) + E).b/b' + E, with the E, H, b and b' of
`evenly.geometry.screening.proxies`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, Vectors, squared_distance_of
from evenly.geometry.kernels.screening import FAST
from evenly.shapes import Float, Float32, Int32

_INFINITE = np.float32(np.inf)


class Candidates(NamedTuple):
    """What may be among the k nearest of each row.

    Attributes:
        near: (m, c) squared distances of proxies, ascending; inf for places that are free.
        who: (m, c) row numbers among the vectors on the other side.
    """

    near: Float32[np.ndarray, "m c"]
    who: Int32[np.ndarray, "m c"]


def no_candidates(count: int, k: int) -> Candidates:
    """Return room for a few more than k candidates of each row."""
    room = k + max(6, k // 2)
    near = np.full((count, room), np.inf, np.float32)
    return Candidates(near, np.zeros((count, room), np.int32))


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def limit_of_candidate(near: Any, error: float, rounding: float, ratio: float) -> Any:
    """Return from which squared distance of proxies on no row is nearer than a candidate.

    Args:
        near: squared distance of the candidate's proxy.
        error, rounding, ratio: E, H and b/b'.
    """
    if near == _INFINITE:
        return _INFINITE
    reach = (np.sqrt(np.float64(near) + rounding) + error) * ratio + error
    return np.nextafter(np.float32(reach * reach + rounding), _INFINITE)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def add_candidate(
    near: Float32[np.ndarray, "m c"],
    who: Int32[np.ndarray, "m c"],
    row: int,
    value: Any,
    other: int,
) -> None:
    """Insert a candidate of a row in order, over the last place."""
    place = near.shape[1] - 1
    while place > 0 and near[row, place - 1] > value:
        near[row, place], who[row, place] = near[row, place - 1], who[row, place - 1]
        place -= 1
    near[row, place], who[row, place] = value, other


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def insert(known: Float[np.ndarray, " k"], decided: float) -> None:
    """Insert a distance into ascending ones, dropping the largest."""
    place = len(known) - 1
    while place > 0 and known[place - 1] > decided:
        known[place] = known[place - 1]
        place -= 1
    known[place] = decided


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def decide_candidates(
    left: Vectors,
    row: int,
    right: Vectors,
    near: Float32[np.ndarray, " c"],
    who: Int32[np.ndarray, " c"],
    limit: Any,
    squared: Float[np.ndarray, " k"],
    terms: Float[np.ndarray, " d"],
) -> None:
    """Write the exact distances to the candidates of one row that are below the limit.

    Args:
        left, right: what distances are computed from.
        row: the row, among those of `left`.
        near, who: its candidates; none are left afterwards.
        limit: the row's.
        squared: its smallest squared distances so far, ascending; changed in place.
        terms: scratch memory.
    """
    for place in range(len(near)):
        if near[place] < limit:
            decided = squared_distance_of(
                left.stored,
                left.factors,
                row,
                right.stored,
                right.factors,
                who[place],
                left.coincident,
                terms,
            )
            if decided < squared[-1]:
                insert(squared, decided)
        near[place] = _INFINITE
