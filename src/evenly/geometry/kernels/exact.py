"""Compiled loops that compute exact squared distances in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import overload

from evenly.shapes import Float, Int

TIE = 1e-12
"""Squared distances within this relative difference are equal: the smaller row number wins."""

# Every option is explicit: numba hands options that are left open on from the caller.
EXACT: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": False,
}
"""Compiler options of loops whose results decide: IEEE arithmetic in the order written."""


class Vectors(NamedTuple):
    """Rows as the compiled loops read them.

    Attributes:
        stored: (n, d) float32, float64 or the bits of float16.
        factors: (n,) numbers that rows are multiplied by; empty if there are none.
        coincident: squared distances below this are 0.
    """

    stored: np.ndarray[Any, Any]
    factors: Float[np.ndarray, " n"]
    coincident: float


def as_float64(value: Any) -> Any:
    """Convert a stored coordinate to float64, inside compiled loops only."""
    return value


@overload(as_float64)
def _as_float64(value):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Decode the bits of a float16 if need be, because numba has no such type."""
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
    """Return the sum, adding one half to the other repeatedly; overwrites `terms`."""
    count = len(terms)
    while count > 1:
        half = (count + 1) // 2
        for position in range(count - half):
            terms[position] += terms[half + position]
        count = half
    return float(terms[0])


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_distance(
    left: Vectors, here: int, right: Vectors, there: int, terms: Float[np.ndarray, " d"]
) -> float:
    """Return the squared distance of two rows; `terms` is scratch memory."""
    return float(
        squared_distance_of(
            left.stored,
            left.factors,
            here,
            right.stored,
            right.factors,
            there,
            left.coincident,
            terms,
        )
    )


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_distance_of(
    left: np.ndarray[Any, Any],
    left_factors: Float[np.ndarray, " n"],
    here: int,
    right: np.ndarray[Any, Any],
    right_factors: Float[np.ndarray, " m"],
    there: int,
    coincident: float,
    terms: Float[np.ndarray, " d"],
) -> float:
    """Do what `squared_distance` does; in a loop, to take no arrays from tuples saves a third."""
    here, there = max(here, 0), max(there, 0)  # what may be negative is not vectorised
    if len(left_factors) > 0:
        here_factor, there_factor = left_factors[here], right_factors[there]
        for axis in range(len(terms)):
            gap = (
                as_float64(left[here, axis]) * here_factor
                - as_float64(right[there, axis]) * there_factor
            )
            terms[axis] = gap * gap
    else:
        for axis in range(len(terms)):
            gap = as_float64(left[here, axis]) - as_float64(right[there, axis])
            terms[axis] = gap * gap
    total = _sum(terms)
    return total if total >= coincident else 0.0


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_distances_of_pairs(
    left: Vectors,
    left_rows: Int[np.ndarray, " p"],
    right: Vectors,
    right_rows: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Return the squared distances of pairs of rows."""
    squared = np.empty(len(left_rows))
    terms = np.empty(left.stored.shape[1])
    for pair in range(len(left_rows)):
        squared[pair] = squared_distance(left, left_rows[pair], right, right_rows[pair], terms)
    return squared


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_lengths_of_rows(rows: np.ndarray[Any, Any]) -> Float[np.ndarray, " m"]:
    """Return the sum of squares of each row."""
    squared = np.empty(rows.shape[0])
    terms = np.empty(rows.shape[1])
    for row in range(rows.shape[0]):
        for axis in range(len(terms)):
            value = as_float64(rows[row, axis])
            terms[axis] = value * value
        squared[row] = _sum(terms)
    return squared


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def add_rows(
    vectors: Vectors,
    rows: Int[np.ndarray, " m"],
    origin: Float[np.ndarray, " d"],
    total: Float[np.ndarray, " d"],
) -> None:
    """Add rows relative to an origin to `total`, in order."""
    stored, factors = vectors.stored, vectors.factors
    for row in rows:
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(len(total)):
            total[axis] += as_float64(stored[row, axis]) * factor - origin[axis]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def squared_distances_to_point(
    vectors: Vectors,
    rows: Int[np.ndarray, " m"],
    origin: Float[np.ndarray, " d"],
    point: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " m"]:
    """Return the squared distances of rows to a point that is given relative to the origin."""
    stored, factors = vectors.stored, vectors.factors
    squared = np.empty(len(rows))
    terms = np.empty(len(point))
    for position in range(len(rows)):
        row = rows[position]
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(len(point)):
            gap = (as_float64(stored[row, axis]) * factor - origin[axis]) - point[axis]
            terms[axis] = gap * gap
        total = _sum(terms)
        squared[position] = total if total >= vectors.coincident else 0.0
    return squared
