"""Compiled loops that compare rows with targets: float32 proxies rule pairs out, float64 decides.

The loops that *decide* (`evenly.geometry.kernels.exact`) are plain IEEE arithmetic in float64.
Every sum is taken in one fixed order, and nothing is reordered or contracted, so that a distance
has the same bits on every processor, in every memory layout and in every engine. The loops that
*rule out* run in float32 and may be reordered; their error bounds cover that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, Vectors, as_float64, squared_distance
from evenly.shapes import Float, Float32, Int

CHUNK = 32
"""Coordinates that are summed before a pair is tested again."""

FAST: dict[str, Any] = {**EXACT, "fastmath": {"reassoc", "nsz", "contract"}}
"""Compiler options of loops that rule out: sums may be taken in any order."""

BLOCK = 16
"""Targets that share one minimum of their products, so that most are passed over together."""

_INFINITE = np.float32(np.inf)
_NOTHING = np.float32(0)
_TWO = np.float32(2)


class ErrorBound(NamedTuple):
    """How far errors can move a product; derived in `evenly.geometry.screening.proxies`.

    Attributes:
        scale: proxies are the rows times this.
        stretch: b, the largest factor by which the axes lengthen a vector.
        error: E, how far a distance of proxies can be above the truth.
        rounding: H, how far a product can be above the squared distance of its proxies.
    """

    scale: float
    stretch: float
    error: float
    rounding: float

    def limits(self, squared: Any) -> Any:
        """Return the products from which on a pair cannot be nearer, for arrays or tensors."""
        reach = squared**0.5 * self.scale * self.stretch + self.error
        return reach * reach + self.rounding


class Screen(NamedTuple):
    """How proxies rule pairs out.

    Attributes:
        width: leading coordinates that the products cover; 0 if there are no products.
        chunk: coordinates after those that are summed before a pair is tested again.
        error_bound: what errors can do to these sums.
    """

    width: int
    chunk: int
    error_bound: ErrorBound


class Queries(NamedTuple):
    """Rows that are compared with targets.

    Attributes:
        vectors: the rows of a pool.
        rows: (m,) which of them are compared.
        proxies: (p, W) float32 proxies.
        proxy_rows: (m,) which proxy belongs to each row.
    """

    vectors: Vectors
    rows: Int[np.ndarray, " m"]
    proxies: Float32[np.ndarray, "p W"]
    proxy_rows: Int[np.ndarray, " m"]

    def part(self, part: slice) -> Queries:
        """Return consecutive rows, sharing memory; each row must have its own proxy, in order."""
        rows = self.rows[part]
        return Queries(self.vectors, rows, self.proxies[part], self.proxy_rows[: len(rows)])

    def take(self, positions: Int[np.ndarray, " s"]) -> Queries:
        """Return some of the rows with a copy of their proxies."""
        proxies = self.proxies[self.proxy_rows[positions]]
        return Queries(self.vectors, self.rows[positions], proxies, np.arange(len(positions)))


class TargetArrays(NamedTuple):
    """Points that rows are compared with.

    Attributes:
        vectors: the points.
        proxies: (k, W) float32 proxies.
        lengths: (k,) float32 squared lengths of the coordinates that products cover; inf for a
            target that does not count.
        numbers: (k,) what `Best.nearest` calls them.
    """

    vectors: Vectors
    proxies: Float32[np.ndarray, "k W"]
    lengths: Float32[np.ndarray, " k"]
    numbers: Int[np.ndarray, " k"]


class Best(NamedTuple):
    """The nearest target of each row so far, lowered in place.

    Attributes:
        squared: (m,) exact squared distances; inf for a row that was compared with no target.
            If the k nearest are kept, (m, k), ascending.
        nearest: (m,) number of the target at that distance; the smallest of several.
    """

    squared: Float[np.ndarray, " m"]
    nearest: Int[np.ndarray, " m"]

    def part(self, part: slice) -> Best:
        """Return those of some rows, sharing memory."""
        return Best(self.squared[part], self.nearest[part])


class Tile(NamedTuple):
    """Products of proxies of some rows with consecutive targets.

    Attributes:
        products: (p, c) products of the leading coordinates; c is a multiple of BLOCK.
        smallest: (p, c / BLOCK) what `smallest_of_blocks` returns.
        row_lengths: (p,) squared lengths of the rows' leading coordinates.
        target_lengths: (c,) those of the targets; inf for a target that does not count.
        places: (p,) position of each row among the queries.
        skipped: (p,) the target in the tile that a row is not compared with; -1 for none.
        first: position of the tile's first target.
    """

    products: Float32[np.ndarray, "p c"]
    smallest: Float32[np.ndarray, "p blocks"]
    row_lengths: Float32[np.ndarray, " p"]
    target_lengths: Float32[np.ndarray, " c"]
    places: Int[np.ndarray, " p"]
    skipped: Int[np.ndarray, " p"]
    first: int


class Chains(NamedTuple):
    """Targets in the Voronoi cells of the rows, as linked lists, and when a search may stop.

    Attributes:
        newest: (m,) newest target in the cell of each row; -1 for none.
        older: (k,) the target before each one in its cell; -1 for none.
        visited: (m,) targets before this one are not new to a row.
        thresholds: (m,) a search stops as soon as the squared distance is below.
    """

    newest: Int[np.ndarray, " m"]
    older: Int[np.ndarray, " k"]
    visited: Int[np.ndarray, " m"]
    thresholds: Float[np.ndarray, " m"]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def fill_proxies(
    vectors: Vectors,
    rows: Int[np.ndarray, " m"],
    shift: Float[np.ndarray, " d"],
    scale: float,
    filled: Float32[np.ndarray, "m d"],
) -> None:
    """Write rows, shifted and scaled, rounded to float32 once."""
    stored, factors = vectors.stored, vectors.factors
    for position in range(len(rows)):
        row = rows[position]
        factor = factors[row] if len(factors) > 0 else 1.0
        for axis in range(stored.shape[1]):
            value = as_float64(stored[row, axis]) * factor
            filled[position, axis] = (value - shift[axis]) * scale


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def limit_of(squared: float, bound: ErrorBound) -> Any:
    """Return the product from which on a pair cannot be nearer; see `ErrorBound`."""
    reach = np.sqrt(squared) * bound.scale * bound.stretch + bound.error
    return np.float32(reach * reach + bound.rounding)


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def limit_within(squared: float, bound: ErrorBound) -> Any:
    """Return the product below which a pair is certainly nearer, if proxies are not turned."""
    reach = np.sqrt(squared) * bound.scale * (1.0 - 2.0**-30) - bound.error
    if not reach > 0.0:
        return -_INFINITE
    limit = reach * reach - bound.rounding
    return np.float32(limit - abs(limit) * 2.0**-22)


@numba.njit(**FAST, inline="always")  # type: ignore[untyped-decorator]
def is_ruled_out(
    left: Float32[np.ndarray, "m w"],
    here: int,
    right: Float32[np.ndarray, "k w"],
    there: int,
    screen: Screen,
    known: Any,
    limit: Any,
) -> bool:
    """Return whether the squared distance of two proxies reaches the limit.

    `known` is the part of it that the first `screen.width` coordinates contribute.
    """
    total = known
    # Numbers that may be negative keep the loop from being vectorised.
    begin, here = max(screen.width, 0), max(here, 0)
    while begin < left.shape[1]:
        part = np.float32(0)
        for axis in range(screen.chunk):
            gap = left[here, begin + axis] - right[there, begin + axis]
            part += gap * gap
        total += part
        if total >= limit:
            return True
        begin += screen.chunk
    return False


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def smallest_of_blocks(
    products: Float32[np.ndarray, "m k"], target_lengths: Float32[np.ndarray, " k"]
) -> Float32[np.ndarray, "m blocks"]:
    """Return the smallest target length minus twice the product in every BLOCK targets."""
    smallest = np.empty((products.shape[0], products.shape[1] // BLOCK), np.float32)
    for row in range(smallest.shape[0]):
        for block in range(smallest.shape[1]):
            least = _INFINITE
            for target in range(BLOCK):
                position = block * BLOCK + target
                least = min(least, target_lengths[position] - _TWO * products[row, position])
            smallest[row, block] = least
    return smallest


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_by_products(
    tile: Tile, queries: Queries, targets: TargetArrays, screen: Screen, best: Best
) -> None:
    """Lower `best` in place to the nearest targets of a tile; overwrites the tile."""
    # Fields are read once: reading an array from a tuple counts references.
    products, smallest, lengths = tile.products, tile.smallest, tile.target_lengths
    row_lengths, places, skips, begin = tile.row_lengths, tile.places, tile.skipped, tile.first
    vectors, rows, left = queries.vectors, queries.rows, queries.proxies
    proxy_rows, points, right = queries.proxy_rows, targets.vectors, targets.proxies
    squared, nearest, numbers = best.squared, best.nearest, targets.numbers
    bound = screen.error_bound
    positions = np.empty(products.shape[1] + 1, np.int64)
    values = np.empty(products.shape[1] + 1, np.float32)
    terms = np.empty(vectors.stored.shape[1])
    for row in range(products.shape[0]):
        skipped = skips[row]
        if skipped >= 0:
            products[row, skipped] = -_INFINITE
            smallest[row, skipped // BLOCK] = -_INFINITE
        promise = _INFINITE
        for block in range(smallest.shape[1]):
            promise = min(promise, smallest[row, block])
        length, place = row_lengths[row], places[row]
        here = rows[place]
        if squared[place] == np.inf:
            # Start from the most promising target, which rules out most of the others.
            first, least = -1, _INFINITE
            for position in range(products.shape[1]):
                value = lengths[position] - _TWO * products[row, position]
                if value < least:
                    first, least = position, value
            if first < 0:
                continue
            squared[place] = squared_distance(vectors, here, points, begin + first, terms)
            nearest[place] = numbers[begin + first]
            products[row, first] = -_INFINITE
        limit = limit_of(squared[place], bound)
        if not promise + length < limit:
            continue
        found = 0
        for block in range(smallest.shape[1]):
            if smallest[row, block] + length >= limit:
                continue
            for position in range(block * BLOCK, (block + 1) * BLOCK):
                product = lengths[position] - _TWO * products[row, position] + length
                positions[found] = position
                values[found] = product
                found += product < limit
        # Again the most promising first.
        first = 0
        for turn in range(1, found):
            first = turn if values[turn] < values[first] else first
        for turn in range(found):
            chosen = first if turn == 0 else (0 if turn == first else turn)
            product, target = values[chosen], begin + positions[chosen]
            if product >= limit:
                continue
            proxy = proxy_rows[place]
            if is_ruled_out(left, proxy, right, target, screen, product, limit):
                continue
            decided = squared_distance(vectors, here, points, target, terms)
            number = numbers[target]
            if decided < squared[place] or (decided == squared[place] and number < nearest[place]):
                squared[place] = decided
                nearest[place] = number
                limit = limit_of(decided, bound)


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def lower_along_chains(
    chains: Chains, queries: Queries, targets: TargetArrays, screen: Screen, best: Best
) -> int:
    """Compare each row with the targets of its cell, newest first, until below its threshold.

    Lowers `best` in place. `screen.width` must be 0. Returns how many pairs were compared.
    """
    newest, older, visited, thresholds = chains
    vectors, rows, left, proxy_rows = queries
    points, right = targets.vectors, targets.proxies
    squared, nearest, bound = best.squared, best.nearest, screen.error_bound
    terms = np.empty(vectors.stored.shape[1])
    compared = 0
    for row in range(len(rows)):
        limit = limit_of(squared[row], bound)
        position, proxy = newest[row], proxy_rows[row]
        while position >= visited[row] and squared[row] >= thresholds[row]:
            compared += 1
            if not is_ruled_out(left, proxy, right, position, screen, _NOTHING, limit):
                decided = squared_distance(vectors, rows[row], points, position, terms)
                if decided < squared[row]:
                    squared[row] = decided
                    nearest[row] = position
                    limit = limit_of(decided, bound)
            position = older[position]
    return compared
