"""The distances from all rows to their k nearest, with each pair of rows compared only once.

Rows are put into an order in which near rows are close together, and cut into blocks. Rows of one
block are compared first, which shows about how near the nearest are; then every two blocks, near
ones first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evenly.geometry.kernels.candidates import no_candidates
from evenly.geometry.kernels.codes import MOST, WIDEST, codes_of, fill_codes, mixed
from evenly.geometry.kernels.first_limits import limit_from_near_rows
from evenly.geometry.kernels.int16_block import ADDS_AT_ONCE, AT_LEAST, IS_WIDE
from evenly.geometry.kernels.mutual import decide, lower_each_other
from evenly.geometry.kernels.screening import CHUNK
from evenly.geometry.kernels.sides import PADDING, Rounding, Side
from evenly.geometry.kernels.tiles import TILE_BYTES, may_use_tiles
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.proxies import ProxyTransform
from evenly.geometry.search.block_rounds import (
    near_ones_together,
    nearest_first,
    nearest_pivots,
)
from evenly.geometry.threads import parallel_for
from evenly.shapes import Float, Float32, Int, Int16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Nanoseconds a pair for a coordinate of a product, and for a pair that products do not rule out.
_PER_COORDINATE = {8: 0.0035, 16: 0.007 if IS_WIDE else 0.023}
_PER_COORDINATE_OF_TILES = 0.0009
_PER_SUSPECT = 20.0

# Bits of codes. Without one instruction that multiplies them, those of 8 bits are slower.
_BITS = (8, 16) if ADDS_AT_ONCE else (16,)

# Rounding errors of a coordinate, about: 1 / sqrt(12), and somewhat more for the worst row.
_OFF = 0.35

# Codes have room for coordinates that are larger than in every so many rows of the sample.
_MARGIN, _EVERY = 1.25, 4

# Leading coordinates that rows are ordered by.
_ORDERING = 64

# Before the nearest rows are found, squared distances to the k nearest so far are larger by this.
_LOOSE = 1.1

# Rows from which the number of coordinates is chosen.
_SAMPLE, _OTHERS = 256, 4096

# Coordinates beyond those of products, for pairs that products do not rule out.
_MORE = 100 * CHUNK

# Bytes that proxies may take beyond a quarter of those of the vectors.
_FREE_BYTES = 200e6

# Rows that others are ordered by, at most, and how many others there are for each. More cost more.
_PIVOTS, _ROWS_A_PIVOT = 2048, 48

# Rows whose proxies are made at once.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows in memory, in the order in which they are compared.

    Attributes:
        sides: blocks of them, and what is known about them.
        positions: their positions in what the caller passed.
    """

    sides: list[Side]
    positions: Int[np.ndarray, " m"]


class _Rounded(NamedTuple):
    """Proxies of rows, rounded to 16 bits, and as codes, which are off by at most `off`."""

    short: Int16[np.ndarray, "m W"]
    codes: np.ndarray[Any, Any]
    off: float


