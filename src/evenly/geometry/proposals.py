"""Proposals: matrix products that are certainly not above the squared distance.

The bound. Let u = 2**-24, the unit roundoff of float32. For a row x let x' be what it counts
as: divided by its length when rows are normalised, shifted by a fixed row, scaled by a fixed
power of two so that |x'| <= 1. Shift and scale are the same for all rows, so distances change
by the exact factor `scale` only. Let x^ be x' in float32, and x" be x^ in the precision of the
product (float32: x" = x^). Three errors enter.

1. From x' to x^. Shifting and casting round each coordinate once each, at most 2u·|x^| in all.
   Dividing by the length in float32 rounds twice, at most 2u·scale for unit rows; call that
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

from evenly.geometry.exact import Points

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["Float32Proposals", "Left", "Margins", "Proposals"]

UNIT_ROUNDOFF = 2.0**-24

# Rows that the shift is the mean of: any shift is valid, a rough mean is as good as the mean.
_SHIFT_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Left:
    """Proposals of some rows as left factor of the product.

    Attributes:
        matrix: (m, K), in the precision of the product; the last coordinates are set anew
            whenever the rows are compared.
        squared_lengths: (m,) float64 |x^|².
    """

    matrix: Any
    squared_lengths: Float[np.ndarray, " m"]

    def __getitem__(self, keep: Int[np.ndarray, " q"]) -> Left:
        return Left(self.matrix[keep], self.squared_lengths[keep])


class Margins(ABC):
    """For every pair, a number that is negative when the pair can be nearer than what is known."""

    @abstractmethod
    def smallest(self) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """The smallest of each row, and its column."""

    @abstractmethod
    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        """Leave these pairs out of all that follows."""

    @abstractmethod
    def below(
        self, rows: Int[np.ndarray, " q"], shift: Float[np.ndarray, " q"]
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Pairs (position in `rows`, column) that stay negative when `shift` <= 0 is taken away."""


class Proposals(ABC):
    """Low-precision stand-ins for the rows of a pool, and what can be concluded from them.

    Attributes:
        points: the pool.
        unit_of_bounds: what a proposal of 1 means as a squared distance.
    """

    extra: int
    """How many coordinates a product has beyond those of the rows."""

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
        self._floor = 20 * division_error + terms * 2.0**-118

    def _rough_mean(self) -> np.ndarray[Any, Any]:
        candidates = np.flatnonzero(self.points.candidates)
        some = candidates[:: max(1, len(candidates) // _SHIFT_SAMPLE)]
        mean = self.points.exact(some).mean(axis=0)
        # A float32 shift is subtracted from float32 rows with one rounding.
        return mean.astype(np.float32) if self.points.stored.dtype.itemsize <= 4 else mean

    def float32_rows(self, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
        """The rows x^ of the module's docstring."""
        points = self.points
        kept = points.stored[rows]
        if kept.dtype == np.float64:
            if points.lengths is not None:
                kept /= points.lengths[rows, None]
            kept -= self._shift
            kept *= self._scale
            narrowed: Float32[np.ndarray, "m d"] = kept.astype(np.float32)
            return narrowed
        taken: Float32[np.ndarray, "m d"] = kept.astype(np.float32, copy=False)
        if points.lengths is not None:
            taken *= (1.0 / points.lengths[rows]).astype(np.float32)[:, None]
        taken -= self._shift
        taken *= np.float32(self._scale)
        return taken

    def pairwise_lower_bounds(self, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m m"]:
        """Numbers that, times `unit_of_bounds`, are not above the squared distances of pairs."""
        vectors = self.float32_rows(rows)
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

    def shift_of(self, lowered: Float[np.ndarray, " q"]) -> Float[np.ndarray, " q"]:
        """By how much margins change when the known squared distances change by `lowered`."""
        return lowered / self.unit_of_bounds * (1 + 2 * self._sum_error)

    @abstractmethod
    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor."""

    @abstractmethod
    def columns(self, rows: Int[np.ndarray, " k"]) -> Any:
        """Proposals of the given row numbers as right factor, (k, K)."""

    @abstractmethod
    def empty_columns(self, count: int) -> Any:
        """Room for `count` columns."""

    @abstractmethod
    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""


class Float32Proposals(Proposals):
    """Products in float32, by NumPy. Coordinates: x^, then 1, then what is known."""

    extra = 2

    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor."""
        matrix = np.empty((len(rows), self.points.dimension + self.extra), np.float32)
        vectors = self.float32_rows(rows)
        matrix[:, :-2] = vectors
        matrix[:, -2] = 1.0
        return Left(matrix, np.einsum("ij,ij->i", vectors, vectors).astype(np.float64))

    def columns(self, rows: Int[np.ndarray, " k"]) -> Float32[np.ndarray, "k K"]:
        """Proposals of the given row numbers as right factor, (k, d + 2)."""
        left = self.left(rows)
        matrix: np.ndarray[Any, Any] = left.matrix
        matrix[:, :-2] *= np.float32(-2)
        matrix[:, -2] = (1 - self._slack - 2.0**-22) * left.squared_lengths
        matrix[:, -1] = 1.0
        return matrix

    def empty_columns(self, count: int) -> Float32[np.ndarray, "k K"]:
        """Room for `count` columns."""
        return np.empty((count, self.points.dimension + self.extra), np.float32)

    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""
        left.matrix[:, -1] = self._known(left, squared)
        return _NumpyMargins(left.matrix @ columns.T)


class _NumpyMargins(Margins):
    def __init__(self, values: Float32[np.ndarray, "m k"]) -> None:
        self._values = values

    def smallest(self) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        columns = self._values.argmin(axis=1)
        return self._values[np.arange(len(columns)), columns], columns

    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        self._values[rows, columns] = np.inf

    def below(
        self, rows: Int[np.ndarray, " q"], shift: Float[np.ndarray, " q"]
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        limit = (shift * (1 - 2.0**-20)).astype(np.float32)
        which, column = np.nonzero(self._values[rows] < limit[:, None])
        return which, column
