"""Marks of near pairs by AMX, which multiplies tiles of 16 by 64 8-bit integers in one instruction.

It does the work of `evenly.geometry.kernels.marks` in about a fifth of the time, if arrays begin
where a line of the cache does; else twice as many lines are read. A tile of products is 16 rows by
16 others; four of them are summed up at once. Registers of tiles are a part of a thread's state
that the system must permit, once for a process.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from evenly.geometry.kernels.screening import BLOCK

TILE_BYTES = 64
"""Coordinates of 8 bits that a tile has: codes must have a multiple of them."""

TILE_ROWS = 32
"""Rows that are marked together."""

_HAS_TILES = platform.machine() in ("x86_64", "AMD64") and bool(
    get_host_cpu_features().get("amx-int8")
)

# Numbers of Linux: arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18

_INT8, _INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_SUMS = ir.VectorType(_INT32, BLOCK)
_BOTH_MARKS = ir.VectorType(_INT32, 2 * BLOCK)
_LINE, _TILE = TILE_BYTES, BLOCK * TILE_BYTES  # bytes

# Palette 1, in which the 8 tiles have 16 rows of 64 bytes each.
_SHAPES = bytes([1, *[0] * 15, *[TILE_BYTES, 0] * 8, *[0] * 16, *[BLOCK] * 8, *[0] * 8])


@functools.cache
def may_use_tiles() -> bool:
    """Return whether this processor multiplies tiles and the system permits it."""
    if not _HAS_TILES or platform.system() != "Linux":
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0)


def _calls(builder: Any, name: str, *arguments: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
    builder.call(function, arguments)


@intrinsic
def begin_tiles(_):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Set the shapes of this thread's tiles, which other libraries may have changed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _HAS_TILES:
            shapes = ir.Constant(ir.ArrayType(_INT8, len(_SHAPES)), bytearray(_SHAPES))
            place = cgutils.global_constant(builder, "evenly_tiles", shapes)
            _calls(builder, "ldtilecfg", builder.bitcast(place, _INT8.as_pointer()))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def end_tiles(_):  # type: ignore[no-untyped-def]  # numba compares the signatures
    """Release this thread's tiles, or the system would store them with every switch."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _HAS_TILES:
            _calls(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def mark_by_tiles(  # type: ignore[no-untyped-def]  # numba compares the signatures
    _, left, row, right, block, starts, reaches, least, half, place, marks
):
    """Mark which of TILE_ROWS rows and of two blocks of others are near enough.

    In Python, if `ones` and `others` were the arrays that tiles and panels are made of:

        for block in (block, block + 1):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            sums = starts[part] + ones[row : row + TILE_ROWS] @ others[part].T
            near = sums > least[place : place + TILE_ROWS, None]
            near |= sums + reaches[part] > half[place : place + TILE_ROWS, None]
            marks[place : place + TILE_ROWS, block] = near, as the bits of one number

    Must be between `begin_tiles` and `end_tiles`; `row` is a multiple of BLOCK.
    """
    given = types.void(left, row, right, block, starts, reaches, least, half, place, marks)
    return given, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit the instructions of `mark_by_tiles`: none if the processor has no tiles."""
    left, row, right, block, starts, reaches, least, half, place, marks = range(10)
    if not _HAS_TILES:
        return context.get_dummy_value()

    def made(array: int) -> Any:
        return context.make_array(signature.args[array])(context, builder, arguments[array])

    def at(array: int, *indices: Any, of: Any) -> Any:
        """Return the address of an array item, cast to another type."""
        kind = signature.args[array]
        item = cgutils.get_item_pointer(context, builder, kind, made(array), indices)
        return builder.bitcast(item, of.as_pointer())

    def everywhere(array: int, index: Any) -> Any:
        value = builder.load(at(array, index, of=_INT32), align=4)
        one = builder.insert_element(_SUMS(ir.Undefined), value, _INT32(0))
        mask = ir.VectorType(_INT32, BLOCK)([0] * BLOCK)
        return builder.shuffle_vector(one, one.type(ir.Undefined), mask)

    zero, pair = _INT64(0), (0, 1)
    group = builder.udiv(arguments[row], _INT64(BLOCK))
    groups = [builder.add(group, _INT64(turn)) for turn in pair]
    blocks = [builder.add(arguments[block], _INT64(turn)) for turn in pair]
    first = [builder.mul(there, _INT64(BLOCK)) for there in blocks]
    own = [at(left, here, zero, zero, of=_INT8) for here in groups]
    theirs = [at(right, there, zero, zero, of=_INT8) for there in blocks]
    for one in pair:
        for other in pair:
            # All lines of a tile are the same.
            begins = at(starts, first[other], of=_INT8)
            _calls(builder, "tileloadd64", _INT8(2 * one + other), begins, zero)
    tiles = builder.udiv(builder.extract_value(made(right).shape, 1), _INT64(BLOCK))
    with cgutils.for_range(builder, tiles) as loop:
        along = builder.mul(loop.index, _INT64(_TILE))
        for turn in pair:
            here, there = (builder.gep(side[turn], [along]) for side in (own, theirs))
            _calls(builder, "tileloadd64", _INT8(4 + turn), here, _INT64(_LINE))
            _calls(builder, "tileloadd64", _INT8(6 + turn), there, _INT64(_LINE))
        for one in pair:
            for other in pair:
                numbers = (_INT8(number) for number in (2 * one + other, 4 + one, 6 + other))
                _calls(builder, "tdpbssd", *numbers)
    with builder.goto_entry_block():
        scratch = builder.alloca(ir.ArrayType(_INT8, 4 * _TILE))
        scratch.align = _LINE
    sums = builder.bitcast(scratch, _INT8.as_pointer())
    for tile in range(4):
        target = builder.gep(sums, [_INT64(tile * _TILE)])
        _calls(builder, "tilestored64", _INT8(tile), target, _INT64(_LINE))

    reach = [builder.load(at(reaches, begin, of=_SUMS), align=4) for begin in first]
    for one in pair:
        with cgutils.for_range(builder, _INT64(BLOCK)) as loop:
            ahead = builder.add(loop.index, _INT64(one * BLOCK))
            here = builder.add(arguments[place], ahead)
            lower, middle = everywhere(least, here), everywhere(half, here)
            near = []
            for other in pair:
                line = builder.mul(loop.index, _INT64(_LINE))
                line = builder.add(line, _INT64((2 * one + other) * _TILE))
                products = builder.bitcast(builder.gep(sums, [line]), _SUMS.as_pointer())
                total = builder.load(products, align=_LINE)
                # No sum overflows: see `_LARGEST` and `_OUT` in `evenly.geometry.kernels.mutual`.
                needed = builder.sub(middle, reach[other])
                needed = builder.select(builder.icmp_signed("<", needed, lower), needed, lower)
                near.append(builder.icmp_signed(">", total, needed))
            both = builder.shuffle_vector(*near, _BOTH_MARKS(list(range(2 * BLOCK))))
            target = at(marks, here, blocks[0], of=_INT32)
            builder.store(builder.bitcast(both, _INT32), target, align=2)
    return context.get_dummy_value()
