"""The two inner loops that are too fine-grained for array operations, compiled by numba.

Sums may be reordered (`reassoc`), so that they use all lanes of the processor; nothing is
contracted, so equal rows are at distance exactly 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["greedy_within", "squared_distances_of_pairs"]

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"reassoc", "nsz"},
    "error_model": "numpy",
}


@numba.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def squared_distances_of_pairs(
    left: np.ndarray[Any, Any],
    left_factors: Float[np.ndarray, " n"],
    left_rows: Int[np.ndarray, " p"],
    right: np.ndarray[Any, Any],
    right_factors: Float[np.ndarray, " m"],
    right_rows: Int[np.ndarray, " p"],
    coincident: float,
) -> Float[np.ndarray, " p"]:
    """Squared distances of pairs of rows; those below `coincident` are 0.

    Rows are float32 or float64, multiplied by their factors first (1, where there are none).
    """
    squared = np.empty(len(left_rows))
    for pair in range(len(left_rows)):
        squared[pair] = _squared_distance(
            left, left_factors, left_rows[pair], right, right_factors, right_rows[pair], coincident
        )
    return squared


@numba.njit(**_OPTIONS, inline="always")  # type: ignore[untyped-decorator]
def _squared_distance(
    left: np.ndarray[Any, Any],
    left_factors: Float[np.ndarray, " n"],
    here: int,
    right: np.ndarray[Any, Any],
    right_factors: Float[np.ndarray, " m"],
    there: int,
    coincident: float,
) -> float:
    total = 0.0
    if len(left_factors) > 0:
        here_factor, there_factor = left_factors[here], right_factors[there]
        for axis in range(left.shape[1]):
            gap = left[here, axis] * here_factor - right[there, axis] * there_factor
            total += gap * gap
    else:
        for axis in range(left.shape[1]):
            gap = np.float64(left[here, axis]) - np.float64(right[there, axis])
            total += gap * gap
    return total if total >= coincident else 0.0


@numba.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def greedy_within(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    bounds: np.ndarray[Any, Any],
    to_bound: float,
    bounds_decide: bool,
    coincident: float,
    numbers: Int[np.ndarray, " m"],
    ceiling: float,
    ceiling_number: int,
    owed: int,
    tie: float,
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Farthest first among the rows of a frontier, for as long as picks are certain.

    `bounds` rule out pairs; where they decide, they are the squared distances themselves.
    The other arguments are those of `Frontier`; `squared` is used up. Returns positions and
    squared radii. See `selection.farthest_first` for when a pick is certain.
    """
    positions = np.empty(owed, np.int64)
    radii = np.empty(owed)
    count = 0
    largest = max(squared.max(), ceiling)
    position = 0
    while squared[position] < largest * (1.0 - tie):
        position += 1
    while True:
        positions[count] = position
        radii[count] = squared[position]
        count += 1
        squared[position] = -np.inf
        if count == owed:
            break
        largest = -np.inf
        for row in range(len(squared)):
            if bounds[position, row] < squared[row] * to_bound:
                if bounds_decide:
                    decided = np.float64(bounds[position, row])
                else:
                    decided = _squared_distance(
                        stored, factors, row, stored, factors, position, coincident
                    )
                squared[row] = min(squared[row], decided)
            largest = max(largest, squared[row])
        if largest == -np.inf:
            break
        position = 0
        while squared[position] < largest * (1.0 - tie):
            position += 1
        if ceiling >= largest * (1.0 - tie) and (
            squared[position] < ceiling * (1.0 - tie) or numbers[position] > ceiling_number
        ):
            break
    return positions[:count], radii[:count]
