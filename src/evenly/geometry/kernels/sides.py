"""Rows on one side of a comparison, and how their rounded proxies are compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.candidates import Candidates
from evenly.geometry.kernels.codes import Codes
from evenly.geometry.kernels.exact import Vectors
from evenly.geometry.kernels.int16 import AT_ONCE
from evenly.geometry.kernels.int16_block import product_of_rows
from evenly.geometry.kernels.screening import FAST, ErrorBound
from evenly.shapes import Float, Float32, Int, Int16, Int32

PADDING = AT_ONCE
"""Rows beyond the last one that arrays must have, so that every tile is whole."""


class Side(NamedTuple):
    """Rows on one side of a comparison, and what is known about their nearest rows.

    Attributes:
        vectors: what distances are computed from.
        rows: (m,) which of them are compared.
        short: (m + PADDING, W) proxies rounded to 16 bits.
        lengths: (m + PADDING,) their squared lengths, which fit in 32 bits as their products do.
        codes: their leading coordinates, rounded further.
        limits: (m + PADDING,) squared distances of `short` from which on a pair is of no use to a
            row; changed in place; -inf for rows that need no further search, and beyond the rows.
        squared: (m, k) exact squared distances to the nearest rows so far, ascending, inf if fewer
            are known; changed in place.
        candidates: rows that are not decided yet; changed in place.
    """

    vectors: Vectors
    rows: Int[np.ndarray, " m"]
    short: Int16[np.ndarray, "p W"]
    lengths: Int32[np.ndarray, " p"]
    codes: Codes
    limits: Float32[np.ndarray, " p"]
    squared: Float[np.ndarray, "m k"]
    candidates: Candidates


class Rounding(NamedTuple):
    """How rounded proxies are compared.

    Attributes:
        width: leading coordinates that codes have.
        bits: of a code.
        tiles: codes are multiplied by `mark_by_tiles`.
        code_levels: what coordinates are multiplied by before they are rounded to codes.
        floor: a row whose limit is below needs no further search: its limit becomes -inf.
        levels: what coordinates were multiplied by before they were rounded to 16 bits.
        bound: how far errors can move the squared distance of two proxies rounded to 16 bits.
        ratio: how much more the proxies of one pair can be lengthened than those of another; 0 if
            there is no bound.
    """

    width: int
    bits: int
    tiles: bool
    code_levels: Any
    floor: Any
    levels: Any
    bound: ErrorBound
    ratio: float


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def squared_gap(
    short: Int16[np.ndarray, "p W"],
    lengths: Int32[np.ndarray, " p"],
    row: int,
    other_short: Int16[np.ndarray, "p W"],
    other_lengths: Int32[np.ndarray, " p"],
    other: int,
    shrink: Any,
) -> Any:
    """Return the squared distance of two rounded proxies."""
    product = product_of_rows(short, row, other_short, other)
    gap = np.int64(lengths[row]) + np.int64(other_lengths[other]) - 2 * np.int64(product)
    return np.float32(gap) * shrink
