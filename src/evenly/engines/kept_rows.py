"""Rows that were read from disk and are needed next, in memory once and not twice."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from evenly.geometry import Points, blocks
from evenly.shapes import Int

# Rows that are moved at once.
_MOVED_ROWS = 4096


class KeptRows:
    """The first rows of a pass that may be needed: at most `most`, in one array.

    Tiles of rows are added by several threads in about their order, and are in the array in
    exactly their order, so that rows are put into place without a second array of them.

    Args:
        points: the pool.
        most: how many rows to keep.
    """

    def __init__(self, points: Points, most: int) -> None:
        self._points = points
        self._stored = np.empty((most, points.dimension), points.stored.dtype)
        self._rows = np.empty(most, np.int64)
        self._count, self._next = 0, 0
        self._early: dict[int, tuple[Int[np.ndarray, " m"], np.ndarray[Any, Any]]] = {}
        self._lock = Lock()

    def add(self, tile: int, rows: Int[np.ndarray, " m"], stored: np.ndarray[Any, Any]) -> None:
        """Keep rows of a tile if there is room; tiles are numbered from 0, and none is left out."""
        with self._lock:
            self._early[tile] = rows, stored
            while self._next in self._early:
                rows, stored = self._early.pop(self._next)
                self._next += 1
                end = min(self._count + len(rows), len(self._rows))
                new = slice(self._count, end)
                self._rows[new], self._stored[new] = (
                    rows[: end - new.start],
                    stored[: end - new.start],
                )
                self._count = end

    def take(self, rows: Int[np.ndarray, " m"]) -> Points:
        """Return rows, given in ascending order, as points; read those that were not kept.

        There may be at most `most` of them. They take the place of the kept rows.
        """
        known, self._count = self._rows[: self._count], 0
        places = np.searchsorted(known, rows)
        places[places == len(known)] = 0
        found = known[places] == rows if len(known) else np.zeros(len(rows), bool)
        stored = self._stored
        sources, targets = places[found], np.flatnonzero(found)
        # Towards the beginning, and then away from it: no row is overwritten before it is moved.
        parts = list(blocks(len(sources), 1, numbers=_MOVED_ROWS))
        for part in parts:
            stored[part] = stored[sources[part]]
        for part in reversed(parts):
            stored[targets[part]] = stored[part].copy()
        missing = np.flatnonzero(~found)
        if len(missing):
            stored[missing] = self._points.take(rows[missing]).stored
        factors = self._points.factors
        own = None if factors is None else factors[rows]
        eligible = np.ones(len(rows), bool)
        return Points(stored[: len(rows)], own, eligible, self._points.longest)
