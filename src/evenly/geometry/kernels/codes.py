"""Codes: the leading coordinates of proxies, rounded to integers of 8 or 16 bits for products.

Rounding moves each row by `off` at most, which is measured. So if the proxies of two rows are at
most r apart, their codes, divided by the levels they were multiplied by, are at most r + 2 `off`
apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.int16 import AT_ONCE
from evenly.geometry.kernels.marks import SHIFT
from evenly.geometry.kernels.screening import BLOCK, FAST
from evenly.shapes import Float32, Int32

MOST = {8: 127, 16: 16_384}
"""The largest code, by its number of bits. The codes of a row are a vector that is little longer
than 2**14, with 16 bits, or with 8 bits and at most WIDEST coordinates: products fit in 32 bits."""

WIDEST = 8192
"""Coordinates of codes of 8 bits."""

MIXED = 32
"""Coordinates that a code depends on."""


OUT = -(2**30)
"""The start of rows that do not count: no sum of a product and another start is as small."""

_LINE = 64


class Codes(NamedTuple):
    """Rows as small integers, padded to whole tiles.

    Attributes:
        tiles: the codes of BLOCK rows and of TILE_BYTES each together, row by row, if they are
            multiplied by tiles; else none.
        panels: the codes of 32 bits of BLOCK rows together.
        starts: (p,) the opposite of half of the squared length of each row, rounded down; OUT
            beyond the rows.
        shifts: (p,) what the shift of the other side adds to its products.
        off: how far codes are from proxies, at most.
    """

    tiles: Int32[np.ndarray, "blocks groups 16"]
    panels: Int32[np.ndarray, "blocks groups 16"]
    starts: Int32[np.ndarray, " p"]
    shifts: Int32[np.ndarray, " p"]
    off: float


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def mixed(proxies: Float32[np.ndarray, "m W"], width: int) -> Float32[np.ndarray, "m w"]:
    """Return the first `width` coordinates, turned so that they are of about the same size.

    The turn is a Walsh-Hadamard transform of MIXED coordinates, `width` / MIXED apart from each
    other. Otherwise the first ones of principal axes, which are much larger than the others, would
    decide how finely all are rounded. If `width` is no multiple of MIXED, nothing is turned.
    """
    made = np.empty((proxies.shape[0], width), np.float32)
    if width % MIXED:
        made[:] = proxies[:, :width]
        return made
    shrink, step = np.float32(1 / np.sqrt(MIXED)), max(width // MIXED, 1)
    for row in range(len(made)):
        for axis in range(width):
            made[row, axis] = proxies[row, axis] * shrink
        half = 1
        while half < MIXED:
            for first in range(0, MIXED, 2 * half):
                for place in range(first * step, (first + half) * step):
                    one, other = made[row, place], made[row, place + half * step]
                    made[row, place], made[row, place + half * step] = one + other, one - other
            half *= 2
    return made


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def fill_codes(made: Float32[np.ndarray, "m w"], levels: Any, most: Any, codes: Any) -> Any:
    """Round mixed proxies to codes; return the largest squared error of a row."""
    largest, shrink = np.float32(0), np.float32(1) / levels
    for row in range(made.shape[0]):
        off = np.float32(0)
        for axis in range(made.shape[1]):
            value = made[row, axis]
            rounded = min(max(np.rint(value * levels), -most), most)
            codes[row, axis] = rounded
            gap = value - rounded * shrink
            off += gap * gap
        largest = max(largest, off)
    return largest


def codes_of(some: np.ndarray[Any, Any], off: float, *, tiles: bool = False) -> Codes:
    """Return codes of rows, padded to whole tiles and one block more, for parts of a tile.

    Args:
        some: (m, w) codes; w is a multiple of TILE_BYTES for tiles, else of those of 32 bits.
        off: how far they are from proxies, at most.
        tiles: they will be multiplied by `mark_by_tiles`.
    """
    padded = -(-len(some) // AT_ONCE) * AT_ONCE + BLOCK
    codes = np.zeros((padded, some.shape[1]), some.dtype)
    codes[: len(some)] = some
    groups = codes.view(np.int32).reshape(padded // BLOCK, BLOCK, -1)
    panels = _aligned(groups.transpose(0, 2, 1))
    starts = _aligned(-(np.einsum("ij,ij->i", codes, codes, dtype=np.int32) // 2))
    starts[len(some) :] = OUT
    shifts = SHIFT * codes.sum(axis=1, dtype=np.int32)
    if tiles or some.dtype != np.int8:
        shifts[:] = 0
    own = panels[:0]
    if tiles:
        across = groups.reshape(-1, BLOCK, groups.shape[2] // BLOCK, BLOCK).transpose(0, 2, 1, 3)
        own = _aligned(across.reshape(panels.shape))
    return Codes(own, panels, starts, shifts, off)


def _aligned(made: Int32[np.ndarray, "..."]) -> Int32[np.ndarray, "..."]:
    """Return a copy that begins where a line of the cache does."""
    memory = np.empty(made.nbytes + _LINE, np.uint8)
    begin = -memory.ctypes.data % _LINE
    copy = memory[begin : begin + made.nbytes].view(made.dtype).reshape(made.shape)
    copy[:] = made
    return copy
