"""Compiled loops that find limits for rows about whose nearest rows nothing is known."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from evenly.geometry.kernels.candidates import insert, limit_of_candidate
from evenly.geometry.kernels.exact import squared_distance_of
from evenly.geometry.kernels.int16 import AT_ONCE, TOGETHER, multiply_by_int16
from evenly.geometry.kernels.screening import BLOCK, FAST, limit_of
from evenly.geometry.kernels.sides import Rounding, Side, squared_gap
from evenly.shapes import Float32, Int16

_INFINITE = np.float32(np.inf)
_TWO = np.float32(2)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _panels(
    short: Int16[np.ndarray, "p W"], count: int, width: int, levels: Any
) -> tuple[Int16[np.ndarray, "blocks pairs 16 2"], Float32[np.ndarray, " 16*blocks"]]:
    """Return rows as `multiply_by_int16` reads them, padded to whole tiles, and squared lengths."""
    blocks = -(-count // AT_ONCE) * AT_ONCE // BLOCK
    panels = np.empty((blocks, width // 2, BLOCK, 2), np.int16)
    lengths = np.empty(blocks * BLOCK, np.float32)
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    for row in range(blocks * BLOCK):
        total = np.float32(0)
        for axis in range(width // 2 * 2):
            value = short[row, axis]
            panels[row // BLOCK, axis // 2, row % BLOCK, axis % 2] = value
            total += np.float32(value) * np.float32(value)
        lengths[row] = total * shrink
    return panels, lengths


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def limit_from_near_rows(side: Side, rounding: Rounding) -> None:
    """Lower the limit of each row to the distance of the k that look nearest on its own side.

    Nothing is inserted into `side.squared`: the pairs are compared again.
    """
    levels, bound, ratio = rounding.levels, rounding.bound, rounding.ratio
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    (stored, factors, coincident), rows, short, own_lengths, _, limits, squared, _ = side
    count, k = len(rows), squared.shape[1]
    width = short.shape[1]
    if count <= k:
        return
    panels, lengths = _panels(short, count, width, levels)
    products = np.zeros((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    terms = np.empty(stored.shape[1])
    likely, values = np.empty((TOGETHER, k), np.int64), np.empty((TOGETHER, k), np.float32)
    decided = np.empty(k)
    for first_row in range(0, count, TOGETHER):
        some_rows = min(TOGETHER, count - first_row)
        values[:] = _INFINITE
        for first in range(0, count, AT_ONCE):
            some = panels[first // BLOCK : (first + AT_ONCE) // BLOCK]
            own = lengths[first : first + AT_ONCE]
            multiply_by_int16(short[first_row:], some_rows, some, levels, own, products, smallest)
            for ahead in range(some_rows):
                row = first_row + ahead
                most = values[ahead, k - 1]
                for block in range(smallest.shape[1]):
                    if smallest[ahead, block] >= most:
                        continue
                    for position in range(block * BLOCK, (block + 1) * BLOCK):
                        value = own[position] - _TWO * products[ahead, position]
                        if value >= most or first + position == row or first + position >= count:
                            continue
                        place = k - 1
                        while place > 0 and values[ahead, place - 1] > value:
                            values[ahead, place] = values[ahead, place - 1]
                            likely[ahead, place] = likely[ahead, place - 1]
                            place -= 1
                        values[ahead, place], likely[ahead, place] = value, first + position
                        most = values[ahead, k - 1]
        for ahead in range(some_rows):
            row = first_row + ahead
            if ratio > 0:
                farthest = np.float32(0)
                for near in likely[ahead]:
                    gap = squared_gap(short, own_lengths, row, short, own_lengths, near, shrink)
                    farthest = max(farthest, gap)
                limit = limit_of_candidate(farthest, bound.error, bound.rounding, ratio)
            else:
                decided[:] = np.inf
                for near in likely[ahead]:
                    exact = squared_distance_of(
                        stored, factors, rows[row], stored, factors, rows[near], coincident, terms
                    )
                    insert(decided, exact)
                # Pairs at exactly this distance are of use.
                limit = np.nextafter(limit_of(decided[k - 1], bound), _INFINITE)
            limit = min(limits[row], limit)
            limits[row] = limit if limit >= rounding.floor else -_INFINITE
