"""Rows of a pool, and their exact distances: subtract, square, sum, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evenly.geometry.kernels.exact import (
    TIE,
    Vectors,
    add_rows,
    squared_distances_of_pairs,
    squared_distances_to_point,
    squared_lengths_of_rows,
)
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.geometry.window import window
from evenly.shapes import Bool, Float, Int

COINCIDENT = 1e-28
"""Unit rows with a squared distance below this differ only by the rounding of a division."""

LARGEST = 1e150
"""The largest magnitude a coordinate may have: its square must stay a float64."""

# A block is sized so that its working set stays in the caches of one core's share.
_BLOCK_NUMBERS = 1 << 18
MEAN_ROWS = 4096
"""Rows that are summed together for a mean."""

_NO_FACTORS = np.empty(0)
_SMALLEST = float(np.nextafter(0.0, 1.0))


def reach_of(distance: float) -> float:
    """Return the squared distance below which two rows count as nearer than a distance.

    Squared distances that differ by less than TIE, relatively, are equal, so rows at exactly the
    distance are not nearer. For a distance of 0, only rows at distance 0 are.
    """
    return max(distance * distance * (1.0 - TIE), _SMALLEST)


def blocks(count: int, width: int, *, numbers: int = _BLOCK_NUMBERS) -> Iterator[slice]:
    """Yield slices over `count` rows of `width` numbers, each slice of about `numbers` numbers."""
    step = max(1, numbers // max(1, width))
    for begin in range(0, count, step):
        yield slice(begin, min(begin + step, count))


def row_lengths(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Return the Euclidean length of each row in float64; not finite if a coordinate is not."""
    lengths: Float[np.ndarray, " n"] = np.sqrt(squared_lengths(rows))
    return lengths


