"""Stand-ins: short float32 rows whose distances are certainly not much above the true ones.

Matrix products of stand-ins rule pairs out; what they cannot rule out is decided exactly.

**What they are.** For a row x let x' be what it counts as: divided by its length when rows are
normalised, shifted by a fixed row, scaled by a fixed power of two so that |x'| <= 1. Shift and
scale are the same for all rows, so distances change by the exact factor `scale` only. Let x^ be
x' in float32, and y = A.x^, where the columns of A' are principal axes of the pool, the leading
ones first: most of a distance is in few of its coordinates, and few coordinates make cheap
products. Where turning does not pay, A is the identity. Rows that are float32 and about as long
as 1 can be stand-ins as they are, unshifted, where that leaves them little longer.

**The bound.** Let u = 2**-24, the unit roundoff of float32.

1. From x' to x^: computed in float64 and rounded once: |x^ - x'| <= u.|x'| + t, with
   t = 2**-50 + sqrt(d).2**-140 for float64's own errors and for what underflows. Rows that are
   taken as they are, though normalisation multiplies them by factors of 1 - o to 1 + o, are
   off by o.|x'|/(1 - o) more at most.
2. From x^ to y: A does not stretch by more than b = sqrt(1 + |A.A' - 1|_F), measured in
   float64, so |y - z| <= b.|x^ - c^|, and any subset of coordinates only shortens it.
3. From y to what is computed, y~: each coordinate is a float32 sum of d products, in any order,
   with or without fused multiply-add; it errs by at most g.|A_j|.|x^|, g = d.u / (1 - d.u)
   (Higham 2002, section 3.1). Over W coordinates: |y~ - y| <= g.sqrt(W).b.|x^|.

With every |x'| at most R (measured; below 1, or 2 for rows as they are), 1 to 3 give, for a pair
of rows,

    |y~ - z~|  <=  b.|x' - c'| + E,        E = 2b.(u.R + t) + 2g.sqrt(W).b.(R + u.R + t).

4. The product: |y~|² + |z~|² - 2 y~.z~, or a sum of squared gaps, over K <= W + 2 terms in
   float32 errs by at most 4 g'.S², g' = (K + 8).u / (1 - (K + 8).u), with S the longest y~: S <=
   b.R + E. Call that H. In bfloat16 each factor is rounded by 2**-8 of itself at most, and
   torch rounds the product once more: 2.S².(3.2**-8 + 2**-13) is added to H. In int16 each
   coordinate times L = 32766/S is rounded to an integer, so that a row is off by at most f =
   sqrt(K).(1/2 + 2**-8)/L; products are exact but for that, and 2.(2S.f + f²) is added to H.

So a pair can be nearer than a known squared distance q only if its product is below

    (b.scale.sqrt(q) + E)² + H.

That is `ErrorBound`; `tests/test_geometry.py` tries to break it. It is small against distances
that matter (1e-4 of them for float32), so about one pair for each row that comes nearer is
decided exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.kernels.screening import CHUNK, fill_proxies
from evenly.geometry.points import Points, blocks

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["ErrorBound", "ProxyTransform", "ProxyVectors", "principal_axes"]


UNIT_ROUNDOFF = 2.0**-24


# Rows that the axes are made from, for each coordinate: any are valid, these are good.
_ROWS_A_COORDINATE = 6


# Rows that a rough mean is taken of.
_ROUGHLY = 256


_VERY_ROUGHLY = 64


# Rows that a division would change by more are not taken as they are.
_MOSTLY_OFF = 2.0**-20


# What rounds to an integer of 16 bits, even if float32 makes it a little larger.
_LARGEST_INT16 = 32766.0


# How far a coordinate is from the integer it is rounded to, at most: float32 errs before.
_OFF_A_LEVEL = 0.5 + 2.0**-8


# Rows turned at once: small enough to stay in the caches.
_ROWS = 1024


@dataclass(frozen=True)
class ErrorBound:
    """What errors can do to a product; see the module's docstring.

    Attributes:
        scale: stand-ins are the rows times this.
        stretch: b, by how much the axes lengthen at most.
        error: E, by how much a distance of stand-ins can be above the truth.
        rounding: H, by how much a product can be above its squared distance.
    """

    scale: float
    stretch: float
    error: float
    rounding: float

    def __iter__(self) -> Any:
        return iter((self.scale, self.stretch, self.error, self.rounding))

    def limits(self, squared: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Products at or above these cannot be of a pair nearer than `squared`."""
        reach = np.sqrt(squared) * self.scale * self.stretch + self.error
        limits: Float[np.ndarray, " m"] = reach * reach + self.rounding
        return limits


