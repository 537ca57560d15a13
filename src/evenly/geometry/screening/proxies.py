"""Proxies: short float32 rows whose distances are certainly not much above the true ones.

Matrix products of proxies rule pairs out; the pairs that they cannot rule out are decided exactly.

**What they are.** For a row x let x' be the row as it counts: divided by its length if rows are
normalised, shifted by a fixed row, scaled by a fixed power of two so that |x'| <= 1. Shift and
scale are the same for all rows, so distances change by the exact factor `scale` only. Let x^ be
x' in float32, and y = A.x^, where the columns of A' are principal axes of the pool, the leading
ones first: most of a distance is in few of its coordinates, and few coordinates make cheap
products. If turning does not pay, A is the identity. Rows that are float32 and about as long as 1
can be their own proxies, unshifted, if that leaves them little longer.

**The bound.** Let u = 2**-24, the unit roundoff of float32.

1. From x' to x^: computed in float64 and rounded once: |x^ - x'| <= u.|x'| + t, with
   t = 2**-50 + sqrt(d).2**-140 for float64's own errors and for underflow. Rows that are their
   own proxies, although normalisation multiplies them by factors of 1 - o to 1 + o, are off by
   at most o.|x'|/(1 - o) more.
2. From x^ to y: A does not stretch by more than b = sqrt(1 + |A.A' - 1|_F), measured in
   float64, so |y - z| <= b.|x^ - c^|, and any subset of coordinates only shortens it.
3. From y to what is computed, y~: each coordinate is a float32 sum of d products, in any order,
   with or without fused multiply-add; it errs by at most g.|A_j|.|x^|, g = d.u / (1 - d.u)
   (Higham 2002, section 3.1). Over W coordinates: |y~ - y| <= g.sqrt(W).b.|x^|.

With every |x'| at most R (measured; below 1, or 2 for rows that are their own proxies), 1 to 3
give, for a pair of rows,

    |y~ - z~|  <=  b.|x' - c'| + E,        E = 2b.(u.R + t) + 2g.sqrt(W).b.(R + u.R + t).

4. The product: |y~|² + |z~|² - 2 y~.z~, or a sum of squared gaps, over K <= W + 2 terms in
   float32 errs by at most 4 g'.S², g' = (K + 8).u / (1 - (K + 8).u), with S the longest y~: S <=
   b.R + E. Call that H. In bfloat16 each factor is rounded by 2**-8 of itself at most, and
   torch rounds the product once more: 2.S².(3.2**-8 + 2**-13) is added to H. In int16 each
   coordinate times L = 32766/S is rounded to an integer, so that a row is off by at most f =
   sqrt(K).(1/2 + 2**-8)/L; products are exact but for that, and 2.(2S.f + f²) is added to H. If
lengths are those of the rounded rows, too, distances of rounded rows are compared: 2f is added to
E instead.

So a pair can be nearer than a known squared distance q only if its product is below

    (b.scale.sqrt(q) + E)² + H.

and if A has all d axes, so that it does not shorten by more than b' = sqrt(1 - |A.A' - 1|_F), or
rows are not turned, so that b' is 1, it is certainly nearer if its product is below

    (b'.scale.sqrt(q) - E)² - H.

That is `ErrorBound`; the tests of geometry try to break it. It is small against distances that
matter (1e-4 of them for float32), so about one pair for each row that comes nearer is decided
exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evenly.geometry.kernels.screening import CHUNK, ErrorBound, Screen, fill_proxies
from evenly.geometry.points import Points, blocks
from evenly.geometry.threads import parallel_for, single_threaded_blas
from evenly.shapes import Float, Float32, Int

UNIT_ROUNDOFF = 2.0**-24

# Rows a coordinate that the axes are made from: any axes are valid, these are good.
_ROWS_A_COORDINATE = 6

# Rows that the mean is estimated from: to shift by, and to find out whether a shift pays.
_ROWS_FOR_SHIFT, _ROWS_FOR_CHECK = 256, 64

# Rows that normalisation changes by more than this cannot be their own proxies.
_MOST_OFF = 2.0**-20

# The largest coordinate that still rounds to a 16-bit integer if float32 makes it a little larger.
_LARGEST_INT16 = 32766.0

# The largest distance of a coordinate from the integer it is rounded to; float32 errs before.
_OFF_A_LEVEL = 0.5 + 2.0**-8

# Rows that are turned at once: few enough to stay in the caches.
_ROWS = 1024


@dataclass(frozen=True, eq=False)
class ProxyTransform:
    """How the rows of a pool become proxies: shift, scale, axes.

    Attributes:
        dimension: d, coordinates of a row.
        shift: (d,) float64, subtracted from every row.
        scale: a power of two.
        longest: R, no row is longer after shift and scale.
        axes: (d, W) float32, or None if rows are not turned.
        stretch: b, the largest factor by which the axes lengthen a row.
        shrink: b', the smallest factor; 0 if there are fewer axes than coordinates.
        off: how far rows that are their own proxies are off, relative to R; None if proxies are
            computed.
        multiple_of: widths of proxies that are not turned are padded to a multiple of this.
    """

    dimension: int
    shift: Float[np.ndarray, " d"]
    scale: float
    longest: float
    axes: Float32[np.ndarray, "d W"] | None = None
    stretch: float = 1.0
    shrink: float = 1.0
    off: float | None = None
    multiple_of: int = CHUNK

    @classmethod
    def as_they_are(cls, points: Points) -> ProxyTransform | None:
        """Return the transform of rows that are their own proxies, so that no copy is made.

        None if rows differ too much from proxies, or are so far from zero, compared with their
        distances, that a shift is worth a copy.
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
        sample = eligible[:: max(1, len(eligible) // _ROWS_FOR_CHECK)]
        mean = stored[sample].mean(axis=0) if len(sample) else np.zeros(points.dimension)
        if off > _MOST_OFF or float(mean @ mean) > 0.75 * points.longest**2:
            return None
        length = points.longest * (1 + 2.0**-30)
        return cls(points.dimension, np.zeros(points.dimension), 1.0, length, off=off)

    @classmethod
    def of(cls, points: Points, *, multiple_of: int = CHUNK) -> ProxyTransform:
        """Return a transform that shifts by about the mean of the eligible rows."""
        eligible = np.flatnonzero(points.eligible)
        rows = points.exact(eligible[:: max(1, len(eligible) // _ROWS_FOR_SHIFT)])
        shift = rows.mean(axis=0) if len(rows) else np.zeros(points.dimension)
        return cls.about(points, shift, multiple_of=multiple_of)

    @classmethod
    def about(
        cls, points: Points, shift: Float[np.ndarray, " d"], *, multiple_of: int = CHUNK
    ) -> ProxyTransform:
        """Return a transform that shifts by a vector no longer than the longest row."""
        exponent = -math.ceil(math.log2(points.longest)) - 1 if points.longest > 0 else 0
        # Rows and their mean are at most 1/2 when scaled. Half of the exponent's range is left
        # for squares.
        scale = 2.0 ** max(-500, min(exponent, 500))
        length = min(1.0, (points.longest + float(np.linalg.norm(shift))) * scale * (1 + 2.0**-30))
        return cls(points.dimension, shift, scale, length, multiple_of=multiple_of)

    def turned(self, points: Points, width: int) -> ProxyTransform:
        """Return this transform, followed by a turn to the `width` leading principal axes."""
        axes = principal_axes(self, points)[:, :width]
        defect = axes.T.astype(np.float64) @ axes - np.eye(width)
        largest = float(np.linalg.norm(defect)) + 2.0**-40
        turned = replace(self, axes=axes, stretch=math.sqrt(1.0 + largest), off=None)
        return replace(turned, shrink=math.sqrt(max(0.0, 1.0 - largest))).leading(width)

    def leading(self, width: int) -> ProxyTransform:
        """Return the same transform with the leading axes only."""
        assert self.axes is not None
        shrink = self.shrink if width == self.dimension else 0.0
        return replace(self, axes=np.ascontiguousarray(self.axes[:, :width]), shrink=shrink)

    @property
    def width(self) -> int:
        """W, coordinates of a proxy, with zeros beyond d up to a whole chunk if d is long."""
        if self.axes is not None:
            return int(self.axes.shape[1])
        unit = self.multiple_of
        return self.dimension if self.dimension < unit else -(-self.dimension // unit) * unit

    @property
    def chunk(self) -> int:
        """Coordinates that sums over proxies can be cut into."""
        return self.multiple_of if self.width % self.multiple_of == 0 else self.width

    @property
    def stride(self) -> int:
        """Coordinates that sums over whole proxies are best cut into, if most sums go far."""
        parts = (part * self.chunk for part in range(4, 1, -1))
        whole = (part for part in parts if self.width % part == 0 and part <= 4 * self.multiple_of)
        return next(whole, self.chunk)

    def error_bound(self, precision: str = "float32") -> ErrorBound:
        """Return what errors can do to products of these proxies in a precision."""
        return self._error_bounds[precision]

    def screen(
        self, width: int = 0, *, precision: str = "float32", chunk: int | None = None
    ) -> Screen:
        """Return how these proxies rule pairs out after products of `width` coordinates."""
        return Screen(width, self.chunk if chunk is None else chunk, self.error_bound(precision))

    @cached_property
    def _error_bounds(self) -> dict[str, ErrorBound]:
        error, longest = self._error, self._longest_proxy
        rounding = 4 * _sum_error(self.width + 10) * longest**2
        bfloat16 = 2 * longest**2 * (3 * 2.0**-8 + 2.0**-13)
        off = math.sqrt(self.width) * _OFF_A_LEVEL * longest / _LARGEST_INT16
        int16 = 2 * (2 * longest * off + off**2)
        return {
            "float32": ErrorBound(self.scale, self.stretch, error, rounding),
            "bfloat16": ErrorBound(self.scale, self.stretch, error, rounding + bfloat16),
            "int16": ErrorBound(self.scale, self.stretch, error, rounding + int16),
            "rounded": ErrorBound(self.scale, self.stretch, error + 2 * off, rounding),
        }

    @cached_property
    def levels(self) -> np.float32:
        """What coordinates of proxies are multiplied by before they are rounded to 16 bits."""
        return np.float32(_LARGEST_INT16 / self._longest_proxy)

    @property
    def _longest_proxy(self) -> float:
        """S, no proxy is longer."""
        return self.stretch * self.longest + self._error

    @property
    def _error(self) -> float:
        """E, how far a distance of proxies can be above the truth."""
        tiny = 2.0**-50 + math.sqrt(self.dimension) * 2.0**-140
        first = (UNIT_ROUNDOFF + (self.off or 0.0)) * self.longest + tiny
        turning = 0.0
        if self.axes is not None:
            turning = _sum_error(self.dimension) * math.sqrt(self.width) * (self.longest + first)
        return 2 * self.stretch * (first + turning)

    def proxies(self, points: Points, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m W"]:
        """Return the proxies of rows of the pool, or of points from elsewhere."""
        made = np.zeros((len(rows), self.width), np.float32)
        self.fill(points, rows, made)
        return made

    def fill(
        self, points: Points, rows: Int[np.ndarray, " m"], made: Float32[np.ndarray, "m W"]
    ) -> None:
        """Write proxies into an array of zeros."""
        if not points.in_memory:
            points, rows = points.take(rows), np.arange(len(rows))
        rows = np.ascontiguousarray(rows)  # one compiled loop for all layouts
        if self.axes is None:
            fill_proxies(points.vectors, rows, self.shift, self.scale, made)
            return
        straight = np.empty((min(len(rows), _ROWS), self.dimension), np.float32)
        for begin in range(0, len(rows), _ROWS):
            part = rows[begin : begin + _ROWS]
            fill_proxies(points.vectors, part, self.shift, self.scale, straight)
            np.matmul(straight[: len(part)], self.axes, out=made[begin : begin + len(part)])


def _sum_error(terms: int) -> float:
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def principal_axes(transform: ProxyTransform, points: Points) -> Float32[np.ndarray, "d d"]:
    """Return principal axes of a sample of the pool as columns, the largest variance first."""
    eligible = np.flatnonzero(points.eligible)
    wanted = _ROWS_A_COORDINATE * transform.dimension
    sample = eligible[:: max(1, len(eligible) // wanted)]
    straight = replace(transform, axes=None, stretch=1.0, off=None)
    rows = straight.proxies(points, sample)[:, : transform.dimension]
    with single_threaded_blas():  # threads wait for each other if the machine has other work
        _, axes = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    leading: Float32[np.ndarray, "d d"] = axes[:, ::-1].astype(np.float32)
    return leading


class ProxyVectors:
    """The proxies of a pool, made once and kept, or made whenever they are needed.

    Attributes:
        points: the pool.
        transform: how they are made.
        width: how many of their coordinates products cover, a multiple of `transform.chunk`.
        kept: (n, W) the proxies of all rows if they are kept; do not write to them.
    """

    def __init__(
        self, points: Points, transform: ProxyTransform, *, width: int | None = None
    ) -> None:
        self.points = points
        self.transform = transform
        self.width = transform.width if width is None else width
        self.kept: Float32[np.ndarray, "n W"] | None = None

    def keep(self, threads: int) -> None:
        """Make the proxies of all rows now."""
        if self.transform.off is not None:
            self.kept = self.points.stored
            return
        kept = np.zeros((len(self.points), self.transform.width), np.float32)

        def fill(block: slice) -> None:
            rows = np.flatnonzero(self.points.eligible[block]) + block.start
            if len(rows) == block.stop - block.start:
                self.transform.fill(self.points, rows, kept[block])
            else:
                kept[rows] = self.transform.proxies(self.points, rows)

        parallel_for(fill, blocks(len(self.points), 1, numbers=_ROWS), threads=threads)
        self.kept = kept

    def narrowed(self, width: int) -> ProxyVectors:
        """Return the same proxies for products of another number of coordinates."""
        narrowed = ProxyVectors(self.points, self.transform, width=width)
        narrowed.kept = self.kept
        return narrowed

    def screen(self, precision: str = "float32") -> Screen:
        """Return how these proxies rule out pairs after their products."""
        return self.transform.screen(self.width, precision=precision)

    def __getitem__(self, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m W"]:
        """Return the proxies of some rows, without a copy if kept and consecutive; read-only."""
        if self.kept is not None:
            part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
            together = part.stop - part.start == len(rows) and bool((np.diff(rows) == 1).all())
            kept: Float32[np.ndarray, "m W"] = self.kept[part if together else rows]
            return kept
        return self.transform.proxies(self.points, rows)
