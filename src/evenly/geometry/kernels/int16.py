"""Products of proxies rounded to 16-bit integers: exact sums, twice as many at once as in float32.

Processors multiply pairs of 16-bit integers and add them up in one instruction or two (`vpmaddwd`
of AVX2, `vpdpwssds` of VNNI, `smlal` of NEON), on twice as many numbers as of float32. The only
rounding is that of the proxies, to 1/32,766 of the longest one (`ProxyTransform.levels`), which
leaves hardly more pairs to decide. The sums cannot overflow 32 bits: each is at most the product
of two lengths, each at most 32,767, and so is every partial sum.

Rows and targets are taken a few at a time, so that their products stay in the caches. Rows are
rounded once, then multiplied with some targets after others until they were compared with all or
are near enough. The smallest product of every block shows which blocks need a closer look.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.int16_block import (
    BLOCKS,
    ROWS,
    fetch_and_increment,
    multiply_blocks,
)
from evenly.geometry.kernels.screening import (
    BLOCK,
    FAST,
    Best,
    Queries,
    Screen,
    TargetArrays,
    Tile,
    lower_by_products,
)
from evenly.shapes import Float, Float32, Int, Int16

TOGETHER = 192
"""Rows that are multiplied at once: a multiple of ROWS on every processor."""

# Fewer rows are not worth a part of their own.
_LEAST = 48

AT_ONCE = 8 * BLOCK
"""Targets that rows are multiplied with before the products are looked at: the products fit in the
caches, and rows that need no more targets drop out soon."""

_TWO = np.float32(2)


class RoundedTargets(NamedTuple):
    """Targets as they are multiplied.

    Attributes:
        panels: rounded coordinates, in pairs, of BLOCK targets together.
        levels: what coordinates are multiplied by before they are rounded.
    """

    panels: Int16[np.ndarray, "blocks pairs 16 2"]
    levels: Any


class Remaining(NamedTuple):
    """Comparisons that remain for each row.

    Attributes:
        seen: (m,) how many targets a row was compared with, in rising order; changed in place.
        end: compare with targets before this one only.
        skipped: (m,) the target that a row is not compared with; -1 for none.
        threshold: a row is near enough once its squared distance times its weight is below.
        weights: (m,) empty if all are 1.
    """

    seen: Int[np.ndarray, " m"]
    end: int
    skipped: Int[np.ndarray, " m"]
    threshold: float
    weights: Float[np.ndarray, " m"]


class WorkQueue(NamedTuple):
    """Parts of the rows that threads take one after another.

    Attributes:
        cuts: (p + 1,) where the parts begin, and where the last one ends; TOGETHER rows at most
            in each.
        turn: (1,) the next part.
    """

    cuts: Int[np.ndarray, " p"]
    turn: Int[np.ndarray, " 1"]


def cuts_for(count: int, threads: int) -> Int[np.ndarray, " p"]:
    """Cut rows into parts, the last ones small, so that threads finish together."""
    cuts = [0]
    while cuts[-1] < count:
        left = count - cuts[-1]
        fair = left if threads == 1 else -(-left // (2 * threads))
        size = max(_LEAST, min(TOGETHER, -(-fair // ROWS) * ROWS))
        cuts.append(min(cuts[-1] + size, count))
    return np.array(cuts)


def panels_for(capacity: int, width: int) -> Int16[np.ndarray, "blocks pairs 16 2"]:
    """Return empty panels for a number of targets: pairs of coordinates of BLOCK targets."""
    return np.zeros((capacity // BLOCK, (width + 1) // 2, BLOCK, 2), np.int16)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def fill_panels(
    proxies: Float32[np.ndarray, "k W"],
    width: int,
    levels: Any,
    begin: int,
    end: int,
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
) -> None:
    """Round the first `width` coordinates of the targets from `begin` to `end`."""
    for target in range(begin, end):
        for axis in range(width):
            panels[target // BLOCK, axis // 2, target % BLOCK, axis % 2] = np.int16(
                np.rint(proxies[target, axis] * levels)
            )


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def round_rows(
    proxies: Float32[np.ndarray, "n W"],
    rows: Int[np.ndarray, " m"],
    width: int,
    levels: Any,
    short: Int16[np.ndarray, "TOGETHER 2*pairs"],
    lengths: Float32[np.ndarray, " TOGETHER"],
) -> None:
    """Round the first `width` coordinates of at most TOGETHER rows; write their squared lengths.

    `short` must be 0 beyond `width`.
    """
    for row in range(len(rows)):
        length = np.float32(0)
        here = max(rows[row], 0)  # what may be negative keeps the loop from being vectorised
        for axis in range(width):
            value = proxies[here, axis]
            length += value * value
            short[row, axis] = np.int16(np.rint(value * levels))
        lengths[row] = length


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def multiply_by_int16(
    short: Int16[np.ndarray, "TOGETHER 2*pairs"],
    count: int,
    panels: Int16[np.ndarray, "blocks pairs 16 2"],
    levels: Any,
    target_lengths: Float32[np.ndarray, " k"],
    products: Float32[np.ndarray, "TOGETHER k"],
    smallest: Float32[np.ndarray, "TOGETHER blocks"],
) -> None:
    """Multiply the first `count` rounded rows with targets: products, and `smallest_of_blocks`."""
    shrink = np.float32(1.0 / (np.float64(levels) * np.float64(levels)))
    for block in range(0, panels.shape[0], BLOCKS):
        # If only one block is left, it is multiplied twice.
        other = min(block + BLOCKS, panels.shape[0]) - 1
        for row in range(0, count, ROWS):
            multiply_blocks(
                short, row, panels, block, other, target_lengths, shrink, products, smallest
            )


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_by_int16(
    queries: Queries,
    targets: TargetArrays,
    rounded: RoundedTargets,
    screen: Screen,
    remaining: Remaining,
    best: Best,
    queue: WorkQueue,
) -> None:
    """Compare each row with the targets that remain for it, until it is near enough.

    Lowers `best` in place. Several threads may call this with the same arguments: they share the
    rows.
    """
    panels, levels = rounded.panels, rounded.levels
    seen, end, skips, threshold, weights = remaining
    lengths, squared, cuts, turn = targets.lengths, best.squared, queue.cuts, queue.turn
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    products = np.zeros((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    target_lengths = np.empty(AT_ONCE, np.float32)
    places = np.empty(TOGETHER, np.int64)
    skipped = np.empty(TOGETHER, np.int64)
    while True:
        part = fetch_and_increment(turn)
        if part >= len(cuts) - 1:
            break
        begin = cuts[part]
        count = cuts[part + 1] - begin
        proxy_rows = queries.proxy_rows[begin : begin + count]
        round_rows(queries.proxies, proxy_rows, screen.width, levels, short, row_lengths)
        for row in range(count):
            places[row] = begin + row
        first = seen[begin] // BLOCK * BLOCK
        while count > 0 and first < end:
            last = min(first + AT_ONCE, -(-end // BLOCK) * BLOCK)
            joined = 0
            while joined < count and seen[places[joined]] < last:
                skip = skips[places[joined]]
                skipped[joined] = skip - first if first <= skip < last else -1
                joined += 1
            for ahead in range(AT_ONCE):  # targets that the last tile lacks do not count
                target_lengths[ahead] = lengths[first + ahead] if first + ahead < last else np.inf
            for row in range(joined):
                for block in range((last - first) // BLOCK, smallest.shape[1]):
                    smallest[row, block] = np.inf
            some = panels[first // BLOCK : last // BLOCK]
            multiply_by_int16(short, joined, some, levels, target_lengths, products, smallest)
            tile = Tile(
                products[:joined],
                smallest[:joined],
                row_lengths,
                target_lengths,
                places,
                skipped,
                first,
            )
            lower_by_products(tile, queries, targets, screen, best)
            kept = 0
            for row in range(count):
                place = places[row]
                if row < joined:
                    seen[place] = min(last, end)
                    weight = weights[place] if len(weights) > 0 else 1.0
                    if squared[place] * weight < threshold:
                        continue
                if kept < row:
                    places[kept], row_lengths[kept] = place, row_lengths[row]
                    for axis in range(short.shape[1]):
                        short[kept, axis] = short[row, axis]
                kept += 1
            count = kept
            first = last if count == 0 else max(last, seen[places[0]] // BLOCK * BLOCK)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def fill_between(
    proxies: Float32[np.ndarray, "m W"],
    width: int,
    rounded: RoundedTargets,
    lengths: Float32[np.ndarray, " 16*blocks"],
    between: Float32[np.ndarray, "m 16*blocks"],
    queue: WorkQueue,
) -> None:
    """Write what products make of the squared distances between rows, right of the diagonal.

    `rounded` are the same rows, with their squared `lengths`.
    """
    panels, levels, cuts = rounded.panels, rounded.levels, queue.cuts
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    products = np.empty((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    numbers = np.arange(len(proxies))
    while True:
        part = fetch_and_increment(queue.turn)
        if part >= len(cuts) - 1:
            break
        begin = cuts[part]
        rows = numbers[begin : cuts[part + 1]]
        round_rows(proxies, rows, width, levels, short, row_lengths)
        first = begin // BLOCK * BLOCK
        while first < between.shape[1]:
            last = min(first + AT_ONCE, between.shape[1])
            some, here = panels[first // BLOCK : last // BLOCK], lengths[first:last]
            multiply_by_int16(short, len(rows), some, levels, here, products, smallest)
            for row in range(len(rows)):
                for ahead in range(last - first):
                    between[begin + row, first + ahead] = (
                        row_lengths[row] + here[ahead] - _TWO * products[row, ahead]
                    )
            first = last
