"""The two nearest of some rows: the smallest distance so far rules most other pairs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.nearest import lower_to_nearest_of_all
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning, TuningThresholds
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Int

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = 1024

# Rows whose nearest others are found first, to bound the smallest distance.
_FIRST = 64

# Rows with which it is decided how many coordinates are compared.
_SAMPLE = 1024

_WORTH_TUNING = TuningThresholds(long=2e9)


class ClosestPair(NamedTuple):
    """The two nearest of some rows; the first such pair if several are as near.

    Attributes:
        squared: their exact squared distance.
        left, right: their row numbers, left < right.
    """

    squared: float
    left: int
    right: int


def closest_pair(
    points: Points,
    rows: Int[np.ndarray, " k"],
    *,
    at_most: float = np.inf,
    progress: Callable[[int], object] | None = None,
    thresholds: TuningThresholds | None = None,
) -> ClosestPair:
    """Find the two nearest of at least two rows.

    Args:
        points: the pool.
        rows: (k,) distinct row numbers.
        at_most: a squared distance that some pair is known not to exceed.
        progress: called with the number of rows finished since the last call.
        thresholds: when the choice of other proxies pays.

    Cost: ½·k²·d multiplications at most, as matrix products; few coordinates suffice if the pair
        is much nearer than most.
    """
    rows = np.sort(rows)
    own, everyone = points.take(rows), np.arange(len(rows))
    threads = usable_threads()
    best = Best(np.full(len(rows), np.inf), np.full(len(rows), len(rows)))
    with single_threaded_blas():
        targets = Targets(ProxyVectors(own, ProxyTransform.of(own)), len(rows))
        targets.append(own, everyone)
        known = at_most

        def compare(block: slice) -> None:
            nonlocal known
            queries, some = targets.queries(everyone[block]), best.part(block)
            # Any bound is valid, so threads may miss each other's. Distances that differ only
            # before their roots are taken are equal.
            some.squared[:] = known * (1.0 + TIE)
            lower_to_nearest_of_all(targets, queries, some, begin=block.start, skip=everyone[block])
            known = min(known, float(some.squared.min()))  # or that bound
            if progress is not None:
                progress(len(some.squared))

        first = everyone[:: max(1, len(rows) // _FIRST)][:_FIRST]
        bounds = Best(np.full(len(first), at_most), np.full(len(first), len(rows)))
        lower_to_nearest_of_all(targets, targets.queries(first), bounds, skip=first)
        known = min(known, float(bounds.squared.min()))
        tuning = Tuning(own, len(rows) // 2, thresholds=thresholds or _WORTH_TUNING)
        if len(rows) > _SAMPLE:
            some = everyone[:: max(1, len(rows) // _SAMPLE)]
            targets.change(*tuning.for_distances(targets, some, np.full(len(some), known), threads))
        parallel_for(compare, blocks(len(rows), 1, numbers=_ROWS), threads=threads)
    # A row that was compared with no nearer one kept a bound instead of a distance.
    left = int(np.argmin(np.sqrt(np.where(best.nearest < len(rows), best.squared, np.inf))))
    return ClosestPair(float(best.squared[left]), int(rows[left]), int(rows[best.nearest[left]]))
