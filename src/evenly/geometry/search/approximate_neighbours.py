"""Mean distances of rows to about their k nearest neighbours, which a FAISS index finds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.search.knn_distance import mean_distances_of_all, mean_distances_to_nearest
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from collections.abc import Callable

FEWEST = 10_000
"""Fewer rows are searched exactly, which takes less than a second."""

# Cells of the index that are searched for each row, and rows that it proposes for each neighbour.
_PROBES, _PROPOSED = 4, 4

# Rows for each cell that its centre is the mean of.
_ROWS_A_CELL = 40

# At most so many coordinates share a 4-bit number of the index. Fewer do if a row would otherwise
# have fewer numbers than this.
_MOST_SHORT, _FEWEST_NUMBERS = 4, 32

# Rows at once. Answers depend on it, so it must not depend on the machine.
_ROWS = 8192


def approximate_mean_distances(
    points: Points,
    rows: Int[np.ndarray, " m"],
    k: int,
    *,
    progress: Callable[[int], object],
    fewest: int = FEWEST,
) -> Float[np.ndarray, " m"]:
    """Return the mean Euclidean distance of rows to k rows that are about the nearest of them.

    The distances themselves are exact, so a mean is never smaller than that to the k nearest. The
    answer is the same in each run and for any number of threads.

    Args:
        points: the pool, in memory.
        rows: (m,) eligible rows.
        k: number of neighbours; all if there are fewer.
        progress: called with the number of rows finished since the last call.
        fewest: fewer rows are searched exactly.

    Cost: about 6·m·sqrt(m)·d multiplications, most of them replaced by look-ups; d / 8 bytes a row
        (up to d / 2 for fewer than 128 coordinates).

    Sources: Jégou, Douze and Schmid 2011, doi:10.1109/TPAMI.2010.57 (inverted lists of product
        codes); André, Kermarrec and Le Scouarnec 2017, doi:10.1145/3078971.3078992 (codes of 4
        bits).
    """
    if len(rows) < fewest:
        return mean_distances_of_all(points, rows, k, progress=progress)
    import faiss  # noqa: F401  so that single_threaded_blas knows its threads

    means = np.empty(len(rows))
    with single_threaded_blas():
        index = _Index(points, rows)

        def search(block: slice) -> None:
            means[block] = index.means(block, k)
            progress(block.stop - block.start)

        parallel_for(search, blocks(len(rows), 1, numbers=_ROWS), threads=usable_threads())
    missed = np.flatnonzero(np.isnan(means))
    if len(missed):
        means[missed] = mean_distances_to_nearest(points, rows[missed], k, rows)
    return means


class _Index:
    """Inverted lists of product codes of rows."""

    def __init__(self, points: Points, rows: Int[np.ndarray, " m"]) -> None:
        import faiss

        self._points, self._rows = points, rows
        cells = math.isqrt(len(rows))
        sample = points.exact(rows[:: max(1, len(rows) // (_ROWS_A_CELL * cells))])
        self._centre = sample.mean(axis=0)
        self._scale = max(float(np.abs(sample - self._centre).max()), np.finfo(float).tiny)
        short = min(_MOST_SHORT, max(1, points.dimension // _FEWEST_NUMBERS))
        self._width = -(-points.dimension // short) * short
        self._quantizer = faiss.IndexFlatL2(self._width)
        numbers = self._width // short
        index = faiss.IndexIVFPQFastScan(self._quantizer, self._width, cells, numbers, 4)
        index.by_residual = False
        index.cp.min_points_per_centroid = 1
        index.nprobe = _PROBES
        index.train(self._prepared(sample))
        for block in blocks(len(rows), 1, numbers=_ROWS):
            index.add(self._prepared(points.exact(rows[block])))
        self._index: Any = index

    def means(self, block: slice, k: int) -> Float[np.ndarray, " b"]:
        """Return the mean distances of a block of the rows; NaN where fewer than k are found."""
        own = self._rows[block]
        proposed = _PROPOSED * k + 1
        _, found = self._index.search(self._prepared(self._points.exact(own)), proposed)
        is_other = (found >= 0) & (found != np.arange(block.start, block.stop)[:, None])
        which, _ = np.nonzero(is_other)
        squared = np.full(found.shape, np.inf)
        squared[is_other] = squared_distances_between(
            self._points, own[which], self._points, self._rows[found[is_other]]
        )
        nearest = np.sqrt(np.sort(squared, axis=1)[:, :k])
        return np.where(np.isfinite(nearest).all(axis=1), nearest.mean(axis=1), np.nan)

    def _prepared(self, exact: Float[np.ndarray, "b d"]) -> Float32[np.ndarray, "b w"]:
        """Return rows as the index takes them: of moderate numbers, and of its width."""
        made = np.zeros((len(exact), self._width), np.float32)
        # Rows that are far from all of the sample may be at its edge: they find themselves there.
        made[:, : exact.shape[1]] = np.clip((exact - self._centre) / self._scale, -1e3, 1e3)
        return made