@dataclass(frozen=True, eq=False)
class ProxyTransform:
    """How rows of one pool become stand-ins: shift, scale, axes.

    Attributes:
        dimension: d, coordinates of a row.
        shift: (d,) float64, subtracted from every row.
        scale: a power of two.
        longest: R, no row is longer after shift and scale.
        axes: (d, W) float32, or None where rows are not turned.
        stretch: b, by how much the axes lengthen at most.
        off: by how much of R rows are off that are taken as they are; None where none are.
    """

    dimension: int
    shift: Float[np.ndarray, " d"]
    scale: float
    longest: float
    axes: Float32[np.ndarray, "d W"] | None = None
    stretch: float = 1.0
    off: float | None = None

    @classmethod
    def as_they_are(cls, points: Points) -> ProxyTransform | None:
        """Whose stand-ins are the rows themselves, so that no copy is made; None where they differ.

        Where the rows are far from zero for how far apart they are, a shift is worth a copy.
        """
        stored = points.stored
        plain = type(stored) is np.ndarray and stored.dtype == np.float32
        if not (plain and stored.flags.carray and 0.25 <= points.longest <= 2.0):
            return None
        if points.dimension >= CHUNK and points.dimension % CHUNK:
            return None
        eligible = np.flatnonzero(points.eligible)
        off = 0.0
        if points.factors is not None:
            off = float(np.abs(points.factors[eligible] - 1.0).max(initial=0.0)) * (1 + 2.0**-10)
        some = eligible[:: max(1, len(eligible) // _VERY_ROUGHLY)]
        mean = stored[some].mean(axis=0) if len(some) else np.zeros(points.dimension)
        if off > _MOSTLY_OFF or float(mean @ mean) > 0.75 * points.longest**2:
            return None
        length = points.longest * (1 + 2.0**-30)
        return cls(points.dimension, np.zeros(points.dimension), 1.0, length, off=off)

    @classmethod
    def of(cls, points: Points) -> ProxyTransform:
        """Not turned; shifted by a rough mean of the candidates."""
        eligible = np.flatnonzero(points.eligible)
        some = eligible[:: max(1, len(eligible) // _ROUGHLY)]
        rows = points.exact(some)
        return cls.about(points, rows.mean(axis=0) if len(rows) else np.zeros(points.dimension))

    @classmethod
    def about(cls, points: Points, shift: Float[np.ndarray, " d"]) -> ProxyTransform:
        """Not turned; shifted by a row that is no longer than the longest."""
        exponent = -math.ceil(math.log2(points.longest)) - 1 if points.longest > 0 else 0
        # Rows and their mean are at most 1/2 when scaled. Half of the exponent's range is left
        # for squares.
        scale = 2.0 ** max(-500, min(exponent, 500))
        length = min(1.0, (points.longest + float(np.linalg.norm(shift))) * scale * (1 + 2.0**-30))
        return cls(points.dimension, shift, scale, length)

    def turned(self, points: Points, width: int) -> ProxyTransform:
        """The same frame, turned to the `width` leading principal axes of the points."""
        axes = principal_axes(self, points)[:, :width]
        defect = axes.T.astype(np.float64) @ axes - np.eye(width)
        stretch = math.sqrt(1.0 + float(np.linalg.norm(defect)) + 2.0**-40)
        contiguous = np.ascontiguousarray(axes)
        return ProxyTransform(
            self.dimension, self.shift, self.scale, self.longest, contiguous, stretch
        )

    def leading(self, width: int) -> ProxyTransform:
        """The same frame with the leading axes only."""
        assert self.axes is not None
        return replace(self, axes=np.ascontiguousarray(self.axes[:, :width]))

    @property
    def width(self) -> int:
        """W, coordinates of a stand-in: a multiple of CHUNK (zeros beyond d), or few."""
        if self.axes is not None:
            return int(self.axes.shape[1])
        return self.dimension if self.dimension < CHUNK else -(-self.dimension // CHUNK) * CHUNK

    @property
    def chunk(self) -> int:
        """Into how many coordinates sums over stand-ins can be cut."""
        return CHUNK if self.width % CHUNK == 0 else self.width

    @property
    def stride(self) -> int:
        """Into how many sums over whole stand-ins are best cut, where most are taken far."""
        parts = (part * self.chunk for part in range(4, 1, -1))
        whole = (part for part in parts if self.width % part == 0 and part <= 4 * CHUNK)
        return next(whole, self.chunk)

    def error_bound(self, precision: str = "float32") -> ErrorBound:
        """What errors can do to products of these stand-ins, multiplied in a precision."""
        return self._error_bounds[precision]

    @cached_property
    def _error_bounds(self) -> dict[str, ErrorBound]:
        plain, reach = self._plain, self._reach
        bfloat16 = 2 * reach**2 * (3 * 2.0**-8 + 2.0**-13)
        off = math.sqrt(self.width) * _OFF_A_LEVEL * reach / _LARGEST_INT16
        int16 = 2 * (2 * reach * off + off**2)
        return {
            "float32": plain,
            "bfloat16": replace(plain, rounding=plain.rounding + bfloat16),
            "int16": replace(plain, rounding=plain.rounding + int16),
        }

    @cached_property
    def levels(self) -> np.float32:
        """What coordinates of stand-ins are multiplied by before they are rounded to 16 bits."""
        return np.float32(_LARGEST_INT16 / self._reach)

    @property
    def _reach(self) -> float:
        """S, no stand-in is longer."""
        return self.stretch * self.longest + self._plain.error

    @cached_property
    def _plain(self) -> ErrorBound:
        length, stretch = self.longest, self.stretch
        tiny = 2.0**-50 + math.sqrt(self.dimension) * 2.0**-140
        first = (UNIT_ROUNDOFF + (self.off or 0.0)) * length + tiny
        turning = 0.0
        if self.axes is not None:
            turning = _sum_error(self.dimension) * math.sqrt(self.width) * (length + first)
        error = 2 * stretch * (first + turning)
        reach = stretch * length + error
        rounding = 4 * _sum_error(self.width + 10) * reach**2
        return ErrorBound(self.scale, stretch, error, rounding)

    def proxies(self, points: Points, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m W"]:
        """Rows of the pool, or points chosen elsewhere, as stand-ins."""
        made = np.zeros((len(rows), self.width), np.float32)
        self.make(points, rows, made)
        return made

    def make(
        self, points: Points, rows: Int[np.ndarray, " m"], made: Float32[np.ndarray, "m W"]
    ) -> None:
        """The same into an array of zeros."""
        if not points.in_memory:
            points, rows = points.take(rows), np.arange(len(rows))
        rows = np.ascontiguousarray(rows)  # one loop for all
        if self.axes is None:
            fill_proxies(*points.arrays, rows, self.shift, self.scale, made)
            return
        straight = np.empty((min(len(rows), _ROWS), self.dimension), np.float32)
        for begin in range(0, len(rows), _ROWS):
            part = rows[begin : begin + _ROWS]
            fill_proxies(*points.arrays, part, self.shift, self.scale, straight)
            np.matmul(straight[: len(part)], self.axes, out=made[begin : begin + len(part)])


def _sum_error(terms: int) -> float:
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def principal_axes(transform: ProxyTransform, points: Points) -> Float32[np.ndarray, "d d"]:
    """Principal axes of a sample of the pool, as columns, those of the largest spread first."""
    eligible = np.flatnonzero(points.eligible)
    wanted = _ROWS_A_COORDINATE * transform.dimension
    some = eligible[:: max(1, len(eligible) // wanted)]
    plain = ProxyTransform(transform.dimension, transform.shift, transform.scale, transform.longest)
    rows = plain.proxies(points, some)[:, : transform.dimension]
    _, axes = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    leading: Float32[np.ndarray, "d d"] = axes[:, ::-1].astype(np.float32)
    return leading


class ProxyVectors:
    """The stand-ins of a pool, made once and kept, or made when they are asked for.

    Attributes:
        points: the pool.
        transform: how they are made.
        width: how many of their coordinates products take, a multiple of `transform.chunk`.
    """

    def __init__(
        self, points: Points, transform: ProxyTransform, *, width: int | None = None
    ) -> None:
        self.points = points
        self.transform = transform
        self.width = transform.width if width is None else width
        self._kept: Float32[np.ndarray, "n W"] | None = None

    def keep(self, for_each: Any) -> None:
        """Make them all now; `for_each(work, tiles)` does the work."""
        if self.transform.off is not None:
            self._kept = self.points.stored
            return
        kept = np.zeros((len(self.points), self.transform.width), np.float32)

        def fill(block: slice) -> None:
            rows = np.flatnonzero(self.points.eligible[block]) + block.start
            if len(rows) == block.stop - block.start:
                self.transform.make(self.points, rows, kept[block])
            else:
                kept[rows] = self.transform.proxies(self.points, rows)

        for_each(fill, blocks(len(self.points), 1, numbers=_ROWS))
        self._kept = kept

    @property
    def kept(self) -> Float32[np.ndarray, "n W"] | None:
        """Those of all rows, where they are kept; to be read only."""
        return self._kept

    def narrowed(self, width: int) -> ProxyVectors:
        """The same stand-ins, whose products take another number of coordinates."""
        narrowed = ProxyVectors(self.points, self.transform, width=width)
        narrowed._kept = self._kept
        return narrowed

    def __getitem__(self, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m W"]:
        """Those of some rows, to be read only: rows that follow each other are not copied."""
        if self._kept is not None:
            part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
            together = part.stop - part.start == len(rows) and bool((np.diff(rows) == 1).all())
            kept: Float32[np.ndarray, "m W"] = self._kept[part if together else rows]
            return kept
        return self.transform.proxies(self.points, rows)
