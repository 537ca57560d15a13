"""An engine made of engines, such as one per file or device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evenly.engines.merging import Merger
from evenly.engines.protocol import FRONTIER, Engine, Frontier
from evenly.geometry import Points
from evenly.shapes import Float, Int


class ShardedEngine:
    """Engines whose rows are numbered consecutively, in the order given.

    All engines must hold points of one type; see `Merger` for their frontiers.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._bounds = np.cumsum([0, *(len(engine) for engine in engines)])
        self._merger = Merger(self._bounds[:-1].tolist())

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Return rows as points."""
        owners = np.searchsorted(self._bounds, rows, side="right") - 1
        order = np.argsort(owners, kind="stable")
        parts = [
            self._engines[owner].fetch(rows[owners == owner] - self._bounds[owner])
            for owner in np.unique(owners).tolist()
        ]
        return Points.join([part for part in parts if part is not None]).take(np.argsort(order))

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: every engine compares its rows with all of them."""
        self._merger.has_changed = True
        for number, engine in enumerate(self._engines):
            local = rows - self._bounds[number]
            engine.add(np.where((local >= 0) & (local < len(engine)), local, -1), points)

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Set the weights of squared distances; see `Engine.weigh`."""
        for engine, part in zip(self._engines, np.split(weights, self._bounds[1:-1]), strict=True):
            engine.weigh(part)

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows from further picks: every engine retires its own."""
        self._merger.has_changed = True
        for number, engine in enumerate(self._engines):
            local = rows - self._bounds[number]
            engine.retire(local[(local >= 0) & (local < len(engine))])

    def release(self) -> None:
        """Drop weights and retirement; see `Engine.release`."""
        for engine in self._engines:
            engine.release()

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows of all frontiers; see `Engine.frontier`."""
        return self._merger.frontier(self.ask, size, floor)

    def ask(self, sizes: Int[np.ndarray, " p"], floor: float) -> list[Frontier]:
        """Return a frontier of each engine."""
        asked = zip(self._engines, sizes.tolist(), strict=True)
        return [engine.frontier(size, floor) for engine, size in asked]
