"""Distances, their units and their rounding errors: the only room that does distance arithmetic.

There is one distance, Euclidean, and one way to know it: subtract, square, sum, in float64
(`exact_squared_distances`). Everything faster is a *proposal*: a float32 matrix product that
yields, for every pair, a number which is certainly not above the squared distance
(`Proposals.lower_bounds`). Pairs that a lower bound does not rule out are decided exactly.
So speed never changes an answer.

The bound. Let u = 2**-24 be the unit roundoff of float32 and, for a row x, let x^ be its
proposal: x divided by its length (when rows are normalised), shifted by a fixed row and
scaled by a power of two so that no proposal is longer than about 1, rounded to float32.
Shift and scale are the same for all rows, so distances only change by the exact factor
`scale`. Three errors enter.

1. Rounding the proposal. Shifting and casting round each coordinate once, an error of at most
   2u·|x^| in length (the cast of float64 input and the float32 subtraction). Dividing by the
   length in float32 rounds twice more, at most 2u times the scaled length of the row, which is
   1 for unit rows: an absolute error, 2u·scale. Together |x^ - x| <= e(x) = a + 2u·|x^|.
2. The float32 product. |fl(x^·c^) - x^·c^| <= g·|x^|·|c^| with g = (d+3)u / (1 - (d+3)u), in
   any order of summation, with or without fused multiply-add (Higham 2002, section 3.1).
   The squared length of c^ rides along as one more coordinate, hence d + 3 for d.
3. From proposals to rows. With p = |x^ - c^|, |p² - |x-c|²| <= (e(x)+e(c))·(2p + e(x)+e(c)).

With p <= |x^|+|c^|, (|x^|+|c^|)² <= 2(|x^|²+|c^|²) and |x^|, |c^| <= 2, all three are less than

    slack·(|x^|² + |c^|²) + floor,   slack = 6g + 24u,   floor = 40a + d·2**-120,

where 2g more pay for squared lengths that are themselves float32 sums, and the last term for
numbers that underflow. Hence the squared distance is at least
(1 - slack)·(|x^|² + |c^|²) - 2 x^·c^ - floor. `tests/test_geometry.py` tries to break it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = [
    "TIE",
    "Points",
    "Proposals",
    "blocks",
    "exact_squared_distances",
    "first_of_the_farthest",
    "lower_to_nearest",
    "squared_lengths",
]

TIE = 1e-12
"""Squared distances within this relative difference are equal: the smaller row number wins."""

COINCIDENT = 1e-28
"""Unit rows whose squared distance is below this differ by the rounding of a division only."""

LARGEST = 1e150
"""The largest magnitude a coordinate may have: its square must stay a float64."""

UNIT_ROUNDOFF = 2.0**-24

# A block is sized so that its working set stays in the caches of one core's share.
_BLOCK_NUMBERS = 1 << 21
# How many pairs are decided at once, so that exact work needs bounded memory.
_PAIR_NUMBERS = 1 << 22


def blocks(count: int, width: int, *, numbers: int = _BLOCK_NUMBERS) -> Iterator[slice]:
    """Slices over `count` rows of `width` numbers, each of about `numbers` numbers."""
    step = max(1, numbers // max(1, width))
    for begin in range(0, count, step):
        yield slice(begin, min(begin + step, count))


def squared_lengths(rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """Sum of squares of each row, in float64.

    Sums coordinate by coordinate, in order: NumPy's own reductions choose their order by
    processor, and unit rows must be the same bits on every machine.
    """
    total = np.zeros(len(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        for column in np.ascontiguousarray(rows.T, dtype=np.float64):
            total += column * column
    return total


@dataclass(frozen=True, eq=False)
class Points:
    """The rows of a pool as geometry sees them.

    Attributes:
        stored: (n, d) vectors as they came: float16, float32 or float64, any strides, perhaps
            read-only or memory-mapped. Never copied as a whole.
        lengths: (n,) Euclidean lengths to divide rows by, or None when rows count as they are.
        candidates: (n,) True where a row may be chosen. Rows that are not (a zero vector that
            cannot be normalised, say) are never looked at.
    """

    stored: np.ndarray[Any, Any]
    lengths: Float[np.ndarray, " n"] | None
    candidates: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def dimension(self) -> int:
        """How many coordinates a row has."""
        return int(self.stored.shape[1])

    def exact(self, rows: Int[np.ndarray, " m"] | slice) -> Float[np.ndarray, "m d"]:
        """The rows whose distances are the truth: float64, normalised when rows are."""
        taken = self.stored[rows].astype(np.float64)
        if self.lengths is not None:
            taken /= self.lengths[rows, None]
        return taken

    def mean_offset(self) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """An origin (the first candidate) and the mean of all candidates relative to it.

        Relative, because a mean far from zero would be rounded more coarsely than the rows
        are apart, and equally distant rows would no longer tie.
        """
        first = int(np.argmax(self.candidates))
        origin = self.exact(slice(first, first + 1))[0]
        total = np.zeros(self.dimension)
        for block in blocks(len(self), self.dimension):
            kept = np.flatnonzero(self.candidates[block]) + block.start
            total += (self.exact(kept) - origin).sum(axis=0)
        return origin, total / np.count_nonzero(self.candidates)

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Squared distance of every candidate to the mean of all; -inf for the others."""
        origin, mean = self.mean_offset()
        squared = np.full(len(self), -np.inf)
        for block in blocks(len(self), self.dimension):
            kept = np.flatnonzero(self.candidates[block]) + block.start
            difference = (self.exact(kept) - origin) - mean
            squared[kept] = np.einsum("ij,ij->i", difference, difference)
        return squared

    def exact_squared_distances(
        self, left: Int[np.ndarray, " p"], right: Int[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """Squared distances of the pairs (left[i], right[i]) of row numbers, decided exactly."""
        squared = np.empty(len(left))
        for block in blocks(len(left), self.dimension, numbers=_PAIR_NUMBERS):
            squared[block] = exact_squared_distances(
                self.exact(left[block]), self.exact(right[block]), unit=self.lengths is not None
            )
        return squared


def exact_squared_distances(
    left: Float[np.ndarray, "*#p d"], right: Float[np.ndarray, "*#p d"], *, unit: bool
) -> Float[np.ndarray, " p"]:
    """Squared distances between rows, by subtraction in float64: the arithmetic that decides.

    `unit` says that the rows are of length one; then rows that differ by the rounding of
    their normalisation only are the same row, at distance exactly 0.
    """
    difference = left - right
    squared: np.ndarray[Any, np.dtype[np.float64]] = np.einsum("ij,ij->i", difference, difference)
    if unit:
        squared[squared < COINCIDENT] = 0.0
    return squared


def first_of_the_farthest(squared: Float[np.ndarray, " n"]) -> int:
    """Position of the largest value; of all that are equal within rounding, the first."""
    return int(np.argmax(squared >= squared.max() * (1.0 - TIE)))


@dataclass(frozen=True, eq=False)
class Proposed:
    """Proposals of some rows, ready to be multiplied.

    Attributes:
        vectors: (m, d + 1) float32. As rows [x^, 1], as columns [-2 c^, (1 - slack) |c^|²].
        offsets: (m,) float64, (1 - slack) |x^|² - floor: what a row adds to its products.
    """

    vectors: Float[np.ndarray, "m d1"]
    offsets: Float[np.ndarray, " m"]

    def __getitem__(self, keep: Any) -> Proposed:
        return Proposed(self.vectors[keep], self.offsets[keep])

    def as_columns(self, floor: float) -> Float[np.ndarray, "m d1"]:
        """The same rows as the other factor of the product."""
        columns = self.vectors * np.float32(-2.0)
        columns[:, -1] = self.offsets + floor
        return columns


class Proposals:
    """Low-precision stand-ins for the rows of a pool, and what can be concluded from them."""

    def __init__(self, points: Points) -> None:
        self.points = points
        dimension = points.dimension
        self._unit = points.lengths is not None
        shift, reach = self._shift_and_reach()
        # The largest length becomes at most 1. Powers of two scale without rounding.
        exponent = -math.ceil(math.log2(reach)) if reach > 0 else 0
        if points.stored.dtype.itemsize <= 4:
            exponent = max(-120, min(exponent, 120))  # the scale itself is a float32 then
        self.scale = 2.0**exponent
        self._shift = shift
        product_error = (dimension + 3) * UNIT_ROUNDOFF / (1 - (dimension + 3) * UNIT_ROUNDOFF)
        self.slack = 6 * product_error + 24 * UNIT_ROUNDOFF
        division_error = 2 * UNIT_ROUNDOFF * self.scale if self._unit else 0.0
        self.floor = 40 * division_error + dimension * 2.0**-120

    def _shift_and_reach(self) -> tuple[Float[np.ndarray, " d"], float]:
        """The row that proposals are relative to, and a bound on the length of what is left."""
        origin, mean = self.points.mean_offset()
        narrow = self.points.stored.dtype.itemsize <= 4
        # A float32 shift is subtracted from float32 rows with one rounding.
        shift = (origin + mean).astype(np.float32) if narrow else origin + mean
        farthest = 0.0
        for block in blocks(len(self.points), self.points.dimension):
            kept = np.flatnonzero(self.points.candidates[block]) + block.start
            if len(kept):
                lengths = squared_lengths(self.points.exact(kept) - shift)
                farthest = max(farthest, float(lengths.max()))
        return shift, math.sqrt(farthest)

    def of(self, rows: Int[np.ndarray, " m"]) -> Proposed:
        """Proposals of the given row numbers."""
        points = self.points
        vectors = np.empty((len(rows), points.dimension + 1), np.float32)
        kept = points.stored[rows]
        if kept.dtype == np.float64:
            if points.lengths is not None:
                kept /= points.lengths[rows, None]
            kept -= self._shift
            kept *= self.scale
        else:
            kept = kept.astype(np.float32, copy=False)
            if points.lengths is not None:
                kept *= (1.0 / points.lengths[rows]).astype(np.float32)[:, None]
            kept -= self._shift
            kept *= np.float32(self.scale)
        vectors[:, :-1] = kept
        vectors[:, -1] = 1.0
        squared = np.einsum("ij,ij->i", vectors[:, :-1], vectors[:, :-1])
        return Proposed(vectors, (1.0 - self.slack) * squared.astype(np.float64) - self.floor)

    def columns(self, proposed: Proposed) -> Float[np.ndarray, "m d1"]:
        """The same proposals as the right factor of `lower_bounds`."""
        return proposed.as_columns(self.floor)

    def lower_bounds(
        self, proposed: Proposed, columns: Float[np.ndarray, "k d1"]
    ) -> Float[np.ndarray, "m k"]:
        """For every pair, all but the row's own offset of a number <= scale² · squared distance.

        Add `proposed.offsets[:, None]` for the bound itself; leaving it out keeps the order
        within a row, and most callers need the smallest of a row only.
        """
        products: Float[np.ndarray, "m k"] = proposed.vectors @ columns.T
        return products


def lower_to_nearest(
    proposals: Proposals,
    rows: Int[np.ndarray, " m"],
    proposed: Proposed,
    squared: Float[np.ndarray, " m"],
    others: Int[np.ndarray, " k"],
    columns: Float[np.ndarray, "k d1"],
    nearest: Int[np.ndarray, " m"] | None = None,
    *,
    skip_itself: bool = False,
) -> None:
    """Lower `squared` in place to the exact squared distance to the nearest of `others`, if nearer.

    Args:
        proposals: of the pool that all row numbers refer to.
        rows: the rows to compare.
        proposed: their proposals.
        squared: exact squared distances known so far (inf where none is).
        others: rows to compare with.
        columns: their proposals as columns.
        nearest: where given, the row number that attains `squared` is kept up to date too; of
            several at exactly the same distance, the one met first stays.
        skip_itself: a row that is among `others` too is not compared with itself.

    Cost: m·k·d multiplications in float32, and about one exact distance for every row that
        comes nearer than it was.
    """
    points = proposals.points
    bounds = proposals.lower_bounds(proposed, columns)
    if skip_itself:
        bounds[rows[:, None] == others] = np.inf
    ceiling = squared * (proposals.scale * proposals.scale) - proposed.offsets
    best = bounds.argmin(axis=1)
    suspects = np.flatnonzero(bounds[np.arange(len(rows)), best] < ceiling)
    if len(suspects) == 0:
        return
    # The most promising pair of each row first: it usually rules out all the others.
    _decide(points, rows, squared, others, suspects, best[suspects], nearest)
    bounds = bounds[suspects]
    bounds[np.arange(len(suspects)), best[suspects]] = np.inf
    ceiling = squared[suspects] * (proposals.scale * proposals.scale) - proposed.offsets[suspects]
    which, column = np.nonzero(bounds < ceiling[:, None])
    if len(which):
        _decide(points, rows, squared, others, suspects[which], column, nearest)


def _decide(
    points: Points,
    rows: Int[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    others: Int[np.ndarray, " k"],
    positions: Int[np.ndarray, " p"],
    columns: Int[np.ndarray, " p"],
    nearest: Int[np.ndarray, " m"] | None,
) -> None:
    """Lower `squared[positions]` to the exact squared distances to `others[columns]`."""
    decided = points.exact_squared_distances(rows[positions], others[columns])
    if nearest is not None:
        # Ascending, so that of several pairs of one row the nearest is written last.
        order = np.argsort(-decided, kind="stable")
        closer = order[decided[order] < squared[positions[order]]]
        nearest[positions[closer]] = others[columns[closer]]
    np.minimum.at(squared, positions, decided)
