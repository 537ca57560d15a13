"""An engine made of engines, such as one per file, device or machine; merges their frontiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evenly.engines.protocol import FRONTIER, Engine, Frontier
from evenly.engines.upper_bounds import ceiling_of, farthest_of
from evenly.geometry import Points, ProxyTransform
from evenly.geometry.search.in_order import products_within
from evenly.shapes import Float, Int


class ShardedEngine:
    """Engines whose rows are numbered consecutively, in the order given.

    The frontier consists of the farthest rows of all their frontiers; the ceiling is the largest
    of their ceilings and of the rows left out. All engines must hold points of one type.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._bounds = np.cumsum([0, *(len(engine) for engine in engines)])

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
        for number, engine in enumerate(self._engines):
            local = rows - self._bounds[number]
            engine.add(np.where((local >= 0) & (local < len(engine)), local, -1), points)

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Set the weights of squared distances; see `Engine.weigh`."""
        for engine, part in zip(self._engines, np.split(weights, self._bounds[1:-1]), strict=True):
            engine.weigh(part)

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows from further picks: every engine retires its own."""
        for number, engine in enumerate(self._engines):
            local = rows - self._bounds[number]
            engine.retire(local[(local >= 0) & (local < len(engine))])

    def release(self) -> None:
        """Drop weights and retirement; see `Engine.release`."""
        for engine in self._engines:
            engine.release()

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """Return the farthest rows of all frontiers; see `Engine.frontier`."""
        parts = [engine.frontier(size) for engine in self._engines]
        return merged(parts, self._bounds[:-1].tolist(), size)


def merged(parts: Sequence[Frontier], firsts: Sequence[int], size: int) -> Frontier:
    """Return the frontier of several engines: at most `size` of the farthest rows of theirs.

    Args:
        parts: their frontiers; only rows, points, squared distances, weights and ceilings are read.
        firsts: the number of the first row of each engine.
        size: the most rows.
    """
    rows = np.concatenate([part.rows + first for part, first in zip(parts, firsts, strict=True)])
    squared = np.concatenate([part.squared for part in parts])
    points = Points.join([part.points for part in parts if part.points is not None])
    weights = None
    if parts[0].weights is not None:
        weights = np.concatenate([part.weights for part in parts if part.weights is not None])
    keys = squared if weights is None else squared * weights
    kept = farthest_of(keys, size)
    left_out = np.delete(np.arange(len(rows)), kept)
    outside = [
        (part.ceiling, part.ceiling_row + first) for part, first in zip(parts, firsts, strict=True)
    ]
    outside += zip(keys[left_out].tolist(), rows[left_out].tolist(), strict=True)
    ceiling, ceiling_row = ceiling_of(outside)
    inside = points.take(kept)
    transform = ProxyTransform.of(inside)
    proxies = transform.proxies(inside, np.arange(len(inside)))
    return Frontier(
        rows=rows[kept],
        points=inside,
        squared=squared[kept],
        between=lambda: products_within(proxies, 1, whole=True),
        proxies=proxies,
        transform=transform,
        ceiling=ceiling,
        ceiling_row=ceiling_row,
        weights=None if weights is None else weights[kept],
    )
