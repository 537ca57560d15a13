"""Compiled loops that compute exact squared distances in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = [
    "EXACT",
    "add_rows",
    "squared_distances_of_pairs",
    "squared_distances_to_point",
    "squared_lengths_of_rows",
]


# Said outright: a function whose options are left open takes those of whatever calls it first.
EXACT: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": False,
}
"""How loops that decide are compiled."""


def _number(value: Any) -> Any:
    return value


@overload(_number)
def _number_of(value):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """float16 comes as its bits: numba has no such type."""
    if value == types.uint16:

        def half(value):  # type: ignore[no-untyped-def]
            bits = np.uint32(value)
            shifted = ((bits & np.uint32(0x7FFF)) << np.uint32(13)) | (
                (bits & np.uint32(0x8000)) << np.uint32(16)
            )
            if (shifted & np.uint32(0x0F800000)) == np.uint32(0x0F800000):  # infinite or NaN
                shifted |= np.uint32(0x7F800000)
            return np.float64(np.uint32(shifted).view(np.float32) * np.float32(2.0**112))

        return half
    return lambda value: np.float64(value)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _sum(terms: Float[np.ndarray, " d"]) -> float:
    """The sum, halves added to halves; `terms` is used up."""
    count = len(terms)
    while count > 1:
        half = (count + 1) // 2
        for position in range(count - half):
            terms[position] += terms[half + position]
        count = half
    return float(terms[0])


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _squared_distance(
    left: np.ndarray[Any, Any],
    left_factors: Float[np.ndarray, " n"],
    here: int,
    right: np.ndarray[Any, Any],
    right_factors: Float[np.ndarray, " m"],
    there: int,
    coincident: float,
    terms: Float[np.ndarray, " d"],
) -> float:
    if len(left_factors) > 0:
        here_factor, there_factor = left_factors[here], right_factors[there]
        for axis in range(len(terms)):
            gap = (
                _number(left[here, axis]) * here_factor - _number(right[there, axis]) * there_factor
            )
            terms[axis] = gap * gap
    else:
        for axis in range(len(terms)):
            gap = _number(left[here, axis]) - _number(right[there, axis])
            terms[axis] = gap * gap
    total = _sum(terms)
    return total if total >= coincident else 0.0


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
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

    Rows are float32, float64 or the bits of float16, multiplied by their factors first (1,
    where there are none).
    """
    squared = np.empty(len(left_rows))
    terms = np.empty(left.shape[1])
    for pair in range(len(left_rows)):
        squared[pair] = _squared_distance(
            left,
            left_factors,
            left_rows[pair],
            right,
            right_factors,
            right_rows[pair],
            coincident,
            terms,
        )
    return squared


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_lengths_of_rows(rows: np.ndarray[Any, Any]) -> Float[np.ndarray, " m"]:
    """Sum of squares of each row."""
    squared = np.empty(rows.shape[0])
    terms = np.empty(rows.shape[1])
    for row in range(rows.shape[0]):
        for axis in range(len(terms)):
            value = _number(rows[row, axis])
            terms[axis] = value * value
        squared[row] = _sum(terms)
    return squared


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def add_rows(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    origin: Float[np.ndarray, " d"],
    total: Float[np.ndarray, " d"],
) -> None:
    """Add rows, multiplied by their factors and relative to the origin, to the total, in order."""
    for row in rows:
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(len(total)):
            total[axis] += _number(stored[row, axis]) * factor - origin[axis]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_distances_to_point(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    origin: Float[np.ndarray, " d"],
    point: Float[np.ndarray, " d"],
    coincident: float,
) -> Float[np.ndarray, " m"]:
    """Squared distances of rows to a point that is given relative to the origin."""
    squared = np.empty(len(rows))
    terms = np.empty(len(point))
    for position in range(len(rows)):
        row = rows[position]
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(len(point)):
            gap = (_number(stored[row, axis]) * factor - origin[axis]) - point[axis]
            terms[axis] = gap * gap
        total = _sum(terms)
        squared[position] = total if total >= coincident else 0.0
    return squared
