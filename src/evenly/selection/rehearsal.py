"""A short selection among a few of the rows: how fast this machine is now."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from evenly.engines.memory import MemoryEngine
from evenly.geometry import (
    LARGEST,
    Points,
    ProxyTransform,
    first_of_the_farthest,
    row_lengths,
    single_threaded_blas,
)
from evenly.samples import StoredVectors
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.shapes import Float

# At most so many rows and numbers, in runs of so many rows, because disks read these at once.
_ROWS, _NUMBERS, _RUN = 8192, 4e6, 256

# Fewer rows or picks say little of many. A selection is repeated until it took this long, because
# others may have the cores in between.
_LEAST_ROWS, _LEAST_PICKS, _SECONDS, _REPEATS = 512, 256, 0.3, 10

# The rows of the first selection, which loads compiled loops.
_FIRST = 64


@dataclass(frozen=True)
class Rehearsal:
    """What choosing among a few rows took.

    Attributes:
        rows, budget: how many rows were chosen among, and how many were chosen.
        seconds: what that took, once everything was loaded.
        start_seconds: what loading took.
        as_they_are: whether the rows are their own proxies, which then take no memory.
    """

    rows: int
    budget: int
    seconds: float
    start_seconds: float
    as_they_are: bool


def rehearse(
    vectors: Float[np.ndarray, "m d"], share: float, *, normalize: bool, whole: bool
) -> Rehearsal | None:
    """Choose among some rows of a pool; None if too few of them are usable.

    Args:
        vectors: the rows.
        share: the share of the pool that will be chosen.
        normalize: whether rows are divided by their lengths.
        whole: whether these are all rows of the pool.
    """
    lengths = row_lengths(vectors)
    usable = (lengths <= LARGEST) & (lengths >= 1 / LARGEST)
    count = int(np.count_nonzero(usable))
    if count < (1 if whole else _LEAST_ROWS):
        return None
    points = Points.of(vectors, lengths, usable, normalize=normalize).take(np.flatnonzero(usable))
    first = points.part(slice(0, _FIRST))
    start = _choose(first, len(first)) - _choose(first, len(first))
    least = 1 if whole else min(_LEAST_PICKS, count)
    budget = min(count, max(least, round(share * count)))
    seconds: list[float] = []
    while sum(seconds) < _SECONDS and len(seconds) < _REPEATS:
        seconds.append(_choose(points, budget))
    as_they_are = ProxyTransform.as_they_are(points) is not None
    return Rehearsal(count, budget, sum(seconds) / len(seconds), max(0.0, start), as_they_are)


def _choose(points: Points, budget: int) -> float:
    """Choose rows; return the seconds that it took."""
    began = perf_counter()
    first = first_of_the_farthest(points.squared_distances_to_mean())
    with single_threaded_blas():
        farthest_first(MemoryEngine(points, budget), budget, Picks.first(first))
    return perf_counter() - began


def some_rows(vectors: Any) -> Float[np.ndarray, "m d"]:
    """Return at most a few thousand rows from all parts of a pool, in memory."""
    n, dimension = vectors.shape
    wanted = min(n, _ROWS, max(_RUN, int(_NUMBERS / max(1, dimension))))
    in_runs = wanted < n and not (isinstance(vectors, StoredVectors) and not vectors.seekable)
    if in_runs:
        begins = np.linspace(0, n - _RUN, wanted // _RUN).astype(np.int64)
        rows = np.unique(begins[:, None] + np.arange(_RUN))
        taken = np.asarray(vectors[rows])
    else:
        taken = np.asarray(vectors[:wanted])
    is_float = taken.dtype.kind == "f"
    return np.ascontiguousarray(taken if is_float else taken.astype(np.float32))
