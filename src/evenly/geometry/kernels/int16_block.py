"""Products of 16-bit integers for one block of targets, written as LLVM instructions.

numba multiplies integers in 64 bits, so this loop is written in LLVM's intermediate language, and
LLVM picks `vpmaddwd` or `smlal` by itself. Only if one instruction can multiply and add up, it is
called by name, because LLVM would replace it by two for many processors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from evenly.geometry.kernels.screening import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

_features = get_host_cpu_features()
IS_WIDE = bool(_features.get("avx512bw"))
"""Whether registers hold 512 bits, not 256."""

# The variant that saturates: the sums here cannot overflow, and LLVM leaves it as it is.
_MULTIPLY_AND_ADD = "llvm.x86.avx512.vpdpwssds.512"
ADDS_AT_ONCE = IS_WIDE and bool(_features.get("avx512vnni"))
"""Whether one instruction multiplies small integers and adds up the products."""

# Vectors of LANES sums for ROWS rows and BLOCKS blocks stay in registers, and leave some for the
# factors: there are 16 registers of 256 bits, or 32 of 512. Measured against 3 to 12 rows and 1 to
# 4 vectors of 256 bits, 8 to 24 rows and 1 or 2 vectors of 512.
LANES, BLOCKS, ROWS = (16, 2, 12) if IS_WIDE else (8, 1, 6)
AT_LEAST = 2 * LANES
"""16-bit integers of a vector."""

_VECTORS = BLOCK // LANES
_INT16, _INT32, _INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_PAIRS = ir.VectorType(_INT16, 2 * LANES)
_WIDE = ir.VectorType(_INT32, 2 * LANES)
_SUMS = ir.VectorType(_INT32, LANES)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)


@intrinsic
def fetch_and_increment(_, counter):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Add 1 to `counter[0]` atomically and return its value before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, kind, made, [_INT64(0)])
        return builder.atomic_rmw("add", place, _INT64(1), "monotonic")

    return types.int64(counter), generate


@intrinsic
def multiply_blocks(  # type: ignore[no-untyped-def]  # numba compares the signatures
    _, short, row, panels, block, other, lengths, shrink, products, smallest
):
    """Multiply ROWS rows with one or two blocks of targets, and find each row's smallest.

    In Python, if `targets` were the array that the panels are made of:

        for block in (block, other)[:BLOCKS]:
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            found = short[row : row + ROWS] @ targets[part].T * shrink
            products[row : row + ROWS, part] = found
            smallest[row : row + ROWS, block] = (lengths[part] - 2 * found).min(axis=1)
    """
    given = types.void(short, row, panels, block, other, lengths, shrink, products, smallest)
    return given, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit the instructions of `multiply_blocks`."""
    short, row, panels, block, other, lengths, shrink, products, smallest = range(9)

    def at(array: int, *indices: Any, of: Any) -> Any:
        """Return the address of an array item, cast to another type."""
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
        return shuffled(builder, one, [0] * LANES)

    zero = _INT64(0)
    rows = [builder.add(arguments[row], _INT64(ahead)) for ahead in range(ROWS)]
    blocks = [arguments[block], arguments[other]][:BLOCKS]
    left = [at(short, here, zero, of=_INT32) for here in rows]
    right = [at(panels, there, zero, zero, zero, of=_PAIRS) for there in blocks]
    vectors = [(turn, ahead) for turn in range(BLOCKS) for ahead in range(_VECTORS)]
    sums = [
        {vector: cgutils.alloca_once_value(builder, _SUMS([0] * LANES)) for vector in vectors}
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
            pair = everywhere(load(pointer, loop.index), _SUMS)
            for vector, total in kept.items():
                added = multiplied_and_added(builder, builder.load(total), pair, targets[vector])
                builder.store(added, total)

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
            half = LANES // 2
            while half:
                turned = [(lane + half) % LANES for lane in range(LANES)]
                least = _smaller(builder, shuffled(builder, least, turned), least)
                half //= 2
            at_block = at(smallest, here, there, of=ir.FloatType())
            builder.store(builder.extract_element(least, _INT32(0)), at_block)
    return context.get_dummy_value()


@intrinsic
def product_of_rows(_, left, here, right, there):  # type: ignore[no-untyped-def]  # numba compares
    """Return the product of two rows of a multiple of AT_LEAST 16-bit integers, in 32 bits.

    In Python: `left[here] @ right[there]`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointers = []
        for array, row in ((0, 1), (2, 3)):
            made = context.make_array(signature.args[array])(context, builder, arguments[array])
            width = builder.extract_value(made.shape, 1)
            indices = [arguments[row], _INT64(0)]
            item = cgutils.get_item_pointer(context, builder, signature.args[array], made, indices)
            pointers.append(builder.bitcast(item, _PAIRS.as_pointer()))
        total = cgutils.alloca_once_value(builder, _SUMS([0] * LANES))
        with cgutils.for_range(builder, builder.udiv(width, _INT64(AT_LEAST))) as loop:
            own, other = (
                builder.load(builder.gep(pointer, [loop.index]), align=2) for pointer in pointers
            )
            builder.store(multiplied_and_added(builder, builder.load(total), own, other), total)
        kind = ir.FunctionType(_INT32, [_SUMS])
        name = f"llvm.vector.reduce.add.v{LANES}i32"
        reduce = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(reduce, [builder.load(total)])

    return types.int32(left, types.int64, right, types.int64), generate


def multiplied_and_added(builder: Any, total: Any, left: Any, right: Any) -> Any:
    """Multiply 16-bit integers, two in each 32 bits, and add neighbouring products to the sums."""
    left, right = (builder.bitcast(factor, _PAIRS) for factor in (left, right))
    if ADDS_AT_ONCE:
        kind = ir.FunctionType(_SUMS, [_SUMS] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, _MULTIPLY_AND_ADD)
        pairs = [builder.bitcast(factor, _SUMS) for factor in (left, right)]
        return builder.call(function, [total, *pairs])
    found = builder.mul(builder.sext(left, _WIDE), builder.sext(right, _WIDE))
    even, odd = range(0, 2 * LANES, 2), range(1, 2 * LANES, 2)
    more = builder.add(shuffled(builder, found, even), shuffled(builder, found, odd))
    return builder.add(total, more)


def shuffled(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    """Return lanes of a vector."""
    mask = ir.VectorType(_INT32, len(lanes))(list(lanes))
    return builder.shuffle_vector(vector, vector.type(ir.Undefined), mask)


def _smaller(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)
