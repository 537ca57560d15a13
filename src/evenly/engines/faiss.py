"""The pool in memory, whose rows find a chosen row near them in a FAISS index.

The index holds the chosen rows. Its answer may be approximate: the exact distance to any
chosen row is a true upper bound, so the selection stays exact whatever is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.memory import MemoryEngine
from evenly.engines.voronoi import CELLS, Neighbours
from evenly.geometry import squared_distances_between

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float32, Int

    from evenly.geometry import Targets

__all__ = ["FaissEngine"]


# Cells of the index that are searched for a row.
_PROBES = 2


class FaissEngine(MemoryEngine):
    """A `MemoryEngine` that looks for neighbours in an inverted-file index (IVF) of FAISS.

    Its centroids are the first chosen rows, which are far apart: nothing has to be trained.
    """

    def _make_neighbours(self) -> Neighbours:
        return _Index()


class _Index:
    def __init__(self) -> None:
        self._index: Any = None
        self._transform: Any = None

    def append(self, targets: Targets, nearest: Int[np.ndarray, " b"]) -> None:
        """Add the columns that are new; all of them when stand-ins have changed."""
        if len(targets) < CELLS:
            return
        if self._index is None or targets.proxies.transform is not self._transform:
            self._transform = targets.proxies.transform
            self._index = _empty_index(targets.matrix[:CELLS])
        self._index.add(targets.matrix[self._index.ntotal : len(targets)])

    def are_worth_a_visit(self, unmet: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """All: who asks for this engine asks for its index."""
        return np.ones(len(unmet), bool)

    def visit(
        self,
        targets: Targets,
        rows: Int[np.ndarray, " m"],
        left: Float32[np.ndarray, "m W"],
        seen: Int[np.ndarray, " m"],
        thresholds: Float[np.ndarray, " m"],
        squared: Float[np.ndarray, " m"],
        nearest: Int[np.ndarray, " m"],
    ) -> None:
        """Lower `squared` by the exact distance to the column that the index finds."""
        _, found = self._index.search(left, 1)
        hit = np.flatnonzero(found[:, 0] >= 0)  # -1 where the cells searched are empty
        met = found[hit, 0]
        points = targets.proxies.points
        decided = squared_distances_between(points, rows[hit], targets.points, met)
        closer = decided < squared[hit]
        squared[hit[closer]] = decided[closer]
        nearest[hit[closer]] = met[closer]


def _empty_index(centroids: Float32[np.ndarray, "c W"]) -> Any:
    import faiss

    width = centroids.shape[1]
    quantizer = faiss.IndexFlatL2(width)
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, width, len(centroids))
    index.is_trained = True
    index.nprobe = _PROBES
    return index
