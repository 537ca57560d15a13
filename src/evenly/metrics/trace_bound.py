"""The trace bound on h_min: squared distances to one point, summed. See docs/theory.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.points import blocks, mean_of, squared_distances_to
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from evenly.geometry import Points


@dataclass(frozen=True, eq=False)
class CentredPool:
    """The eligible rows by their squared distances to one point, farthest first.

    Attributes:
        rows: (n,) row numbers.
        squared_distances: (n,) to the point, non-increasing.
    """

    rows: Int[np.ndarray, " n"]
    squared_distances: Float[np.ndarray, " n"]

    def trace_bound(self, size: int) -> float:
        """Return √(2 / (k - 1) · sum of the k largest), a bound on the h_min of any k >= 2 rows."""
        total = float(self.squared_distances[:size].sum())
        return float(np.sqrt(2.0 * total / (size - 1.0)))


def best_centre(points: Points, size: int, steps: int) -> CentredPool:
    """Return the pool around the centre with the smallest trace bound found.

    Every centre gives a valid bound. The sum of the k largest squared distances is a convex
    function of the centre; subgradient steps, which begin at the mean of the pool, move the
    centre towards the mean of the k farthest rows.

    Cost: n·d operations per step.
    """
    rows = np.flatnonzero(points.eligible)
    centre = mean_of(points, rows)
    if steps:
        centre = _moved(points, rows, centre, size, steps)
    squared = squared_distances_to(points, rows, centre)
    order = np.argsort(-squared, kind="stable")
    return CentredPool(rows[order], squared[order])


def _moved(
    points: Points,
    rows: Int[np.ndarray, " n"],
    centre: Float[np.ndarray, " d"],
    size: int,
    steps: int,
) -> Float[np.ndarray, " d"]:
    """Return the best centre found. float32 suffices, because any centre is valid."""
    squares = np.full(len(rows), 1.0, np.float32)
    if not points.unit:
        squares[:] = squared_distances_to(points, rows, np.zeros(points.dimension))
    size = min(size, len(rows))
    best, least = centre, np.inf
    for step in range(steps + 1):
        squared = squares - 2.0 * _products(points, rows, centre) + np.float32(centre @ centre)
        farthest = np.argpartition(squared, len(rows) - size)[len(rows) - size :]
        total = float(squared[farthest].sum(dtype=np.float64))
        if total < least:
            best, least = centre, total
        if step < steps:
            mean = _mean_of(points, rows[np.sort(farthest)])
            centre = centre + (mean - centre) * (2.0 / (step + 3.0))
    return best


def _products(
    points: Points, rows: Int[np.ndarray, " n"], centre: Float[np.ndarray, " d"]
) -> Float32[np.ndarray, " n"]:
    """Return the products of rows with a point, in float32."""
    found = np.empty(len(rows), np.float32)
    point = centre.astype(np.float32)

    def multiply(part: slice) -> None:
        # Factors are applied to products, and consecutive rows are not copied.
        some = rows[part]
        consecutive = some[-1] - some[0] == len(some) - 1
        taken = points.stored[some[0] : some[-1] + 1] if consecutive else points.stored[some]
        found[part] = taken.astype(np.float32, copy=False) @ point
        if points.factors is not None:
            found[part] *= points.factors[some]

    with single_threaded_blas():
        parallel_for(multiply, _parts(points, rows), threads=usable_threads())
    return found


def _mean_of(points: Points, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, " d"]:
    parts = list(_parts(points, rows))
    sums = np.zeros((len(parts), points.dimension))

    def add(number: int) -> None:
        sums[number] = _in_float32(points, rows[parts[number]]).sum(axis=0)

    parallel_for(add, range(len(parts)), threads=usable_threads())
    mean: Float[np.ndarray, " d"] = sums.sum(axis=0) / len(rows)
    return mean


def _parts(points: Points, rows: Int[np.ndarray, " m"]) -> Iterator[slice]:
    return blocks(len(rows), points.dimension)


def _in_float32(points: Points, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
    taken: Float32[np.ndarray, "m d"] = points.stored[rows].astype(np.float32, copy=False)
    if points.factors is not None:
        taken = taken * points.factors[rows, None].astype(np.float32)
    return taken
