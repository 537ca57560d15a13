"""Proposals: matrix products that are certainly not above the squared distance.

The bound. Let u = 2**-24, the unit roundoff of float32. For a row x let x' be what it counts
as: divided by its length when rows are normalised, shifted by a fixed row, scaled by a fixed
power of two so that |x'| <= 1. Shift and scale are the same for all rows, so distances change
by the exact factor `scale` only. Let x^ be x' in float32, and x" be x^ in the precision of the
product (float32: x" = x^). Three errors enter.

1. From x' to x^. Shifting and casting round each coordinate once each, at most 2u·|x^| in all.
   Normalising in float32 rounds twice, at most 2u·scale for unit rows; call that
   a (0 when rows are not normalised). So |x^ - x'| <= a + 2u·|x^|, and the squared distance of
   x^ and c^ differs from that of x' and c' by at most 16u·(|x^|² + |c^|²) + 20a.
2. From x^ to x". With e(x) = |x^ - x"|, measured row by row, Cauchy and Schwarz give
   x^·c^ <= x"·c" + e(x)·|c^| + |x"|·e(c). Both terms ride along in the product as two more
   coordinates.
3. The product itself sums K terms in float32: in any order, with or without fused
   multiply-add, it errs by at most g times the sum of their magnitudes, where
   g = K·u / (1 - K·u) (Higham 2002, section 3.1); that sum is at most
   3·(|x^|² + |c^|²) + b, with b the number compared with (below). Squared lengths are float32
   sums themselves: g·|x^|² more.

Hence, with slack = 4g + 32u and floor = 20a + K·2**-118 (the latter for what underflows),

    scale²·|x - c|²  >=  (1-slack)·(|x^|²+|c^|²) - 2 x"·c" - 2 e(x)|c^| - 2|x"|e(c) - floor.

One number b a row, a squared distance that is known already, is subtracted within the same
product. Its *sign* then answers the only question there is, "can this pair be nearer than what
is known?", and a sign survives rounding the product to bfloat16. `tests/geometry` tries to
break all this.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.exact import Points, squared_distances_between

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["Float32Proposals", "Left", "Margins", "Proposals"]

UNIT_ROUNDOFF = 2.0**-24
# Errors and lengths that ride along in a product are rounded up by less than this.
_ROUNDED_UP = 1 + 2.0**-5

# Rows that the shift is the mean of: any shift is valid, a rough mean is as good as the mean.
_SHIFT_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Left:
    """Proposals of some rows as left factor of the product.

    Attributes:
        matrix: (m, K) or more rows, in the precision of the product; the last coordinates are
            set anew whenever the rows are compared.
        squared_lengths: (m,) float64 |x^|².
        errors: (m,) float64, at least e(x).
    """

    matrix: Any
    squared_lengths: Float[np.ndarray, " m"]
    errors: Float[np.ndarray, " m"]


class Margins(ABC):
    """For every pair, a number that is negative when the pair can be nearer than what is known."""

    @abstractmethod
    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        """Leave these pairs out of all that follows."""

    @abstractmethod
    def suspects(self) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Pairs (row, column), rows ascending: all that can be the nearest of a row, and nearer.

        A pair is left out when its number is not negative, or so far above the smallest of its
        row that the pair with the smallest is certainly nearer.
        """


