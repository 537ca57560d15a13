"""The frontiers of several engines as one, wherever the engines are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evenly.engines.protocol import Frontier
from evenly.engines.upper_bounds import ceiling_of, farthest_of
from evenly.geometry import TIE, Points, ProxyTransform, usable_threads
from evenly.geometry.search.in_order import products_within
from evenly.shapes import Int

if TYPE_CHECKING:
    from collections.abc import Callable

# How many times its share of a frontier an engine may have, and how many rows above that.
_TIMES, _SPARE = 4, 16


class Merger:
    """Asks several engines for their frontiers, and makes one of them.

    All are asked only for rows above a common floor, which about as many rows of all engines
    together are likely to reach as a frontier has. So what is computed, sent and merged does not
    grow with the number of engines. If the floor was too high, they are asked once more.

    Args:
        firsts: the number of the first row of each engine.

    Attributes:
        has_changed: whether rows were added or retired since the last frontier; set it then.
    """

    def __init__(self, firsts: Sequence[int]) -> None:
        self._firsts = firsts
        # While rows are merged, no engine computes.
        self._threads = usable_threads()
        self._given = np.zeros(len(firsts), np.int64)  # rows that each had in the last frontier
        # The next floor is the last ceiling over e to the power of the gap.
        self._ceiling, self._gap = 0.0, 0.0
        self.has_changed = False

    def frontier(
        self,
        ask: Callable[[Int[np.ndarray, " p"], float], Sequence[Frontier]],
        size: int,
        floor: float,
    ) -> Frontier:
        """Return the farthest rows of all engines; see `Engine.frontier`.

        Args:
            ask: returns a frontier of each engine, in order, given their sizes and a floor.
            size, floor: see `Engine.frontier`.
        """
        likely = floor
        # If nothing has changed, the last frontier did not decide the next pick.
        if self.has_changed and 0.0 < self._ceiling < np.inf:
            likely = max(floor, self._ceiling * math.exp(-self._gap))
        self.has_changed = False
        frontier = self._merged(ask, size, likely)
        if likely > floor and len(frontier.rows) < max(1, size // 8):
            frontier = self._merged(ask, size, floor)
        return frontier

    def _merged(
        self,
        ask: Callable[[Int[np.ndarray, " p"], float], Sequence[Frontier]],
        size: int,
        floor: float,
    ) -> Frontier:
        # Most far rows may be in a few engines: those that had many may have more.
        shares = size // len(self._firsts) + self._given
        parts = ask(np.minimum(size, _TIMES * shares + _SPARE), floor)
        frontier = merged(parts, self._firsts, size, threads=self._threads)
        self._given = np.array([len(part.rows) for part in parts])
        self._ceiling = ceiling = frontier.ceiling
        if 0.0 < ceiling < np.inf:
            # If the floor decided nothing, its gap is as wide as these rows lie apart.
            found = self._given.sum()
            if ceiling > floor * (1.0 + TIE):
                self._gap = math.log(frontier.keys.max(initial=ceiling) / ceiling)
                found = len(frontier.rows)
            # It narrows faster than it widens: too low a floor costs more than too high a one.
            self._gap *= min(2.0, max(0.25, size / max(1, found)))
        return frontier


def merged(
    parts: Sequence[Frontier], firsts: Sequence[int], size: int, *, threads: int = 1
) -> Frontier:
    """Return the frontier of several engines: at most `size` of the farthest rows of theirs.

    Args:
        parts: their frontiers; only rows, points, squared distances, weights and ceilings are read.
        firsts: the number of the first row of each engine.
        size: the most rows.
        threads: how many threads multiply them with each other.
    """
    rows = np.concatenate([part.rows + first for part, first in zip(parts, firsts, strict=True)])
    squared = np.concatenate([part.squared for part in parts])
    points = Points.join([part.points for part in parts if part.points is not None])
    weights = None
    if parts[0].weights is not None:
        weights = np.concatenate([part.weights for part in parts if part.weights is not None])
    keys = np.concatenate([part.keys for part in parts])
    outside = [
        (part.ceiling, part.ceiling_row + first) for part, first in zip(parts, firsts, strict=True)
    ]
    # Rows below the ceiling cannot be picked before the next frontier.
    able = np.flatnonzero(keys >= ceiling_of(outside)[0] * (1.0 - 2.0 * TIE))
    kept = able[farthest_of(keys[able], size)]
    left_out = np.delete(np.arange(len(rows)), kept)
    outside += zip(keys[left_out].tolist(), rows[left_out].tolist(), strict=True)
    ceiling, ceiling_row = ceiling_of(outside)
    inside = points.take(kept)
    transform = ProxyTransform.of(inside)
    proxies = transform.proxies(inside, np.arange(len(inside)))
    return Frontier(
        rows=rows[kept],
        points=inside,
        squared=squared[kept],
        between=lambda: products_within(proxies, threads),
        proxies=proxies,
        transform=transform,
        ceiling=ceiling,
        ceiling_row=ceiling_row,
        weights=None if weights is None else weights[kept],
    )
