"""The engine in memory, with a FAISS index that finds a chosen row near each row.

The index holds the chosen rows. Its answer may be approximate: the exact distance to any chosen
row is a true upper bound, so the selection stays exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.memory import MemoryEngine
from evenly.engines.sizes import EngineSizes
from evenly.engines.voronoi import NeighbourIndex
from evenly.geometry import squared_distances_between
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from evenly.geometry import Best, Queries, Targets

# Cells of the index that are searched for each row.
_PROBES = 2


class FaissEngine(MemoryEngine):
    """A `MemoryEngine` that searches an inverted-file index (IVF) of FAISS for neighbours.

    The first chosen rows, which are far apart, are its centroids, so that nothing has to be
    trained.
    """

    def _make_index(self, sizes: EngineSizes) -> NeighbourIndex:
        return _Index(sizes.cells)


class _Index:
    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._index: Any = None
        self._transform: Any = None

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        if len(targets) < self._cells:
            return
        import faiss

        if self._index is None or targets.proxies.transform is not self._transform:
            self._transform = targets.proxies.transform
            width = targets.matrix.shape[1]
            quantizer = faiss.IndexFlatL2(width)
            quantizer.add(targets.matrix[: self._cells])
            self._index = faiss.IndexIVFFlat(quantizer, width, self._cells)
            self._index.is_trained = True
            self._index.nprobe = _PROBES
        self._index.add(targets.matrix[self._index.ntotal : len(targets)])

    def is_worth_a_search(self, unseen: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        return np.ones(len(unseen), bool)  # whoever chose this engine wants its index

    def search(
        self,
        targets: Targets,
        queries: Queries,
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        best: Best,
    ) -> None:
        _, found = self._index.search(queries.proxies, 1)
        hit = np.flatnonzero(found[:, 0] >= 0)  # -1 if the cells searched are empty
        near = found[hit, 0]
        points = targets.proxies.points
        decided = squared_distances_between(points, queries.rows[hit], targets.points, near)
        closer = decided < best.squared[hit]
        best.squared[hit[closer]] = decided[closer]
        best.nearest[hit[closer]] = near[closer]
