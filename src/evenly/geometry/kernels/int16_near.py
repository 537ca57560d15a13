"""Which rows have a target that is certainly nearer than a limit, by products of 16-bit integers.

A row for which only that matters needs no exact distance: most rows are done after the products
with a few targets. Rows are rounded once for all the sets of targets that they are compared with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.int16 import (
    AT_ONCE,
    TOGETHER,
    RoundedTargets,
    multiply_by_int16,
    round_rows,
)
from evenly.geometry.kernels.screening import BLOCK, FAST, ErrorBound, limit_within
from evenly.shapes import Bool, Float32, Int, Int16

# Targets after which the rows that are left are put together again.
_FIRST_STAGE = AT_ONCE // 2
_INFINITE = np.float32(np.inf)


class RoundedRows(NamedTuple):
    """Rows as they are multiplied.

    Attributes:
        short: rounded coordinates, 0 beyond the width.
        lengths: squared lengths of the proxies.
    """

    short: Int16[np.ndarray, "m 2*pairs"]
    lengths: Float32[np.ndarray, " m"]


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def rounded_rows(
    proxies: Float32[np.ndarray, "n W"], rows: Int[np.ndarray, " m"], width: int, levels: Any
) -> RoundedRows:
    """Return rows rounded to 16 bits."""
    short = np.zeros((len(rows), (width + 1) // 2 * 2), np.int16)
    lengths = np.empty(len(rows), np.float32)
    round_rows(proxies, rows, width, levels, short, lengths)
    return RoundedRows(short, lengths)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def drop_near(
    rows: RoundedRows,
    targets: RoundedTargets,
    target_lengths: Float32[np.ndarray, " k"],
    squared: float,
    bound: ErrorBound,
    is_far: Bool[np.ndarray, " m"],
) -> None:
    """Clear `is_far` of rows that have a target whose squared distance is certainly below this.

    Rows for which it is cleared already are passed over.
    """
    limit = limit_within(squared, bound)
    panels, width = targets.panels, rows.short.shape[1]
    short = np.zeros((TOGETHER, width), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    places = np.empty(TOGETHER, np.int64)
    products = np.empty((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    end = panels.shape[0] * BLOCK
    begin, stage = 0, _FIRST_STAGE
    while begin < end:
        until, position = min(begin + stage, end), 0
        while position < len(is_far):
            count = 0
            while position < len(is_far) and count < TOGETHER:
                if is_far[position]:
                    places[count], row_lengths[count] = position, rows.lengths[position]
                    for axis in range(width):
                        short[count, axis] = rows.short[position, axis]
                    count += 1
                position += 1
            first = begin
            while count > 0 and first < until:
                last = min(first + AT_ONCE, until)
                some, lengths = panels[first // BLOCK : last // BLOCK], target_lengths[first:last]
                multiply_by_int16(short, count, some, targets.levels, lengths, products, smallest)
                kept = 0
                for row in range(count):
                    promise = _INFINITE
                    for block in range((last - first) // BLOCK):
                        promise = min(promise, smallest[row, block])
                    if promise + row_lengths[row] < limit:
                        is_far[places[row]] = False
                        continue
                    if kept < row:
                        places[kept], row_lengths[kept] = places[row], row_lengths[row]
                        for axis in range(width):
                            short[kept, axis] = short[row, axis]
                    kept += 1
                count, first = kept, last
        begin, stage = until, 4 * stage
