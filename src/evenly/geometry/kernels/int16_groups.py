"""Which groups rows belong to, or can be near, by products of 16-bit integers with their means."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from evenly.geometry.kernels.int16 import (
    AT_ONCE,
    TOGETHER,
    RoundedTargets,
    fill_panels,
    multiply_by_int16,
    panels_for,
    round_rows,
)
from evenly.geometry.kernels.near_pairs import grown
from evenly.geometry.kernels.screening import BLOCK, FAST
from evenly.shapes import Float32, Int

_INFINITE = np.float32(np.inf)
_TWO, _ZERO = np.float32(2), np.float32(0)


def rounded_targets(proxies: Float32[np.ndarray, "g W"], levels: Any) -> RoundedTargets:
    """Return proxies as targets of products; those beyond them, up to a whole block, are 0."""
    room = -(-len(proxies) // BLOCK) * BLOCK
    targets = RoundedTargets(panels_for(room, proxies.shape[1]), levels)
    fill_panels(proxies, proxies.shape[1], levels, 0, len(proxies), targets.panels)
    return targets


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def nearest_targets(
    proxies: Float32[np.ndarray, "m W"],
    targets: RoundedTargets,
    lengths: Float32[np.ndarray, " k"],
) -> Int[np.ndarray, " m"]:
    """Return which target is about the nearest to each row; `lengths` are squared."""
    panels, width = targets.panels, proxies.shape[1]
    own = padded(lengths, panels.shape[0] * BLOCK)
    numbers = np.arange(len(proxies))
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    products = np.empty((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    nearest = np.zeros(len(proxies), np.int64)
    least = np.full(len(proxies), _INFINITE)
    for begin in range(0, len(proxies), TOGETHER):
        rows = numbers[begin : begin + TOGETHER]
        round_rows(proxies, rows, width, targets.levels, short, row_lengths)
        for first in range(0, len(own), AT_ONCE):
            last = min(first + AT_ONCE, len(own))
            some, here = panels[first // BLOCK : last // BLOCK], own[first:last]
            multiply_by_int16(short, len(rows), some, targets.levels, here, products, smallest)
            for row in range(len(rows)):
                for block in range((last - first) // BLOCK):
                    if smallest[row, block] < least[begin + row]:
                        for ahead in range(block * BLOCK, (block + 1) * BLOCK):
                            product = here[ahead] - _TWO * products[row, ahead]
                            if product < least[begin + row]:
                                least[begin + row] = product
                                nearest[begin + row] = first + ahead
    return nearest


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def targets_within(
    proxies: Float32[np.ndarray, "m W"],
    after: Int[np.ndarray, " m"],
    targets: RoundedTargets,
    lengths: Float32[np.ndarray, " k"],
    limits: Float32[np.ndarray, " k"],
) -> tuple[Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
    """Return the pairs of a row and a target whose product is at most the target's limit.

    Args:
        proxies: of the rows.
        after: (m,) rising; targets up to this one do not count.
        targets: rounded.
        lengths: their squared lengths.
        limits: on what products make of squared distances.
    """
    panels, width = targets.panels, proxies.shape[1]
    # Products are below their limits where they are below 0 with these lengths.
    own = padded(lengths - limits, panels.shape[0] * BLOCK)
    numbers = np.arange(len(proxies))
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    products = np.empty((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    room, count = 4096, 0
    found_rows, found_targets = np.empty(room, np.int64), np.empty(room, np.int64)
    for begin in range(0, len(proxies), TOGETHER):
        rows = numbers[begin : begin + TOGETHER]
        round_rows(proxies, rows, width, targets.levels, short, row_lengths)
        for first in range(after[begin] // BLOCK * BLOCK, len(own), AT_ONCE):
            last = min(first + AT_ONCE, len(own))
            some, here = panels[first // BLOCK : last // BLOCK], own[first:last]
            multiply_by_int16(short, len(rows), some, targets.levels, here, products, smallest)
            if count + len(rows) * AT_ONCE > room:
                room = 2 * (count + len(rows) * AT_ONCE)
                found_rows, found_targets = grown(found_rows, room), grown(found_targets, room)
            for row in range(len(rows)):
                for block in range((last - first) // BLOCK):
                    if smallest[row, block] + row_lengths[row] > _ZERO:
                        continue
                    for ahead in range(block * BLOCK, (block + 1) * BLOCK):
                        product = here[ahead] - _TWO * products[row, ahead] + row_lengths[row]
                        if product <= _ZERO and first + ahead > after[rows[row]]:
                            found_rows[count], found_targets[count] = rows[row], first + ahead
                            count += 1
    return found_rows[:count].copy(), found_targets[:count].copy()


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def padded(values: Float32[np.ndarray, " k"], room: int) -> Float32[np.ndarray, " p"]:
    """Return values and then inf, for targets that do not count."""
    made = np.full(room, _INFINITE)
    made[: len(values)] = values
    return made
