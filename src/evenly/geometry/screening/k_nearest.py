"""The exact distances to the k nearest targets: products rule out, float64 decides."""

from __future__ import annotations

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, squared_distance
from evenly.geometry.kernels.screening import (
    BLOCK,
    FAST,
    Best,
    Queries,
    Screen,
    TargetArrays,
    Tile,
    is_ruled_out,
    limit_of,
    smallest_of_blocks,
)
from evenly.geometry.screening.targets import Targets
from evenly.shapes import Float, Int

_INFINITE = np.float32(np.inf)
_TWO = np.float32(2)


def lower_to_k_nearest(
    targets: Targets,
    begin: int,
    end: int,
    queries: Queries,
    best: Best,
    skip: Int[np.ndarray, " m"],
) -> None:
    """Lower `best.squared` in place to the squared distances of the k nearest targets so far.

    Args:
        targets: what to compare with.
        begin: the first of them, at the beginning of a chunk; rows must be compared with none of
            them twice.
        end: where they end, at the end of a chunk.
        queries: (m,) rows, each with its own proxy, as `Targets.queries` returns them.
        best: `squared` is (m, k), ascending, inf if fewer are known. `nearest` is the number of
            the nearest target; any of several as near.
        skip: (m,) for each row the number of a target that it is not compared with.

    Cost: m·k·K multiplications, and about k·log(K) exact distances a row.
    """
    screen, lengths = targets.proxies.screen(), targets.lengths[begin:end]
    used = queries.proxies[:, : screen.width]
    products = used @ targets.matrix[begin:end, : screen.width].T
    tile = Tile(
        products,
        smallest_of_blocks(products, lengths),
        np.einsum("ij,ij->i", used, used),
        lengths,
        np.arange(len(used)),
        skip,
        begin,
    )
    _lower_by_products(tile, queries, targets.arrays, screen, best)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _insert(known: Float[np.ndarray, " k"], decided: float) -> int:
    """Insert a distance into ascending ones, dropping the largest; return its position."""
    place = len(known) - 1
    while place > 0 and known[place - 1] > decided:
        known[place] = known[place - 1]
        place -= 1
    known[place] = decided
    return place


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _lower_by_products(
    tile: Tile,
    queries: Queries,
    targets: TargetArrays,
    screen: Screen,
    best: Best,
) -> None:
    """Do what `lower_by_products` does, for the k nearest; `tile.skipped` are numbers."""
    products, smallest, lengths = tile.products, tile.smallest, tile.target_lengths
    row_lengths, begin, bound = tile.row_lengths, tile.first, screen.error_bound
    vectors, rows, left, proxy_rows = queries
    points, right, numbers = targets.vectors, targets.proxies, targets.numbers
    skips = tile.skipped
    squared, nearest = best
    last = squared.shape[1] - 1
    terms = np.empty(vectors.stored.shape[1])
    for row in range(products.shape[0]):
        known, here, skip = squared[row], rows[row], skips[row]
        length = row_lengths[row]
        while known[last] == np.inf:
            # Fewer than k are known: start from the most promising, which rule out most others.
            block = int(np.argmin(smallest[row]))
            if smallest[row, block] == _INFINITE:
                break
            position, least, second = -1, _INFINITE, _INFINITE
            for place in range(block * BLOCK, (block + 1) * BLOCK):
                value = lengths[place] - _TWO * products[row, place]
                if value < least:
                    position, least, second = place, value, least
                elif value < second:
                    second = value
            smallest[row, block] = second
            if position < 0:
                continue
            products[row, position] = -_INFINITE
            target = begin + position
            if numbers[target] != skip:
                decided = squared_distance(vectors, here, points, target, terms)
                if _insert(known, decided) == 0:
                    nearest[row] = numbers[target]
        limit = limit_of(known[last], bound)
        for block in range(smallest.shape[1]):
            if smallest[row, block] + length >= limit:
                continue
            for position in range(block * BLOCK, (block + 1) * BLOCK):
                product = lengths[position] - _TWO * products[row, position] + length
                if product >= limit:
                    continue
                target = begin + position
                if numbers[target] == skip:
                    continue
                proxy = proxy_rows[row]
                if is_ruled_out(left, proxy, right, target, screen, product, limit):
                    continue
                decided = squared_distance(vectors, here, points, target, terms)
                if decided < known[last]:
                    if _insert(known, decided) == 0:
                        nearest[row] = numbers[target]
                    limit = limit_of(known[last], bound)
