"""Products of small integers that only mark which pairs are near enough, as LLVM instructions.

A mark is one bit, so nothing is written for nearly all pairs. Everything is integer arithmetic and
therefore exact. Processors with VNNI multiply four pairs of 8-bit integers and add them up in one
instruction, the others two pairs of 16-bit integers; see `evenly.geometry.kernels.int16_block`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from evenly.geometry.kernels.int16_block import (
    ADDS_AT_ONCE,
    BLOCKS,
    LANES,
    ROWS,
    multiplied_and_added,
    shuffled,
)
from evenly.geometry.kernels.screening import BLOCK

_MULTIPLY_AND_ADD = "llvm.x86.avx512.vpdpbusd.512"
_VECTORS = BLOCK // LANES
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_INT32, LANES)
_MARKS = ir.IntType(LANES)
_SIGNS = -0x7F7F7F80

SHIFT = 128
"""What is added to the 8-bit integers of one side, whose products must not be negative."""


@intrinsic
def lowest_bit(_, word):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Return the number of the lowest bit that is set in a word other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _marker(bits: int) -> Any:
    """Return the loop for integers of so many bits."""

    @intrinsic
    def mark(  # type: ignore[no-untyped-def]  # numba compares the signatures
        _, left, row, right, block, other, starts, reaches, least, half, place, marks
    ):
        """Mark which of ROWS rows and of one or two blocks of others are near enough.

        In Python, if `ones` and `others` were the arrays that the panels are made of:

            for block in (block, other)[:BLOCKS]:
                part = slice(block * BLOCK, (block + 1) * BLOCK)
                sums = starts[part] + ones[row : row + ROWS] @ others[part].T
                near = sums > least[place : place + ROWS, None]
                near |= sums + reaches[part] > half[place : place + ROWS, None]
                marks[place : place + ROWS, block] = near, as the bits of one number

        If integers have 8 bits, SHIFT is added to `others` before.
        """
        given = types.void(
            left, row, right, block, other, starts, reaches, least, half, place, marks
        )

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _generate(context, builder, signature, arguments, bits)

        return given, generate

    return mark


mark_by_int8 = _marker(8)
mark_by_int16 = _marker(16)


def _generate(context: Any, builder: Any, signature: Any, arguments: Any, bits: int) -> Any:
    """Emit the instructions of `mark`."""
    left, row, right, block, other, starts, reaches, least, half, place, marks = range(11)

    def at(array: int, *indices: Any, of: Any) -> Any:
        """Return the address of an array item, cast to another type."""
        kind = signature.args[array]
        made = context.make_array(kind)(context, builder, arguments[array])
        return builder.bitcast(
            cgutils.get_item_pointer(context, builder, kind, made, indices), of.as_pointer()
        )

    def load(pointer: Any, step: Any = 0) -> Any:
        pointer = builder.gep(pointer, [step if isinstance(step, ir.Value) else _INT64(step)])
        return builder.load(pointer, align=4)

    def everywhere(value: Any) -> Any:
        one = builder.insert_element(_SUMS(ir.Undefined), value, _INT32(0))
        return shuffled(builder, one, [0] * LANES)

    zero = _INT64(0)
    ahead = range(ROWS)
    rows = [builder.add(arguments[row], _INT64(step)) for step in ahead]
    places = [builder.add(arguments[place], _INT64(step)) for step in ahead]
    blocks = [arguments[block], arguments[other]][:BLOCKS]
    own = [
        at(left, builder.lshr(here, _INT64(4)), zero, builder.and_(here, _INT64(15)), of=_INT32)
        for here in rows
    ]
    theirs = [at(right, there, zero, zero, of=_SUMS) for there in blocks]
    first = [builder.mul(there, _INT64(BLOCK)) for there in blocks]
    vectors = [(turn, part) for turn in range(BLOCKS) for part in range(_VECTORS)]
    begins = {(turn, part): load(at(starts, first[turn], of=_SUMS), part) for turn, part in vectors}
    sums = [{vector: cgutils.alloca_once(builder, _SUMS) for vector in vectors} for _ in ahead]
    for kept in sums:
        for vector, total in kept.items():
            builder.store(begins[vector], total)
    groups = context.make_array(signature.args[right])(context, builder, arguments[right]).shape
    with cgutils.for_range(builder, builder.extract_value(groups, 1)) as loop:
        step = builder.mul(loop.index, _INT64(_VECTORS))
        others = {
            (turn, part): load(theirs[turn], builder.add(step, _INT64(part)))
            for turn, part in vectors
        }
        if bits == 8:
            signs = _SUMS([_SIGNS] * LANES)
            others = {vector: builder.xor(value, signs) for vector, value in others.items()}
        group = builder.mul(loop.index, _INT64(BLOCK))
        for pointer, kept in zip(own, sums, strict=True):
            one = everywhere(load(pointer, group))
            for vector, total in kept.items():
                added = _added_8 if bits == 8 else multiplied_and_added
                builder.store(added(builder, builder.load(total), one, others[vector]), total)

    for here, kept in zip(places, sums, strict=True):
        lower, middle = (everywhere(load(at(array, here, of=_INT32))) for array in (least, half))
        for turn, there in enumerate(blocks):
            target = at(marks, here, there, of=_MARKS)
            for part in range(_VECTORS):
                total = builder.load(kept[turn, part])
                reach = load(at(reaches, first[turn], of=_SUMS), part)
                near = builder.or_(
                    builder.icmp_signed(">", total, lower),
                    builder.icmp_signed(">", builder.add(total, reach), middle),
                )
                place_of = builder.gep(target, [_INT64(part)])
                builder.store(builder.bitcast(near, _MARKS), place_of, align=1)
    return context.get_dummy_value()


def _added_8(builder: Any, total: Any, signed: Any, unsigned: Any) -> Any:
    """Multiply 8-bit integers in 32 bits and add four neighbouring products to the sums."""
    if ADDS_AT_ONCE:
        kind = ir.FunctionType(_SUMS, [_SUMS] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, _MULTIPLY_AND_ADD)
        return builder.call(function, [total, unsigned, signed])
    bytes_of = ir.VectorType(ir.IntType(8), 4 * LANES)
    wide = ir.VectorType(_INT32, 4 * LANES)
    found = builder.mul(
        builder.sext(builder.bitcast(signed, bytes_of), wide),
        builder.zext(builder.bitcast(unsigned, bytes_of), wide),
    )
    for first in range(4):
        lanes = range(first, 4 * LANES, 4)
        total = builder.add(total, shuffled(builder, found, lanes))
    return total
