"""The exact distances to the k nearest targets: products rule out, float64 decides."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels import int16
from evenly.geometry.kernels.exact import EXACT, squared_distance
from evenly.geometry.kernels.int16 import AT_ONCE, TOGETHER, RoundedTargets
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


class Exclusions(NamedTuple):
    """Pairs that are not compared.

    Attributes:
        skip: (m,) for each row the number of a target.
        row_groups: (m,) for each row a group; below 0 for none.
        target_groups: (c,) for each target a group: rows are not compared with targets of their
            group.
    """

    skip: Int[np.ndarray, " m"]
    row_groups: Int[np.ndarray, " m"]
    target_groups: Int[np.ndarray, " c"]


def lower_to_k_nearest(
    targets: Targets, begin: int, end: int, queries: Queries, best: Best, exclusions: Exclusions
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
        exclusions: pairs that are not compared.

    Cost: m·k·K multiplications, and about k·log(K) exact distances a row.
    """
    groups = exclusions.target_groups[begin:end]
    padding = (0, -(-(end - begin) // AT_ONCE) * AT_ONCE - len(groups))
    exclusions = exclusions._replace(target_groups=np.pad(groups, padding, constant_values=-1))
    if targets.precision == "int16":
        rounded = RoundedTargets(targets.panels, targets.proxies.transform.levels)
        screen = targets.proxies.screen("int16")
        _lower_by_int16(queries, targets.arrays, rounded, screen, exclusions, best, begin, end)
        return
    screen, lengths = targets.proxies.screen(), targets.lengths[begin:end]
    used = queries.proxies[:, : screen.width]
    products = used @ targets.matrix[begin:end, : screen.width].T
    tile = Tile(
        products,
        smallest_of_blocks(products, lengths),
        np.einsum("ij,ij->i", used, used),
        lengths,
        np.arange(len(used)),
        exclusions.skip,
        begin,
    )
    _lower_by_products(tile, queries, targets.arrays, screen, exclusions, best)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _lower_by_int16(
    queries: Queries,
    targets: TargetArrays,
    rounded: RoundedTargets,
    screen: Screen,
    exclusions: Exclusions,
    best: Best,
    begin: int,
    end: int,
) -> None:
    """Do what `lower_to_k_nearest` does, by products of 16-bit integers."""
    panels, levels = rounded.panels, rounded.levels
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    row_lengths = np.empty(TOGETHER, np.float32)
    products = np.zeros((TOGETHER, AT_ONCE), np.float32)
    smallest = np.empty((TOGETHER, AT_ONCE // BLOCK), np.float32)
    target_lengths = np.empty(AT_ONCE, np.float32)
    places = np.arange(TOGETHER)
    for first_row in range(0, len(queries.rows), TOGETHER):
        last_row = min(first_row + TOGETHER, len(queries.rows))
        count = last_row - first_row
        proxy_rows = queries.proxy_rows[first_row:last_row]
        some = Queries(
            queries.vectors, queries.rows[first_row:last_row], queries.proxies, proxy_rows
        )
        known = Best(best.squared[first_row:last_row], best.nearest[first_row:last_row])
        int16.round_rows(queries.proxies, proxy_rows, screen.width, levels, short, row_lengths)
        for first in range(begin, end, AT_ONCE):
            last = min(first + AT_ONCE, end)
            for ahead in range(AT_ONCE):  # targets that the last tile lacks do not count
                here = first + ahead
                target_lengths[ahead] = targets.lengths[here] if here < last else np.inf
            for row in range(count):
                for block in range((last - first) // BLOCK, smallest.shape[1]):
                    smallest[row, block] = np.inf
            int16.multiply_by_int16(
                short,
                count,
                panels[first // BLOCK : last // BLOCK],
                levels,
                target_lengths,
                products,
                smallest,
            )
            tile = Tile(
                products[:count],
                smallest[:count],
                row_lengths,
                target_lengths,
                places,
                places,
                first,
            )
            groups = exclusions.target_groups[first - begin : first - begin + AT_ONCE]
            own = Exclusions(
                exclusions.skip[first_row:last_row],
                exclusions.row_groups[first_row:last_row],
                groups,
            )
            _lower_by_products(tile, some, targets, screen, own, known)


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
    exclusions: Exclusions,
    best: Best,
) -> None:
    """Do what `lower_by_products` does, for the k nearest; `tile.skipped` is not read."""
    products, smallest, lengths = tile.products, tile.smallest, tile.target_lengths
    row_lengths, begin, bound = tile.row_lengths, tile.first, screen.error_bound
    vectors, rows, left, proxy_rows = queries
    points, right, numbers = targets.vectors, targets.proxies, targets.numbers
    skips, row_groups, target_groups = exclusions
    squared, nearest = best
    last = squared.shape[1] - 1
    terms = np.empty(vectors.stored.shape[1])
    for row in range(products.shape[0]):
        known, here, skip = squared[row], rows[row], skips[row]
        group = row_groups[row] if row_groups[row] >= 0 else -2
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
            if numbers[target] != skip and target_groups[position] != group:
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
                if numbers[target] == skip or target_groups[position] == group:
                    continue
                proxy = proxy_rows[row]
                if is_ruled_out(left, proxy, right, target, screen, product, limit):
                    continue
                decided = squared_distance(vectors, here, points, target, terms)
                if decided < known[last]:
                    if _insert(known, decided) == 0:
                        nearest[row] = numbers[target]
                    limit = limit_of(known[last], bound)
