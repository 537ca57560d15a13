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

from typing import Any

import numba
import numpy as np

from evenly.geometry.kernels.candidates import (
    add_candidate,
    decide_candidates,
    insert,
    limit_of_candidate,
)
from evenly.geometry.kernels.exact import Vectors, squared_distance_of
from evenly.geometry.kernels.int16 import AT_ONCE, TOGETHER
from evenly.geometry.kernels.int16_block import BLOCKS, ROWS
from evenly.geometry.kernels.marks import lowest_bit, mark_by_int8, mark_by_int16
from evenly.geometry.kernels.screening import BLOCK, FAST, ErrorBound, limit_of
from evenly.geometry.kernels.sides import Rounding, Side, squared_gap
from evenly.geometry.kernels.tiles import (
    TILE_ROWS,
    begin_tiles,
    end_tiles,
    mark_by_tiles,
)
from evenly.shapes import Float32, Int32, UInt64

# No squared distance of codes is larger.
_LARGEST = 2**30

_INFINITE = np.float32(np.inf)


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


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _lower(limits: Float32[np.ndarray, " p"], row: int, limit: Any, floor: Any) -> None:
    """Lower the limit of a row, to -inf if it needs no further search."""
    limit = min(limits[row], limit)
    limits[row] = limit if limit >= floor else -_INFINITE


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _list_marks(
    words: UInt64[np.ndarray, "r 2"], count: int, found: Int32[np.ndarray, " f"]
) -> int:
    """Write down which bits of the first rows are set, as row * AT_ONCE + bit; return how many."""
    length = 0
    for ahead in range(count):
        for part in range(words.shape[1]):
            word = words[ahead, part]
            while word != 0:
                found[length] = ahead * AT_ONCE + 64 * part + lowest_bit(word)
                length += 1
                word &= word - np.uint64(1)
    return length


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _look_again(
    left: Side,
    right: Side,
    rounding: Rounding,
    same: bool,
    first_row: int,
    first: int,
    marked: Int32[np.ndarray, " f"],
) -> None:
    """Compare the marked ones of some pairs of rows, numbered as by `_list_marks`.

    Args:
        left, right, rounding, same: as in `lower_each_other`.
        first_row, first: the rows of both sides that are counted from.
        marked: the pairs.
    """
    _, _, _, _, floor, levels, bound, ratio = rounding
    error, slack = bound.error, bound.rounding
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    # Arrays by name, because numba counts references whenever one is taken from a tuple.
    vectors, rows, short, lengths, _, limits, squared, (near, who) = left
    others, other_rows, other_short, other_lengths, _, reaches, other_squared, more = right
    other_near, other_who = more
    stored, factors, coincident = vectors
    points, other_factors, _ = others
    terms = np.empty(stored.shape[1])
    last, room = squared.shape[1] - 1, near.shape[1] - 1
    for number in range(len(marked)):
        # Unsigned, so that numba does not look for negative ones.
        row = np.uintp(first_row + marked[number] // AT_ONCE)
        other = np.uintp(first + marked[number] % AT_ONCE)
        if same and other <= row:
            continue
        gap = squared_gap(short, lengths, row, other_short, other_lengths, other, shrink)
        if gap >= max(limits[row], reaches[other]):
            continue
        if ratio > 0:
            if gap < limits[row]:
                if near[row, room] < limits[row]:
                    limits[row] = _with_room(left, row, others, limits[row], bound)
                add_candidate(near, who, row, gap, other_rows[other])
                limit = limit_of_candidate(near[row, last], error, slack, ratio)
                _lower(limits, row, limit, floor)
            if gap < reaches[other]:
                if other_near[other, room] < reaches[other]:
                    reaches[other] = _with_room(right, other, vectors, reaches[other], bound)
                add_candidate(other_near, other_who, other, gap, rows[row])
                limit = limit_of_candidate(other_near[other, last], error, slack, ratio)
                _lower(reaches, other, limit, floor)
            continue
        decided = squared_distance_of(
            stored,
            factors,
            rows[row],
            points,
            other_factors,
            other_rows[other],
            coincident,
            terms,
        )
        if decided < squared[row, last]:
            insert(squared[row], decided)
            _lower(limits, row, limit_of(squared[row, last], bound), floor)
        if decided < other_squared[other, last]:
            insert(other_squared[other], decided)
            _lower(reaches, other, limit_of(other_squared[other, last], bound), floor)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_each_other(left: Side, right: Side, rounding: Rounding, same: bool) -> None:
    """Compare all rows of two sides; lower `squared` and `limits` of both in place.

    Args:
        left, right: the sides, with no row in common unless they are the same.
        rounding: how their proxies are compared.
        same: the sides are the same; each pair of its rows is compared once.
    """
    bits, tiles, levels = rounding.bits, rounding.tiles, rounding.code_levels
    lines, panels, own_starts, shifts, off = left.codes
    _, right_panels, starts, _, right_off = right.codes
    off += right_off
    rows, others = len(left.rows), len(right.rows)
    # Computed once for many rows: limits that are somewhat too large mark a few more pairs.
    reaches = np.empty(len(right.limits), np.int32)
    _half_reaches(right.limits, off, levels, reaches)
    least, half = np.empty(TOGETHER, np.int32), np.empty(TOGETHER, np.int32)
    words = np.empty((TOGETHER, AT_ONCE // 64), np.uint64)
    marks = words.view(np.uint16)
    marked = np.empty(TOGETHER * AT_ONCE, np.int32)
    if tiles:
        begin_tiles()
    for first_row in range(0, rows, TOGETHER):
        count = min(TOGETHER, rows - first_row)
        _half_reaches(left.limits[first_row : first_row + count], off, levels, least[:count])
        for ahead in range(count):
            half[ahead] = shifts[first_row + ahead] - own_starts[first_row + ahead]
            least[ahead] = half[ahead] - least[ahead] - 1
        for first in range(first_row // AT_ONCE * AT_ONCE if same else 0, others, AT_ONCE):
            reach = reaches[first : first + AT_ONCE]
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
            found = _list_marks(words, count, marked)
            if found:
                _look_again(left, right, rounding, same, first_row, first, marked[:found])
    if tiles:
        end_tiles()
