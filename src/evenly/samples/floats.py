"""Which float type holds which numbers, without changing the value of any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import VectorError

__all__ = ["ALLOWED", "as_vectors", "check_exact", "check_shape", "float_type"]

ALLOWED = "float16, float32, float64 or integers"


def as_vectors(array: npt.NDArray[Any], origin: str) -> npt.NDArray[Any]:
    """Return `array` as float16, float32 or float64 (n, d) without changing any value.

    Floats are not copied. Integers become the smallest of float32 and float64 that holds
    every value of their type; 64-bit ones are checked to be exact.

    Raises:
        VectorError: the shape or the type is another, or an integer has no exact float.
    """
    masked = isinstance(array, np.ma.MaskedArray)
    check_shape(array.shape, origin, masked=masked)
    found = float_type(array.dtype, origin)
    if array.dtype == found:
        return array
    check_exact(array, origin)
    return array.astype(found)


def check_shape(shape: tuple[int, ...], origin: str, *, masked: bool = False) -> None:
    """Raise VectorError unless `shape` is (n, d) with d at least 1, of an array not masked."""
    if len(shape) != 2 or shape[1] < 1 or masked:
        kind = "masked, of shape" if masked else "of shape"
        raise VectorError(
            f"{origin} is {kind} {tuple(shape)}. Vectors must be a plain array of shape (n, d), "
            "one row each, d at least 1."
        )


def float_type(given: np.dtype[Any], origin: str) -> np.dtype[Any]:
    """Return the float type, in the byte order of this machine, for numbers of the type `given`.

    Raises:
        VectorError: `given` is neither a float of at most 64 bits nor an integer.
    """
    if given.kind == "f" and given.itemsize <= 8:
        # Matrix libraries do not read foreign byte orders.
        return given.newbyteorder("=")
    if given.kind not in "iu":
        raise VectorError(
            f"{origin} has the type {given}. Vectors must be {ALLOWED}: convert them "
            "first, for example with .astype('float32')."
        )
    return np.dtype(np.float32 if given.itemsize <= 2 else np.float64)


def check_exact(
    array: npt.NDArray[Any], origin: str, rows: npt.NDArray[np.int64] | None = None
) -> None:
    """Raise VectorError when a 64-bit integer of `array` (m, d) has no exact float64.

    `rows` (m,) are the row numbers to name; by default rows are counted from 0.
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
            "exact float64 (integers up to 2**53 do)."
        )