def squared_lengths(rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """Return the sum of squares of each row in float64, added in the same order everywhere."""
    squared = np.empty(len(rows))

    def measure(part: slice) -> None:
        squared[part] = squared_lengths_of_rows(readable(rows[part]))

    parts = blocks(len(rows), 1, numbers=MEAN_ROWS)
    parallel_for(measure, parts, threads=usable_threads())
    return squared


def readable(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array as the compiled loops read it: float16 as its bits."""
    return stored.view(np.uint16) if stored.dtype == np.float16 else stored


class Elsewhere(Protocol):
    """Rows that other processes hold, and compute with: questions whose answers are small.

    Each answer has the bits that it has if the rows are here.
    """

    def squared_to_chosen(
        self, chosen: Int[np.ndarray, " k"], below: float
    ) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Return squared distances and numbers of the nearest chosen rows; see `nearest_chosen`."""

    def farthest_row(self, chosen: Int[np.ndarray, " k"]) -> tuple[int, float]:
        """Return the row that is farthest from the chosen ones; see `farthest_rows`."""

    def sums_of_rows(
        self, rows: Int[np.ndarray, " m"], origin: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "b d"]:
        """Return sums of some rows, which ascend; see `sums_of_rows`."""

    def squared_distances_to(
        self, rows: Int[np.ndarray, " m"], point: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " m"]:
        """Return the squared distances of some rows to a point; see `squared_distances_to`."""


@dataclass(frozen=True, eq=False)
class RowSums:
    """Sums of the rows of each MEAN_ROWS row numbers, which a mean is made of.

    Attributes:
        first: the row that the sums are relative to, the first that counts.
        counted: (n,) the rows that count.
        sums: (b, d) the sums.
        far: some rows that are far from what seemed to be the mean while rows were read.
    """

    first: int
    counted: Bool[np.ndarray, " n"]
    sums: Float[np.ndarray, "b d"]
    far: Int[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class Points:
    """The rows of a pool.

    Attributes:
        stored: (n, d) vectors in their own type and layout: float16, float32 or float64, any
            strides, perhaps read-only or memory-mapped, or on disk and read by slices and row
            numbers. Never copied as a whole.
        factors: (n,) reciprocal lengths that rows are multiplied by; None if rows are not
            normalised.
        eligible: (n,) True for rows that may be chosen. Other rows, such as zero vectors that
            cannot be normalised, are never read.
        longest: no eligible row is longer than this; 1 for normalised rows.
        room: bytes that computing on rows on disk may take; None for the default of the engine.
        row_sums: sums of the rows, if they were made when the rows were read for another purpose.
    """

    stored: Any
    factors: Float[np.ndarray, " n"] | None
    eligible: Bool[np.ndarray, " n"]
    longest: float
    room: float | None = None
    row_sums: RowSums | None = None

    @classmethod
    def of(
        cls,
        stored: np.ndarray[Any, Any],
        lengths: Float[np.ndarray, " n"],
        eligible: Bool[np.ndarray, " n"],
        *,
        normalize: bool,
        room: float | None = None,
        row_sums: RowSums | None = None,
    ) -> Points:
        """Return points made of vectors and their lengths, which normalisation divides by."""
        if normalize:
            factors = np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=eligible)
            return cls(stored, factors, eligible, 1.0, room, row_sums)
        return cls(stored, None, eligible, float(lengths[eligible].max()), room, row_sums)

    @property
    def vectors(self) -> Vectors:
        """The rows as the compiled loops read them."""
        factors = _NO_FACTORS if self.factors is None else self.factors
        return Vectors(readable(self.stored), factors, self.coincident)

    @property
    def in_memory(self) -> bool:
        """Whether the rows are one array; else they are read from disk when needed."""
        return isinstance(self.stored, np.ndarray)

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What computes with the rows, if they must not be read as a whole here."""
        return None

    @property
    def coincident(self) -> float:
        """Squared distances below this are 0."""
        return COINCIDENT if self.unit else 0.0

    @property
    def unit(self) -> bool:
        """Whether rows are normalised to length 1."""
        return self.factors is not None

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def dimension(self) -> int:
        """Coordinates of a row."""
        return int(self.stored.shape[1])

    def exact(self, rows: Int[np.ndarray, " m"] | slice) -> Float[np.ndarray, "m d"]:
        """Return rows in float64, normalised if rows are: exact distances are theirs."""
        taken: Float[np.ndarray, "m d"] = self.stored[rows].astype(np.float64)
        if self.factors is not None:
            taken *= self.factors[rows, None]
        return taken

    def take(self, rows: Int[np.ndarray, " m"]) -> Points:
        """Return a copy of some rows, all of them eligible."""
        taken = np.ascontiguousarray(self.stored[rows])
        factors = None if self.factors is None else self.factors[rows]
        return Points(taken, factors, np.ones(len(rows), bool), self.longest)

    @classmethod
    def join(cls, parts: Sequence[Points]) -> Points:
        """Return the points of several pools as one; a copy."""
        factors = None
        if parts[0].factors is not None:
            factors = np.concatenate([part.factors for part in parts if part.factors is not None])
        return cls(
            np.concatenate([part.stored for part in parts]),
            factors,
            np.concatenate([part.eligible for part in parts]),
            parts[0].longest,
        )

    def part(self, part: slice) -> Points:
        """Return consecutive rows, sharing memory."""
        factors = None if self.factors is None else self.factors[part]
        return Points(self.stored[part], factors, self.eligible[part], self.longest)

    def window(self, rows: slice) -> Points:
        """Return consecutive rows, which are not read from disk before they are needed."""
        stored = window(self.stored, rows)
        factors = None if self.factors is None else self.factors[rows]
        return Points(stored, factors, self.eligible[rows], self.longest, self.room)

    def resized(self, count: int) -> Points:
        """Return a copy of `count` rows; those beyond the present ones are zeros."""
        stored = np.zeros((count, self.dimension), self.stored.dtype)
        kept = min(count, len(self))
        stored[:kept] = self.stored[:kept]
        factors = None
        if self.factors is not None:
            factors = np.zeros(count)
            factors[:kept] = self.factors[:kept]
        return Points(stored, factors, np.ones(count, bool), self.longest)

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Return the squared distance of every eligible row to their mean; -inf for the others.

        The mean is taken relative to the first eligible row: a mean far from zero would be
        rounded more coarsely than the distances between rows, and equally distant rows would no
        longer tie.
        """
        return self.squared_distances_from(*self.mean())

    def mean(self) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """Return the first eligible row, and the mean of these rows relative to it.

        Each block of rows is summed by itself, and the sums are added in order, so the bits do
        not depend on the number of threads.
        """
        first = int(np.argmax(self.eligible))
        origin = self.exact(np.array([first]))[0]
        return origin, self.mean_of_sums(self._sums_relative_to(first, origin))

    def _sums_relative_to(
        self, first: int, origin: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "b d"]:
        """Return the sums of all blocks, of which those are known whose rows count as before."""
        known = self.row_sums
        if known is None or known.first != first:
            return self.sums_of_blocks(origin)
        sums, same = known.sums.copy(), known.counted == self.eligible
        for number, block in enumerate(blocks(len(self), 1, numbers=MEAN_ROWS)):
            if not same[block].all():
                sums[number] = self.sums_of_blocks(origin, block)[0]
        return sums

    def sums_of_blocks(
        self, origin: Float[np.ndarray, " d"], rows: slice | None = None
    ) -> Float[np.ndarray, "b d"]:
        """Return the sum of the eligible rows, relative to an origin, of each block of rows.

        Args:
            origin: the point that is subtracted from each row.
            rows: the rows that are divided into blocks; by default all.
        """
        begin, end = (0, len(self)) if rows is None else (rows.start, rows.stop)
        parts = list(blocks(end - begin, 1, numbers=MEAN_ROWS))
        sums = np.zeros((len(parts), self.dimension))

        def add(number: int) -> None:
            block = parts[number]
            part = self.part(slice(begin + block.start, begin + block.stop))
            add_rows(part.vectors, np.flatnonzero(part.eligible), origin, sums[number])

        parallel_for(add, range(len(parts)), threads=usable_threads())
        return sums

    def mean_of_sums(self, sums: Float[np.ndarray, "b d"]) -> Float[np.ndarray, " d"]:
        """Return the mean of the eligible rows from the sums of all blocks, added in order."""
        mean: Float[np.ndarray, " d"] = np.cumsum(sums, axis=0)[-1]
        return mean / np.count_nonzero(self.eligible)

    def squared_distances_from(
        self, origin: Float[np.ndarray, " d"], point: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " n"]:
        """Return the squared distance of every eligible row to a point; -inf for the others.

        The point is given relative to the origin.
        """
        squared = np.full(len(self), -np.inf)

        def measure(block: slice) -> None:
            part = self.part(block)
            rows = np.flatnonzero(part.eligible)
            squared[block.start + rows] = squared_distances_to_point(
                part.vectors, rows, origin, point
            )

        parts = blocks(len(self), 1, numbers=MEAN_ROWS)
        parallel_for(measure, parts, threads=usable_threads())
        return squared


def squared_distances_between(
    left: Points,
    left_rows: Int[np.ndarray, " p"],
    right: Points,
    right_rows: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Return the exact squared distances of pairs: left_rows[i] of one, right_rows[i] of the other.

    They are computed by subtraction in float64. Unit rows that differ only by the rounding of
    their normalisation are the same row, at distance exactly 0.

    Cost: 3·d operations a pair.
    """
    squared: Float[np.ndarray, " p"] = squared_distances_of_pairs(
        left.vectors, left_rows, right.vectors, right_rows
    )
    return squared


def first_of_the_farthest(squared: Float[np.ndarray, " n"]) -> int:
    """Return the position of the largest value; the first of those equal within rounding."""
    return int(np.argmax(squared >= squared.max() * (1.0 - TIE)))


def mean_of(points: Points, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, " d"]:
    """Return the mean of some rows, summed relative to the first to keep the digits of far rows."""
    origin = points.exact(rows[:1])[0]
    if points.elsewhere is None:
        sums = sums_of_rows(points, rows, origin)
    else:
        sums = points.elsewhere.sums_of_rows(rows, origin)
    mean: Float[np.ndarray, " d"] = origin + sums.sum(axis=0) / len(rows)
    return mean


def sums_of_rows(
    points: Points, rows: Int[np.ndarray, " m"], origin: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "b d"]:
    """Return the sum, relative to an origin, of each block of `MEAN_ROWS` of some rows."""
    parts = list(blocks(len(rows), 1, numbers=MEAN_ROWS))
    sums = np.zeros((len(parts), points.dimension))

    def add(number: int) -> None:
        some, inside = _readable_rows(points, rows[parts[number]])
        add_rows(some.vectors, inside, origin, sums[number])

    parallel_for(add, range(len(parts)), threads=usable_threads())
    return sums


def squared_distances_to(
    points: Points, rows: Int[np.ndarray, " m"], point: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " m"]:
    """Return the squared distances of some rows to a point, by subtraction in float64.

    Cost: 3·m·d operations.
    """
    if points.elsewhere is not None:
        return points.elsewhere.squared_distances_to(rows, point)
    squared = np.empty(len(rows))
    origin = np.zeros(points.dimension)

    def measure(part: slice) -> None:
        some, inside = _readable_rows(points, rows[part])
        squared[part] = squared_distances_to_point(some.vectors, inside, origin, point)

    parallel_for(measure, blocks(len(rows), 1, numbers=MEAN_ROWS), threads=usable_threads())
    return squared


def _readable_rows(
    points: Points, rows: Int[np.ndarray, " m"]
) -> tuple[Points, Int[np.ndarray, " m"]]:
    """Return points in memory and which of them the rows are."""
    return (points, rows) if points.in_memory else (points.take(rows), np.arange(len(rows)))
