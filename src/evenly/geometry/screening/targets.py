"""The points that rows are compared with: right factors of products, in arrays that grow."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from evenly.geometry.kernels.int16 import fill_panels, panels_for
from evenly.geometry.kernels.screening import CHUNK, Queries, TargetArrays
from evenly.geometry.points import Points
from evenly.geometry.screening.proxies import ProxyVectors
from evenly.shapes import Float32, Int

SEGMENT = 1024
"""The largest number of targets that rows are compared with at once."""


class Targets:
    """Points and their proxies, padded to whole chunks with targets that are infinitely far.

    Args:
        proxies: proxies of the pool whose rows are compared with the targets.
        capacity: how many targets to reserve memory for.
        precision: of the products: "float32" or "int16".

    Attributes:
        points: the targets; rows beyond `len(self)` do not count.
        matrix: (capacity, W) float32 proxies of the targets.
        lengths: (capacity,) float32 squared lengths of their first `proxies.width` coordinates;
            inf beyond the present targets.
        numbers: (capacity,) what `Best.nearest` calls them.
        panels: the rounded targets, as `panels_for` lays them out; None in float32.
    """

    def __init__(
        self, proxies: ProxyVectors, capacity: int = 0, precision: str = "float32"
    ) -> None:
        self.proxies = proxies
        self.precision = precision
        self._count = 0
        capacity = -(-capacity // CHUNK) * CHUNK
        self.points = proxies.points.take(np.empty(0, np.int64)).resized(capacity)
        self.numbers = np.zeros(capacity, np.int64)
        self._allocate(capacity)

    def _allocate(self, capacity: int) -> None:
        self.matrix: Float32[np.ndarray, "c W"] = np.zeros(
            (capacity, self.proxies.transform.width), np.float32
        )
        self.lengths = np.full(capacity, np.inf, np.float32)
        self.panels: Any = None

    def __len__(self) -> int:
        return self._count

    @property
    def arrays(self) -> TargetArrays:
        """The targets as the compiled loops read them."""
        return TargetArrays(self.points.vectors, self.matrix, self.lengths, self.numbers)

    def append(
        self,
        points: Points,
        numbers: Int[np.ndarray, " b"],
        made: Float32[np.ndarray, "b W"] | None = None,
    ) -> None:
        """Append points with their numbers, and with their proxies if these are made already."""
        end = self._count + len(points)
        if end > len(self.matrix):
            capacity = -(-max(end, 2 * self._count) // SEGMENT) * SEGMENT
            self.points = self.points.resized(capacity)
            self.numbers = np.resize(self.numbers, capacity)
            self._move(self.proxies, capacity)
        new = slice(self._count, end)
        self.points.stored[new] = points.stored
        if self.points.factors is not None:
            self.points.factors[new] = points.factors
        self.numbers[new] = numbers
        self._count = end
        if made is not None:
            self.matrix[new] = made
        self._fill(new, made=made is not None)

    def change(self, proxies: ProxyVectors, precision: str) -> None:
        """Switch to other proxies of the same pool, or to another precision."""
        self.precision = precision
        self._move(proxies, len(self.matrix))

    def beside(self, points: Points) -> Targets:
        """Return the same targets, sharing memory, to compare with other points in memory."""
        other = copy(self)
        other.proxies = ProxyVectors(points, self.proxies.transform, width=self.proxies.width)
        return other

    def queries(self, rows: Int[np.ndarray, " m"]) -> Queries:
        """Return rows of the pool, read from disk if need be, to compare with the targets."""
        proxies = self.proxies
        if not proxies.points.in_memory:
            return self.beside(proxies.points.take(rows)).queries(np.arange(len(rows)))
        return Queries(proxies.points.vectors, rows, proxies[rows], np.arange(len(rows)))

    def queries_of(self, points: Points) -> Queries:
        """Return points from elsewhere, all in memory, to compare with the targets."""
        return self.beside(points).queries(np.arange(len(points)))

    def _move(self, proxies: ProxyVectors, capacity: int) -> None:
        kept = None
        if proxies.transform is self.proxies.transform:
            kept = self.matrix[: self._count]
        self.proxies = proxies
        self._allocate(capacity)
        if kept is not None:
            self.matrix[: self._count] = kept
        self._fill(slice(0, self._count), made=kept is not None)

    def _fill(self, part: slice, *, made: bool = False) -> None:
        if not made:
            rows = np.arange(part.start, part.stop)
            self.matrix[part] = self.proxies.transform.proxies(self.points, rows)
        used = self.matrix[part, : self.proxies.width]
        self.lengths[part] = np.einsum("ij,ij->i", used, used)
        if self.precision == "int16":
            width, levels = self.proxies.width, self.proxies.transform.levels
            if self.panels is None:
                self.panels = panels_for(len(self.matrix), width)
            fill_panels(self.matrix, width, levels, part.start, part.stop, self.panels)

    def nearest_centre(
        self, proxies: Float32[np.ndarray, "m W"], centres: int
    ) -> Int[np.ndarray, " m"]:
        """Return which of the first targets is nearest to each row, as products estimate it."""
        width = self.proxies.width
        products = proxies[:, :width] @ self.matrix[:centres, :width].T
        products *= -2
        products += self.lengths[:centres]
        nearest: Int[np.ndarray, " m"] = products.argmin(axis=1)
        return nearest

    def segment(self, seen: int) -> tuple[int, int]:
        """Return the next targets after the first `seen`: whole chunks, SEGMENT at most."""
        begin = seen // CHUNK * CHUNK
        return begin, min(begin + SEGMENT, -(-self._count // CHUNK) * CHUNK)

    def segments(self, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield all segments, or those from `begin` to `end`."""
        while begin < (len(self) if end is None else end):
            part = self.segment(begin)
            yield part
            begin = part[1]
