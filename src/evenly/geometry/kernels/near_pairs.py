"""Which products of a tile of proxies belong to near pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.screening import FAST, Screen, is_ruled_out, limit_of
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    Part = slice | Int[np.ndarray, " p"]
    """Positions of rows."""

_TWO = np.float32(2)

# What a product counts as at least: below its error, and its sign can be reversed.
_LEAST = np.float32(2.0**-100)


class MeasuredProxies(NamedTuple):
    """Proxies of some rows.

    Attributes:
        proxies: (m, W) all their coordinates.
        lengths: (m,) squared lengths of the coordinates that products cover.
    """

    proxies: Float32[np.ndarray, "m W"]
    lengths: Float32[np.ndarray, " m"]

    def part(self, part: Part) -> MeasuredProxies:
        """Return some rows; consecutive ones share memory."""
        return MeasuredProxies(self.proxies[part], self.lengths[part])


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def grown(values: Any, room: int) -> Any:
    """Return a copy of an array that has room for more numbers."""
    grown = np.empty(room, values.dtype)
    grown[: len(values)] = values
    return grown


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def suspects(
    products: Float32[np.ndarray, "m k"],
    left: MeasuredProxies,
    right: MeasuredProxies,
    screen: Screen,
    reach: float,
    within: bool,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Return the pairs of a tile that proxies do not rule out, and their products, negated.

    If `within` is true, left and right are the same rows, and each pair is returned once.
    """
    left_proxies, left_lengths = left
    right_proxies, right_lengths = right
    limit = limit_of(reach, screen.error_bound)
    room = 4096
    here, there = np.empty(room, np.int32), np.empty(room, np.int32)
    found = np.empty(room)
    count = 0
    for row in range(products.shape[0]):
        begin = row + 1 if within else 0
        if count + products.shape[1] > room:
            room = 2 * (room + products.shape[1])
            here, there = grown(here, room), grown(there, room)
            found = grown(found, room)
        length = left_lengths[row]
        for target in range(begin, products.shape[1]):
            product = right_lengths[target] - _TWO * products[row, target] + length
            if product >= limit:
                continue
            if is_ruled_out(left_proxies, row, right_proxies, target, screen, product, limit):
                continue
            here[count], there[count], found[count] = row, target, -max(product, _LEAST)
            count += 1
    return here[:count].copy(), there[:count].copy(), found[:count].copy()


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def count_certain(
    products: Float32[np.ndarray, "m k"],
    left: MeasuredProxies,
    right: MeasuredProxies,
    screen: Screen,
    certain: Any,
    limit: Any,
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Return how many products of each row are below `certain`, and the pairs left open.

    Those are the pairs of a product from `certain` to `limit` that proxies do not rule out.
    """
    left_proxies, left_lengths = left
    right_proxies, right_lengths = right
    counts = np.empty(products.shape[0], np.int64)
    room = 4096
    here, there = np.empty(room, np.int32), np.empty(room, np.int32)
    n_open = 0
    for row in range(products.shape[0]):
        length = left_lengths[row]
        below, possible = np.int32(0), np.int32(0)
        for target in range(products.shape[1]):
            product = right_lengths[target] - _TWO * products[row, target] + length
            below += np.int32(product < certain)
            possible += np.int32(product < limit)
        counts[row] = below
        if possible == below:
            continue
        if n_open + products.shape[1] > room:
            room = 2 * (room + products.shape[1])
            here, there = grown(here, room), grown(there, room)
        # Counted again: the products of the loop above may have been rounded otherwise.
        counts[row] = 0
        for target in range(products.shape[1]):
            product = right_lengths[target] - _TWO * products[row, target] + length
            if product < certain:
                counts[row] += 1
            elif product < limit and not is_ruled_out(
                left_proxies, row, right_proxies, target, screen, product, limit
            ):
                here[n_open], there[n_open] = row, target
                n_open += 1
    return counts, here[:n_open].copy(), there[:n_open].copy()