class MutualSearch:
    """Finds the distances from all rows to the k nearest of them.

    Args:
        points: the pool.
        rows: (m,) eligible rows, at least two.
        k: number of neighbours.
        threads: how many threads share the work.
        block: rows of a block, which a thread compares with another.
        part: bytes of vectors that are read from disk at once.
        bits: of codes, 8 or 16; by default whatever is likely to be faster.
        tiles: multiply codes of 8 bits by `mark_by_tiles` if the processor can.
    """

    def __init__(
        self,
        points: Points,
        rows: Int[np.ndarray, " m"],
        k: int,
        *,
        threads: int,
        block: int = 1024,
        part: float = 128e6,
        bits: int | None = None,
        tiles: bool = True,
    ) -> None:
        self._points, self._rows, self._k = points, rows, k
        self._threads = threads
        self._block, self._bytes = block, part
        self._may_use_tiles = tiles and may_use_tiles()
        self._transform = ProxyTransform.of(points)
        sample = rows[_evenly_spaced(len(rows), _OTHERS)]
        self._sample = points.take(sample)
        dimension = points.dimension
        if dimension >= 3 * CHUNK and len(rows) > 2 * dimension:
            self._transform = self._transform.turned(points, dimension // CHUNK * CHUNK)
        made = self._transform.proxies(self._sample, np.arange(len(sample)))
        self._typical, width, bits = self._choose(made, _BITS if bits is None else (bits,))
        if self._transform.axes is not None:
            copies = 2 if self._may_use_tiles else 1
            bytes_a_row = self._room / len(rows) - width * bits / 8 * copies
            fitting = int(min(max(0.0, bytes_a_row / 2), points.dimension)) // CHUNK * CHUNK
            kept = min(self._transform.width, max(width, fitting))
            self._transform = self._transform.leading(kept)
        self._rounding = Rounding(
            width,
            bits,
            self._may_use_tiles and bits == 8,
            self._levels(made, width, bits),
            np.float32(-np.inf),
            self._transform.levels,
            self._transform.error_bound("rounded"),
            self._transform.stretch / self._transform.shrink if self._transform.shrink else 0.0,
        )
        pivots = made[_evenly_spaced(len(made), min(_PIVOTS, 1 + len(rows) // _ROWS_A_PIVOT))]
        self._pivots = near_ones_together(np.ascontiguousarray(pivots[:, :_ORDERING]))

    @property
    def _room(self) -> float:
        """Bytes that proxies may take."""
        if not self._points.in_memory:
            return np.inf  # those of a part are small
        return float(self._points.stored.nbytes) / 4 + _FREE_BYTES

    @property
    def pays(self) -> bool:
        """Whether 16-bit integers can tell near rows from others."""
        bound = self._rounding.bound
        return bool(bound.error < 0.1 * self._typical)

    def squared(
        self, progress: Callable[[int], object], *, reach: float = 0.0
    ) -> Float[np.ndarray, "m k"]:
        """Return the squared distances of each row to its k nearest, ascending; inf if fewer.

        Args:
            progress: called with the number of rows finished since the last call.
            reach: rows whose k nearest are all nearer than this are not searched to the end: 0 is
                returned for them.

        Cost: m²/2·w multiplications of integers of 8 or 16 bits, where w is at most d; 20·k + 48 +
            4·d bytes a row at most. Rows on disk are read about m/2p times, if a part has p rows.
        """
        found = np.full((len(self._rows), self._k), np.inf)
        self._done = np.zeros(len(self._rows), bool)
        rounding = self._rounding
        floor = rounding.bound.limits(reach * reach) * (1 - 1e-6) if reach > 0 else -np.inf
        self._rounding = rounding._replace(floor=np.float32(floor))
        parts = self._cuts()
        steps = _Steps(progress, len(self._rows), len(parts) * (len(parts) + 1) // 2)
        for number, cut in enumerate(parts):
            here = self._part(cut, found)
            self._within(here, steps.part())
            self._decide(here, here)
            for other in parts[number + 1 :]:
                there = self._part(other, found)
                self._between(here, there, steps.part())
                self._decide(here, there)
                self._decide(there, here)
                self._keep(there, found)
            self._keep(here, found)
        steps.finish()
        found[self._done] = 0.0
        return found

    def _keep(self, part: _Part, found: Float[np.ndarray, "m k"]) -> None:
        """Write down what is known about the rows of a part."""
        found[part.positions] = np.concatenate([side.squared for side in part.sides])
        self._done[part.positions] = np.isneginf(_limits_of(part.sides))

    def _cuts(self) -> list[slice]:
        """Return the rows that are in memory together."""
        if self._points.in_memory:
            return [slice(0, len(self._rows))]
        bytes_a_row = self._points.dimension * self._points.stored.dtype.itemsize
        size = max(self._block, int(self._bytes / bytes_a_row))
        return list(blocks(len(self._rows), 1, numbers=size))

    def _part(self, cut: slice, found: Float[np.ndarray, "m k"]) -> _Part:
        """Return rows in the order in which they are compared, and what is known about them."""
        rows, points = self._rows[cut], self._points
        if not points.in_memory:
            points, rows = points.take(rows), np.arange(len(rows))
        width, rounding = self._transform.width, self._rounding
        short = np.zeros((len(rows), -(-width // AT_LEAST) * AT_LEAST), np.int16)
        a_group = TILE_BYTES if rounding.tiles else 32 // rounding.bits
        kind = np.int8 if rounding.bits == 8 else np.int16
        codes = np.zeros((len(rows), -(-rounding.width // a_group) * a_group), kind)
        nearest = np.empty(len(rows), np.int64)
        off = [0.0]

        def fill(block: slice) -> None:
            made = self._transform.proxies(points, rows[block])
            nearest[block] = nearest_pivots(made[:, : self._pivots.shape[1]], self._pivots)
            most = np.float32(MOST[rounding.bits])
            mix = mixed(made, rounding.width)
            off.append(math.sqrt(fill_codes(mix, rounding.code_levels, most, codes[block])))
            made *= rounding.levels
            short[block, :width] = np.rint(made, out=made)

        parallel_for(fill, blocks(len(rows), 1, numbers=_ROWS), threads=self._threads)
        # What float32 errs by in turning proxies and in measuring is far below.
        rounded = _Rounded(short, codes, max(off) * (1 + 2.0**-10) + 2.0**-18)
        known, done = found[cut], self._done[cut]
        order = np.argsort(nearest, kind="stable")
        limits = self._rounding.bound.limits(known[:, -1])
        limits[done] = -np.inf
        sides = self._arrange(points, rows, rounded, limits, known, order)
        if not np.isfinite(known).all():
            self._begin(sides)
            if self._rounding.floor > -np.inf:
                # Rows that need no search go to the end, so that whole blocks of them do.
                self._compare([(side, side) for side in sides])
                limits[order] = _limits_of(sides)
                order = order[np.argsort(np.isneginf(limits[order]), kind="stable")]
                sides = self._arrange(points, rows, rounded, limits, known, order)
        return _Part(sides, cut.start + order)

    def _arrange(
        self,
        points: Points,
        rows: Int[np.ndarray, " m"],
        rounded: _Rounded,
        limits: Float[np.ndarray, " m"],
        known: Float[np.ndarray, "m k"],
        order: Int[np.ndarray, " m"],
    ) -> list[Side]:
        """Return blocks of rows in an order."""
        sides, rounding = [], self._rounding
        for block in blocks(len(rows), 1, numbers=self._block):
            some = order[block]
            padded = np.zeros((len(some) + PADDING, rounded.short.shape[1]), np.int16)
            padded[: len(some)] = rounded.short[some]
            own = np.full(len(padded), -np.inf, np.float32)
            own[: len(some)] = limits[some]
            lengths = np.einsum("ij,ij->i", padded, padded, dtype=np.int32)
            codes = codes_of(rounded.codes[some], rounded.off, tiles=rounding.tiles)
            candidates = no_candidates(len(some), self._k)
            sides.append(
                Side(
                    points.vectors, rows[some], padded, lengths, codes, own, known[some], candidates
                )
            )
        return sides

    def _begin(self, sides: list[Side]) -> None:
        """Find limits for rows about which nothing is known."""

        def begin(side: Side) -> None:
            limit_from_near_rows(side, self._rounding)

        parallel_for(begin, sides, threads=self._threads)

    def _within(self, part: _Part, progress: Callable[[float], None]) -> None:
        """Compare all rows of a part with each other."""
        sides = part.sides
        self._compare([(side, side) for side in sides])
        rounds = nearest_first(
            np.stack([side.short[: len(side.rows)].mean(axis=0) for side in sides])
        )
        for pairs in rounds:
            self._compare([(sides[one], sides[other]) for one, other in pairs])
            progress(1 / len(rounds))

    def _between(self, here: _Part, there: _Part, progress: Callable[[float], None]) -> None:
        """Compare all rows of a part with all of another."""
        many = max(len(here.sides), len(there.sides))
        for turn in range(many):
            pairs = ((side, (number + turn) % many) for number, side in enumerate(here.sides))
            self._compare(
                [(side, there.sides[other]) for side, other in pairs if other < len(there.sides)]
            )
            progress(1 / many)

    def _compare(self, pairs: list[tuple[Side, Side]]) -> None:
        """Compare blocks, each in one pair at most, so that threads share none."""

        def compare(pair: tuple[Side, Side]) -> None:
            one, other = pair
            if max(one.limits.max(), other.limits.max()) > -np.inf:
                lower_each_other(one, other, self._rounding, one is other)

        parallel_for(compare, pairs, threads=self._threads)

    def _decide(self, part: _Part, other: _Part) -> None:
        """Write the exact distances of the rows of a part to their candidates in another."""
        vectors = other.sides[0].vectors
        parallel_for(lambda side: decide(side, vectors), part.sides, threads=self._threads)

    def _choose(
        self, made: Float32[np.ndarray, "s W"], kinds: Iterable[int]
    ) -> tuple[float, int, int]:
        """Return about the distance of proxies to the k-th nearest, and the cheapest codes.

        Returns:
            The distance, and the width and the bits of codes.
        """
        some = _evenly_spaced(len(made), _SAMPLE)
        rank = min(len(made) - 1, max(1, round(self._k * len(made) / len(self._rows))))
        partial = np.zeros((len(some), len(made)), np.float32)
        sums = {}
        for begin in range(0, made.shape[1], CHUNK):
            one, other = made[some, begin : begin + CHUNK], made[:, begin : begin + CHUNK]
            partial += np.einsum("ij,ij->i", one, one)[:, None]
            partial += np.einsum("ij,ij->i", other, other)
            partial -= 2 * (one @ other.T)
            sums[begin + one.shape[1]] = partial[:, some].copy()
        limits = np.partition(partial, rank, axis=1)[:, rank]  # each row is the nearest to itself
        typical = float(np.sqrt(max(0.0, float(np.mean(limits)))))
        if self._transform.axes is None:
            sums = {made.shape[1]: sums[made.shape[1]]}
        reaches = np.sqrt(np.maximum(np.maximum(limits, limits[:, None]), 0.0) * _LOOSE)
        costs = {}
        for bits, width in product(kinds, sums):
            off = _OFF * math.sqrt(width) / float(self._levels(made, width, bits))
            suspects = float(np.mean(sums[width] < (reaches + 2 * off) ** 2))
            uses_tiles = bits == 8 and self._may_use_tiles
            a_coordinate = _PER_COORDINATE_OF_TILES if uses_tiles else _PER_COORDINATE[bits]
            costs[width, bits] = width * a_coordinate + suspects * _PER_SUSPECT
            if bits == 8 and width > WIDEST:
                costs[width, bits] = math.inf
        return typical, *min(costs, key=costs.__getitem__)

    def _levels(self, made: Float32[np.ndarray, "s W"], width: int, bits: int) -> np.float32:
        """Return what coordinates are multiplied by before they are rounded to codes."""
        if bits == 16:
            return self._transform.levels / np.float32(2)
        # A few larger coordinates are cut off, which counts as an error of rounding.
        largest = float(np.abs(mixed(made[::_EVERY], width)).max(initial=0.0)) * _MARGIN
        return np.float32(MOST[8] / max(largest, 2.0**-100))


class _Steps:
    """Turns shares of the work into numbers of rows that sum up to all of them."""

    def __init__(self, progress: Callable[[int], object], total: int, parts: int) -> None:
        self._progress, self._total, self._parts = progress, total, parts
        self._done, self._told = 0.0, 0

    def part(self) -> Callable[[float], None]:
        """Return what is called with shares of one of the parts."""
        return lambda share: self._advance(share / self._parts)

    def finish(self) -> None:
        """Report what is left."""
        self._done = 1.0
        self._advance(0.0)

    def _advance(self, share: float) -> None:
        self._done += share
        now = min(self._total, int(self._done * self._total))
        self._progress(now - self._told)
        self._told = now


def _limits_of(sides: list[Side]) -> Float32[np.ndarray, " m"]:
    return np.concatenate([side.limits[: len(side.rows)] for side in sides])


def _evenly_spaced(length: int, count: int) -> Int[np.ndarray, " c"]:
    return np.arange(length)[:: max(1, length // count)][:count]
