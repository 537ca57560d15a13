"""Converts numbers to float types that hold them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import VectorError

ALLOWED = "float16, float32, float64 or integers"


def as_vectors(array: npt.NDArray[Any], origin: str) -> npt.NDArray[Any]:
    """Return `array` as float16, float32 or float64 (n, d) without changing any value.

    Floats are not copied. Integers become float32 or float64, whichever is the smallest that
    holds every value of their type; 64-bit integers are checked for exactness.

    Raises:
        VectorError: the shape or type is invalid, or an integer has no exact float64.
    """
    masked = isinstance(array, np.ma.MaskedArray)
    check_shape(array.shape, origin, masked=masked)
    found = float_type(array.dtype, origin)
    if array.dtype == found:
        return array
    check_exact(array, origin)
    return array.astype(found)


def check_shape(shape: tuple[int, ...], origin: str, *, masked: bool = False) -> None:
    """Raise VectorError unless `shape` is (n, d) with d at least 1, and not masked."""
    if len(shape) != 2 or shape[1] < 1 or masked:
        kind = "masked, of shape" if masked else "of shape"
        raise VectorError(
            f"{origin} is {kind} {tuple(shape)}. Vectors must be a plain array of shape (n, d), "
            "one per row, with d at least 1."
        )


def float_type(dtype: np.dtype[Any], origin: str) -> np.dtype[Any]:
    """Return the float type, in the byte order of this machine, that holds numbers of `dtype`.

    Raises:
        VectorError: `dtype` is neither a float of at most 64 bits nor an integer.
    """
    if dtype.kind == "f" and dtype.itemsize <= 8:
        # Matrix libraries do not read foreign byte orders.
        return dtype.newbyteorder("=")
    if dtype.kind not in "iu":
        raise VectorError(
            f"{origin} has the type {dtype}. Vectors must be {ALLOWED}: convert them "
            "first, for example with .astype('float32')."
        )
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def check_exact(
    array: npt.NDArray[Any], origin: str, rows: npt.NDArray[np.int64] | None = None
) -> None:
    """Raise VectorError if a 64-bit integer of `array` (m, d) has no exact float64.

    `rows` (m,) are the row numbers for the message; by default 0 to m - 1.
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return
    too_large = array > 2**53
    if array.dtype.kind == "i":
        too_large |= array < -(2**53)
    inexact = np.argwhere(too_large)
    if len(inexact):
        row, column = inexact[0]
        raise VectorError(
            f"{origin}, row {row if rows is None else rows[row]}: {array[row, column]} has no "
            "exact float64. Integers must lie between -2**53 and 2**53."
        )
