"""Compiled loops that find the k nearest rows of many rows at once, each pair compared only once.

Rows are kept as 16-bit integers: proxies rounded to `levels`. Their products, over the leading
coordinates, give the squared distance of two rounded proxies; a pair that they do not rule out is
compared in the other coordinates, and at last decided in float64. What is found counts for both
rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, Vectors, squared_distance_of
from evenly.geometry.kernels.int16 import AT_ONCE, TOGETHER, multiply_by_int16
from evenly.geometry.kernels.screening import BLOCK, FAST, ErrorBound, limit_of
from evenly.shapes import Float, Float32, Int, Int16

PADDING = AT_ONCE
"""Rows beyond the last one that arrays must have, so that every tile is whole."""

_INFINITE = np.float32(np.inf)
_TWO = np.float32(2)


class Side(NamedTuple):
    """Rows on one side of a comparison, and what is known about their nearest rows.

    Attributes:
        vectors: what distances are computed from.
        rows: (m,) which of them are compared.
        short: (m + PADDING, W) rounded proxies; W is even.
        lengths: (m + PADDING,) squared lengths of the coordinates that products cover; inf beyond
            the rows.
        limits: (m + PADDING,) products from which on a pair is of no use to a row; changed in
            place; -inf for rows that need no further search, and beyond the rows.
        squared: (m, k) exact squared distances to the nearest rows so far, ascending, inf if fewer
            are known; changed in place.
    """

    vectors: Vectors
    rows: Int[np.ndarray, " m"]
    short: Int16[np.ndarray, "p W"]
    lengths: Float32[np.ndarray, " p"]
    limits: Float32[np.ndarray, " p"]
    squared: Float[np.ndarray, "m k"]


class Rounding(NamedTuple):
    """How rounded proxies are compared.

    Attributes:
        width: leading coordinates that products cover, an even number.
        chunk: coordinates after those that are summed before a pair is tested again; a number
            that the compiler does not know, or it would not vectorise the loop.
        floor: a row whose limit is below needs no further search: its limit becomes -inf.
        levels: what coordinates were multiplied by before they were rounded.
        bound: how far errors can move the squared distance of two rounded proxies.
    """

    width: int
    chunk: int
    floor: Any
    levels: Any
    bound: ErrorBound


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def squared_lengths_of_short(
    short: Int16[np.ndarray, "m W"], width: int, levels: Any, lengths: Float32[np.ndarray, " m"]
) -> None:
    """Write the squared lengths of the first `width` coordinates of rounded proxies."""
    shrink = 1.0 / (np.float64(levels) * np.float64(levels))
    for row in range(short.shape[0]):
        total = np.float64(0)
        for axis in range(width):
            value = np.float64(short[row, axis])
            total += value * value
        lengths[row] = np.float32(total * shrink)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _panels(
    short: Int16[np.ndarray, "p W"], count: int, width: int
) -> Int16[np.ndarray, "blocks pairs 16 2"]:
    """Return rows as `multiply_by_int16` reads them, padded to whole tiles."""
    blocks = -(-count // AT_ONCE) * AT_ONCE // BLOCK
    panels = np.empty((blocks, width // 2, BLOCK, 2), np.int16)
    for row in range(blocks * BLOCK):
        for pair in range(width // 2):
            panels[row // BLOCK, pair, row % BLOCK, 0] = short[row, 2 * pair]
            panels[row // BLOCK, pair, row % BLOCK, 1] = short[row, 2 * pair + 1]
    return panels


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _insert(known: Float[np.ndarray, " k"], decided: float) -> None:
    """Insert a distance into ascending ones, dropping the largest."""
    place = len(known) - 1
    while place > 0 and known[place - 1] > decided:
        known[place] = known[place - 1]
        place -= 1
    known[place] = decided


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def limit_from_near_rows(side: Side, rounding: Rounding) -> None:
    """Lower the limit of each row to the distance of the k that look nearest among AT_ONCE rows.

    Nothing is inserted into `side.squared`: the pairs are compared again.
    """
    width, levels, bound = rounding.width, rounding.levels, rounding.bound
    (stored, factors, coincident), rows, short, lengths, limits, squared = side
    count, k = len(rows), squared.shape[1]
    panels = _panels(short, count, width)
    products = np.zeros((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    terms = np.empty(stored.shape[1])
    likely, values, decided = np.empty(k, np.int64), np.empty(k, np.float32), np.empty(k)
    for first in range(0, count, AT_ONCE):
        last = min(first + AT_ONCE, count)
        if last - first <= k:
            continue
        some = panels[first // BLOCK : (first + AT_ONCE) // BLOCK]
        own = lengths[first : first + AT_ONCE]
        multiply_by_int16(short[first:], last - first, some, levels, own, products, smallest)
        for row in range(last - first):
            values[:] = _INFINITE
            for position in range(last - first):
                value = own[position] - _TWO * products[row, position]
                if value < values[k - 1] and position != row:
                    place = k - 1
                    while place > 0 and values[place - 1] > value:
                        values[place], likely[place] = values[place - 1], likely[place - 1]
                        place -= 1
                    values[place], likely[place] = value, first + position
            decided[:] = np.inf
            for near in likely:
                gap = squared_distance_of(
                    stored,
                    factors,
                    rows[first + row],
                    stored,
                    factors,
                    rows[near],
                    coincident,
                    terms,
                )
                _insert(decided, gap)
            # Pairs at exactly this distance are of use.
            limit = np.nextafter(limit_of(decided[k - 1], bound), _INFINITE)
            limit = min(limits[first + row], limit)
            limits[first + row] = limit if limit >= rounding.floor else -_INFINITE


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _rest(
    left: Int16[np.ndarray, "m W"],
    here: int,
    right: Int16[np.ndarray, "p W"],
    there: int,
    width: int,
    chunk: int,
    shrink: Any,
    known: Any,
    limit: Any,
) -> Any:
    """Add the coordinates after the first `width` to a squared distance, up to a limit."""
    total = known
    # Numbers that may be negative keep the loop from being vectorised.
    begin, here, there = max(width, 0), max(here, 0), max(there, 0)
    while begin < left.shape[1]:
        part = np.float32(0)
        for axis in range(chunk):
            gap = np.float32(left[here, begin + axis]) - np.float32(right[there, begin + axis])
            part += gap * gap
        total += part * shrink
        if total >= limit:
            return total
        begin += chunk
    return total


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_each_other(left: Side, right: Side, rounding: Rounding, same: bool) -> None:
    """Compare all rows of two sides; lower `squared` and `limits` of both in place.

    Args:
        left, right: the sides, with no row in common unless they are the same.
        rounding: how their proxies are compared.
        same: the sides are the same; each pair of its rows is compared once.
    """
    width, chunk, floor, levels, bound = rounding
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    (stored, factors, coincident), rows, short, lengths, limits, squared = left
    (points, other_factors, _), others, right_short, right_lengths, right_limits, right_squared = (
        right
    )
    last = squared.shape[1] - 1
    panels = _panels(right_short, len(others), width)
    products = np.zeros((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    highest = np.empty(AT_ONCE // BLOCK, np.float32)
    terms = np.empty(stored.shape[1])
    for first_row in range(0, len(rows), TOGETHER):
        count = min(TOGETHER, len(rows) - first_row)
        begin = first_row // AT_ONCE * AT_ONCE if same else 0
        for first in range(begin, len(others), AT_ONCE):
            some = panels[first // BLOCK : (first + AT_ONCE) // BLOCK]
            own = right_lengths[first : first + AT_ONCE]
            theirs = right_limits[first : first + AT_ONCE]
            multiply_by_int16(short[first_row:], count, some, levels, own, products, smallest)
            for block in range(len(highest)):
                most = -_INFINITE
                for position in range(block * BLOCK, (block + 1) * BLOCK):
                    most = max(most, theirs[position])
                highest[block] = most
            for ahead in range(count):
                row = first_row + ahead
                length, limit = lengths[row], limits[row]
                for block in range(len(highest)):
                    if smallest[ahead, block] + length >= max(limit, highest[block]):
                        continue
                    for position in range(block * BLOCK, (block + 1) * BLOCK):
                        product = own[position] - _TWO * products[ahead, position] + length
                        larger = max(limit, theirs[position])
                        if product >= larger:
                            continue
                        other = first + position
                        if same and other <= row:
                            continue
                        rest = _rest(
                            short, row, right_short, other, width, chunk, shrink, product, larger
                        )
                        if rest >= larger:
                            continue
                        decided = squared_distance_of(
                            stored,
                            factors,
                            rows[row],
                            points,
                            other_factors,
                            others[other],
                            coincident,
                            terms,
                        )
                        if decided < squared[row, last]:
                            _insert(squared[row], decided)
                            limit = min(limit, limit_of(squared[row, last], bound))
                            limit = limit if limit >= floor else -_INFINITE
                        if decided < right_squared[other, last]:
                            _insert(right_squared[other], decided)
                            reached = min(
                                theirs[position], limit_of(right_squared[other, last], bound)
                            )
                            theirs[position] = reached if reached >= floor else -_INFINITE
                limits[row] = limit
