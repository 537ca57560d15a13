"""Compiled loops that find the k nearest rows of many rows at once, each pair compared only once.

Products of codes (see `evenly.geometry.kernels.codes` and `tiles`) mark the pairs that may be near
enough for one of both rows. These are compared as proxies rounded to 16 bits, and the nearest of
them are candidates for both rows, which are decided in float64 at last. If proxies lack some
coordinates, so that they do not say how near rows are at least, pairs are decided at once.

**Marks.** Let p and q be the codes of two rows, P and Q their squared lengths, and T the largest
squared distance of codes at which a pair may be of use to a row. A pair is marked unless P + Q -
2 p.q is above T of both its rows, that is, if p.q - Q/2 > P/2 - T/2 of the one row, or p.q - Q/2 +
T/2 of the other > P/2. Halves are rounded so that more pairs are marked, never fewer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.candidates import (
    Candidates,
    add_candidate,
    decide_candidates,
    insert,
    limit_of_candidate,
)
from evenly.geometry.kernels.codes import Codes
from evenly.geometry.kernels.exact import Vectors, squared_distance_of
from evenly.geometry.kernels.int16 import AT_ONCE, TOGETHER, multiply_by_int16
from evenly.geometry.kernels.int16_block import BLOCKS, ROWS, product_of_rows
from evenly.geometry.kernels.marks import lowest_bit, mark_by_int8, mark_by_int16
from evenly.geometry.kernels.screening import BLOCK, FAST, ErrorBound, limit_of
from evenly.geometry.kernels.tiles import (
    SCRATCH,
    TILE_ROWS,
    begin_tiles,
    end_tiles,
    mark_by_tiles,
)
from evenly.shapes import Float, Float32, Int, Int16, Int32

PADDING = AT_ONCE
"""Rows beyond the last one that arrays must have, so that every tile is whole."""

# No squared distance of codes is larger. Rows that do not count have a start that no other sum has.
_LARGEST, _OUT = 2**30, -(2**30)

_INFINITE = np.float32(np.inf)
_TWO = np.float32(2)


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
    (stored, factors, coincident), rows, short, _, _, limits, squared, _ = side
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
                    gap = _squared(side, row, side, near, shrink)
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


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _squared(left: Side, here: int, right: Side, there: int, shrink: Any) -> Any:
    """Return the squared distance of two rounded proxies."""
    product = product_of_rows(left.short, here, right.short, there)
    gap = np.int64(left.lengths[here]) + np.int64(right.lengths[there]) - 2 * np.int64(product)
    return np.float32(gap) * shrink


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _half_reaches(
    limits: Float32[np.ndarray, " p"], off: float, levels: Any, reaches: Int32[np.ndarray, " p"]
) -> None:
    """Write at least half of the squared distances of codes below which pairs are of use."""
    for row in range(len(reaches)):
        reach = (np.sqrt(max(np.float64(limits[row]), 0.0)) + off) * levels
        squared = min(reach * reach * (1.0 + 2.0**-20) + 2.0, np.float64(_LARGEST))
        reaches[row] = np.int32(squared / 2) + 1 if limits[row] > 0 else -1


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _with_room(side: Side, row: int, others: Vectors, limit: Any, bound: ErrorBound) -> Any:
    """Decide the candidates of a row that has no room for more; return its new limit.

    This is rare, except among ties.
    """
    near, who = side.candidates
    terms = np.empty(side.vectors.stored.shape[1])
    known = side.squared[row]
    decide_candidates(
        side.vectors, side.rows[row], others, near[row], who[row], limit, known, terms
    )
    return min(limit, limit_of(known[-1], bound))


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def decide(side: Side, others: Vectors) -> None:
    """Write the exact distances to all candidates of a side, which are among `others`."""
    vectors, rows, _, _, _, limits, squared, (near, who) = side
    terms = np.empty(vectors.stored.shape[1])
    for row in range(len(rows)):
        decide_candidates(
            vectors, rows[row], others, near[row], who[row], limits[row], squared[row], terms
        )


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_each_other(left: Side, right: Side, rounding: Rounding, same: bool) -> None:
    """Compare all rows of two sides; lower `squared` and `limits` of both in place.

    Args:
        left, right: the sides, with no row in common unless they are the same.
        rounding: how their proxies are compared.
        same: the sides are the same; each pair of its rows is compared once.
    """
    _, bits, tiles, code_levels, floor, levels, bound, ratio = rounding
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    vectors, rows, _, _, codes, limits, squared, (near, who) = left
    stored, factors, coincident = vectors
    lines, panels, halves, shifts, off = codes
    other_vectors, others, _, _, right_codes, right_limits, right_squared, right_candidates = right
    right_near, right_who = right_candidates
    points, other_factors, _ = other_vectors
    _, right_panels, right_halves, _, right_off = right_codes
    off += right_off
    last, room = squared.shape[1] - 1, near.shape[1] - 1
    error, slack = bound.error, bound.rounding
    starts = -right_halves
    starts[len(others) :] = _OUT
    # Computed once for many rows: limits that are somewhat too large mark a few more pairs.
    reaches = np.empty(len(right_limits), np.int32)
    _half_reaches(right_limits, off, code_levels, reaches)
    least, half = np.empty(TOGETHER, np.int32), np.empty(TOGETHER, np.int32)
    words = np.empty((TOGETHER, AT_ONCE // 64), np.uint64)
    marks = words.view(np.uint16)
    terms = np.empty(stored.shape[1])
    scratch = np.empty(SCRATCH, np.int32)
    if tiles:
        begin_tiles()
    for first_row in range(0, len(rows), TOGETHER):
        count = min(TOGETHER, len(rows) - first_row)
        _half_reaches(limits[first_row : first_row + count], off, code_levels, least[:count])
        for ahead in range(count):
            half[ahead] = halves[first_row + ahead] + shifts[first_row + ahead]
            least[ahead] = half[ahead] - least[ahead] - 1
        begin = first_row // AT_ONCE * AT_ONCE if same else 0
        for first in range(begin, len(others), AT_ONCE):
            theirs, reach = right_limits[first : first + AT_ONCE], reaches[first : first + AT_ONCE]
            some = right_panels[first // BLOCK : (first + AT_ONCE) // BLOCK]
            own = starts[first : first + AT_ONCE]
            for ahead in range(0, count, TILE_ROWS if tiles else ROWS):
                row = first_row + ahead
                for block in range(0, AT_ONCE // BLOCK, 2 if tiles else BLOCKS):
                    other_block = block + BLOCKS - 1
                    # Written out, because numba does not pass on intrinsics.
                    if tiles:
                        mark_by_tiles(
                            lines,
                            row,
                            some,
                            block,
                            own,
                            reach,
                            least,
                            half,
                            ahead,
                            marks,
                            scratch,
                        )
                    elif bits == 8:
                        mark_by_int8(
                            panels,
                            row,
                            some,
                            block,
                            other_block,
                            own,
                            reach,
                            least,
                            half,
                            ahead,
                            marks,
                        )
                    else:
                        mark_by_int16(
                            panels,
                            row,
                            some,
                            block,
                            other_block,
                            own,
                            reach,
                            least,
                            half,
                            ahead,
                            marks,
                        )
            for ahead in range(count):
                row = first_row + ahead
                limit = limits[row]
                for part in range(words.shape[1]):
                    word = words[ahead, part]
                    while word != 0:
                        position = 64 * part + lowest_bit(word)
                        word &= word - np.uint64(1)
                        other = first + position
                        if same and other <= row:
                            continue
                        reached = theirs[position]
                        larger = max(limit, reached)
                        gap = _squared(left, row, right, other, shrink)
                        if gap >= larger:
                            continue
                        if ratio > 0:
                            if gap < limit:
                                if near[row, room] < limit:
                                    limit = _with_room(left, row, other_vectors, limit, bound)
                                add_candidate(near, who, row, gap, others[other])
                                lower = limit_of_candidate(near[row, last], error, slack, ratio)
                                limit = min(limit, lower)
                                limit = limit if limit >= floor else -_INFINITE
                            if gap < reached:
                                if right_near[other, room] < reached:
                                    reached = _with_room(right, other, vectors, reached, bound)
                                add_candidate(right_near, right_who, other, gap, rows[row])
                                lower = limit_of_candidate(
                                    right_near[other, last], error, slack, ratio
                                )
                                reached = min(reached, lower)
                                theirs[position] = reached if reached >= floor else -_INFINITE
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
                            insert(squared[row], decided)
                            limit = min(limit, limit_of(squared[row, last], bound))
                            limit = limit if limit >= floor else -_INFINITE
                        if decided < right_squared[other, last]:
                            insert(right_squared[other], decided)
                            reached = min(reached, limit_of(right_squared[other, last], bound))
                            theirs[position] = reached if reached >= floor else -_INFINITE
                limits[row] = limit
    if tiles:
        end_tiles()
