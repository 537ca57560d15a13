"""The inner loops that are too fine-grained for array operations, compiled by numba.

Two kinds. Those that *decide* are plain IEEE arithmetic in float64, every sum taken in one
fixed order (halves added to halves), nothing reordered or contracted: a distance has the same
bits on every processor, in every layout, in every engine. Those that *rule out* run in float32
and may be reordered, which their allowances cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, _number, _squared_distance

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = [
    "BLOCK",
    "CHUNK",
    "FAST",
    "fill_proxies",
    "lower_by_products",
    "lower_by_visits",
    "smallest_of_blocks",
]


CHUNK = 32
"""Coordinates that are added up before a pair is looked at again."""


FAST: dict[str, Any] = {**EXACT, "fastmath": {"reassoc", "nsz", "contract"}}
"""How loops that rule out are compiled: sums may be taken in any order."""


_INFINITE = np.float32(np.inf)


_TWO = np.float32(2)


BLOCK = 16
"""Targets of which the smallest product is noted, to pass over most of them."""


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def fill_proxies(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    shift: Float[np.ndarray, " d"],
    scale: float,
    filled: Float32[np.ndarray, "m d"],
) -> None:
    """Rows multiplied by their factors, shifted and scaled, rounded to float32 once."""
    for position in range(len(rows)):
        row = rows[position]
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(stored.shape[1]):
            value = _number(stored[row, axis]) * factor
            filled[position, axis] = (value - shift[axis]) * scale


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _limit(squared: float, scale: float, stretch: float, error: float, rounding: float) -> Any:
    """Products at or above this cannot belong to a pair that is nearer; see `ErrorBound`."""
    reach = np.sqrt(squared) * scale * stretch + error
    return np.float32(reach * reach + rounding)


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def _ruled_out(
    left: Float32[np.ndarray, "m w"],
    here: int,
    right: Float32[np.ndarray, "k w"],
    there: int,
    begin: int,
    chunk: int,
    known: Any,
    limit: Any,
) -> bool:
    """Whether the squared distance of two stand-ins reaches the limit.

    `known` of it is known: that of the coordinates before `begin`.
    """
    total = known
    # Numbers that may be negative keep the loop from being vectorised.
    begin, here = max(begin, 0), max(here, 0)
    while begin < left.shape[1]:
        part = np.float32(0)
        for axis in range(chunk):
            gap = left[here, begin + axis] - right[there, begin + axis]
            part += gap * gap
        total += part
        if total >= limit:
            return True
        begin += chunk
    return False


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def smallest_of_blocks(
    products: Float32[np.ndarray, "m k"], column_lengths: Float32[np.ndarray, " k"]
) -> Float32[np.ndarray, "m blocks"]:
    """Of every BLOCK columns, the smallest length of a column less twice its product."""
    smallest = np.empty((products.shape[0], products.shape[1] // BLOCK), np.float32)
    for row in range(smallest.shape[0]):
        for block in range(smallest.shape[1]):
            least = _INFINITE
            for column in range(BLOCK):
                position = block * BLOCK + column
                least = min(least, column_lengths[position] - _TWO * products[row, position])
            smallest[row, block] = least
    return smallest


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_by_products(
    products: Float32[np.ndarray, "p k"],
    smallest: Float32[np.ndarray, "p blocks"],
    lengths: Float32[np.ndarray, " p"],
    column_lengths: Float32[np.ndarray, " k"],
    left: Float32[np.ndarray, "n w"],
    lefts: Int[np.ndarray, " m"],
    places: Int[np.ndarray, " p"],
    right: Float32[np.ndarray, "k w"],
    width: int,
    chunk: int,
    error_bound: tuple[float, float, float, float],
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    chosen: np.ndarray[Any, Any],
    chosen_factors: Float[np.ndarray, " k"],
    numbers: Int[np.ndarray, " k"],
    skipped: Int[np.ndarray, " p"],
    coincident: float,
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
) -> int:
    """Lower each row's squared distance to that of the nearest column, where that is nearer.

    Args:
        products: of the first `width` coordinates of the stand-ins; k a multiple of CHUNK.
        smallest: as `smallest_of_blocks` tells.
        lengths, column_lengths: squared lengths of those coordinates; inf for a column that
            does not count.
        left, right: all coordinates of the stand-ins.
        lefts: which of `left` those of each row are.
        places: which rows those of the products are.
        chunk: how many of those behind `width` are added up at once.
        error_bound: scale, stretch, error and rounding; see `ErrorBound`.
        stored, factors, rows: the rows themselves.
        chosen, chosen_factors, numbers: the columns themselves, and what `nearest` calls them.
        skipped: for each row of the products a column that it is not compared with; -1 for none.
        coincident: squared distances below this are 0.
        squared, nearest: what is known, lowered in place; of columns equally near, the one
            with the smallest number.

    Returns:
        How many pairs the products did not rule out.
    """
    scale, stretch, error, rounding = error_bound
    positions = np.empty(products.shape[1] + 1, np.int64)
    values = np.empty(products.shape[1] + 1, np.float32)
    terms = np.empty(stored.shape[1])
    suspects = 0
    for row in range(products.shape[0]):
        if skipped[row] >= 0:
            products[row, skipped[row]] = -_INFINITE
            smallest[row, skipped[row] // BLOCK] = -_INFINITE
        best = _INFINITE
        for block in range(smallest.shape[1]):
            best = min(best, smallest[row, block])
        length, place = lengths[row], places[row]
        if squared[place] == np.inf:
            # Any column to begin with; the most promising rules out most of the others.
            first, least = -1, _INFINITE
            for position in range(products.shape[1]):
                value = column_lengths[position] - _TWO * products[row, position]
                if value < least:
                    first, least = position, value
            if first < 0:
                continue
            squared[place] = _squared_distance(
                stored, factors, rows[place], chosen, chosen_factors, first, coincident, terms
            )
            nearest[place] = numbers[first]
            products[row, first] = -_INFINITE
        limit = _limit(squared[place], scale, stretch, error, rounding)
        if not best + length < limit:
            continue
        left_over = 0
        for block in range(smallest.shape[1]):
            if smallest[row, block] + length >= limit:
                continue
            for position in range(block * BLOCK, (block + 1) * BLOCK):
                product = column_lengths[position] - _TWO * products[row, position] + length
                positions[left_over] = position
                values[left_over] = product
                left_over += product < limit
        # The most promising first: it mostly rules out the others.
        first = 0
        for turn in range(1, left_over):
            first = turn if values[turn] < values[first] else first
        for turn in range(left_over):
            here = first if turn == 0 else (0 if turn == first else turn)
            product, position = values[here], positions[here]
            if product >= limit:
                continue
            suspects += 1
            if width < left.shape[1] and _ruled_out(
                left, lefts[place], right, position, width, chunk, product, limit
            ):
                continue
            decided = _squared_distance(
                stored, factors, rows[place], chosen, chosen_factors, position, coincident, terms
            )
            number = numbers[position]
            if decided < squared[place] or (decided == squared[place] and number < nearest[place]):
                squared[place] = decided
                nearest[place] = number
                limit = _limit(decided, scale, stretch, error, rounding)
    return suspects


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_by_visits(
    left: Float32[np.ndarray, "m w"],
    right: Float32[np.ndarray, "k w"],
    chunk: int,
    error_bound: tuple[float, float, float, float],
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    chosen: np.ndarray[Any, Any],
    chosen_factors: Float[np.ndarray, " k"],
    coincident: float,
    newest: Int[np.ndarray, " m"],
    older: Int[np.ndarray, " k"],
    visited: Int[np.ndarray, " m"],
    thresholds: Float[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
) -> int:
    """Compare each row with the chosen rows of its cell, newest first, until below its threshold.

    `newest[i]` is the newest chosen row of the cell of row i (-1: none), `older` leads from a
    chosen row to the one before it in its cell; those before `visited[i]` are not new to it.
    The other arguments are as in `lower_by_products`. Returns the pairs looked at.
    """
    scale, stretch, error, rounding = error_bound
    terms = np.empty(stored.shape[1])
    looked = 0
    for row in range(len(rows)):
        limit = _limit(squared[row], scale, stretch, error, rounding)
        position = newest[row]
        while position >= visited[row] and squared[row] >= thresholds[row]:
            looked += 1
            if not _ruled_out(left, row, right, position, 0, chunk, np.float32(0), limit):
                decided = _squared_distance(
                    stored, factors, rows[row], chosen, chosen_factors, position, coincident, terms
                )
                if decided < squared[row]:
                    squared[row] = decided
                    nearest[row] = position
                    limit = _limit(decided, scale, stretch, error, rounding)
            position = older[position]
    return looked