class Proposals(ABC):
    """Low-precision stand-ins for the rows of a pool, and what can be concluded from them.

    Attributes:
        points: the pool.
        unit_of_bounds: what a proposal of 1 means as a squared distance.
    """

    extra: int
    """How many coordinates a product has beyond those of the rows."""

    threads: int = 1
    """How many tiles of rows to compare at once; 1 where products use all cores themselves."""

    def __init__(self, points: Points) -> None:
        self.points = points
        dimension = points.dimension
        exponent = -math.ceil(math.log2(points.longest)) - 1 if points.longest > 0 else 0
        if points.stored.dtype.itemsize <= 4:
            exponent = max(-120, min(exponent, 120))  # the scale itself is a float32 then
        self._scale = 2.0**exponent
        self.unit_of_bounds = self._scale**-2
        self._shift = self._rough_mean()
        terms = dimension + self.extra
        self._sum_error = terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
        self._slack = 4 * self._sum_error + 32 * UNIT_ROUNDOFF
        division_error = 2 * UNIT_ROUNDOFF * self._scale if points.unit else 0.0
        self._largest_error = 0.0
        self._floor = 20 * division_error + terms * 2.0**-118

    def _rough_mean(self) -> np.ndarray[Any, Any]:
        candidates = np.flatnonzero(self.points.candidates)
        some = candidates[:: max(1, len(candidates) // _SHIFT_SAMPLE)]
        mean = self.points.exact(some).mean(axis=0)
        # A float32 shift is subtracted from float32 rows with one rounding.
        narrow = self.points.stored.dtype.itemsize <= 4
        rounded: np.ndarray[Any, Any] = mean.astype(np.float32) if narrow else mean
        return rounded

    def float32_rows(
        self, points: Points, rows: Int[np.ndarray, " m"]
    ) -> Float32[np.ndarray, "m d"]:
        """The rows x^ of the module's docstring, of the pool or of points chosen elsewhere."""
        kept = points.stored[rows]
        if kept.dtype == np.float64:
            if points.factors is not None:
                kept *= points.factors[rows, None]
            kept -= self._shift
            kept *= self._scale
            narrowed: Float32[np.ndarray, "m d"] = kept.astype(np.float32)
            return narrowed
        taken: Float32[np.ndarray, "m d"] = kept.astype(np.float32, copy=False)
        if points.factors is not None:
            taken *= points.factors[rows].astype(np.float32)[:, None]
        taken -= self._shift
        taken *= np.float32(self._scale)
        return taken

    def pairwise_lower_bounds(self, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m m"]:
        """Numbers that, times `unit_of_bounds`, are not above the squared distances of pairs."""
        vectors = self.float32_rows(self.points, rows)
        squared = np.einsum("ij,ij->i", vectors, vectors)
        kept = ((1 - self._slack) * squared.astype(np.float64) - self._floor).astype(np.float32)
        bounds = self._float32_product(vectors, vectors)
        bounds *= -2
        bounds += kept[:, None]
        bounds += kept
        return bounds

    def _float32_product(
        self, left: Float32[np.ndarray, "m d"], right: Float32[np.ndarray, "k d"]
    ) -> Float32[np.ndarray, "m k"]:
        product: Float32[np.ndarray, "m k"] = left @ right.T
        return product

    def _known(self, left: Left, squared: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """What a row adds to all its products, so that they compare with `squared`."""
        known = squared / self.unit_of_bounds
        lengths = left.squared_lengths
        added = (1 - self._slack) * lengths - (1 + 2 * self._sum_error) * known - self._floor
        # It is stored with 24 bits: rounded down by more than they can round up.
        rounded: Float[np.ndarray, " m"] = added - 2.0**-22 * (lengths + known)
        return rounded

    def _widths(self, left: Left, squared: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """By how much the product of a pair can be below the truth: twice every allowance made.

        Columns are at most 1 long and err by at most `_largest_error`; what is known was
        multiplied and rounded too.
        """
        lengths = left.squared_lengths
        error = 4 * (left.errors + np.sqrt(lengths) * self._largest_error) * _ROUNDED_UP
        sums = (2 * self._slack + 2.0**-20) * (lengths + 1)
        known = (4 * self._sum_error + 2.0**-20) * squared / self.unit_of_bounds
        width: Float[np.ndarray, " m"] = error + sums + known + 4 * self._floor
        return width

    def exact_squared_distances(
        self, rows: Int[np.ndarray, " p"], others: Points, other_rows: Int[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """Squared distances of pairs: a row of the pool, a row of `others`; decided exactly."""
        return squared_distances_between(self.points, rows, others, other_rows)

    @abstractmethod
    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor."""

    @abstractmethod
    def columns(self, points: Points) -> Any:
        """Proposals of k points, of this pool or another, as right factor, (k, K)."""

    @abstractmethod
    def empty_columns(self, count: int) -> Any:
        """Room for `count` columns, which are as far from every row as can be."""

    @abstractmethod
    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""


class Float32Proposals(Proposals):
    """Products in float32, by NumPy. Coordinates: x^, then 1, then what is known."""

    extra = 2

    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor."""
        return self._compute(self.points, rows)

    def _compute(self, points: Points, rows: Int[np.ndarray, " m"]) -> Left:
        matrix = np.empty((len(rows), points.dimension + self.extra), np.float32)
        vectors = self.float32_rows(points, rows)
        matrix[:, :-2] = vectors
        matrix[:, -2] = 1.0
        squared = np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
        return Left(matrix, squared, np.zeros(len(rows)))

    def columns(self, points: Points) -> Float32[np.ndarray, "k K"]:
        """Proposals of k points, of this pool or another, as right factor, (k, d + 2)."""
        left = self._compute(points, np.arange(len(points)))
        matrix: np.ndarray[Any, Any] = left.matrix
        matrix[:, :-2] *= np.float32(-2)
        matrix[:, -2] = (1 - self._slack - 2.0**-22) * left.squared_lengths
        matrix[:, -1] = 1.0
        return matrix

    def empty_columns(self, count: int) -> Float32[np.ndarray, "k K"]:
        """Room for `count` columns, which are as far from every row as can be."""
        return np.zeros((count, self.points.dimension + self.extra), np.float32)

    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""
        left.matrix[:, -1] = self._known(left, squared)
        return _NumpyMargins(left.matrix @ columns.T, self._widths(left, squared))


class _NumpyMargins(Margins):
    def __init__(self, values: Float32[np.ndarray, "m k"], widths: Float[np.ndarray, " m"]) -> None:
        self._values = values
        self._widths = widths

    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        self._values[rows, columns] = np.inf

    def suspects(self) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        smallest = self._values.min(axis=1)
        rows = np.flatnonzero(smallest < 0)
        limit = np.minimum(smallest[rows] * (1 - 2.0**-20) + self._widths[rows], 0)
        which, columns = np.nonzero(self._values[rows] < limit.astype(np.float32)[:, None])
        return rows[which], columns
