"""Choice of the proxies that a pool is compared by: how many coordinates, turned or not.

All proxies give the same answer and differ only in cost. Early on, when the chosen rows are few
and far apart, only whole rows tell near from far. Later a few leading principal axes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels.int16_block import IS_WIDE
from evenly.geometry.kernels.screening import CHUNK
from evenly.geometry.points import Points
from evenly.geometry.screening.precision import choose_precision
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import in_background
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from concurrent.futures import Future

_FREE_BYTES = 200_000_000
_FIRST_REVIEW = 64
_SAMPLE = 128

# Nanoseconds a pair for a coordinate of a product, and for a pair that products do not rule out.
# Measured on 2 cores of an AMD EPYC (AVX2; half with AVX-512).
_PER_COORDINATE = 0.023
_PER_SUSPECT = 25.0

SHARE_COMPARED = 0.3
"""Share of the comparisons of rows with chosen rows that are made: 0.1 to 0.4 were observed."""


@dataclass(frozen=True)
class TuningThresholds:
    """Multiplications to come from which preparations pay. They change speed, never answers.

    Attributes:
        long: reviews of the proxies, and Voronoi cells.
        threads: a second thread.
        axes: principal axes, times the cube of the dimension.
        pairs: a search for the best proxies before all pairs of rows are compared.
    """

    long: float = 1e10
    threads: float = 1e8
    axes: float = 4.0
    pairs: float = 1e12


class Tuning:
    """Chooses what a pool is compared by, and reviews the choice as more rows are chosen.

    Args:
        points: the pool.
        budget: how many rows will be chosen.
        room: bytes that proxies of all rows may take.
        thresholds: when preparations pay.
        compared: how many rows of the pool are compared; by default all.
    """

    def __init__(
        self,
        points: Points,
        budget: int,
        room: float | None = None,
        thresholds: TuningThresholds | None = None,
        *,
        compared: int | None = None,
    ) -> None:
        self._points = points
        self._compared = len(points) if compared is None else compared
        self._budget = budget
        self._room = points.stored.nbytes / 4 + _FREE_BYTES if room is None else room
        self._thresholds = thresholds or TuningThresholds()
        self._chosen = 0
        self._next = _FIRST_REVIEW
        self._axes: ProxyTransform | None = None
        self._coming: Future[ProxyTransform] | None = None

    def prepare(self, threads: int) -> None:
        """Start to make in the background what the first review will need."""
        if self.is_long and self._budget > _FIRST_REVIEW and self._may_turn:
            self._coming = in_background(self.make_axes, threads=threads)

    @property
    def n_remaining(self) -> int:
        """How many rows are still to be chosen."""
        return self._budget - self._chosen

    @property
    def is_worth_threads(self) -> bool:
        """Whether there is enough work to share it among threads."""
        return self._work_left > self._thresholds.threads

    @property
    def is_long(self) -> bool:
        """Whether there is enough work for preparations to pay."""
        return self._work_left > self._thresholds.long

    def keeps(self, transform: ProxyTransform) -> bool:
        """Return whether the proxies of all rows fit in memory, or need none.

        Those of rows on disk are never kept: the rows themselves did not fit.
        """
        if not self._points.in_memory:
            return False
        if transform.off is not None:
            return True
        return len(self._points) * transform.width * 4 <= self._room

    @property
    def _work_left(self) -> float:
        """A rough estimate of the multiplications to come."""
        pairs = float(self._compared) * self.n_remaining * SHARE_COMPARED
        return pairs * self._points.dimension

    def first_precision(self) -> str:
        """Return the precision to begin with, while rows are far apart."""
        return choose_precision(self._points, self._work_left)

    def review(
        self, targets: Targets, squared: Float[np.ndarray, " n"]
    ) -> tuple[ProxyVectors, str] | None:
        """Return other proxies and a precision if they are clearly cheaper; else None."""
        self._chosen = len(targets)
        if self._chosen < self._next:
            return None
        self._next = 2 * self._chosen
        work = self._work_left
        if work < self._thresholds.long:
            return None
        farthest = float(squared.max())
        if not 0.0 < farthest < np.inf:
            return None
        far = np.flatnonzero(squared >= 0.5 * farthest)
        proxies = self.cheaper(targets, far, np.full(len(far), farthest))
        transform = (proxies or targets.proxies).transform
        precision = choose_precision(self._points, work, transform, farthest)
        if proxies is None and precision == targets.precision:
            return None
        return proxies or targets.proxies, precision

    def cheaper(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
    ) -> ProxyVectors | None:
        """Return proxies that make comparing such rows clearly cheaper; None if there are none.

        Products are compared with `squared`, the known squared distances of the rows.
        """
        if not self._may_turn:
            return None
        now = targets.proxies
        if now.transform.axes is None and self._axes is None:
            self._axes = self.make_axes() if self._coming is None else self._coming.result()
        costs = self._costs(targets, rows, squared)
        widths = [width for width in costs if self._fits(width, now)]
        if not widths:
            return None
        best = min(widths, key=costs.__getitem__)
        if now.transform.axes is not None:
            return now.narrowed(best) if costs[best] < 0.97 * costs[now.width] else None
        if costs[best] > 0.8 * now.width * _per_coordinate(targets.precision):
            return None
        return ProxyVectors(self._points, self._turned(best), width=best)

    def for_distances(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        threads: int,
    ) -> tuple[ProxyVectors, str]:
        """Return the cheapest proxies and precision to compare all rows of the pool.

        The proxies are kept if they fit, and if all rows are compared. `squared` are about the
        squared distances that products will be compared with, for some rows.
        """
        proxies = targets.proxies
        if self.is_long:
            proxies = self.cheaper(targets, rows, squared) or proxies
            is_all = self._compared == len(self._points)
            if proxies.kept is None and is_all and self.keeps(proxies.transform):
                proxies.keep(threads)
        work = float(self._compared) * self._budget * self._points.dimension
        typical = float(np.median(squared))
        return proxies, choose_precision(self._points, work, proxies.transform, typical)

    @property
    def _may_turn(self) -> bool:
        """Whether there is enough to save for principal axes to pay."""
        dimension = self._points.dimension
        least = self._thresholds.axes * float(dimension) ** 3
        return dimension >= 3 * CHUNK and self._work_left >= least

    def make_axes(self) -> ProxyTransform:
        """Return a transform to the principal axes of the pool."""
        whole = self._points.dimension // CHUNK * CHUNK
        return ProxyTransform.of(self._points).turned(self._points, whole)

    def _fits(self, width: int, now: ProxyVectors) -> bool:
        if now.transform.axes is not None:
            return width <= now.transform.width
        return width + 2 * CHUNK <= self._points.dimension and (
            len(self._points) * width * 4 <= self._room
        )

    def _turned(self, width: int) -> ProxyTransform:
        """Return the leading axes, and a few more for the pairs that products do not rule out."""
        assert self._axes is not None
        room = int(self._room / 4 / len(self._points)) // CHUNK * CHUNK
        return self._axes.leading(max(width, min(width + 2 * CHUNK, room)))

    def _costs(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
    ) -> dict[int, float]:
        """Estimate the nanoseconds a pair for each number of coordinates, on a sample of pairs."""
        some = _evenly_spaced(len(rows), _SAMPLE)
        others = _evenly_spaced(len(targets), _SAMPLE)
        transform = targets.proxies.transform
        if transform.axes is not None:
            left, right = targets.proxies[rows[some]], targets.matrix[others]
        else:
            assert self._axes is not None
            transform = self._axes
            left = transform.proxies(self._points, rows[some])
            right = transform.proxies(targets.points, others)
        limits = transform.error_bound().limits(squared[some])[:, None]
        partial = np.zeros((len(left), len(right)), np.float32)
        each = _per_coordinate(targets.precision)
        costs = {}
        for begin in range(0, left.shape[1], CHUNK):
            one, other = left[:, begin : begin + CHUNK], right[:, begin : begin + CHUNK]
            partial += np.einsum("ij,ij->i", one, one)[:, None]
            partial += np.einsum("ij,ij->i", other, other)
            partial -= 2 * (one @ other.T)
            undecided = float(np.mean(partial < limits))
            width = begin + CHUNK
            costs[width] = width * each + undecided * _PER_SUSPECT
        return costs


def _per_coordinate(precision: str) -> float:
    return _PER_COORDINATE / 2 if precision == "int16" and IS_WIDE else _PER_COORDINATE


def _evenly_spaced(length: int, count: int) -> Int[np.ndarray, " c"]:
    return np.arange(length)[:: max(1, length // count)][:count]
