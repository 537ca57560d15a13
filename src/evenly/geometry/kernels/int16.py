"""Products of stand-ins rounded to 16-bit integers, compiled: exact sums, twice as many at once.

Processors multiply pairs of 16-bit integers and add them up in one instruction (`vpmaddwd` of
AVX2, `vpdpwssd` of VNNI, `smlal` of NEON), on twice as many numbers as of float32. Nothing is
rounded but the stand-ins, once, to a 32,766th of the longest (`ProxyTransform.levels`): a margin that
hardly leaves more pairs to be decided. The sums cannot overflow 32 bits: they are at most the
product of two lengths, each at most 32,767, and so are sums of some of their terms.

Rows and columns are taken a few at a time, so that what is made of them stays in the caches: rows
are rounded once, and multiplied with some columns after others until they have met all or are
near enough, while the smallest of every block of products tells which are worth a look. The
inner loop is written in LLVM's own language, because numba multiplies integers in 64 bits. It
names no instruction: LLVM finds the one there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from evenly.geometry.kernels.screening import BLOCK, FAST, lower_by_products

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Float32, Int, Int16

__all__ = [
    "IS_WIDE",
    "TOGETHER",
    "cuts_for",
    "fill_between",
    "fill_panels",
    "lower_by_int16",
    "multiply_by_int16",
    "panels_for",
    "round_rows",
]


IS_WIDE = bool(get_host_cpu_features().get("avx512bw"))
"""Whether registers hold 512 bits, not 256."""


# Sums are kept in them: vectors of so many sums, for so many blocks and rows, which leave registers
# for the factors where there are 16 of 256 bits, or 32 of 512. Measured against 3 to 12 rows and
# 1 to 4 vectors of 256 bits, 8 to 24 rows and 1 or 2 vectors of 512.
_LANES, _BLOCKS, _ROWS = (16, 2, 12) if IS_WIDE else (8, 1, 6)


_VECTORS = BLOCK // _LANES


TOGETHER = 192
"""Rows multiplied at once: a multiple of _ROWS, whichever it is."""


# Fewer are not worth a part.
_LEAST = 48


# Targets they are multiplied with before they are looked at: the products fit in the caches, and
# rows that need no more are left out soon.
_AT_ONCE = 8 * BLOCK


_INT16, _INT32, _INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)


_PAIRS = ir.VectorType(_INT16, 2 * _LANES)


_WIDE = ir.VectorType(_INT32, 2 * _LANES)


_SUMS = ir.VectorType(_INT32, _LANES)


_FLOATS = ir.VectorType(ir.FloatType(), _LANES)


def cuts_for(count: int, threads: int) -> Int[np.ndarray, " p"]:
    """Where to cut rows into parts: the last ones are small, so that threads end together."""
    cuts = [0]
    while cuts[-1] < count:
        left = count - cuts[-1]
        fair = left if threads == 1 else -(-left // (2 * threads))
        size = max(_LEAST, min(TOGETHER, -(-fair // _ROWS) * _ROWS))
        cuts.append(min(cuts[-1] + size, count))
    return np.array(cuts)


def panels_for(capacity: int, width: int) -> Int16[np.ndarray, "blocks pairs 16 2"]:
    """Room for columns as they are multiplied: pairs of coordinates of BLOCK columns together."""
    return np.zeros((capacity // BLOCK, (width + 1) // 2, BLOCK, 2), np.int16)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def fill_panels(
    matrix: Float32[np.ndarray, "k w"],
    width: int,
    levels: Any,
    begin: int,
    end: int,
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
) -> None:
    """Round the first `width` coordinates of the columns from `begin` to `end`."""
    for column in range(begin, end):
        for axis in range(width):
            panels[column // BLOCK, axis // 2, column % BLOCK, axis % 2] = np.int16(
                np.rint(matrix[column, axis] * levels)
            )


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def round_rows(
    left: Float32[np.ndarray, "n w"],
    rows: Int[np.ndarray, " m"],
    width: int,
    levels: Any,
    short: Int16[np.ndarray, "TOGETHER 2*pairs"],
    lengths: Float32[np.ndarray, " TOGETHER"],
) -> None:
    """Round the first `width` coordinates of at most TOGETHER rows; tell their squared lengths.

    `short` must be 0 beyond `width`.
    """
    for row in range(len(rows)):
        length = np.float32(0)
        here = max(rows[row], 0)  # what may be negative keeps the loop from being vectorised
        for axis in range(width):
            value = left[here, axis]
            length += value * value
            short[row, axis] = np.int16(np.rint(value * levels))
        lengths[row] = length


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def multiply_by_int16(
    short: Int16[np.ndarray, "TOGETHER 2*pairs"],
    count: int,
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
    levels: Any,
    column_lengths: Float32[np.ndarray, " k"],
    products: Float32[np.ndarray, "TOGETHER k"],
    smallest: Float32[np.ndarray, "TOGETHER blocks"],
) -> None:
    """Multiply the first `count` rounded rows with columns: products, and `smallest_of_blocks`."""
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    for block in range(0, panels.shape[0], _BLOCKS):
        # Where only one is left it is multiplied twice.
        other = min(block + _BLOCKS, panels.shape[0]) - 1
        for row in range(0, count, _ROWS):
            _multiply(short, row, panels, block, other, column_lengths, shrink, products, smallest)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_by_int16(
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
    levels: Any,
    column_lengths: Float32[np.ndarray, " k"],
    end: int,
    left: Float32[np.ndarray, "n w"],
    lefts: Int[np.ndarray, " m"],
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
    skipped: Int[np.ndarray, " m"],
    coincident: float,
    threshold: float,
    weights: Float[np.ndarray, " m"],
    seen: Int[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    cuts: Int[np.ndarray, " p"],
    turn: Int[np.ndarray, " 1"],
) -> int:
    """Compare each row with the columns it has not met before `end`, until below the threshold.

    Several threads may be given the same arguments: they share the rows.

    Args:
        panels: the columns, as `fill_panels` rounds them.
        levels: what coordinates are multiplied by before they are rounded.
        column_lengths: see `lower_by_products`, which decides.
        threshold: a row needs no more columns once its squared distance, times its weight, is
            below.
        weights: empty where all are 1.
        seen: how many columns each row has met, in rising order; changed in place.
        cuts: where the parts begin that threads take one after another, and where the last one
            ends; TOGETHER rows at most.
        turn: the part that is next.
        end, left, lefts, right, width, chunk, allowance, stored, factors, rows, chosen,
            chosen_factors, numbers, skipped, coincident, squared, nearest: see
            `lower_by_products`.

    Returns:
        How many pairs the products did not rule out.
    """
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    lengths = np.empty(TOGETHER, np.float32)
    products = np.zeros((TOGETHER, _AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, _AT_ONCE // BLOCK), np.float32)
    lengths_here = np.empty(_AT_ONCE, np.float32)
    places = np.empty(TOGETHER, np.int64)
    skips = np.empty(TOGETHER, np.int64)
    suspects = 0
    while True:
        part = _next(turn)
        if part >= len(cuts) - 1:
            break
        begin = cuts[part]
        count = cuts[part + 1] - begin
        round_rows(left, lefts[begin : begin + count], width, levels, short, lengths)
        for row in range(count):
            places[row] = begin + row
        column = seen[begin] // BLOCK * BLOCK
        while count > 0 and column < end:
            last = min(column + _AT_ONCE, -(-end // BLOCK) * BLOCK)
            joined = 0
            while joined < count and seen[places[joined]] < last:
                skip = skipped[places[joined]]
                skips[joined] = skip - column if column <= skip < last else -1
                joined += 1
            for ahead in range(_AT_ONCE):  # what the last part lacks does not count
                lengths_here[ahead] = (
                    column_lengths[column + ahead] if column + ahead < last else np.inf
                )
            for row in range(joined):
                for block in range((last - column) // BLOCK, smallest.shape[1]):
                    smallest[row, block] = np.inf
            some = slice(column // BLOCK, last // BLOCK)
            multiply_by_int16(short, joined, panels[some], levels, lengths_here, products, smallest)
            suspects += lower_by_products(
                products[:joined],
                smallest[:joined],
                lengths,
                lengths_here,
                left,
                lefts,
                places,
                right[column:last],
                width,
                chunk,
                error_bound,
                stored,
                factors,
                rows,
                chosen[column:last],
                chosen_factors[column:last],
                numbers[column:last],
                skips,
                coincident,
                squared,
                nearest,
            )
            left_over = 0
            for row in range(count):
                place = places[row]
                if row < joined:
                    seen[place] = min(last, end)
                    weight = weights[place] if len(weights) > 0 else 1.0
                    if squared[place] * weight < threshold:
                        continue
                if left_over < row:
                    places[left_over], lengths[left_over] = place, lengths[row]
                    for axis in range(short.shape[1]):
                        short[left_over, axis] = short[row, axis]
                left_over += 1
            count = left_over
            column = last if count == 0 else max(last, seen[places[0]] // BLOCK * BLOCK)
    return suspects


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def fill_between(
    left: Float32[np.ndarray, "m w"],
    width: int,
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
    levels: Any,
    column_lengths: Float32[np.ndarray, " 16*blocks"],
    between: Float32[np.ndarray, "m 16*blocks"],
    cuts: Int[np.ndarray, " p"],
    turn: Int[np.ndarray, " 1"],
) -> None:
    """What products make of squared distances between rows, right of the diagonal only.

    `panels` are the same rows, with their lengths; `cuts` and `turn` as in `lower_by_int16`.
    """
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    lengths = np.empty(TOGETHER, np.float32)
    products = np.empty((TOGETHER, _AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, _AT_ONCE // BLOCK), np.float32)
    numbers = np.arange(len(left))
    while True:
        part = _next(turn)
        if part >= len(cuts) - 1:
            break
        rows = numbers[cuts[part] : cuts[part + 1]]
        round_rows(left, rows, width, levels, short, lengths)
        column = cuts[part] // BLOCK * BLOCK
        while column < between.shape[1]:
            last = min(column + _AT_ONCE, between.shape[1])
            some = slice(column // BLOCK, last // BLOCK)
            here = column_lengths[column:last]
            multiply_by_int16(short, len(rows), panels[some], levels, here, products, smallest)
            for row in range(len(rows)):
                for ahead in range(last - column):
                    between[cuts[part] + row, column + ahead] = (
                        lengths[row] + here[ahead] - np.float32(2) * products[row, ahead]
                    )
            column = last


@intrinsic
def _next(_, turn):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Add 1 to `turn[0]` and tell what it was: no other thread can come between."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, kind, made, [_INT64(0)])
        return builder.atomic_rmw("add", place, _INT64(1), "monotonic")

    return types.int64(turn), generate


@intrinsic
def _multiply(  # type: ignore[no-untyped-def]  # numba compares the signatures
    _, short, row, panels, block, other, lengths, shrink, products, smallest
):
    """Multiply _ROWS rows with a block of columns or two, and find the smallest of each row.

    In Python, were `targets` what the panels are made of:

        for block in (block, other)[:_BLOCKS]:
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            found = short[row : row + _ROWS] @ columns[part].T * shrink
            products[row : row + _ROWS, part] = found
            smallest[row : row + _ROWS, block] = (lengths[part] - 2 * found).min(axis=1)
    """
    given = types.void(short, row, panels, block, other, lengths, shrink, products, smallest)
    return given, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """LLVM's instructions for `_multiply`."""
    short, row, panels, block, other, lengths, shrink, products, smallest = range(9)

    def at(array: int, *indices: Any, of: Any) -> Any:
        """Address of an item of an array, as that of a value of another type."""
        kind = signature.args[array]
        made = context.make_array(kind)(context, builder, arguments[array])
        return builder.bitcast(
            cgutils.get_item_pointer(context, builder, kind, made, indices), of.as_pointer()
        )

    def load(pointer: Any, step: Any = 0) -> Any:
        pointer = builder.gep(pointer, [step if isinstance(step, ir.Value) else _INT64(step)])
        return builder.load(pointer, align=2)

    def everywhere(value: Any, vector: Any) -> Any:
        one = builder.insert_element(vector(ir.Undefined), value, _INT32(0))
        return _shuffled(builder, one, [0] * _LANES)

    zero = _INT64(0)
    rows = [builder.add(arguments[row], _INT64(ahead)) for ahead in range(_ROWS)]
    blocks = [arguments[block], arguments[other]][:_BLOCKS]
    left = [at(short, here, zero, of=_INT32) for here in rows]
    right = [at(panels, there, zero, zero, zero, of=_PAIRS) for there in blocks]
    vectors = [(turn, ahead) for turn in range(_BLOCKS) for ahead in range(_VECTORS)]
    sums = [
        {vector: cgutils.alloca_once_value(builder, _SUMS([0] * _LANES)) for vector in vectors}
        for _ in rows
    ]
    pairs = context.make_array(signature.args[panels])(context, builder, arguments[panels]).shape
    with cgutils.for_range(builder, builder.extract_value(pairs, 1)) as loop:
        first = builder.mul(loop.index, _INT64(_VECTORS))
        targets = {
            (turn, ahead): load(right[turn], builder.add(first, _INT64(ahead)))
            for turn, ahead in vectors
        }
        for pointer, kept in zip(left, sums, strict=True):
            pair = builder.bitcast(everywhere(load(pointer, loop.index), _SUMS), _PAIRS)
            for vector, total in kept.items():
                more = _products_of_pairs(builder, pair, targets[vector])
                builder.store(builder.add(builder.load(total), more), total)

    scale = everywhere(arguments[shrink], _FLOATS)
    for turn, there in enumerate(blocks):
        first = builder.mul(there, _INT64(BLOCK))
        lengths_of = [load(at(lengths, first, of=_FLOATS), ahead) for ahead in range(_VECTORS)]
        for here, kept in zip(rows, sums, strict=True):
            place = at(products, here, first, of=_FLOATS)
            least = None
            for ahead, length in enumerate(lengths_of):
                total = builder.load(kept[turn, ahead])
                found = builder.fmul(builder.sitofp(total, _FLOATS), scale)
                builder.store(found, builder.gep(place, [_INT64(ahead)]), align=4)
                distance = builder.fsub(length, builder.fadd(found, found))
                least = distance if least is None else _smaller(builder, distance, least)
            half = _LANES // 2
            while half:
                turned = [(lane + half) % _LANES for lane in range(_LANES)]
                least = _smaller(builder, _shuffled(builder, least, turned), least)
                half //= 2
            at_block = at(smallest, here, there, of=ir.FloatType())
            builder.store(builder.extract_element(least, _INT32(0)), at_block)
    return context.get_dummy_value()


def _products_of_pairs(builder: Any, left: Any, right: Any) -> Any:
    """Products of 16-bit integers in 32 bits, each added to its neighbour's."""
    found = builder.mul(builder.sext(left, _WIDE), builder.sext(right, _WIDE))
    even, odd = range(0, 2 * _LANES, 2), range(1, 2 * _LANES, 2)
    return builder.add(_shuffled(builder, found, even), _shuffled(builder, found, odd))


def _shuffled(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    mask = ir.VectorType(_INT32, len(lanes))(list(lanes))
    return builder.shuffle_vector(vector, vector.type(ir.Undefined), mask)


def _smaller(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)
